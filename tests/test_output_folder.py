"""Nothing is written among the pictures, and nothing of the user's is replaced."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.output_folder import PAGE_MARK, check_files, claim, default_name, nearest, refuse_unsafe, remember

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


def test_a_folder_that_cannot_be_made_is_refused(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").write_text("mine")
    with pytest.raises(OptionError, match="notes is a file"):
        refuse_unsafe(photos, tmp_path / "notes" / "run", what="run")
    monkeypatch.setattr("os.access", lambda *_: False)  # as on a disk that is read-only
    with pytest.raises(OptionError, match=f"found: {tmp_path} cannot be written"):
        refuse_unsafe(photos, tmp_path / "runs" / "run", what="run")


def test_files_to_write_need_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_files({"-o": tmp_path / "a.html", "--csv": None, "--queue": Path("a.csv")})
    with pytest.raises(OptionError, match="2 problems") as caught:
        check_files({"-o": tmp_path, "--queue": tmp_path / "no" / "a.csv"})
    assert f"expected: a file that -o can write\n   found: {tmp_path} is a folder" in str(caught.value)
    assert f"found: no folder {tmp_path / 'no'}" in str(caught.value)
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(OptionError, match=f"found: {tmp_path} cannot be written"):
        check_files({"--csv": tmp_path / "a.csv"})


def test_the_nearest_folder_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nearest(tmp_path) == tmp_path
    assert nearest(tmp_path / "a" / "b") == tmp_path
    monkeypatch.chdir(tmp_path)
    assert nearest(Path("a") / "b") == tmp_path


def test_a_folder_with_anything_else_is_refused_and_the_pictures_of_a_table_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    table = tmp_path / "labels.csv"
    table.touch()
    with pytest.raises(OptionError) as caught:
        refuse_unsafe(table, tmp_path / "photos", what="run", writes=WRITES)
    assert str(caught.value) == (
        "where to write the run: 1 problem\n"
        "expected: a new folder, or one of an earlier run\n"
        f"   found: {tmp_path / 'photos'} with cat of something else\n"
        "   to do: choose another name with -o: results lie in a folder of their own"
    )
    for inside in (".", "new", "cat/new"):
        with pytest.raises(OptionError, match="expected: a folder outside the pictures"):
            refuse_unsafe(table, tmp_path / "photos" / inside, what="run", pictures=[tmp_path / "photos"])


def test_hidden_files_and_logs_do_not_keep_a_folder_from_being_new(tmp_path: Path) -> None:
    for name in (".DS_Store", "train.log", "nohup.out"):
        (tmp_path / name).touch()
    refuse_unsafe(None, tmp_path, what="run", writes=WRITES)
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(OptionError, match=r"with thesis\.tex of something else"):
        refuse_unsafe(None, tmp_path, what="run", writes=WRITES)


def test_a_file_is_replaced_only_as_it_was_left(tmp_path: Path) -> None:
    folder, table = tmp_path / "checks", tmp_path / "checks" / "pictures.csv"
    claim(folder, "review")

    def refused() -> str:
        with pytest.raises(OptionError) as caught:
            refuse_unsafe(None, folder, what="review", as_left=[table.name])
        return str(caught.value)

    table.write_text("mine")
    assert refused() == (
        "where to write the review: 1 problem\n"
        "expected: what an earlier review left there\n"
        f"   found: {folder} with another pictures.csv, or one that was changed since\n"
        "   to do: move it away, or choose another folder with -o: it would be replaced"
    )
    table.write_text("ours")
    remember(table, "review")
    refuse_unsafe(None, folder, what="review", as_left=[table.name])
    claim(folder, "review")  # again: what was left is still known
    refuse_unsafe(None, folder, what="review", as_left=[table.name])
    table.write_text("ours, edited")
    assert "or one that was changed since" in refused()
    remember(table, "review")
    assert len((folder / ".headstart").read_text().splitlines()) == 2


def test_files_that_something_else_wrote_are_not_written_over(tmp_path: Path) -> None:
    page, answers = tmp_path / "why.html", tmp_path / "answers.csv"
    marks = {"--csv": "path,label,probability"}
    page.write_text(f"<!doctype html>\n{PAGE_MARK}\n")
    answers.write_text("path,label,probability,answer\n")
    check_files({"-o": page, "--csv": answers}, marks)
    page.write_text("")
    check_files({"-o": page}, marks)
    page.write_text("<!doctype html>my homepage")
    answers.write_text("path,label\n1.jpg,cat\n")
    with pytest.raises(OptionError) as caught:
        check_files({"-o": page, "--csv": answers}, marks)
    assert str(caught.value) == (
        "where to write: 2 problems\n"
        f"expected: a new file, or one that -o wrote\n   found: {page}, which is something else\n"
        "   to do: choose another name with -o\n"
        f"expected: a new file, or one that --csv wrote\n   found: {answers}, which is something else\n"
        "   to do: choose another name with --csv"
    )


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such files in folders")
def test_a_device_a_pipe_or_a_link_is_never_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.html")
    (tmp_path / "link.html").symlink_to(tmp_path / "pipe.html")
    (tmp_path / "broken.html").symlink_to(tmp_path / "gone")
    for file in (Path(os.devnull), tmp_path / "pipe.html", tmp_path / "link.html", tmp_path / "broken.html"):
        with pytest.raises(OptionError, match=f"{file.name} is a link, a device or a pipe"):
            check_files({"-o": file})
