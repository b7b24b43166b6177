"""Answer pictures with the model in this folder: no network, and nothing but ONNX Runtime, NumPy and Pillow.

    classify new.jpg folder -o answers.csv
    classify --verify

One row a picture, in the order given, folders with all that is in them. Exit codes: 0 done; 1 done, but some pictures
could not be read, or `--verify` does not hold; 2 the input cannot be used.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import csv
import io
import json
import os
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before it is imported: it reports its use to its makers
import onnxruntime

MODEL = Path(__file__).with_name("model.onnx")
FORMATS = ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO"]
"""That are read: Pillow knows others that start programs, or take almost any bytes."""
MOST_PIXELS, MOST_BYTES = 178_956_970, 512 << 20
TWELVE_BITS, SIXTEEN_BITS = 16383, 65535
"""Above the first a picture of 16 bits cannot be one of 10, 12 or 14; the second is white then."""
SAME = 1e-3
"""Largest difference of a probability of a golden picture."""
COLUMNS = ["path", "label", "probability", "unsure", "unfamiliar", "novelty", "reason"]


def pixels(source: Path | bytes, levels: dict[str, Any] | None) -> NDArray[Any]:
    """A picture (h, w, 3), upright, on white where it is transparent. Raises ValueError with the reason."""
    try:
        size = source.stat().st_size if isinstance(source, Path) else len(source)
        if size > MOST_BYTES:
            raise ValueError(f"a file of {size / 1e9:.2f} GB")
        data = source.read_bytes() if isinstance(source, Path) else source
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
        deep = image.mode[0] in "IF" or ";16" in str(getattr(image, "tile", ""))
        image.load()
    except Exception as error:  # Pillow's decoders raise nearly every kind of exception on damaged data
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    if deep:
        image = Image.fromarray(grey(image, data, levels))
    with contextlib.suppress(Exception):  # damaged EXIF says nothing of what is up
        image = ImageOps.exif_transpose(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        on_white = Image.new("RGB", image.size, "white")
        on_white.paste(image, mask=image.getchannel("A"))
        image = on_white
    return np.asarray(image.convert("RGB"))


def grey(image: Image.Image, data: bytes, levels: dict[str, Any] | None) -> NDArray[Any]:
    """The 8 bits (h, w) of a grey picture of 16, where it is known which of its values is white."""
    values = np.asarray(image)
    scale = (levels or {}).get("integers") or ((0, SIXTEEN_BITS) if values.max() > TWELVE_BITS else None)
    if not image.mode.startswith("I;16") or image.format != "PNG" or b"sBIT" in data.partition(b"IDAT")[0] or not scale:
        raise ValueError("more than 8 bits a channel, of a kind that `headstart predict` alone reads")
    black, white = scale
    scaled = (values.astype(np.float64) - black) * (255 / max(white - black, 1e-9))
    return np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)


def found(inputs: list[str]) -> list[Path]:
    """Files as they are, folders with all files below them, without hidden ones."""
    paths: list[Path] = []
    for item in map(Path, inputs):
        below = sorted(path for path in item.rglob("*") if path.is_file()) if item.is_dir() else [item]
        paths += [path for path in below if not any(part.startswith(".") for part in path.relative_to(item).parts)]
    return paths


class Model:
    """The file, ready to answer."""

    def __init__(self) -> None:
        Image.MAX_IMAGE_PIXELS = MOST_PIXELS // 2  # Pillow refuses what has twice as many
        warnings.simplefilter("ignore")
        self.session = onnxruntime.InferenceSession(str(MODEL), providers=["CPUExecutionProvider"])
        self.says = json.loads(self.session.get_modelmeta().custom_metadata_map["headstart"])
        self.names = [output.name for output in self.session.get_outputs()]

    def answer(self, source: Path | bytes) -> dict[str, Any]:
        """The outputs of the file, by name. Raises ValueError for what cannot be read."""
        values = self.session.run(self.names, {"image": pixels(source, self.says["geometry"]["levels"])[None]})
        return {name: value[0] for name, value in zip(self.names, values)}  # noqa: B905, older Pythons

    def row(self, path: Path) -> list[str]:
        """Of `COLUMNS`, and the probability of each class."""
        shown = os.fspath(path).encode("utf-8", "backslashreplace").decode()
        try:
            answer = self.answer(path)
        except ValueError as error:
            return [shown, "", "", "", "", "", str(error)] + [""] * len(self.says["classes"])
        proba, best = answer["probabilities"], int(answer["probabilities"].argmax())
        judged = [
            ["no", "yes"][bool(answer[name])] if self.says[limit] is not None else ""
            for name, limit in (("unsure", "sure_from"), ("unfamiliar", "unfamiliar_above"))
        ]
        novelty = "" if self.says["unfamiliar_above"] is None else f"{answer['novelty']:.6f}"
        each = [f"{p:.6f}" for p in proba]
        return [shown, self.says["classes"][best], each[best], *judged, novelty, "", *each]

    def verify(self) -> bool:
        """Whether the golden pictures are answered as the model answered them; says so."""
        apart = 0.0
        for golden in self.says["golden"]:
            answered = self.answer(base64.b64decode(golden["data"]))["probabilities"]
            apart = max(apart, float(np.abs(answered - np.array(golden["probabilities"])).max()))
        holds = apart <= SAME
        said = "as the model did" if holds else "OTHERWISE than the model did: do not use it"
        print(f"{len(self.says['golden'])} golden pictures are answered {said}, largest difference {apart:.1e}")
        return holds


def line(row: list[str]) -> str:
    """A row for people: path, label, probability and doubts, or the reason why there are none."""
    path, label, probability, unsure, unfamiliar, _, reason = row[: len(COLUMNS)]
    if reason:
        return f"{path}\tnot read: {reason}"
    doubts = " ".join(name for name, said in (("unsure", unsure), ("unfamiliar", unfamiliar)) if said == "yes")
    return f"{path}\t{label} {100 * float(probability):.1f}%" + (f"\t{doubts}" if doubts else "")


def inert(cell: str) -> str:
    """A cell that no spreadsheet runs as a formula."""
    is_number = cell.replace(".", "", 1).isdigit()
    return f"'{cell}" if not is_number and cell[:1] in tuple("=+-@'\t\r\n") else cell


def refuse(what: str) -> NoReturn:
    """End with the exit code for an input that cannot be used."""
    print(f"error: {what}", file=sys.stderr)
    raise SystemExit(2)


def main() -> int:
    """Parse, answer, say."""
    parser = argparse.ArgumentParser(prog="classify", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("pictures", nargs="*", help="files, and folders with all that is in them")
    parser.add_argument("-o", "--out", type=Path, help="a table to write, CSV")
    parser.add_argument(
        "--verify", action="store_true", help="only answer the golden pictures, and say whether it holds"
    )
    options = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a name that the terminal cannot show ends nothing
    if options.verify:
        return 0 if Model().verify() else 1
    if not options.pictures:
        refuse("no pictures were given: classify FOLDER -o answers.csv")
    begins = ",".join(COLUMNS)
    if options.out and options.out.exists() and not options.out.read_bytes().startswith(begins.encode()):
        refuse(f"{options.out} is there and is something else: choose another name with -o")
    model, paths, unread = Model(), found(options.pictures), 0
    rows = (model.row(path) for path in paths)
    if options.out is None:
        for row in rows:
            print(line(row))
            unread += bool(row[6])
        return 1 if unread or not paths else 0
    unfinished = options.out.with_name(f".{options.out.name}.part")
    with unfinished.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow([*COLUMNS, *map(inert, model.says["classes"])])
        for row in rows:
            table.writerow([inert(cell) for cell in row])
            unread += bool(row[6])
    unfinished.replace(options.out)
    print(f"{len(paths) - unread} of {len(paths)} pictures labelled: {options.out}", file=sys.stderr)
    return 1 if unread or not paths else 0


if __name__ == "__main__":
    raise SystemExit(main())
