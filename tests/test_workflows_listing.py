from __future__ import annotations

from pathlib import Path

from headstart.workflows.listing import list_pictures
from pictures import classes_in


def test_groups_are_read_too(tmp_path: Path) -> None:
    listed = list_pictures(classes_in(tmp_path, "cat dog"), r"(\d)\.png")
    assert (len(listed.images), len(set(listed.images.groups.tolist())), listed.problems) == (8, 4, ())


def test_what_cannot_be_trained_on_is_listed_all_the_same(tmp_path: Path) -> None:
    classes_in(tmp_path, "cat dog", count=2)
    listed = list_pictures(tmp_path, "nothing")
    assert listed.images.counts == {"train": {"cat": 2, "dog": 2}}
    assert [problem.found for problem in listed.problems] == ["'cat' has 2, 'dog' has 2"]
    classes_in(tmp_path, "cat dog", count=4)
    (problem,) = list_pictures(tmp_path, "nothing").problems
    assert problem.found.startswith("none in 8 of 8: cat/0.png")
