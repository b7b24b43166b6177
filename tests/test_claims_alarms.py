"""What stands beside an accuracy: silent on right data, raised where a class fails or copies cross splits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.audit.leak import Leak
from headstart.claims.alarms import Alarms, alarms_of_figures, alarms_of_pictures
from headstart.evaluation.intervals import Estimate
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.images.folder import scan
from pictures import write_folder
from test_audit_findings import checked, sure


def measured(*recalls: tuple[int, int]) -> Evaluation:
    """Of each class, pictures recognised and pictures in all; the others are taken for the first class, or second."""
    k = len(recalls)
    y = np.repeat(np.arange(k), [count for _, count in recalls])
    answers = np.concatenate(
        [np.where(np.arange(count) < right, c, 0 if c else 1) for c, (right, count) in enumerate(recalls)]
    )
    proba = np.full((len(y), k), 0.01)
    proba[np.arange(len(y)), answers] = 1 - 0.01 * (k - 1)
    names = tuple(f"class {c}" for c in range(k))
    return evaluate(proba, y, names, measured_on=MeasuredOn(kind="split", split="test"), majority=0, resamples=10)


@pytest.mark.parametrize(
    ("recalls", "failed"),
    [
        ([(50, 50), (45, 50)], []),
        ([(50, 50), (0, 3)], []),  # three pictures may all be missed by chance
        ([(50, 50), (0, 4)], ["class 1"]),
        ([(50, 50), (4, 20)], ["class 1"]),  # the interval ends at 0.42
        ([(50, 50), (8, 20)], []),
        ([(50, 50), (3, 60), (50, 50)], ["class 1"]),
        ([(50, 50), (0, 0), (50, 50)], []),  # no picture of it
    ],
)
def test_a_class_below_chance_fails(recalls: list[tuple[int, int]], failed: list[str]) -> None:
    assert [one.name for one in alarms_of_figures(measured(*recalls)).failed] == failed


@pytest.mark.parametrize(
    ("recalls", "hidden"),
    [
        ([(950, 950), (10, 50)], True),
        ([(95, 95), (3, 5)], False),  # too few to tell
        ([(900, 1000), (450, 500)], False),
        ([(98_000, 100_000), (9_500, 10_000)], False),  # can be told, and matters little
    ],
)
def test_an_accuracy_that_hides_unequal_recall(recalls: list[tuple[int, int]], hidden: bool) -> None:
    assert (alarms_of_figures(measured(*recalls)).hidden is not None) == hidden


def test_of_leaks_only_those_across_splits_are_alarms(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path, {"rings": 10, "stripes": 10}))
    findings = checked(images, *sure(images))
    leak = Leak(split="test", optimism=Estimate(0.1, 0.05, 0.15, 100, ""), leaky=0.95, deduplicated=0.85, copied=10)
    assert alarms_of_pictures(findings, None) == Alarms()
    assert not alarms_of_pictures(findings, replace(leak, split="folds"))
    assert alarms_of_pictures(findings, leak).leak is leak
    shared = replace(findings.audit, groups_across=((Path("a"), Path("b")),))
    assert alarms_of_pictures(replace(findings, audit=shared), None).shared == 1
