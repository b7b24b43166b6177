"""Every state is seen whole: after each call that changes a folder, and after a kill right before or after it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from headstart import exchange as exchange_module
from headstart.errors import OptionError
from headstart.workflows import states as module
from headstart.workflows.states import States

NAMES = ("model", "review.csv", "metrics.json", "run.json")


def write(folder: Path, state: str, *, review: bool) -> None:
    (folder / "model").mkdir()
    (folder / "model" / "model.json").write_text(state)
    for name in ("metrics.json", "run.json", *(["review.csv"] if review else [])):
        (folder / name).write_text(state)


def shown(folder: Path) -> set[str]:
    """What each name that is there says."""
    files = [folder / "model" / "model.json", *(folder / name for name in NAMES[1:])]
    return {file.read_text() for file in files if file.exists()}


def go_through(folder: Path) -> Iterator[str]:
    """Two runs of two states each into one folder; says which states may be seen from then on."""
    for run in ("a", "b"):
        states = States(folder, NAMES)
        for number in (1, 2):
            with states.next() as new:
                write(new, f"{run}{number}", review=number == 2)
            yield f"{run}{number}"
        states.settle()
        yield f"{run}2"


def test_each_state_replaces_all_of_the_one_before_it(tmp_path: Path) -> None:
    seen = []
    for state in go_through(tmp_path):
        assert shown(tmp_path) == {state}
        assert (tmp_path / "review.csv").exists() == state.endswith("2")
        seen.append(state)
    assert seen == ["a1", "a2", "a2", "b1", "b2", "b2"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)
    assert not any(path.is_symlink() for path in tmp_path.rglob("*"))


def test_at_every_instant_a_reader_sees_one_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is copied as it is before each call that changes names: what a reader sees, or a kill leaves."""
    folder = tmp_path / "run"
    folder.mkdir()
    at_instants: list[Path] = []

    def watched(owner: object, name: str) -> None:
        original = getattr(owner, name)

        def call(*arguments: object, **options: object) -> object:
            copy = tmp_path / "instants" / str(len(at_instants))
            at_instants.append(shutil.copytree(folder, copy, symlinks=True))
            return original(*arguments, **options)

        monkeypatch.setattr(owner, name, call)

    watched(module, "exchange")
    for name in ("replace", "symlink_to"):
        watched(Path, name)
    for state in go_through(folder):
        assert shown(folder) == {state}
    monkeypatch.undo()
    for copy in at_instants:
        assert len(shown(copy)) <= 1
        if "run.json" in {path.name for path in copy.iterdir()}:
            assert shown(copy)
            assert (copy / "model" / "model.json").exists()
        again = States(copy, NAMES)  # after a kill the next run goes on
        with again.next() as new:
            write(new, "next", review=False)
        assert shown(copy) == {"next"}
        again.settle()
        assert shown(copy) == {"next"}
        assert sorted(path.name for path in copy.iterdir()) == ["metrics.json", "model", "run.json"]
    assert len(at_instants) > 30


def test_a_state_that_fails_leaves_the_one_before_it(tmp_path: Path) -> None:
    states = States(tmp_path, NAMES)
    with states.next() as new:
        write(new, "first", review=False)

    def write_and_fail() -> None:
        with states.next() as new:
            write(new, "second", review=False)
            write(new, "again", review=False)

    with pytest.raises(FileExistsError):
        write_and_fail()
    assert shown(tmp_path) == {"first"}
    states.settle()
    assert shown(tmp_path) == {"first"}


def test_without_links_names_are_replaced_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(Path, "symlink_to", refused)
    monkeypatch.setattr(exchange_module, "_at_one_instant", lambda a, b: False)
    for state in go_through(tmp_path):
        assert shown(tmp_path) == {state}
        assert (tmp_path / "review.csv").exists() == state.endswith("2")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(NAMES)


@pytest.mark.skipif(sys.platform == "win32", reason="folders are not locked there")
def test_of_two_runs_at_once_the_later_one_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    first, second = States(tmp_path, NAMES), States(tmp_path, NAMES)
    with first.next() as new:
        with pytest.raises(OptionError, match=f"(?s)no other run is writing.*found: {tmp_path}, .*choose another"):
            second.next().__enter__()
        second.settle()
        write(new, "first", review=False)
    with pytest.raises(OptionError):
        second.next().__enter__()  # more states of the first may follow
    first.settle()
    assert shown(tmp_path) == {"first"}
    with second.next() as new:
        write(new, "second", review=False)
    del second  # as when a run ends before its last state
    third = States(tmp_path, NAMES)
    with third.next() as new:
        write(new, "third", review=False)
    third.settle()
    assert shown(tmp_path) == {"third"}
