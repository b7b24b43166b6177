"""A frozen network run by torch itself: on a GPU, or on the CPU where OpenVINO is missing."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from headstart.backbones import graph, network, parity
from headstart.backbones.catalog import Backbone
from headstart.backbones.parity import Rows
from headstart.backbones.split import FrozenPrefix
from headstart.backbones.tuned import TunedNetwork
from headstart.backbones.weights import Weights
from headstart.errors import MissingPackageError, ModelError, OptionError, Problem, writing


def freeze(backbone: Backbone, weights: Weights, *, size: int) -> network.FrozenNetwork:
    """The network, built, loaded and frozen, for pictures of ``size`` pixels."""
    return network.FrozenNetwork(backbone, network.build(backbone, weights, size=size), size=size)


def prepare(
    backbone: Backbone,
    weights: Weights,
    identity: Mapping[str, Any],
    *,
    batch: int,
    target: str,
    precision: str,
    notes: tuple[str, ...] = (),
) -> TorchRuntime:
    """A torch runtime on ``target`` (``cpu``, ``cuda``, ``mps``) in the best precision that keeps parity.

    Raises:
        OptionError: torch does not see the device.
    """
    frozen = freeze(backbone, weights, size=identity["size"])
    return fastest(frozen, identity, backbone=backbone, batch=batch, target=target, precision=precision, notes=notes)


def fastest(
    frozen: network.FrozenNetwork | FrozenPrefix | TunedNetwork,
    identity: Mapping[str, Any],
    *,
    backbone: Backbone,
    batch: int,
    target: str,
    precision: str,
    notes: tuple[str, ...] = (),
) -> TorchRuntime:
    """`prepare` for a frozen module that is there already.

    Raises:
        OptionError: torch does not see the device.
    """
    seen = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not seen[target]:
        present = ", ".join(name for name, there in seen.items() if there)
        problem = Problem(expected=f"a device torch sees: {present}", found=target, todo="choose another, or auto")
        raise OptionError("device", [problem])
    half = precision == "bf16" or (precision == "auto" and target == "cuda" and torch.cuda.is_bf16_supported())
    attempts = [(target, "bf16")] * half + [(target, "f32")] + [("cpu", "f32")] * (target != "cpu")
    with torch.inference_mode():
        outputs = frozen(torch.from_numpy(parity.pictures(identity["size"])))
    reference = {name: output.numpy() for name, output in zip(frozen.widths, outputs, strict=True)}
    for device, candidate in attempts:
        runtime = TorchRuntime(
            copy.deepcopy(frozen), backbone, identity, batch=batch, device=device, precision=candidate, notes=notes
        )
        runtime.parity = parity.measure(runtime.run, size=runtime.size, batch=batch, reference=reference)
        if runtime.parity >= parity.THRESHOLD:
            break
        notes += (
            f"{runtime.name} strays from torch f32 (mean cosine {runtime.parity:.4f} < {parity.THRESHOLD}): not used",
        )
    return runtime


def open_network(folder: Path, *, size: int, batch: int, precision: str) -> TorchRuntime:
    """The network `TorchRuntime.save` wrote where there was no OpenVINO, on the CPU.

    Raises:
        ModelError: damaged, or for pictures of another size.
        WeightsError: its tensors are damaged.
    """
    try:
        saved = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        record, identity = saved["backbone"], saved["identity"]
        backbone = Backbone(**{**record, "mean": tuple(record["mean"]), "std": tuple(record["std"])}, source=None)
        weights = Weights(path=folder / "network.safetensors", sha256=identity["weights"], origin="file")
        found = identity["size"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        found, expected = f"{type(error).__name__}: {error}", "a readable network.json"
    else:
        expected = f"a network for pictures of {size} pixels"
    if found != size:
        raise ModelError(
            f"network {folder}", [Problem(expected=expected, found=str(found), todo="save the model again")]
        )
    return prepare(backbone, weights, identity, batch=batch, target="cpu", precision=precision)


class TorchRuntime:
    """A frozen network in torch; see `headstart.backbones.runtime.Runtime`."""

    def __init__(
        self,
        frozen: network.FrozenNetwork | FrozenPrefix | TunedNetwork,
        backbone: Backbone,
        identity: Mapping[str, Any],
        *,
        batch: int,
        device: str,
        precision: str,
        notes: tuple[str, ...],
    ) -> None:
        self.name = f"torch {precision} {device}"
        self.size: int = identity["size"]
        self.batch = batch
        self.widths = frozen.widths
        self.notes = notes
        self.parity = 0.0  # until measured
        self.key = graph.digest(
            {**identity, "runtime": self.name, "runtime version": torch.__version__, "batch": batch}
        )
        self._backbone, self._identity = backbone, dict(identity)
        self._device, self._half = device, precision == "bf16"
        self._frozen = frozen.to(device).to(memory_format=torch.channels_last)

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Rows]:
        """Rows for each of ``batches``, in order. On a GPU a batch is pulled while the one before is computed."""
        waiting: list[tuple[tuple[Tensor, ...], int]] = []
        for pictures in batches:
            outputs = self._forward(graph.padded(pictures, batch=self.batch, size=self.size))
            if waiting:
                yield self._rows(*waiting.pop())
            waiting.append((outputs, len(pictures)))
        if waiting:
            yield self._rows(*waiting.pop())

    def save(self, folder: Path) -> None:
        """Write a graph into ``folder``; where there is no OpenVINO to make one, the network's tensors."""
        folder.mkdir(parents=True, exist_ok=True)
        frozen = copy.deepcopy(self._frozen).to("cpu").to(memory_format=torch.contiguous_format)
        if graph.available():
            graph.write(frozen, self._identity, folder)
            return
        if not isinstance(frozen, network.FrozenNetwork):
            raise MissingPackageError("openvino", "saving a fine-tuned network", "pip install openvino")
        from safetensors.torch import save_file

        with writing(folder / "network.safetensors") as file:
            save_file(frozen.model.state_dict(), file)
        record = {name: value for name, value in asdict(self._backbone).items() if name != "source"}
        saved = {"backbone": record, "identity": self._identity}
        (folder / "network.json").write_text(json.dumps(saved, indent=1) + "\n", encoding="utf-8")

    def _forward(self, pictures: NDArray[np.uint8]) -> tuple[Tensor, ...]:
        deterministic = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
        half = torch.autocast(self._device, dtype=torch.bfloat16, enabled=self._half)
        with torch.inference_mode(), deterministic, half:
            outputs: tuple[Tensor, ...] = self._frozen(torch.from_numpy(pictures).to(self._device))
            return outputs

    def _rows(self, outputs: tuple[Tensor, ...], count: int) -> Rows:
        return {name: output[:count].float().cpu().numpy() for name, output in zip(self.widths, outputs, strict=True)}
