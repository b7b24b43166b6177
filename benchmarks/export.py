"""How far what is exported answers from the model it was made from, on folders of pictures and on every format.

    python benchmarks/export.py runs/cats_dogs cats_dogs/val

Needs "headstart[onnx]". The run is exported to ONNX and to OpenVINO; every picture, its formats, and a JPEG of 12
megapixels are answered by the model in float32, ONNX Runtime and OpenVINO, from the same pixels; and by the model from
the file, of which it decodes a large JPEG at a fraction of its size. So are fp16 and int8, where the export does not
refuse them over the run's own pictures. Exit code 1 where something does not hold.

Measured: every label is the same everywhere. Largest difference of a probability, of 161 pictures from ants_bees/val
and of 508 from cats_dogs/val, both with efficientnet_lite0: ONNX Runtime from the model 0.0001 and 0.0008, OpenVINO
from the model 0.0006 and 0.0011, the two from each other 0.0006 and 0.0014, in fp16 0.0037 and 0.0050. Beside the
verdict: from the model given the files 0.0001 and 0.0008, from the model in bfloat16 0.025 and 0.043. With a model
fine-tuned on 200 cats and dogs, of 508: 0.0003, 0.0005, 0.0006, in fp16 0.0043.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from headstart.arrays import Pixels
from headstart.deploy.model import Model, Prediction
from headstart.deploy.portable import Portable, open_onnx, open_openvino
from headstart.deploy.verify import LARGEST_DIFFERENCE, LEAST_AGREEMENT, Agreement, agreement
from headstart.errors import ModelError
from headstart.images.decode import decode, encode, resample
from headstart.images.walk import find_images
from headstart.workflows.export import ExportOptions, export

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "AVIF")
LARGE = (4000, 3000)
"""Width and height of the large JPEG, in pixels: 12 megapixels."""
OTHER_RUNTIME = 0.005
"""Largest difference of a probability between ONNX Runtime and OpenVINO."""
BLOCK = 8


Way = Callable[[list[Path], list[Pixels]], list[Prediction]]
"""Answers pictures, given as files and as pixels."""


def answers_of(file: Portable) -> Way:
    return lambda _, pixels: list(file.answers(pixels))


def pictures(photos: Path, scratch: Path) -> Iterator[Path]:
    """The pictures of the folder, one of them in every format, and a large one."""
    paths = find_images([photos])
    yield from paths
    first = decode(paths[0])
    for name in FORMATS:
        file = scratch / f"format.{name.lower()}"
        file.write_bytes(encode(first, format=name))
        yield file
    large = scratch / "large.jpg"
    large.write_bytes(encode(resample(first, size=LARGE)))
    yield large


def shown(what: str, part: Agreement) -> bool:
    """Print how two ways agree; whether it holds."""
    print(f"{what:42s} n={part.n} same label {part.share:.2%} largest {part.largest:.5f} mean {part.mean:.5f}", end=" ")
    print(f"novelty {part.novelty:.5f} ({part.farthest})", flush=True)
    return part.holds


def in_fewer_bits(run: Path, scratch: Path) -> dict[str, Portable]:
    """The files in fewer bits that are not refused, by runtime and precision; what is refused is printed."""
    files = {}
    for runtime, to, ending, opened in (
        ("ONNX Runtime", "onnx", "onnx", open_onnx),
        ("OpenVINO", "openvino", "xml", open_openvino),
    ):
        for precision in ("fp16", "int8"):
            try:
                written = export(run, to, scratch / f"{precision}.{ending}", ExportOptions(precision=precision))
                files[f"{runtime} in {precision}"] = opened(written.path)
            except ModelError as error:
                print(f"{runtime}: {error}", flush=True)
    return files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        onnx = open_onnx(export(options.run, "onnx", scratch / "it.onnx").path)
        other = open_openvino(export(options.run, "openvino", scratch / "it.xml").path)
        fewer = in_fewer_bits(options.run, scratch)
        model, served = Model.load(options.run, precision="f32"), Model.load(options.run)
        ways: dict[str, Way] = {
            "onnx": answers_of(onnx),
            "openvino": answers_of(other),
            "model": lambda _, pixels: model.predict(pixels),
            "model, files": lambda paths, _: model.predict(paths),
            "served": lambda _, pixels: served.predict(pixels),
        }
        ways |= {precision: answers_of(file) for precision, file in fewer.items()}
        answers: dict[str, list[Prediction]] = {name: [] for name in ways}
        paths = list(pictures(options.photos, scratch))
        for start in range(0, len(paths), BLOCK):
            block = paths[start : start + BLOCK]
            pixels = [decode(path) for path in block]
            for name, way in ways.items():
                answers[name] += way(block, pixels)
    names = [path.name for path in paths]

    def compared(some: str, others: str, tolerance: float = LARGEST_DIFFERENCE["f32"]) -> Agreement:
        return agreement(names, answers[some], answers[others], tolerance=tolerance)

    holds = [
        shown("ONNX Runtime, model in float32", compared("onnx", "model")),
        shown("OpenVINO, model in float32", compared("openvino", "model")),
        shown("ONNX Runtime, OpenVINO", compared("onnx", "openvino", OTHER_RUNTIME)),
    ]
    for name, file in fewer.items():
        part = compared(name, "model", LARGEST_DIFFERENCE[file.manifest.precision])
        shown(f"{name}, model in float32", part)
        holds.append(replace(part, least=LEAST_AGREEMENT[file.manifest.precision]).holds)
    shown("ONNX Runtime, model given the files", compared("onnx", "model, files"))
    shown(f"ONNX Runtime, model in {served.space.runtime.name}", compared("onnx", "served"))
    sys.exit(not all(holds))


if __name__ == "__main__":
    main()
