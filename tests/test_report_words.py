from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.backbones.runtime import RuntimeNote
from headstart.cache_folder import Troubles
from headstart.evaluation.measured_on import MeasuredOn
from headstart.images.folder import scan
from headstart.images.grey_levels import Levels
from headstart.images.record import Changes
from headstart.report.words import (
    cache_lines,
    changed_pictures,
    level_lines,
    magnitude,
    measured_on,
    number,
    pictures_of,
    points,
    runtime_note,
)


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (MeasuredOn(kind="split", split="test"), "the test split"),
        (MeasuredOn(kind="split", split="val", epoch="last"), "the validation split, last epoch"),
        (
            MeasuredOn(kind="split", split="val", epoch="best"),
            "the validation split, best epoch: too optimistic, because it was chosen on these pictures",
        ),
        (
            MeasuredOn(kind="cross-validation", folds=10),
            "10-fold cross-validation, each picture answered by a head that the others chose",
        ),
        (
            MeasuredOn(kind="cross-validation", folds=10, repeats=3),
            "10-fold cross-validation, 3 times, each picture answered by a head that the others chose",
        ),
        (MeasuredOn(kind="held out"), "training pictures held out to choose between the two networks"),
        (
            MeasuredOn(kind="held out", answers="frozen"),
            "training pictures held out to choose between the two networks, frozen network",
        ),
        (
            MeasuredOn(kind="difference", n=1),
            "cross-validation of the frozen network, plus what fine-tuning gained on 1 picture held out",
        ),
        (MeasuredOn(kind="pictures", n=7, source="new"), "7 pictures of new"),
        (MeasuredOn(kind="pictures", n=1, source="new"), "1 picture of new"),
        (
            MeasuredOn(kind="all held out", n=1000),
            "all 1,000 held-out pictures, validation and test together, last epoch: nothing was chosen on them",
        ),
    ],
)
def test_what_a_figure_was_measured_on_is_said(fact: MeasuredOn, words: str) -> None:
    assert measured_on(fact) == words


@pytest.mark.parametrize(
    ("fact", "words"),
    [
        (MeasuredOn(kind="split", split="test"), "test picture{s}"),
        (MeasuredOn(kind="split", split="val", epoch="last"), "validation picture{s}"),
        (MeasuredOn(kind="cross-validation", folds=5), "training picture{s}, out of fold"),
        (MeasuredOn(kind="held out"), "held-out training picture{s}"),
        (MeasuredOn(kind="all held out"), "held-out picture{s}"),
        (MeasuredOn(kind="pictures", source="new"), "picture{s}"),
    ],
)
def test_pictures_are_counted_and_said_to_be_what_they_are(fact: MeasuredOn, words: str) -> None:
    assert [pictures_of(fact, n) for n in (0, 1, 2)] == [f"{n} {words.format(s='s' * (n != 1))}" for n in (0, 1, 2)]


def test_a_number_is_never_minus_nought() -> None:
    assert [number(value, 3) for value in (-0.0001, 0.0, 0.0006, -0.0006)] == ["0.000", "0.000", "0.001", "-0.001"]
    assert [points(value) for value in (-0.0004, 0.0, 0.01, 0.02, -0.012)] == ["0.0", "0.0", "1.0", "2.0", "-1.2"]
    assert magnitude(-0.012, -0.02, 0.0004) == ("1.2", "0.0", "2.0")
    assert magnitude(0.0, -0.01, 0.02) == ("0.0", "-1.0", "2.0")
    assert [points(value, "+") for value in (-0.0004, 0.01, -0.012)] == ["+0.0", "+1.0", "-1.2"]


NONE = Changes(missing=(), added=(), renamed=(), contents=(), classes=(), splits=(), grouped=False)


def test_no_change_is_no_sentence() -> None:
    assert changed_pictures(NONE) == ()


def test_every_kind_of_change_is_named() -> None:
    changes = Changes(
        missing=("a/0.jpg",),
        added=("b/5.jpg",),
        renamed=(("a/1.jpg", "a/renamed.jpg"),),
        contents=("a/2.jpg",),
        classes=("a/3.jpg", "a/4.jpg"),
        splits=("b/1.jpg",),
        grouped=False,
    )
    assert changed_pictures(changes) == (
        "1 picture missing: a/0.jpg.",
        "1 picture added: b/5.jpg.",
        "1 picture renamed or moved: a/1.jpg → a/renamed.jpg.",
        "1 picture with other contents: a/2.jpg.",
        "2 pictures with another class: a/3.jpg, a/4.jpg.",
        "1 picture in another split: b/1.jpg.",
    )


def test_other_groups_are_told_where_nothing_else_explains_them() -> None:
    grouped = replace(NONE, grouped=True)
    assert changed_pictures(grouped) == ("The pictures are the same, and grouped differently.",)
    assert changed_pictures(replace(grouped, added=("c.jpg",))) == ("1 picture added: c.jpg.",)


def test_many_names_are_cut_short() -> None:
    names = tuple(f"{number}.jpg" for number in range(7))
    expected = "7 pictures missing: 0.jpg, 1.jpg, 2.jpg, 3.jpg, 4.jpg and 2 more."
    assert changed_pictures(replace(NONE, missing=names)) == (expected,)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        (
            RuntimeNote(what="no openvino"),
            "OpenVINO is not installed: torch computes on the CPU, several times slower",
        ),
        (RuntimeNote(what="no graph"), "there is no OpenVINO graph: torch computes on the CPU, several times slower"),
        (RuntimeNote(what="no bf16"), "this CPU does not compute in bf16: f32 instead"),
        (
            RuntimeNote(what="strays", runtime="openvino f32", parity=-1.0),
            "openvino f32 strays from torch f32 (mean cosine -1.0000 < 0.998): not used",
        ),
        (
            RuntimeNote(what="other answers"),
            "Rounded, this model strays from the answers it gave when it was trained: it runs in float32.",
        ),
        (
            RuntimeNote(what="moved", runtime="openvino bf16", here="torch f32 cpu"),
            "Trained with openvino bf16, runs here with torch f32 cpu.",
        ),
    ],
)
def test_why_a_network_runs_otherwise(note: RuntimeNote, words: str) -> None:
    assert runtime_note(note) == words


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (None, []),
        (Levels(integers=(0.0, 4095.0)), ["Grey pictures of 12 bits: 4,095 is white."]),
        (Levels(integers=(0.0, 65535.0)), ["Grey pictures of 16 bits: 65,535 is white."]),
        (Levels(integers=(0.0, 255.0)), ["Grey pictures of whole numbers: 0 is black and 255 is white."]),
        (Levels(integers=(-1000.0, 3000.0)), ["Grey pictures of whole numbers: -1,000 is black and 3,000 is white."]),
        (Levels(floats=(0.0, 1.0)), ["Grey pictures of floating point numbers: 0 is black and 1 is white."]),
        (
            Levels(integers=(0.0, 1023.0), floats=(-5.25, 35.0)),
            [
                "Grey pictures of 10 bits: 1,023 is white.",
                "Grey pictures of floating point numbers: -5.25 is black and 35 is white.",
            ],
        ),
    ],
)
def test_black_and_white_of_deep_pictures_are_said(photos: Path, levels: Levels | None, said: list[str]) -> None:
    images = replace(scan(photos), levels=levels)
    assert level_lines(images) == said
    coloured = replace(images, deep={images.paths[0]: "colour"})
    assert level_lines(coloured) == [line.replace("Grey pictures", "Pictures") for line in said]


@pytest.mark.parametrize(
    ("troubles", "lines"),
    [
        (Troubles(), ()),
        (Troubles(damaged=1), ("1 damaged value in the cache was computed again.",)),
        (Troubles(damaged=2), ("2 damaged values in the cache were computed again.",)),
        (
            Troubles(store_damaged=True, unusable="/a", why="Read-only file system"),
            (
                "The store of features was damaged or of another version, and was begun anew.",
                "The cache /a cannot be used (Read-only file system): this run works without it. "
                "HEADSTART_CACHE names another folder.",
            ),
        ),
    ],
)
def test_what_was_wrong_with_the_cache_is_a_sentence_each(troubles: Troubles, lines: tuple[str, ...]) -> None:
    assert cache_lines(troubles) == lines
