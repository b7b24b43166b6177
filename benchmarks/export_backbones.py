"""Whether every network of the catalogue is written as ONNX as it is: rows of ONNX Runtime against torch's.

    python benchmarks/export_backbones.py

Needs "headstart[onnx]". Each network has random weights; two made-up images, and one alone, at its own size.
Measured: of the 14 networks the largest distance of a row, relative to its length, is 3.6e-6 (efficientnet_lite2).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from headstart.backbones import catalog, network, saved, weights
from headstart.backbones.exported import IMAGES, network_to_onnx
from headstart.backbones.runtime import synthetic_images
from headstart.deploy.onnx_nodes import OPSET, import_onnxruntime

SAME = 1e-4
"""Relative distance of rows: networks of random weights have larger numbers than trained ones."""


def distance(name: str) -> float:
    """Largest relative distance of a row of the network of that name."""
    backbone = catalog.get(name)
    size = backbone.input_size
    frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=size)
    with tempfile.TemporaryDirectory() as folder:
        saved.write(frozen, {"size": size}, Path(folder))
        content = network_to_onnx(Path(folder), list(frozen.widths), opset=OPSET)
    session = import_onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
    images, worst = synthetic_images(size, 3), 0.0
    with torch.inference_mode():
        expected = [rows.numpy() for rows in frozen(torch.from_numpy(images))]
    for part in (slice(0, 3), slice(2, 3)):
        found = session.run(list(frozen.widths), {IMAGES: images[part].astype(np.float32)})
        for rows, wanted in zip(found, expected, strict=True):
            apart = np.linalg.norm(rows - wanted[part], axis=1) / np.linalg.norm(wanted[part], axis=1)
            worst = max(worst, float(apart.max()))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="of networks; all of the catalogue by default")
    names = parser.parse_args().names or [backbone.name for backbone in catalog.all()]
    failed = []
    for name in names:
        try:
            found = f"{(apart := distance(name)):.1e}"
            bad = not apart <= SAME
        except Exception as error:
            found, bad = f"{type(error).__name__}: {str(error).splitlines()[0]}", True
        failed += [name] * bad
        print(f"{name:32s} {found}", flush=True)
    sys.exit(f"{len(failed)} of {len(names)} do not hold: {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
