from __future__ import annotations

import numpy as np
import pytest

from headstart.images.shortfalls import MIN_PER_CLASS, shortfalls


def said(classes: dict[str, set[str]], rows: list[tuple[str, str]], left_out: int = 0) -> str:
    """What keeps pictures of (split, class) from being trained on, each a group of its own."""
    names = sorted(set().union(*classes.values()))
    problems = shortfalls(
        classes,
        classes=names,
        y=np.array([names.index(label) for _, label in rows], np.int64),
        split=np.array([split for split, _ in rows], "U5"),
        groups=np.arange(len(rows), dtype=np.int64),
        left_out=left_out,
        from_arrays=False,
    )
    return "\n".join(map(str, problems))


def test_nothing_is_wrong_with_enough_of_each_class_in_each_split() -> None:
    train = [("train", label) for label in ("cat", "dog") for _ in range(MIN_PER_CLASS)]
    assert said({"train": {"cat", "dog"}}, train) == ""
    test = [("test", "cat"), ("test", "dog")]
    assert said({"train": {"cat", "dog"}, "test": {"cat", "dog"}}, train + test) == ""


def test_all_that_is_wrong_is_told_at_once() -> None:
    train = [("train", "cat")] * MIN_PER_CLASS + [("train", "dog")] * 3
    classes = {"train": {"cat", "dog"}, "val": {"Cat", "dog"}, "test": {"cat"}}
    text = said(classes, [*train, ("val", "Cat"), ("val", "dog")])
    for found in (
        "found: 'dog' has 3\n",
        "found: missing from val: 'cat'\n",
        "found: extra in val: 'Cat' (did you mean 'cat'?)\n",
        "found: test has no readable picture in a class\n",
    ):
        assert found in text
    assert "found: only 'cat'\n" in said({"train": {"cat"}}, [("train", "cat")] * MIN_PER_CLASS)


@pytest.mark.parametrize(
    ("count", "found"),
    [
        (0, "found: no class\n"),
        (1, "found: no class, and 1 file that is in none\n"),
        (2, "found: no class, and 2 files that are in none\n"),
    ],
)
def test_files_in_no_class_are_counted(count: int, found: str) -> None:
    assert found in said({"train": set()}, [], left_out=count)
