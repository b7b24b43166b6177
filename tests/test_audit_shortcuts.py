from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from headstart.audit.shortcuts import DATE, NUMBER, Shortcut, find
from headstart.images.facts import Facts, ImageFacts

N = 200


def made(seed: int = 0, n: int = N) -> list[ImageFacts]:
    """Facts that say nothing of any class."""
    rng = np.random.default_rng(seed)
    return [
        ImageFacts(
            size=int(np.exp(rng.normal(11, 0.4))),
            width=int(rng.choice([400, 500])),
            height=375,
            format="JPEG",
            quality=float(rng.choice([80, 90, 95])),
            camera=str(rng.choice(["", "A", "B"])),
            taken=float(rng.uniform(0, 1e9)) if rng.random() < 0.5 else float("nan"),
            number=float(rng.integers(1, 10**8)),
            sharpness=float(np.exp(rng.normal(-2, 0.7))),
            contrast=float(rng.uniform(30, 70)),
            colour=float(rng.uniform(5, 60)),
            border=(float(rng.uniform(0, 255)), 100.0, 50.0),
            border_spread=float(rng.uniform(20, 60)),
        )
        for _ in range(n)
    ]


def tried(pictures: list[ImageFacts], y: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Shortcut]:
    found = find(Facts(images=tuple(pictures)), y, np.arange(len(y)) if groups is None else groups, seed=0)
    assert [one.effect for one in found] == sorted((one.effect for one in found), reverse=True)
    return {one.fact: one for one in found}


def alarms(found: dict[str, Shortcut]) -> set[str]:
    return {fact for fact, one in found.items() if one.alarm}


@pytest.mark.parametrize("k", [2, 10])
def test_facts_that_say_nothing_raise_no_alarm(k: int) -> None:
    y = np.arange(N) % k
    found = tried(made(), y)
    assert alarms(found) == set()
    assert len(found) == 7  # no picture differs in format or is grey
    assert all(one.p > 0.01 for one in found.values())


@pytest.mark.parametrize("k", [2, 10])
@pytest.mark.parametrize(
    ("fact", "change"),
    [
        ("JPEG quality", {"quality": 60.0}),
        ("camera", {"camera": "C"}),
        ("dimensions", {"height": 333}),
        ("file format", {"format": "PNG", "quality": float("nan")}),
        ("border", {"border_spread": 0.5}),
        ("colour or grey", {"colour": 0.0}),
        (DATE, {"taken": 2e9}),
        (NUMBER, {"number": 5e8}),
    ],
)
def test_one_class_that_was_treated_differently_is_named(k: int, fact: str, change: dict[str, object]) -> None:
    y = np.arange(N) % k
    pictures = [
        replace(one, **(change if fact != NUMBER else {"number": 5e8 + i}))  # type: ignore[arg-type]
        if label == 1
        else one
        for i, (one, label) in enumerate(zip(made(), y, strict=True))
    ]
    found = tried(pictures, y)
    assert fact in alarms(found)
    assert k == 2 or found[fact].label == 1
    assert found[fact].recognised > 0.8
    assert found[fact].mistaken < 0.1


def test_of_a_few_pictures_nothing_is_claimed() -> None:
    for n, sure in ((20, False), (60, True)):
        y = np.arange(n) % 2
        found = tried([replace(one, colour=0.0) if label else one for one, label in zip(made(n=n), y, strict=True)], y)
        told = found["colour or grey"]
        assert (told.recognised, told.mistaken, told.effect) == (1, 0, 1)
        assert told.p < 0.01
        assert told.alarm == sure
        assert 0 < told.least < 0.4 or sure


def test_a_larger_file_alarms_only_beyond_what_the_picture_explains() -> None:
    y = np.arange(N) % 2
    rough = [
        replace(one, sharpness=one.sharpness * 8, size=round(one.size * 8**0.5)) if label else one
        for one, label in zip(explained(), y, strict=True)
    ]
    assert "file size" not in alarms(tried(rough, y))  # a class of rough texture makes larger files
    squeezed = [replace(one, size=one.size // 2) if label else one for one, label in zip(explained(), y, strict=True)]
    assert "file size" in alarms(tried(squeezed, y))


def explained() -> list[ImageFacts]:
    """Facts in which the size of the file follows from the sharpness."""
    rng = np.random.default_rng(5)
    return [replace(one, size=round(3e5 * one.sharpness**0.5 * np.exp(rng.normal(0, 0.1)))) for one in made()]


def test_classes_numbered_each_from_one_say_nothing() -> None:
    y = np.array([0] * 50 + [1] * 150)
    numbers = [*range(50), *range(150)]
    pictures = [replace(one, number=float(number)) for one, number in zip(made(), numbers, strict=True)]
    assert NUMBER not in tried(pictures, y)


def test_a_weak_difference_is_no_alarm_however_certain() -> None:
    rng = np.random.default_rng(0)
    n = 2000
    y = np.arange(n) % 2
    quality = np.where(rng.random(n) < np.where(y == 0, 0.62, 0.38), 80.0, 95.0)
    found = tried([replace(one, quality=float(q)) for one, q in zip(made(1, n), quality, strict=True)], y)
    assert found["JPEG quality"].p < 0.01
    assert found["JPEG quality"].effect == pytest.approx(0.24, abs=0.06)
    assert alarms(found) == set()


def test_copies_count_once() -> None:
    y, groups = np.arange(40) % 2, np.arange(40) // 20 * 2 + np.arange(40) % 2  # four groups of ten
    pictures = [replace(one, quality=60.0 + 30 * label) for one, label in zip(made(n=40), y, strict=True)]
    found = tried(pictures, y, groups)
    assert alarms(found) == set()  # four pictures prove nothing


def test_one_class_or_unreadable_pictures_are_survived() -> None:
    assert tried(made(n=10), np.zeros(10, int)) == {}
    facts = Facts(images=(*made(n=20), None, None))
    y = np.array([0, 1] * 11)
    assert len(find(facts, y, np.arange(22), seed=0)) > 3
