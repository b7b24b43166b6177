from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.deploy import golden
from headstart.errors import ModelError
from headstart.images.decode import decode
from headstart.images.grey_levels import FULL, Levels
from headstart.images.recognise import read_header

NAMES = sorted(golden.pictures())


@dataclass
class Answering:
    """A model that answers the same for every picture; None where it can read none."""

    proba: list[float] | None
    runtime: str = "openvino f32"

    @property
    def here(self) -> Any:
        return SimpleNamespace(name=self.runtime, precision=self.runtime.split()[1])

    def ask(self, pictures: Sequence[bytes]) -> list[Any]:
        return [None if self.proba is None else np.array(self.proba) for _ in pictures]


def check(model: Answering, *, saved: list[float], saved_f32: list[float], by: str) -> None:
    expected, expected_f32 = (dict.fromkeys(NAMES, proba) for proba in (saved, saved_f32))
    document = SimpleNamespace(golden=expected, golden_f32=expected_f32, runtime=by)
    golden.check_answers(model.ask, model.here, Path("model"), document, golden.pictures())  # type: ignore[arg-type]


def test_the_pictures_differ_and_can_be_decoded(tmp_path: Path) -> None:
    golden.write(tmp_path)
    decoded = [decode(tmp_path / "golden" / name) for name in NAMES]
    assert len({image.shape for image in decoded}) == 3
    assert all(image.std() > 20 for image in decoded)


def test_a_model_with_levels_has_a_picture_of_16_bits_that_shows_them(tmp_path: Path) -> None:
    for number, levels in enumerate((Levels(integers=(0.0, 4095.0)), Levels(floats=(-5.0, 3000.0)))):
        folder = tmp_path / str(number)
        folder.mkdir()
        golden.write(folder, levels)
        path = folder / "golden" / "sixteen.png"
        assert read_header(path).deep == "grey"
        assert decode(path, levels=levels).std() > 60
        assert decode(path, levels=Levels(integers=FULL)).std() < 20


@pytest.mark.parametrize(
    ("here", "by", "proba", "holds"),
    [
        ("openvino f32", "openvino f32", [0.4005, 0.5995], True),
        ("openvino f32", "openvino f32", [0.402, 0.598], False),
        ("openvino bf16", "openvino bf16", [0.4005, 0.5995], True),
        ("openvino bf16", "openvino bf16", [0.402, 0.598], False),  # held against what this very runtime gave
        ("torch f32 cpu", "openvino bf16", [0.5005, 0.4995], True),  # against what was given in float32
        ("torch f32 cpu", "openvino bf16", [0.502, 0.498], False),
        ("openvino bf16", "torch f32 cpu", [0.515, 0.485], True),
        ("torch bf16 cuda", "openvino bf16", [0.53, 0.47], False),
    ],
)
def test_an_answer_is_held_against_that_of_the_same_precision(
    here: str, by: str, proba: list[float], holds: bool
) -> None:
    model = Answering(proba, here)
    if holds:
        check(model, saved=[0.4, 0.6], saved_f32=[0.5, 0.5], by=by)
    else:
        with pytest.raises(ModelError) as caught:
            check(model, saved=[0.4, 0.6], saved_f32=[0.5, 0.5], by=by)
        assert len(caught.value.problems) == len(NAMES)


def test_a_picture_that_cannot_be_read_holds_nothing() -> None:
    with pytest.raises(ModelError, match="a difference of nan"):
        check(Answering(None), saved=[0.4, 0.6], saved_f32=[0.4, 0.6], by="openvino f32")


def test_as_many_pictures_as_are_asked_for_are_answered_together() -> None:
    asked: list[int] = []
    gave = [0.4, 0.6]

    def ask(pictures: Sequence[bytes]) -> list[Any]:
        asked.append(len(pictures))
        return [np.array(gave)] * len(pictures)

    document: Any = SimpleNamespace(golden=dict.fromkeys(NAMES, gave), runtime="openvino f32")
    for at_least in (1, 16):
        drawn = golden.pictures()
        golden.check_answers(ask, Answering(None).here, Path("model"), document, drawn, at_least=at_least)
    assert asked == [4, 16]


def test_a_picture_of_a_model_is_read_once_and_not_at_any_size(tmp_path: Path) -> None:
    golden.write(tmp_path)
    assert golden.read(tmp_path, NAMES) == golden.pictures()
    with (tmp_path / "golden" / NAMES[0]).open("ab") as file:
        file.truncate(golden.MOST_BYTES + 1)
    with pytest.raises(ModelError, match="more than"):
        golden.read(tmp_path, NAMES)


def test_a_check_is_made_once_when_it_holds_and_again_while_it_does_not() -> None:
    made: list[int] = []

    def check() -> None:
        made.append(len(made))
        if len(made) < 3:
            raise ModelError("no", [])

    once = golden.Once(check)
    for _ in range(2):
        with pytest.raises(ModelError):
            once()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: once(), range(8)))
    assert made == [0, 1, 2]
