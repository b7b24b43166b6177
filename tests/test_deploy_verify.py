from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.model import Prediction
from headstart.deploy.portable import open_onnx
from headstart.deploy.verify import LARGEST_DIFFERENCE, LEAST_AGREEMENT, agreement, golden_agreement


def answer(*proba: float, novelty: float | None = None) -> Prediction:
    return Prediction(proba=np.array(proba) if proba else None, novelty=novelty)


def test_answers_are_compared_picture_by_picture() -> None:
    ours = [answer(0.9, 0.1, novelty=0.5), answer(0.52, 0.48), answer()]
    theirs = [answer(0.895, 0.105, novelty=0.75), answer(0.49, 0.51), answer()]
    found = agreement(["a", "b", "c"], ours, theirs, tolerance=0.05)
    assert (found.n, found.same_label, found.share, found.farthest) == (2, 1, 0.5, "b")
    assert found.largest == pytest.approx(0.03)
    assert found.mean == pytest.approx(0.0175)
    assert found.novelty == 0.25
    assert not found.holds


def test_what_agrees_holds_and_no_pictures_do() -> None:
    same = [answer(0.9, 0.1)]
    assert agreement(["a"], same, same, tolerance=0.01).holds
    assert (
        agreement([], [], [], tolerance=0.01).to_dict() | {"share": 1.0, "holds": True}
        == agreement([], [], [], tolerance=0.01).to_dict()
    )


@pytest.mark.parametrize("theirs", [answer(), answer(float("nan"), float("nan")), answer(0.88, 0.12)])
def test_what_differs_does_not_hold(theirs: Prediction) -> None:
    found = agreement(["a"], [answer(0.9, 0.1)], [theirs], tolerance=0.01)
    assert not found.holds
    assert found.unlike == (("a",) if theirs.proba is None else ())


def test_in_8_bits_labels_alone_count() -> None:
    ours, theirs = [answer(0.9, 0.1)] * 100, [answer(0.6, 0.4)] * 99 + [answer(0.4, 0.6)]
    bounds = {"tolerance": LARGEST_DIFFERENCE["int8"], "least": LEAST_AGREEMENT["int8"]}
    assert agreement([""] * 100, ours, theirs, **bounds).holds
    assert not agreement([""] * 99, ours[1:], theirs[1:], **bounds).holds


def test_golden_pictures_must_give_their_answers(small_onnx: Path) -> None:
    portable = open_onnx(small_onnx)
    assert golden_agreement(portable).holds
    manifest = portable.manifest
    wrong = replace(manifest.golden[0], probabilities=(0.0, 0.0, 1.0))
    changed = replace(portable, manifest=replace(manifest, golden=(wrong, *manifest.golden[1:])))
    found = golden_agreement(changed)
    assert not found.holds
    assert found.farthest == wrong.name
