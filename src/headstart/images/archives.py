"""Archives that may come from anywhere: what is in them is looked at, and perhaps refused, before any is written."""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from headstart.errors import DataError, Problem
from headstart.files import display, some
from headstart.images.walk import is_junk

MOST_FILES = 1_000_000
"""Files of one archive. Chosen: ten times as many as are trained on in a day."""
MOST_RATIO = 100
"""How many times as large as the archive its files may be: pictures hardly shrink, those of one colour 50 times."""
_SMALL = 100 << 20
"""Bytes of all files up to which the ratio does not count."""
_LONGEST = 255
"""Bytes of one part of a name, as most file systems have it."""
_DRIVE = re.compile(r"[A-Za-z]:")
_ENCRYPTED = 0x1
_UTF8 = 0x800
_BLOCK = 1 << 20

DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile),
    *(NotImplementedError, RuntimeError, ValueError),
)
"""What reading a damaged archive raises, besides OSError."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """A file of an archive."""

    name: str
    """Where it goes: relative, with slashes, and safe."""
    size: int
    """In bytes, as the archive says."""
    inner: Any
    """What the library of the archive knows it by."""


@dataclass(frozen=True, kw_only=True)
class Archive:
    """An archive that may be unpacked."""

    members: tuple[Member, ...]
    open: Callable[[Member], IO[bytes]]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(member.size for member in self.members)

    def write(self, folder: Path) -> None:
        """Write all files into an empty folder. Raises DataError where one is damaged."""
        for member in self.members:
            self.write_one(member, folder / member.name)

    def write_one(self, member: Member, target: Path) -> None:
        """Write one file. Raises OSError, or one of `DAMAGED`."""
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.open(member) as source, target.open("xb") as stream:
            shutil.copyfileobj(source, stream, _BLOCK)
        if (written := target.stat().st_size) != member.size:
            raise EOFError(f"{display(member.name)} has {written:,} bytes for {member.size:,}")


def is_zip(head: bytes) -> bool:
    """Whether a file begins as a zip does."""
    return head[:4] in (b"PK\x03\x04", b"PK\x05\x06")


def is_compressed(head: bytes) -> bool:
    """Whether a file begins as one compressed by gzip, bzip2 or xz."""
    return head.startswith((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"))


def is_tar(file: Path, head: bytes) -> bool:
    """Whether a file is a tar, also a compressed one."""
    if head[257:262] == b"ustar":
        return True
    if not is_compressed(head):
        return False
    try:
        with tarfile.open(file) as tar:
            return tar.next() is not None
    except (*DAMAGED, OSError):
        return False


@contextmanager
def opened(file: Path, what: str, *, most: int) -> Iterator[Archive]:
    """A zip or tar whose files may be written.

    Args:
        file: the archive.
        what: it is called in errors.
        most: bytes of all files together.

    Raises:
        DataError: everything that is wrong with it: names that lead out, links and devices, names given twice,
            encrypted or damaged files, more than the limits.
    """
    checking = _Checking(what, file.stat().st_size, most)
    try:
        with file.open("rb") as stream:
            zipped = is_zip(stream.read(4))
        if zipped:
            with zipfile.ZipFile(file) as archive:
                members = checking.checked(map(_of_zip, archive.infolist()))
                yield Archive(members=members, open=lambda member: archive.open(member.inner))
        else:
            with tarfile.open(file) as tar:
                members = checking.checked(map(_of_tar, tar))
                _require_end(tar)
                yield Archive(members=members, open=lambda member: _extracted(tar, member))
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno:  # of the disk; those of compressed streams have none
            raise
        todo = "fetch or make the archive again: it is cut off or damaged"
        found = display(str(error)) or type(error).__name__
        raise DataError.of(what, expected="an archive that can be read to its end", found=found, todo=todo) from error


@dataclass(frozen=True, kw_only=True)
class _Listed:
    """An entry of an archive as it stands there."""

    name: str
    size: int
    inner: Any
    is_folder: bool = False
    refused: str = ""
    """Why it is never unpacked, whatever its name."""


def _of_zip(info: zipfile.ZipInfo) -> _Listed:
    mode = info.external_attr >> 16
    kind = stat.S_IFMT(mode)
    refused = "a link or device" if kind not in (0, stat.S_IFREG, stat.S_IFDIR) else ""
    if info.flag_bits & _ENCRYPTED:
        refused = "encrypted"
    name = info.filename
    if not info.flag_bits & _UTF8:  # the standard says code page 437; most programs write UTF-8 without saying so
        with suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return _Listed(name=name, size=info.file_size, inner=info, is_folder=info.is_dir(), refused=refused)


def _of_tar(info: tarfile.TarInfo) -> _Listed:
    refused = "" if info.isreg() or info.isdir() else "a link or device"
    return _Listed(name=info.name, size=info.size, inner=info, is_folder=info.isdir(), refused=refused)


def _extracted(tar: tarfile.TarFile, member: Member) -> IO[bytes]:
    stream = tar.extractfile(member.inner)
    assert stream is not None  # a regular file
    return stream


def _require_end(tar: tarfile.TarFile) -> None:
    """Raise EOFError unless a tar ends as the format has it: its library takes one that is cut off for a short one.

    Raises OSError where it is compressed and its checksum is another.
    """
    assert tar.fileobj is not None
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise EOFError("it is cut off: no end of the archive")
    tar.fileobj.read(_BLOCK)  # the rest, up to the checksum of a compressed stream


class _Checking:
    """Looks at the entries of an archive one after the other, and stops at a limit."""

    def __init__(self, what: str, packed: int, most: int) -> None:
        self._what, self._packed, self._most = what, packed, most

    def checked(self, entries: Iterator[_Listed]) -> tuple[Member, ...]:
        """The files; raises DataError with everything that is wrong."""
        members: dict[str, Member] = {}
        wrong: dict[str, list[str]] = {}
        total = 0
        for count, entry in enumerate(entries, 1):
            total += 0 if entry.is_folder else entry.size
            if reason := self._bomb(count, total):
                raise DataError.of(self._what, expected=reason[0], found=reason[1], todo=_BOMB)
            name, reason_ = safe_name(entry.name)
            if reason_ or entry.refused:
                wrong.setdefault(reason_ or entry.refused, []).append(display(entry.name))
            elif not entry.is_folder and not any(map(is_junk, name.split("/"))):
                if name in members:
                    wrong.setdefault(_TWICE, []).append(display(name))
                members[name] = Member(name=name, size=entry.size, inner=entry.inner)
        folders = {name[:at] for name in members for at, sign in enumerate(name) if sign == "/"}
        if both := sorted(folders & members.keys()):
            wrong.setdefault(_TWICE, []).extend(map(display, both))
        if wrong:
            problems = [
                Problem(expected=f"no entry that is {reason}", found=some(names), todo=_REMEDY)
                for reason, names in wrong.items()
            ]
            raise DataError(self._what, problems)
        return tuple(members.values())

    def _bomb(self, count: int, total: int) -> tuple[str, str] | None:
        if count > MOST_FILES:
            return f"at most {MOST_FILES:,} files", "more than that"
        if total > self._most:
            limit = f"at most {self._most / 1e9:,.2f} GB of files, which the cache holds"
            return limit, f"more than {total / 1e9:,.2f} GB"
        if total > _SMALL and total > MOST_RATIO * self._packed:
            times = f"{total / max(self._packed, 1):,.0f} times as large"
            return f"files that are at most {MOST_RATIO} times as large as the archive", times
        return None


_TWICE = "named twice, or both a file and a folder"
_REMEDY = "make the archive again without it, or unpack it yourself and give the folder"
_BOMB = "unpack it yourself and give the folder; of the cache, HEADSTART_CACHE_GB is the limit"


def safe_name(name: str) -> tuple[str, str]:
    """Where an entry may be written, relative and with slashes, and why it may not, which is empty where it may."""
    text = name.replace("\\", "/")
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or _DRIVE.match(text):
        return "", "of an absolute path"
    if ".." in parts:
        return "", "of a path with .. in it"
    if "\0" in text or any(len(part.encode("utf-8", "surrogateescape")) > _LONGEST for part in parts):
        return "", "of an impossible name"
    return "/".join(parts), ""
