"""The door for files: only what begins as a picture does is read, within limits that all threads share.

A file that is no picture, or cannot be opened, is left out with its reason. A disk or share that stops answering is no
fault of a picture: it ends the run.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from headstart.errors import DataError, DiskError, UnreadableImageError
from headstart.files import display, some
from headstart.images import limits, sniff

NOT_FOUND = "not found"
_OF_ONE_FILE = {
    errno.ENOENT: NOT_FOUND,
    errno.ENOTDIR: NOT_FOUND,
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EISDIR: "is a directory",
    errno.ENAMETOOLONG: "cannot be opened: its name is too long",
    errno.ELOOP: "cannot be opened: a link that leads to itself",
    errno.EINVAL: "cannot be opened: not a possible name",
    errno.EILSEQ: "cannot be opened: not a possible name",
}
"""What an error number says of one file; every other number says that the disk does not answer."""


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A file that begins as pictures do, wound to its beginning. Neither a device nor a pipe is ever opened.

    Raises:
        UnreadableImageError: with the reason in plain words.
        DiskError: the disk does not answer; also where it is the block that reads.
    """
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise UnreadableImageError("is a directory")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise UnreadableImageError("a pipe, socket or device, not a file: take it out")
        with path.open("rb") as stream:
            if reason := sniff.refusal(stream.read(sniff.HEAD)):
                raise UnreadableImageError(reason)
            limits.check_file(status.st_size)
            stream.seek(0)
            with limits.FILES.share(status.st_size):
                yield stream
    except ValueError as error:  # a NUL in the name
        raise UnreadableImageError(f"cannot be opened: {error}") from error
    except OSError as error:
        raise refused(path, error) from error


@contextmanager
def contents(path: Path) -> Iterator[bytes]:
    """All bytes of a file, which are to be given up when the block is left; raises as `opened` does."""
    with opened(path) as stream:
        yield stream.read()


def refused(path: Path, error: OSError) -> UnreadableImageError | DiskError:
    """What it means that a file or folder cannot be read: it cannot be used, or nothing on that disk can."""
    reason = _OF_ONE_FILE.get(error.errno or 0)
    if reason == NOT_FOUND and _is_lost(path.parent):
        return vanished(path.parent)
    with suppress(OSError):
        if reason == NOT_FOUND and path.is_symlink():
            is_annexed = "annex/objects/" in path.readlink().as_posix()
            reason = sniff.ANNEX if is_annexed else "a link to a file that is not there"
    return UnreadableImageError(reason) if reason else _unanswered(path, error.strerror or str(error))


def changed(reasons: Mapping[Path, str]) -> DataError:
    """The error of pictures that could be read and now, later in the same run, cannot: why, by path."""
    found = some([f"{display(path)}: {reason}" for path, reason in reasons.items()])
    todo = "leave the pictures alone, and give the same command again: what was computed is kept"
    expected = "pictures that stay as they are until the run ends"
    return DataError.of("pictures cannot be read any more", expected=expected, found=found, todo=todo)


def vanished(folder: Path) -> DiskError:
    """The error of a folder that was there before, or was not empty."""
    return _unanswered(folder, "the folder, or all that was in it, has vanished")


def _unanswered(path: Path, found: str) -> DiskError:
    todo = "connect the disk or share again, then give the same command again"
    expected, found = "a disk that answers until the run ends", f"{display(path)}: {found}"
    return DiskError.of("pictures cannot be read", expected=expected, found=found, todo=todo)


def _is_lost(folder: Path) -> bool:
    """Whether there is no such folder any more, or nothing in it, as where a drive was taken away."""
    try:
        with os.scandir(folder) as entries:
            return next(entries, None) is None
    except PermissionError:
        return False
    except OSError:
        return True
