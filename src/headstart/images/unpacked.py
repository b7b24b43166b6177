"""What archives and addresses hold, kept as files in the cache: written once, checked each time they are used.

::

    unpacked/KEY/files/…    the files, under the names that they have in the source
    unpacked/KEY/done.json  their sizes and checksums; written last

KEY holds all that decides the files. They are part of the cache's one limit, and the oldest go first.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from headstart.cache_folder import (
    Hold,
    cache_folder,
    discard,
    keep,
    kept,
    made,
    note_damaged,
    size_limit,
)
from headstart.errors import DataError
from headstart.files import display, sha256
from headstart.images.threads import in_order
from headstart.store import FeatureStore, spare

DONE, FILES = "done.json", "files"
_holds: dict[Path, Hold] = {}
"""What this process has unpacked stays until it ends."""


def unpacked(key: str, write: Callable[[Path], None], *, needed: int, what: str) -> Path:
    """The folder in the cache with the files that ``write`` puts into a new one, made now or by an earlier call.

    Args:
        key: 32 hexadecimal digits that hold everything that decides the files.
        write: fills a folder.
        needed: bytes of the files, or what is known of them before.
        what: the source, for errors.

    Raises:
        DataError: there is no room for it, or no cache that can be written.
    """
    entry = cache_folder() / "unpacked" / key
    if not is_sound(entry):
        discard(entry)
        require_room(entry, needed, what)
        try:
            _fill(entry, write)
        except OSError as error:
            if not error.errno:  # of a library: what it reads is damaged
                raise
            raise _unwritable(entry.parent, error, what) from error
    hold(entry)
    return entry / FILES


def hold(entry: Path) -> None:
    """Keep a folder of the cache that is complete until this process ends. Raises OSError."""
    if entry not in _holds:
        os.utime(entry)
        _holds[entry] = Hold(entry / DONE)


def require_room(entry: Path, needed: int, what: str) -> None:
    """Make room for so many bytes in the cache, which are to go into ``entry``. Raises DataError if there is none."""
    folder, limit, found = cache_folder(), size_limit(), f"{needed / 1e9:,.2f} GB of files"
    if needed > limit:
        expected = f"at most {limit / 1e9:,.2f} GB, which the cache holds"
        todo = "raise it: HEADSTART_CACHE_GB; or unpack the source yourself and give the folder"
        raise DataError.of(what, expected=expected, found=found, todo=todo)
    try:
        made(folder)
        with FeatureStore(folder) as store:
            fits, free = store.make_room(needed, used={entry}), spare(folder)
    except OSError as error:
        raise _unwritable(folder, error, what) from error
    if not fits:
        expected = f"at most {free / 1e9:,.2f} GB, which the disk of {display(folder)} has free"
        todo = "free some space, or set HEADSTART_CACHE to another disk"
        raise DataError.of(what, expected=expected, found=found, todo=todo)


def _unwritable(folder: Path, error: OSError, what: str) -> DataError:
    expected, found = "a cache folder that can be written", f"{display(folder)}: {error.strerror or error}"
    todo = "set HEADSTART_CACHE to a folder with room, or unpack the source and give the folder"
    return DataError.of(what, expected=expected, found=found, todo=todo)


def _fill(entry: Path, write: Callable[[Path], None]) -> None:
    folder = made(entry.parent)
    unfinished = Path(tempfile.mkdtemp(prefix=".unfinished-", dir=folder))
    try:
        unfinished.chmod(0o777 & ~_umask())
        files = unfinished / FILES
        files.mkdir()
        write(files)
        seal(unfinished)
        try:
            unfinished.rename(entry)
        except OSError:
            if not is_sound(entry):  # else another process was faster
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def seal(entry: Path) -> None:
    """Write down what the files of a folder are, now that it is complete. Raises OSError."""
    keep(entry / DONE, {"files": _sums(entry / FILES)})
    if not (entry / DONE).is_file():
        raise OSError(errno.EIO, "the list of files cannot be written", str(entry))


def is_sound(entry: Path, *, quiet: bool = False) -> bool:
    """Whether every file is what was written, and none is missing or new.

    What is not is discarded and counted as damaged; ``quiet``: but for a folder that is not complete.
    """
    if entry in _holds and (entry / DONE).is_file():
        return True
    _holds.pop(entry, None)
    if not entry.is_dir() or (quiet and not (entry / DONE).is_file()):
        return False
    document = kept(entry / DONE)
    if document is not None and document.get("files") == _sums(entry / FILES):
        return True
    note_damaged(1)
    discard(entry)
    return False


def _sums(files: Path) -> dict[str, str]:
    paths = sorted(path for path in files.rglob("*") if not path.is_dir())
    names = [path.relative_to(files).as_posix() for path in paths]
    return {ascii(name): _sum(found) for name, found in zip(names, in_order(_digest, paths), strict=True)}


def _sum(found: tuple[int, str]) -> str:
    size, digest = found
    return f"{size} {digest}"


def _digest(path: Path) -> tuple[int, str]:
    return path.lstat().st_size, sha256(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
