from __future__ import annotations

import csv
import json
import os
import stat
import sys
import threading
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from headstart import files
from headstart.files import below, display, some


def test_names_are_relative_to_the_folder_that_was_scanned() -> None:
    root = Path("/photos")
    assert below(root, root / "rings" / "000.jpeg") == str(Path("rings/000.jpeg"))
    assert below(root, Path("/elsewhere/x.jpg")) == below(None, Path("/elsewhere/x.jpg")) == "/elsewhere/x.jpg"
    assert below(Path("/"), Path("/a/b")) == str(Path("a/b"))
    assert below(Path(), Path("a/b")) == below(Path(), Path("a/b")) == str(Path("a/b"))
    assert below(Path("/photos"), Path("/photos2/b")) == "/photos2/b"
    assert below(Path("/photos"), Path("/photos")) == "."


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "note.txt"
    files.write_text(path, "before\n")
    with pytest.raises(LookupError), files.replacing(path) as unfinished:  # noqa: PT012 (the write belongs to it)
        unfinished.write_text("half")
        raise LookupError
    assert path.read_text() == "before\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform == "win32", reason="it has no pipes in folders")
def test_only_a_file_is_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a file"):
        files.write_text(tmp_path / "pipe", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_an_error_of_a_library_that_writes_is_an_error_of_the_disk(tmp_path: Path) -> None:
    class LibraryError(Exception):
        pass

    with pytest.raises(OSError, match="cannot be written"), files.replacing(tmp_path / "x"):
        raise LibraryError("no space")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="modes of POSIX")
def test_the_mode_follows_the_umask_whatever_wrote_the_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with files.replacing(tmp_path / "x") as unfinished:
            unfinished.write_text("x")
            unfinished.chmod(0o600)  # as safetensors leaves its files
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_writers_of_one_file_do_not_collide(tmp_path: Path) -> None:
    path = tmp_path / "shared.json"
    writers = [threading.Thread(target=files.write_json, args=(path, {"n": [n] * 2000})) for n in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(set(json.loads(path.read_text())["n"])) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_tables_and_documents_keep_what_is_written(tmp_path: Path) -> None:
    files.write_csv(tmp_path / "t.csv", ["a", "b"], [["x,y", None], ["ü", 1]])
    assert (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines() == ["a,b", '"x,y",', "ü,1"]
    files.write_json(tmp_path / "d.json", {"name": "\udcff"}, ascii_only=True)
    assert json.loads((tmp_path / "d.json").read_text()) == {"name": "\udcff"}


@dataclass(frozen=True)
class Plot:
    side: float

    @property
    def area(self) -> float:
        return self.side**2


@dataclass(frozen=True)
class Garden:
    name: str
    plots: tuple[Plot, ...]

    def to_dict(self) -> dict[str, Any]:
        return files.plain(self, "name", plots=len(self.plots))


class Step(NamedTuple):
    at: int
    gain: np.float64


def test_records_in_plain_json_types() -> None:
    plots = (Plot(2.0), Plot(np.float64(0.1)))
    assert files.plain(plots[0]) == {"side": 2.0}
    assert files.plain(plots[0], "area") == {"area": 4.0}
    assert files.plain(Garden("roof", plots)) == {"name": "roof", "plots": [{"side": 2.0}, {"side": 0.1}]}
    document = files.plain(
        Garden("roof", plots),
        "name",
        garden=Garden("yard", ()),
        folder=Path("a") / "b",
        matrix=np.array([[1, 2]]),
        steps=[Step(1, np.float64(0.5))],
        by_name={"x": plots[0], "y": None},
        pairs=zip((1, 2), "ab", strict=True),
        sure=np.bool_(True),
    )
    assert list(document) == ["name", "garden", "folder", "matrix", "steps", "by_name", "pairs", "sure"]
    assert json.loads(json.dumps(document)) == {
        "name": "roof",
        "garden": {"name": "yard", "plots": 0},
        "folder": str(Path("a") / "b"),
        "matrix": [[1, 2]],
        "steps": [{"at": 1, "gain": 0.5}],
        "by_name": {"x": {"side": 2.0}, "y": None},
        "pairs": [[1, "a"], [2, "b"]],
        "sure": True,
    }


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert files.sha256(tmp_path / "x").startswith("ba7816bf8f01cfea414140de5dae2223")
    assert files.digest({"b": 1, "a": 2}) == files.digest({"a": 2, "b": 1}) != files.digest({"a": 2, "b": 2})
    assert len(files.digest({})) == 32


def test_a_name_that_is_no_text_is_shown_all_the_same() -> None:
    assert files.display("a\nb\udcff") == "a\\nb\\udcff"


def test_what_cannot_be_printed_is_escaped() -> None:
    assert display("plain name.jpg") == "plain name.jpg"
    assert display("圆 环") == "圆 环"
    assert display(os.fsdecode(b"\xff.jpg")) == r"\udcff.jpg"
    assert display("two\nlines") == r"two\nlines"
    display(os.fsdecode(bytes(range(1, 256)))).encode("utf-8")


def test_a_long_list_is_cut_and_says_by_how_much() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some([str(i) for i in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"


def test_an_error_names_the_file_that_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        files.write_text(tmp_path / "nodir" / "a.csv", "")
    assert caught.value.filename == str(tmp_path / "nodir" / "a.csv")


RUN_BY_SPREADSHEETS = ["=1+1", "+cmd", "-2+3", "@SUM(1)", "\t=1", "\r=1", "\n=1", "＝1", "'=1", "-dash.jpg"]


@pytest.mark.parametrize("cell", RUN_BY_SPREADSHEETS)
def test_what_a_spreadsheet_would_run_is_kept_from_it(tmp_path: Path, cell: str) -> None:
    files.write_csv(tmp_path / "t.csv", [cell, "b"], [[1, cell]])
    with (tmp_path / "t.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [[f"'{cell}", "b"], ["1", f"'{cell}"]]
    assert files.original(f"'{cell}") == cell


@pytest.mark.parametrize("cell", ["", "'", "a=1", "-1", "+1.5", "-1e-9", "it's", "'quoted'", "a\tb"])
def test_what_is_not_run_is_written_as_it_is(cell: str) -> None:
    assert files.inert(cell) == files.original(cell) == cell


def test_only_text_is_kept_from_being_run_and_all_of_it_comes_back() -> None:
    assert [files.inert(value) for value in (-1, -0.5, None, True)] == [-1, -0.5, None, True]
    for letters in product("'=-1 ", repeat=4):
        cell = "".join(letters)
        assert files.original(files.inert(cell)) == cell


def test_a_table_of_any_length_has_one_row_at_a_time_in_memory(tmp_path: Path) -> None:
    class Row(list[int]):
        pass

    written: list[weakref.ref[Row]] = []

    def rows() -> Iterator[Row]:
        for number in range(100):
            row = Row([number])
            written.append(weakref.ref(row))
            yield row
            del row
            assert sum(one() is not None for one in written) <= 1

    files.write_csv(tmp_path / "t.csv", ["a"], rows())
    assert len((tmp_path / "t.csv").read_text().splitlines()) == 101
