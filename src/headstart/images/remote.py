"""Addresses such as ``s3://bucket/photos``: read through fsspec into the cache, and from there like any other source.

::

    downloads/KEY/files/…    files that are complete, under the names that they have there
    downloads/KEY/parts/…    those that are not: the next call goes on with them
    downloads/KEY/done.json  sizes and checksums of all; written last

KEY holds the address, and of each file size and what its store calls this version of it. Nothing is ever written to an
address.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.cache_folder import cache_folder, made
from headstart.errors import DataError, HeadstartError, MissingPackageError, Problem
from headstart.files import digest, display, some
from headstart.images import unpacked
from headstart.images.archives import safe_name
from headstart.images.walk import is_junk

if sys.platform != "win32":
    import fcntl

_READER = "remote 1"
_EXTRAS = {"fsspec": "remote", "s3fs": "remote", "aiohttp": "remote", "gcsfs": "gcs"}
"""The extra in which a package is; those of other stores, such as adlfs, are installed by themselves."""
_BLOCK = 4 << 20
"""Bytes that are fetched and written at a time; what is lost at most when a fetch is cut off."""
_VERSIONS = ("ETag", "etag", "md5Hash", "generation", "mtime", "LastModified", "last_modified", "created")
"""What stores call a version of a file, the surest first."""
_TODO = (
    "check the address, the credentials and the network; what has been fetched is kept, and the same command goes on"
)


@dataclass(frozen=True, kw_only=True)
class _Remote:
    """A file of an address."""

    path: str
    """As its store has it."""
    name: str
    """Below the address, with slashes."""
    size: int | None
    version: str


def fetched(address: str) -> Path:
    """The local copy of what an address holds, a folder or a file; fetched now as far as an earlier call has not.

    Raises:
        DataError: it cannot be read, or there is no room for it in the cache.
        MissingPackageError: what reads such addresses is not installed.
    """
    what = f"pictures {display(address)}"
    try:
        system, top, files = _listed(address, what)
        entry = cache_folder() / "downloads" / digest([_READER, address, [[f.name, f.size, f.version] for f in files]])
        if not unpacked.is_sound(entry, quiet=True):
            unpacked.require_room(entry, sum(file.size or 0 for file in files), what)
            made(entry / "parts")
            for file in files:
                _fetch(system, file, entry)
            unpacked.seal(entry)
        unpacked.hold(entry)
    except (HeadstartError, KeyboardInterrupt):
        raise
    except Exception as error:  # every store has errors of its own
        told = [each for each in (error, error.__cause__) if each is not None]  # of a line that is refused the second
        found = ", because of ".join(f"{type(each).__name__}: {display(str(each))}"[:300] for each in told)
        raise DataError.of(what, expected="an address that can be read", found=found, todo=_TODO) from error
    local = entry / unpacked.FILES
    return local / files[0].name if top else local


def _listed(address: str, what: str) -> tuple[Any, bool, list[_Remote]]:
    """The store of an address, whether it is that of a single file, and the files, by name."""
    try:
        import fsspec

        system, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        package = error.name or getattr(error.__cause__, "name", None) or "fsspec"
        command = f'pip install "headstart[{_EXTRAS[package]}]"' if package in _EXTRAS else f"pip install {package}"
        raise MissingPackageError(package, f"reading {address.partition(':')[0]}://", command) from error
    system.invalidate_cache()
    info = system.info(path)
    is_file = info.get("type") != "directory"
    found: Mapping[str, Any] = {path: info} if is_file else system.find(path, detail=True)
    files, wrong = [], []
    for each, of in sorted(found.items()):
        inside = each.rstrip("/").rpartition("/")[2].partition("?")[0] if is_file else each[len(path) :].lstrip("/")
        name, refused = safe_name(inside)
        if refused or not name:
            wrong.append(display(each))
        elif not any(map(is_junk, name.split("/"))):
            version = next((str(of[key]) for key in _VERSIONS if of.get(key)), "")
            files.append(_Remote(path=each, name=name, size=of.get("size"), version=version))
    if wrong or not files:
        expected = "files with names that can be written here"
        problem = Problem(
            expected=expected, found=some(wrong) or "no file", todo="name a folder of pictures, or a file"
        )
        raise DataError(what, [problem])
    return system, is_file, files


def _fetch(system: Any, file: _Remote, entry: Path) -> None:
    """Fetch a file, or the rest of it."""
    target, part = entry / unpacked.FILES / file.name, entry / "parts" / digest(file.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    with part.open("ab") as stream:
        if sys.platform != "win32":
            with suppress(OSError):
                fcntl.flock(stream, fcntl.LOCK_EX)  # another process may fetch the same
        if target.exists():
            part.unlink(missing_ok=True)
            return
        if file.size is None:
            stream.truncate(0)
        with system.open(file.path, "rb", block_size=_BLOCK, cache_type="readahead") as source:
            if begun := stream.tell():
                source.seek(begun)
            while block := source.read(_BLOCK):
                stream.write(block)
                stream.flush()
        if file.size is not None and stream.tell() != file.size:
            part.unlink()
            raise EOFError(f"{file.name} has {stream.tell():,} bytes for {file.size:,}")
        part.replace(target)
