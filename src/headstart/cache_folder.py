"""The cache folder: where it is, what of ours lies in it and is in use, and what was wrong with it.

::

    features.sqlite     rows and other values of pictures, see `headstart.store`
    graphs/KEY/         networks as they are run, see `headstart.backbones.graph`
    maps/KEY/           what the frozen part of a network gives for pictures, see `headstart.finetune.views`
    checkpoints/KEY-N   where fine-tuning stands, see `headstart.finetune.checkpoint`
    unpacked/KEY/       what archives hold, see `headstart.images.unpacked`
    downloads/KEY/      what addresses hold, see `headstart.images.remote`
    depths/, arithmetic/    small findings about networks and this machine, see `kept` and `keep`

Everything in it carries a checksum, is computed again where that is wrong, and can be done without: no error of the
disk or of a file here may end a run.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR
from threading import Lock
from typing import Any

from headstart.errors import OptionError
from headstart.files import digest, write_json

if sys.platform != "win32":
    import fcntl

DEFAULT_LIMIT_GB = 4.0
"""Gigabytes that are kept, of everything together, unless ``$HEADSTART_CACHE_GB`` says otherwise."""

_KEY, _PART = "[0-9a-f]{32}", r"\.[^/]{1,100}-[0-9a-f]{32}\.part"
_GRAPH = rf"(graph\.(xml|bin|json)|(reference|int8)\.safetensors|network\.(json|safetensors)|{_PART})"
_OURS = {
    "features": r"features\.(sqlite(-wal|-shm|-journal)?|damaged-\d+)",
    "graphs": rf"graphs(/{_KEY}(/{_GRAPH})?|/\.unfinished-\w+(/graph(/{_GRAPH})?)?)?",
    "maps": rf"maps(/{_KEY}(/(maps\.bin|sums\.bin|done\.bin|filling|{_PART}))?)?",
    "checkpoints": rf"checkpoints(/({_KEY}-\d+|{_PART}))?",
    "depths": rf"depths(/({_KEY}\.json|{_PART}))?",
    "arithmetic": rf"arithmetic(/({_KEY}\.json|{_PART}))?",
    "unpacked": rf"unpacked(/({_KEY}|\.unfinished-\w+)(/(?s:.*))?)?",
    "downloads": rf"downloads(/{_KEY}(/(?s:.*))?)?",
    "pace": rf"pace(/({_KEY}\.json|{_PART}))?",
}
"""By kind, what a path below the folder is called if this program made it. Nothing else is ever removed."""
KINDS = tuple(_OURS)
_HELD = ("graph.xml", "maps.bin", "done.json")
"""The file of an entry that is `held` while the entry is used."""


def cache_folder() -> Path:
    """``$HEADSTART_CACHE``, else ``headstart`` in the platform's cache folder. It may not be there yet.

    The latter is on Linux ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on Windows
    ``%LOCALAPPDATA%``. A user without a home has none: the path then begins with ``~`` and `made` refuses it.
    """
    if named := os.environ.get("HEADSTART_CACHE"):
        with suppress(RuntimeError):  # there is no home
            return Path(named).expanduser()
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("headstart", appauthor=False, opinion=False)


def size_limit() -> int:
    """The most bytes to keep in the cache, from ``$HEADSTART_CACHE_GB``. Raises OptionError if that is not above 0."""
    text = os.environ.get("HEADSTART_CACHE_GB") or str(DEFAULT_LIMIT_GB)
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not 0 < gigabytes < float("inf"):
        todo = "set HEADSTART_CACHE_GB to, say, 4"
        raise OptionError.of(
            "HEADSTART_CACHE_GB", expected="a number of gigabytes above 0", found=repr(text), todo=todo
        )
    return int(gigabytes * 1e9)


def made(folder: Path) -> Path:
    """A folder of the cache, which is made if need be. Raises OSError."""
    if folder.parts[:1] and folder.parts[0].startswith("~"):
        raise FileNotFoundError(2, "there is no home folder", str(folder))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# ── what was wrong ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Troubles:
    """What was wrong with a cache; `headstart.report.words.cache_lines` has the words for it."""

    damaged: int = 0
    """Values that were not what had been written, and are computed again."""
    store_damaged: bool = False
    """Whether ``features.sqlite`` could not be read, and was begun anew."""
    unusable: str = ""
    """The folder that could not be used, all the time or in the end."""
    why: str = ""
    """In the words of the system; empty where ``unusable`` is."""


_troubles: dict[str, Any] = {}
_noting = Lock()


def note_damaged(values: int) -> None:
    """So many values are computed again, because they are not what was written."""
    with _noting:
        _troubles["damaged"] = _troubles.get("damaged", 0) + values


def note_store_damaged() -> None:
    """The store of features was begun anew."""
    with _noting:
        _troubles["store_damaged"] = True


def note_unusable(folder: Path, error: Exception) -> None:
    """The machine refused ``folder``; the first reason is kept."""
    why = getattr(error, "strerror", None) or str(error)
    with _noting:
        if "unusable" not in _troubles:
            _troubles.update(unusable=str(folder), why=why)


def troubles() -> Troubles:
    """What was wrong with the cache in this process since the last call."""
    with _noting:
        since = Troubles(**_troubles)
        _troubles.clear()
    return since


# ── small findings ──────────────────────────────────────────────────────────────────────────────────────────────────


def sealed(document: dict[str, Any]) -> dict[str, Any]:
    """A document of plain JSON types with the checksum of all else in it."""
    return {**document, "checksum": digest({name: value for name, value in document.items() if name != "checksum"})}


def is_sound(document: Any) -> bool:
    """Whether a document is as it was `sealed`."""
    return isinstance(document, dict) and document == sealed(document)


def kept(file: Path) -> dict[str, Any] | None:
    """The document that `keep` wrote into ``file`` of the cache; None where there is none, or none that is sound."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except OSError:  # there is none, or there can be none
        if not os.path.isdir(file):  # noqa: PTH112, which a folder that cannot be entered does not stop
            return None
        document = None
    except ValueError:
        document = None
    if is_sound(document):
        return {name: value for name, value in document.items() if name != "checksum"}
    note_damaged(1)
    return None


def keep(file: Path, document: dict[str, Any]) -> None:
    """Write a document of plain JSON types into ``file`` of the cache, if that can be done."""
    try:
        made(file.parent)
        if file.is_dir():
            discard(file)
        write_json(file, sealed(document))
    except OSError as error:
        note_unusable(file.parent.parent, error)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Something in the cache that is removed as a whole: a graph, the maps of a view, a file."""

    kind: str
    """One of `KINDS`."""
    path: Path
    used: float
    """When it was last used, in seconds since 1970."""
    bytes: int
    """On the disk: what was never written takes nothing."""
    ours: tuple[Path, ...]
    """All of it that this program made, the entry itself last."""

    def is_held(self) -> bool:
        """Whether a process uses it."""
        return any(_is_held(self.path / name) for name in _HELD)

    def remove(self) -> bool:
        """Remove it, as far as that can be done; whether it is gone."""
        for path in self.ours:
            _remove(path)
        return not os.path.lexists(self.path)


def entries(folder: Path) -> list[Entry]:
    """All that lies in the cache but the store of features, which drops rows, the least recently used first."""
    paths: dict[tuple[str, Path], list[Path]] = {}
    for kind, path in _ours(folder):
        parts = path.relative_to(folder).parts
        if kind != "features" and len(parts) > 1 and not parts[1].startswith(".unfinished-"):
            paths.setdefault((kind, folder.joinpath(*parts[:2])), []).append(path)
    found = []
    for (kind, path), ours in paths.items():
        with suppress(OSError):  # another process removed it
            used, size = path.lstat().st_mtime, sum(map(_bytes, ours))
            found.append(Entry(kind=kind, path=path, used=used, bytes=size, ours=tuple(ours)))
    return sorted(found, key=lambda entry: (entry.used, entry.path))


def sizes(folder: Path) -> dict[str, int]:
    """Bytes on the disk by kind."""
    total = dict.fromkeys(KINDS, 0)
    for kind, path in _ours(folder):
        total[kind] += _bytes(path)
    return total


@dataclass(frozen=True, kw_only=True)
class Cleared:
    """What came of clearing a cache folder."""

    freed: int
    """Bytes."""
    in_use: int
    """Entries that stay, because a running process needs them."""
    refused: dict[Path, str]
    """What could not be removed, and why, in the words of the system."""


def clear(folder: Path) -> Cleared:
    """Remove all that this program put into the cache, and nothing else, whatever state it is in."""
    freed, refused = 0, dict[Path, str]()
    try:
        os.listdir(folder)  # noqa: PTH208
    except FileNotFoundError:
        pass
    except OSError as error:  # what is in it cannot be known
        refused[folder] = error.strerror or str(error)
    held = {entry.path for entry in entries(folder) if entry.is_held()}
    for _, path in _ours(folder):
        if not held.isdisjoint((path, *path.parents)):
            continue
        size = _bytes(path)
        if why := _remove(path):
            refused[path] = why
        else:
            freed += size
    return Cleared(freed=freed, in_use=len(held), refused=refused)


def _remove(path: Path) -> str:
    """Remove a file, a link or an empty folder; why that cannot be done, empty also for a folder with other files."""
    try:
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)
        elif not any(path.iterdir()):
            path.rmdir()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def discard(path: Path) -> None:
    """Remove a file or folder of the cache, if that can be done."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


class Hold:
    """As long as it lives, no other process removes the entry of ``file`` to make room. Raises OSError."""

    def __init__(self, file: Path) -> None:
        self._handle = os.open(file, os.O_RDONLY)
        hold(self._handle)

    def __del__(self) -> None:
        if hasattr(self, "_handle"):
            os.close(self._handle)


def hold(handle: int) -> None:
    """Hold an open file, as `Hold` does, until it is closed and no memory stands for it any more.

    Windows removes no file that is open; elsewhere it is locked for the others to see, which some network drives
    cannot do.
    """
    if sys.platform != "win32":
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _is_held(file: Path) -> bool:
    if sys.platform == "win32":
        return False
    try:
        with file.open("rb") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # it is not there
        return False
    return False


def _bytes(path: Path) -> int:
    """What a file takes up on the disk: parts that were never written take nothing."""
    with suppress(OSError):
        stat = path.lstat()
        if not S_ISDIR(stat.st_mode):
            return min(stat.st_size, 512 * getattr(stat, "st_blocks", stat.st_size))
    return 0


def _ours(folder: Path) -> Iterator[tuple[str, Path]]:
    """Kind and path of all that this program put into ``folder``; what is in a folder comes before the folder."""
    for kind, pattern in _OURS.items():
        for top in folder.glob("features.*") if kind == "features" else [folder / kind]:
            below = (
                Path(root) / name for root, folders, files in os.walk(top, topdown=False) for name in (*files, *folders)
            )
            for path in (*below, top):
                if re.fullmatch(pattern, path.relative_to(folder).as_posix()) and os.path.lexists(path):
                    yield kind, path
