"""Nothing is written among the pictures, and nothing of the user's is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.output_folder import claim, default_name, refuse_unsafe

WRITES = ("model", "metrics.json")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "ants").mkdir(parents=True)
    return tmp_path / "photos"


@pytest.mark.parametrize("inside", [".", "runs", "ants/../runs/one"])
def test_not_among_the_pictures(photos: Path, inside: str) -> None:
    with pytest.raises(OptionError, match="where to write the run") as caught:
        refuse_unsafe(photos, photos / inside, what="run", writes=WRITES)
    assert "the pictures are only ever read" in str(caught.value)


def test_a_file_is_no_folder(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(OptionError, match="notes is a file"):
        refuse_unsafe(photos, tmp_path / "notes", what="run", writes=WRITES)


def test_what_is_someone_elses_is_refused_and_named(photos: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    (project / "model").mkdir(parents=True)
    (project / "model" / "thesis.tex").write_text("years of work")
    (project / "metrics.json").touch()
    with pytest.raises(OptionError, match=r"project with model, metrics\.json of something else") as caught:
        refuse_unsafe(photos, project, what="run", writes=WRITES)
    assert "expected: a new folder, or one of an earlier run" in str(caught.value)
    assert "that would be replaced" in str(caught.value)


def test_results_of_another_kind_are_someone_elses(photos: Path, tmp_path: Path) -> None:
    claim(tmp_path / "table", "table")
    refuse_unsafe(photos, tmp_path / "table", what="run", writes=WRITES)  # nothing would be replaced
    (tmp_path / "table" / "metrics.json").touch()
    refuse_unsafe(photos, tmp_path / "table", what="table", writes=WRITES)
    with pytest.raises(OptionError, match="of something else"):
        refuse_unsafe(photos, tmp_path / "table", what="run", writes=WRITES)


def test_a_new_an_unrelated_and_an_earlier_folder_will_do(photos: Path, tmp_path: Path) -> None:
    refuse_unsafe(photos, tmp_path / "new", what="run", writes=WRITES)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "log.txt").touch()
    refuse_unsafe(photos, folder, what="run", writes=WRITES)
    claim(folder, "run")
    (folder / "model").mkdir()
    refuse_unsafe(photos, folder, what="run", writes=WRITES)
    refuse_unsafe(None, folder, what="run", writes=WRITES)


def test_what_is_read_is_not_overwritten(photos: Path, tmp_path: Path) -> None:
    table = tmp_path / "pictures.csv"
    table.touch()
    with pytest.raises(OptionError, match=r"expected: a pictures\.csv of its own"):
        refuse_unsafe(table, tmp_path, what="review", never=["pictures.csv"])


def test_folders_keep_their_whole_name_and_files_lose_their_ending(tmp_path: Path) -> None:
    for name in ("photos.v1", "photos.v2"):
        (tmp_path / name).mkdir()
        assert default_name(tmp_path / name) == name
    (tmp_path / "photos.v1.csv").touch()
    assert default_name(tmp_path / "photos.v1.csv") == "photos.v1"
    assert default_name(tmp_path / "photos.v1" / "..") == tmp_path.name
