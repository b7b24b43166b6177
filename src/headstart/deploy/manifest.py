"""What an exported file says of itself: how to read its answers, what it was made from, and what it must answer."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from headstart.arrays import Pixels
from headstart.deploy import directory, golden
from headstart.deploy.model import Model, Prediction, versions
from headstart.errors import ModelError, OptionError, Problem
from headstart.files import plain, sha256
from headstart.images.decode import decode
from headstart.images.transforms import Geometry
from headstart.schema import read_record
from headstart.untrusted import parsed_json

FORMAT = 1
KEY = "headstart"
"""Name of the entry of a file's metadata that holds the manifest."""
MOST_BYTES = 16 << 20
"""Of the manifest of a file that may come from anywhere: golden pictures have up to 4 MB, those that are drawn 0.3."""
Precision = Literal["f32", "fp16", "int8"]
SAME: Mapping[Precision, float] = {"f32": 1e-3, "fp16": 1e-3, "int8": 0.05}
"""Largest difference of a probability for a golden picture. In 8 bits every runtime rounds in its own way: measured
were 0.02 between ONNX Runtime here and in a browser, and 0.03 between it and OpenVINO."""
COPY = "export the model again"


@dataclass(frozen=True, kw_only=True)
class GoldenPicture:
    """A picture and what the file must answer for its pixels, decoded in full."""

    name: str
    data: str
    """The bytes of the picture's file in base64."""
    probabilities: tuple[float, ...]
    novelty: float | None
    unsure: bool
    unfamiliar: bool

    @property
    def bytes(self) -> bytes:
        """Of the picture's file. Raises ValueError."""
        return base64.b64decode(self.data, validate=True)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """The record, in the metadata of an exported file as JSON."""

    format: int
    classes: tuple[str, ...]
    """In the order of the probabilities."""
    backbone: Mapping[str, Any]
    geometry: Geometry
    """How the file makes a picture square; pictures of more than 8 bits a channel are brought to 8 by ``levels``."""
    pixels: str
    """How a picture becomes the input, in a sentence."""
    temperature: float
    sure_from: float | None
    """Probability of an answer below which it is unsure; None where that was not learned."""
    unfamiliar_above: float | None
    """Novelty above which a picture is unfamiliar; None where that was not learned."""
    precision: Precision
    """Of the network's numbers."""
    training: Mapping[str, Any]
    versions: Mapping[str, str]
    sha256: Mapping[str, str]
    """Of the files of the model directory that it was made from."""
    golden: tuple[GoldenPicture, ...]

    def __post_init__(self) -> None:
        k, names = len(self.classes), [picture.name for picture in self.golden]
        conditions = [
            (self.format == FORMAT, f"format {FORMAT}", self.format),
            (1 < k == len(set(self.classes)), "classes: different names, two or more", k),
            (1 <= len(names) == len(set(names)) <= directory.MOST_GOLDEN, "golden: a few pictures", names),
            (all(len(p.probabilities) == k for p in self.golden), f"golden: {k} probabilities for each", names),
        ]
        if problems := [
            Problem(expected=expected, found=str(found), todo=COPY)
            for holds, expected, found in conditions
            if not holds
        ]:
            raise OptionError("manifest", problems)

    def to_json(self) -> str:
        """As it stands in the metadata of a file."""
        return json.dumps(plain(self), ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, what: str) -> Manifest:
        """The inverse of `to_json`; raises ModelError about ``what``."""
        try:
            if len(text) > MOST_BYTES:
                raise ValueError(f"{len(text):,} characters, more than {MOST_BYTES:,}")
            document = parsed_json(text)
        except ValueError as error:
            expected = "a manifest in its metadata"
            raise ModelError.of(what, expected=expected, found=str(error), todo=COPY) from error
        return read_record(cls, document, what, todo=COPY, error=ModelError)

    def pictures(self) -> dict[str, bytes]:
        """The golden pictures as files, by name. Raises ModelError."""
        try:
            return {picture.name: picture.bytes for picture in self.golden}
        except ValueError as error:
            raise ModelError.of("golden pictures", expected="base64", found=str(error), todo=COPY) from error

    def decoded(self) -> list[Pixels]:
        """The pixels (h, w, 3) of the golden pictures. Raises ModelError."""
        return [decode(data, levels=self.geometry.levels) for data in self.pictures().values()]


PIXELS = "decoded in full and turned upright (EXIF), colour profiles ignored, transparency on white, RGB, 8 bits"


def manifest_of(model: Model, folder: Path, *, precision: Precision) -> Manifest:
    """The manifest of a file that is exported from ``model``, opened in float32 from the directory ``folder``."""
    document = directory.read(folder)
    pictures = golden.read(folder, document.golden)
    answers = model.predict([decode(data, levels=model.space.geometry.levels) for data in pictures.values()])
    return Manifest(
        format=FORMAT,
        classes=model.classes,
        backbone=model.backbone,
        geometry=model.space.geometry,
        pixels=PIXELS,
        temperature=model.head.temperature,
        sure_from=model.abstention.sure_from,
        unfamiliar_above=None if model.abstention.novelty is None else 1.0,
        precision=precision,
        training=model.training,
        versions={**versions()},
        sha256={directory.DOCUMENT: sha256(folder / directory.DOCUMENT), **document.files},
        golden=tuple(
            _golden(name, data, answer) for (name, data), answer in zip(pictures.items(), answers, strict=True)
        ),
    )


def _golden(name: str, data: bytes, answer: Prediction) -> GoldenPicture:
    assert answer.proba is not None  # it was drawn by us, and the model has just answered it
    return GoldenPicture(
        name=name,
        data=base64.b64encode(data).decode("ascii"),
        probabilities=tuple(answer.proba.tolist()),
        novelty=answer.novelty,
        unsure=bool(answer.unsure),
        unfamiliar=bool(answer.unfamiliar),
    )
