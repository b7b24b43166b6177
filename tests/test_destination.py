"""Nothing is written among the pictures, and nothing of the user's is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.destination import check
from headstart.errors import OptionError

OURS = ("run.json", "model/model.json")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "ants").mkdir(parents=True)
    return tmp_path / "photos"


@pytest.mark.parametrize("inside", [".", "runs", "ants/../runs/one"])
def test_not_among_the_pictures(photos: Path, inside: str) -> None:
    with pytest.raises(OptionError, match="where to write the run") as caught:
        check(photos, photos / inside, what="the run", ours=OURS)
    assert "the pictures are only ever read" in str(caught.value)


def test_a_file_is_no_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(OptionError, match="notes is a file"):
        check(photos, tmp_path / "notes", what="the run", ours=OURS)


def test_what_is_someone_elses_is_refused_and_named(photos: Path, tmp_path: Path) -> None:
    """A folder called ``model`` does not make it ours: that would be replaced by a model directory."""
    project = tmp_path / "project"
    (project / "model").mkdir(parents=True)
    (project / "model" / "thesis.tex").write_text("years of work")
    with pytest.raises(OptionError, match="project with model") as caught:
        check(photos, project, what="the run", ours=OURS)
    assert "would be mixed with the run, or replaced" in str(caught.value)
    check(photos, project, what="the review")


def test_a_new_an_empty_and_an_earlier_folder_will_do(photos: Path, tmp_path: Path) -> None:
    check(photos, tmp_path / "new", what="the run", ours=OURS)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / ".DS_Store").touch()
    check(photos, folder, what="the run", ours=OURS)
    (folder / "model").mkdir()
    (folder / "model" / "model.json").touch()
    (folder / "notes.txt").touch()
    check(photos, folder, what="the run", ours=OURS)


def test_what_is_read_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "pictures.csv"
    table.touch()
    with pytest.raises(OptionError, match=r"expected: a pictures\.csv of its own"):
        check(table, tmp_path, what="the review", writes=["pictures.csv"])
