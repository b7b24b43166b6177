"""The topology of a bundled network, from torch: what `headstart.backbones.topology` reads.

    python tools/topology.py            # about a minute; needs torch, timm and OpenVINO as in requirements.lock

To be run when `network.FrozenNetwork` gives other rows than before, or when a package of published weights changes.
``tests/test_backbones_topology.py`` says whether it must be.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import tempfile
import xml.etree.ElementTree as ElementTree
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from headstart.backbones import catalog, conversion, graph_folder, network, proof, state_dicts, topology, weights
from headstart.backbones.pretrained import Backbone
from headstart.backbones.topology import COUNTER, STEP, Folded, Stored
from headstart.versions import version


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=topology.FOLDER)
    out = parser.parse_args().out
    for architecture in topology.SHIPPED:
        content = json.dumps(made(catalog.get(architecture)), separators=(",", ":")).encode()
        file = out / f"{architecture}.json.gz"
        file.write_bytes(gzip.compress(content, mtime=0))
        print(f"{file}: {file.stat().st_size:,} bytes")


def made(backbone: Backbone) -> dict[str, Any]:
    """The document of a network that carries its weights in a package."""
    located = weights.locate(backbone)
    assert located.path is not None
    size = backbone.input_size
    frozen = network.freeze(backbone, located, size=size)
    with tempfile.TemporaryDirectory() as folder:
        conversion.write(frozen, {"size": size}, Path(folder))
        xml = (Path(folder) / graph_folder.XML).read_text(encoding="utf-8")
        numbers = (Path(folder) / graph_folder.TENSORS).read_bytes()
    folded = folds(frozen.model, numbers, xml)
    return {
        "architecture": backbone.architecture,
        "weights": located.sha256,
        "mean": backbone.mean,
        "std": backbone.std,
        "size": size,
        "widths": frozen.widths,
        "depth_channels": frozen.depth_channels,
        "tensors": {name: asdict(each) for name, each in stored(frozen.model, located.path).items()},
        "folded": [asdict(each) for each in folded],
        "literals": literals(frozen.model, folded, numbers),
        "numbers": len(numbers),
        "rows": {
            name: [[float(str(number)) for number in row[::STEP]] for row in rows]
            for name, rows in proof.rows(frozen, size).items()
        },
        "graph": xml,
        "made_with": {package: version(package) for package in ("torch", "timm", "openvino")},
    }


def stored(model: nn.Module, path: Path) -> dict[str, Stored]:
    """Where each tensor of ``model`` lies in the file of weights, and how timm draws it."""
    content, given = path.read_bytes(), state_dicts.read(path)
    own = {name: value for name, value in model.state_dict().items() if not name.endswith(COUNTER)}
    ordered = [value for name, value in given.items() if not name.endswith(COUNTER)]
    places = {}
    for (name, value), source in zip(own.items(), ordered, strict=False):
        assert torch.equal(value, source), name
        numbers = bytes(source.untyped_storage())
        assert content.count(numbers) == 1, name
        places[name] = Stored(
            shape=tuple(source.shape),
            offset=content.index(numbers) + 4 * int(source.storage_offset()),
            strides=tuple(4 * step for step in source.stride()),
            **drawn(model, name),
        )
    return places


def drawn(model: nn.Module, name: str) -> dict[str, float]:
    """Mean and standard deviation of a tensor as timm's EfficientNets begin (``_init_weight_goog``)."""
    module, kind = model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2]
    if isinstance(module, nn.Conv2d):
        fan_out = module.kernel_size[0] * module.kernel_size[1] * module.out_channels // module.groups
        return {"mean": 0.0, "std": (2 / fan_out) ** 0.5}
    return {"mean": 1.0 if kind in ("weight", "running_var") else 0.0, "std": 0.0}


def folds(model: nn.Module, numbers: bytes, xml: str) -> tuple[Folded, ...]:
    """Where in graph.bin each convolution lies, with the batch normalisation after it; both in the order they run."""
    modules = dict(model.named_modules())
    layers = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    norms = [name for name, module in modules.items() if isinstance(module, nn.BatchNorm2d)]
    constants = sorted(
        {
            (int(data.attrib["offset"]), int(data.attrib["size"]))
            for layer in ElementTree.fromstring(xml).iter("layer")
            if layer.get("type") == "Const"
            for data in layer.iter("data")
        }
    )
    folded, at = [], 0
    for layer, norm in zip(layers, norms, strict=True):
        own, bn = modules[layer], modules[norm]
        gamma, beta, mu, var = (getattr(bn, name).numpy() for name in ("weight", "bias", "running_mean", "running_var"))
        scale = gamma / np.sqrt(var + np.float32(bn.eps))
        parts = []
        for part in (own.weight.numpy() * scale[:, None, None, None], beta - mu * scale):
            content = part.astype("<f4").tobytes()
            offset = next(o for o, length in constants if o >= at and numbers[o : o + length] == content)
            parts.append(offset)
            at = offset + len(content)
        folded.append(Folded(weight=f"{layer}.weight", norm=norm, epsilon=bn.eps, weight_at=parts[0], bias_at=parts[1]))
    return tuple(folded)


def literals(model: nn.Module, folded: tuple[Folded, ...], numbers: bytes) -> dict[str, str]:
    """What lies between the folded tensors in graph.bin, in base64 by the bytes before it."""
    taken = []
    for each in folded:
        weight = model.get_parameter(each.weight)
        taken += [(each.weight_at, 4 * weight.numel()), (each.bias_at, 4 * len(weight))]
    gaps, end = {}, 0
    for start, length in [*sorted(taken), (len(numbers), 0)]:
        if start > end:
            gaps[str(end)] = base64.b64encode(numbers[end:start]).decode()
        end = start + length
    return gaps


if __name__ == "__main__":
    main()
