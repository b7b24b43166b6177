"""What can be said of one file is its reason; a disk that does not answer ends the run."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from headstart.errors import DataError, DiskError, UnreadableImageError
from headstart.images import limits, reading
from headstart.images.decode import decode
from headstart.images.reading import changed, contents, opened, refused
from headstart.images.recognise import read_header
from pictures import picture
from zoo import png, scene

EIO = OSError(errno.EIO, os.strerror(errno.EIO))


class Failing:
    """An open file of which only the beginning can be read."""

    def __init__(self, stream: IO[bytes], readable: int) -> None:
        self._stream, self._readable = stream, readable

    def read(self, size: int = -1) -> bytes:
        if size < 0 or self._stream.tell() + size > self._readable:
            raise EIO
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, readable: int) -> Iterator[None]:
    """Within it, files can be opened, and only their beginning be read."""
    real = Path.open

    @contextmanager
    def opening(path: Path, mode: str = "r") -> Iterator[Any]:
        with real(path, mode) as stream:
            yield Failing(stream, readable)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", opening)
        yield


@pytest.mark.parametrize(("readable", "read"), [(0, read_header), (0, decode), (4096, decode)])
def test_a_read_error_is_no_fault_of_the_picture(
    readable: int, read: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(scene(60, 60)))
    with failing(monkeypatch, readable), pytest.raises(DiskError) as caught:
        read(path)
    problem = caught.value.problems[0]
    assert problem.expected == "a disk that answers until the run ends"
    assert problem.found == f"{path}: Input/output error"
    assert problem.todo == "connect the disk or share again, then give the same command again"


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENXIO, errno.ETIMEDOUT, errno.EMFILE])
def test_numbers_that_speak_of_the_disk(number: int, tmp_path: Path) -> None:
    error = refused(tmp_path / "a.jpg", OSError(number, os.strerror(number)))
    assert isinstance(error, DiskError)
    assert os.strerror(number) in str(error)


@pytest.mark.parametrize(
    ("number", "reason"),
    [(errno.EACCES, "permission denied"), (errno.ENAMETOOLONG, "cannot be opened: its name is too long")],
)
def test_numbers_that_speak_of_one_file(number: int, reason: str, tmp_path: Path) -> None:
    error = refused(tmp_path / "a.jpg", OSError(number, "x"))
    assert isinstance(error, UnreadableImageError)
    assert error.reason == reason


def test_a_file_alone_that_is_missing_is_named_and_a_folder_ends_the_run(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    one, other = picture(folder / "one.png", 1), picture(folder / "other.png", 2)
    one.unlink()
    with pytest.raises(UnreadableImageError, match="not found"), contents(one):
        pass
    other.unlink()
    for _ in ("an empty mount point", "no folder at all"):
        with pytest.raises(DiskError) as caught, contents(one):
            pass
        assert caught.value.problems[0].found == f"{folder}: the folder, or all that was in it, has vanished"
        shutil.rmtree(folder, ignore_errors=True)


def test_the_contents_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(scene(200, 200)))
    with contents(path) as data:
        assert data == path.read_bytes()
    with opened(path) as stream:
        assert stream.read() == data


def test_a_large_file_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BYTES", 5_000)
    path = tmp_path / "a.png"
    path.write_bytes(png(scene(200, 200)))
    with failing(monkeypatch, 4096), pytest.raises(UnreadableImageError, match="too large: a file of"):
        decode(path)


@pytest.mark.skipif(sys.platform == "win32", reason="needs the special files of Unix")
def test_devices_pipes_sockets_and_links_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "pipe.jpg")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    monkeypatch.chdir(tmp_path)  # the name of a socket may be 108 bytes long
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.jpg")
    special = "a pipe, socket or device, not a file: take it out"
    expected = {
        **dict.fromkeys(("pipe.jpg", "zero.jpg", "linked.jpg", "socket.jpg"), special),
        "circle.jpg": "cannot be opened: a link that leads to itself",
        "nowhere.jpg": "a link to a file that is not there",
    }
    for name, reason in expected.items():
        for read in (decode, read_header):
            with pytest.raises(UnreadableImageError) as caught:
                read(tmp_path / name)
            assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("count", "found"), [(1, "0.png: damaged"), (2, "0.png: damaged, 1.png: damaged"), (12, " and 2 more")]
)
def test_pictures_that_changed_are_named(count: int, found: str) -> None:
    error = changed({Path(f"{i}.png"): "damaged" for i in range(count)})
    assert isinstance(error, DataError)
    assert error.problems[0].found.endswith(found)
    assert reading.NOT_FOUND == "not found"


@pytest.mark.skipif(sys.platform == "win32", reason="links ask for rights there")
@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("../.git/annex/objects/Xx/1y/SHA256E-s4--abc.jpg", "a git-annex pointer: run git annex get"),
        ("gone.jpg", "a link to a file that is not there"),
    ],
)
def test_a_link_without_its_file_says_what_it_is(target: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "other.jpg").touch()
    (tmp_path / "a.jpg").symlink_to(target)
    with pytest.raises(UnreadableImageError, match=reason):
        decode(tmp_path / "a.jpg")
