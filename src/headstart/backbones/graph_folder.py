"""The folder of an OpenVINO graph: which files it has, and the document that describes them. Loads no OpenVINO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.backbones import eight_bits, saved
from headstart.cache_folder import sealed
from headstart.errors import ModelError
from headstart.files import sha256, write_json
from headstart.options import LARGEST_SIZE
from headstart.schema import read_record

FORMAT = 2
DOCUMENT = "graph.json"
MAKE_AGAIN = "make it again: train again with this version, or clear the cache"
XML, TENSORS, REFERENCE = "graph.xml", "graph.bin", "reference.safetensors"
DATA_FILES = (XML, TENSORS, REFERENCE)
"""The graph, its tensors in float32, and the rows that it must give for `runtime.synthetic_images`, its own proof."""
FILES = (*DATA_FILES, saved.DOCUMENT, saved.TENSORS, eight_bits.FILE)
"""These; of a network that can be built again what it is built from; and what it needs to compute in 8 bits."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What graph.json says."""

    format: int
    identity: Mapping[str, Any]
    """Everything that determines the values of the network, ``size`` among it."""
    widths: Mapping[str, int]
    sha256: Mapping[str, str]
    """By file."""
    parity: Mapping[str, float]
    """By runtime and version, and size where that is another, where it was measured."""
    any_size: bool = False
    """Whether it gives a network's rows at every size; ``identity`` has the one of its proof."""
    checksum: str = ""
    """Of all else in it, where it lies in the cache."""


def write_document(
    folder: Path,
    identity: Mapping[str, Any],
    widths: Mapping[str, int],
    *,
    any_size: bool = False,
    parity: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Write the description of the files in ``folder``, and return it; see `Description` for the fields."""
    description = {
        "format": FORMAT,
        "identity": dict(identity),
        "widths": dict(widths),
        "sha256": {name: sha256(folder / name) for name in FILES if (folder / name).is_file()},
        "parity": dict(parity or {}),
        **({"any_size": True} if any_size else {}),
    }
    write_json(folder / DOCUMENT, sealed(description), indent=1)
    return description


def describe(folder: Path) -> dict[str, Any]:
    """The description of the graph in ``folder``, its files checked against their hashes.

    Raises:
        ModelError: files missing or changed, or written by another version; all of them are listed.
    """
    what, todo = f"graph {folder}", MAKE_AGAIN
    description = saved.read_document(folder / DOCUMENT, kind="graph", version=FORMAT, todo=todo)
    read_record(Description, description, f"{what}, {DOCUMENT}", todo=todo, error=ModelError)
    hashes, size, widths = description["sha256"], description["identity"].get("size"), description["widths"]
    if not ({*DATA_FILES} <= hashes.keys() <= {*FILES} and type(size) is int and 0 < size <= LARGEST_SIZE and widths):
        expected, found = "the fields of a graph", f"files {', '.join(hashes)}, size {size}"
        raise ModelError.of(what, expected=expected, found=found, todo=todo)
    if problems := saved.changed_files(folder, hashes, todo=todo):
        raise ModelError(what, problems)
    return description
