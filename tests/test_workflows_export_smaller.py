from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy.export import Exported
from headstart.deploy.portable import open_onnx
from headstart.deploy.verify import golden_agreement
from headstart.errors import ModelError, OptionError
from headstart.images.decode import encode
from headstart.workflows import export_smaller
from headstart.workflows.export_smaller import Beside, in_fewer_bits
from models import CLASSES
from pictures import classes_in, scene


@pytest.fixture(scope="module")
def exported(small_onnx: Path) -> Exported:
    portable = open_onnx(small_onnx)
    return Exported(content=small_onnx.read_bytes(), manifest=portable.manifest, golden=golden_agreement(portable))


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    for number, (split, name) in enumerate((split, name) for split in ("train", "val") for name in CLASSES):
        for seed in range(2):
            file = folder / split / name / f"{seed}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(encode(scene(10 * number + seed), format="PNG"))
    return folder


def test_half_precision_is_held_against_pictures_held_out(exported: Exported, labelled: Path, tmp_path: Path) -> None:
    small, beside = in_fewer_bits(exported, "fp16", tmp_path, labelled)
    assert small.manifest.precision == "fp16"
    assert (beside.split, beside.n, beside.same_label) == ("val", 6, 1.0)
    assert beside.bytes == (len(exported.content), len(small.content))
    assert beside.to_dict()["holds"]


def test_what_loses_answers_is_refused_with_the_figures(
    exported: Exported, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_smaller, "LEAST_AGREEMENT", {"int8": 1.01})
    with pytest.raises(ModelError, match=r"int8 is refused: 1 problem[\s\S]*n=6, val[\s\S]*or with fp16"):
        in_fewer_bits(exported, "int8", tmp_path, labelled)


def test_without_labelled_pictures_of_the_classes_it_is_refused(exported: Exported, tmp_path: Path) -> None:
    for given in (None, tmp_path / "missing", classes_in(tmp_path / "others", "cats dogs")):
        with pytest.raises(OptionError, match="name them with --photos"):
            in_fewer_bits(exported, "fp16", tmp_path, given)


@pytest.mark.parametrize("tuned", [None, {"train_from": "blocks.4"}])
def test_what_was_learned_by_heart_says_nothing_of_fewer_bits(
    exported: Exported, labelled: Path, tmp_path: Path, tuned: dict[str, str] | None
) -> None:
    run, photos = tmp_path / "run", labelled / "train"
    (run / "model").mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"source": str(photos)}), encoding="utf-8")
    (run / "model" / "model.json").write_text("{}", encoding="utf-8")
    (run / "model" / "network.json").write_text(json.dumps({"tuned": tuned}), encoding="utf-8")
    if tuned:
        with pytest.raises(OptionError, match=r"not fine-tuned on[\s\S]*--photos"):
            in_fewer_bits(exported, "int8", run, None)
    else:
        assert in_fewer_bits(exported, "fp16", run, None)[1].split == "train"


@pytest.mark.parametrize(
    ("accuracy", "same", "holds"),
    [((0.9, 0.9), 1.0, True), ((0.9, 0.894), 1.0, False), ((0.9, 0.95), 0.98, False), ((0.9, 0.896), 0.99, True)],
)
def test_the_rule(accuracy: tuple[float, float], same: float, holds: bool) -> None:
    beside = Beside(
        precision="int8",
        split="val",
        n=500,
        accuracy=accuracy,
        bytes=(4, 1),
        milliseconds=(2.0, 1.0),
        same_label=same,
        largest=0.1,
    )
    assert beside.holds == holds
    assert not replace(beside, precision="fp16", same_label=0.99).holds


class Told:
    """Keeps what stages there were, of how many items, and the last count."""

    def __init__(self) -> None:
        self.stages: dict[str, list[int | None]] = {}

    @contextmanager
    def stage(self, name: str, total: int | None) -> Iterator[Callable[[int], None]]:
        self.stages[name] = [total]
        yield self.stages[name].append


def test_how_far_it_is_is_told(exported: Exported, labelled: Path, tmp_path: Path) -> None:
    told = Told()
    in_fewer_bits(exported, "fp16", tmp_path, labelled, progress=told)
    assert [*told.stages] == ["rounding", "answering held-out pictures in f32 and in fp16"]
    total, *counts = told.stages["answering held-out pictures in f32 and in fp16"]
    assert counts == [*range(1, (total or 0) + 1)]
    assert counts
