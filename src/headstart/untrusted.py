"""Files that may come from anywhere, of a model or a run: opened inside their folder only, and only up to a size.

What is wrong is a ValueError with the reason in a few words; whoever knows what the file is for says what to do next.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from stat import S_ISREG
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.files import sha256, some

MOST_BYTES = 8 << 30
"""Of a file. Chosen: twice as much as the largest networks of timm that a machine of 32 GiB trains with."""
MOST_JSON = 64 << 20
"""Bytes of a JSON document. Chosen for memory: one of nothing but brackets takes 20 times as much when it is read. The
largest that is written, costs of 1,000 classes, has 40 MB."""
MOST_TENSORS = 100_000
"""Arrays in one file. Chosen: the deepest networks of timm have a few thousand."""

MOST_MEMORY = 4 << 30
"""Bytes that a graph of unknown origin may take beyond `MEMORY_PER_BYTE` of its file. Chosen: 12 megapixels
take 0.3 GB of it, the largest picture that is decoded, of 179, takes 2 GB."""
MEMORY_PER_BYTE = 8
"""Bytes of memory for each of a file with a graph: constants are read, folded and laid out anew."""

Tensors = dict[str, NDArray[Any]]


def leads_out(name: str) -> bool:
    """Whether a name with slashes says by itself that it is not of the folder that it is relative to."""
    path = PurePosixPath(name)
    return path.is_absolute() or ".." in path.parts


def file_in(folder: Path, name: str, *, most: int = MOST_BYTES) -> Path:
    """The path of a file of ``folder`` that may be opened; nothing is opened here.

    ``name`` is relative to the folder, with slashes; ``most`` is in bytes.

    Raises:
        ValueError: the name, or a link, leads out of the folder; there is no such file; it is no regular file but a
            folder, a pipe or a device; it is larger than ``most``.
    """
    path = folder / name
    try:
        inside = not leads_out(name) and path.resolve().is_relative_to(folder.resolve())
        status = path.stat() if inside else None
    except FileNotFoundError as error:
        raise ValueError("no such file") from error
    except (OSError, ValueError, RuntimeError) as error:  # a name that no file can have, a link to itself
        raise ValueError(f"no file that can be read ({error})") from error
    if status is None:
        raise ValueError("a path that leads out of the folder")
    if not S_ISREG(status.st_mode):
        raise ValueError("no regular file")
    if status.st_size > most:
        raise ValueError(f"{status.st_size:,} bytes, more than {most:,}")
    return path


def sha256_in(folder: Path, name: str) -> str:
    """Hexadecimal SHA-256 of a file of ``folder``, or why there is none."""
    try:
        return sha256(file_in(folder, name))
    except (ValueError, OSError) as error:
        return str(error)


def read_json(folder: Path, name: str, *, undefined: bool = False) -> Any:
    """The JSON document in a file of ``folder``; with ``undefined`` NaN and Infinity may stand in it, as in metrics.

    Raises:
        ValueError: as `file_in`; no UTF-8 or no JSON, NaN or Infinity, a name given twice, lists nested too deep.
    """
    path = file_in(folder, name, most=MOST_JSON)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from error
    return parsed_json(text, undefined=undefined)


def parsed_json(text: str, *, undefined: bool = False) -> Any:
    """The JSON document in ``text``; ``undefined`` and errors as in `read_json`."""
    try:
        constant = float if undefined else _no_number
        return json.loads(text, object_pairs_hook=_once, parse_constant=constant)
    except RecursionError as error:
        raise ValueError("lists in lists, nested too deep") from error


def read_tensors(folder: Path, name: str) -> Tensors:
    """The arrays of a safetensors file of ``folder`` by name.

    The library of the format holds the sizes in the header against that of the file before it reads any array.

    Raises:
        ValueError: as `file_in`; another format, too many arrays, or numbers in them that are not finite.
    """
    from safetensors import safe_open

    path = file_in(folder, name)
    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys())
            tensors = {each: file.get_tensor(each) for each in names} if len(names) <= MOST_TENSORS else {}
    except Exception as error:  # the library raises its own kind
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if len(names) > MOST_TENSORS:
        raise ValueError(f"{len(names):,} arrays, more than {MOST_TENSORS:,}")
    if wrong := not_finite(tensors):
        raise ValueError(f"numbers that are not finite in {some(wrong, 3)}")
    return tensors


@contextmanager
def bounded_memory(file: int) -> Iterator[None]:
    """Let a runtime take no more memory for a file of so many bytes than it may, where Linux keeps the limit.

    It is one of the whole process and of its address space: whatever asks for more, in any thread, fails.
    """
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        yield
        return
    soft, hard = before = resource.getrlimit(resource.RLIMIT_AS)
    limits = [used + MOST_MEMORY + MEMORY_PER_BYTE * file, *(each for each in before if each != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def not_finite(tensors: Mapping[str, NDArray[Any]]) -> list[str]:
    """Names of the arrays that hold NaN or an infinite number."""
    return [name for name, value in tensors.items() if value.dtype.kind == "f" and not np.isfinite(value).all()]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in document if names.count(name) > 1)!r} given twice")
    return document


def _no_number(constant: str) -> Any:
    raise ValueError(f"{constant}, which is no number")
