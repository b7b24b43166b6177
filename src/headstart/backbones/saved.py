"""A network as files, from which it can be built again with nothing else at hand. Reading the JSON loads no torch.

::

    network.json         architecture (a name of timm), normalisation, size, rows, SHA-256 of the tensors; of a
                         fine-tuned network also where it is cut and the layers of its head below the last
    network.safetensors  pretrained.NAME for every tensor of the pretrained network, by timm's names; of a fine-tuned
                         one also tuned.NAME for those that training changed, and body.NAME for the layers of its head
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.pretrained import Backbone, Triple
from headstart.errors import ModelError, Problem, UserInputError
from headstart.files import display, replacing, sha256, some, write_json
from headstart.options import LARGEST_SIZE
from headstart.schema import read_record
from headstart.untrusted import read_json, sha256_in

if TYPE_CHECKING:
    from torch import Tensor, nn

    from headstart.backbones.network import FrozenModule

FORMAT = 2
DOCUMENT, TENSORS = "network.json", "network.safetensors"
COPY_AGAIN = "copy the whole folder again, or train again with this version"


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """Of a fine-tuned network, see `split.TunedNetwork`."""

    train_from: str
    reads_map: bool
    cut_at: int
    layers: tuple[str, ...]
    joined: bool = False


@dataclass(frozen=True, kw_only=True)
class Description:
    """What network.json says."""

    format: int
    architecture: str
    mean: Triple
    std: Triple
    size: int
    """Side in pixels of the images."""
    widths: Mapping[str, int]
    identity: Mapping[str, Any]
    """Everything that determines the values that the network computes, ``size`` among it."""
    tuned: Tuned | None
    sha256: str
    """Of `TENSORS`."""

    def __post_init__(self) -> None:
        conditions = (
            (1 <= self.size <= LARGEST_SIZE, f"size from 1 to {LARGEST_SIZE}", self.size),
            (self.identity.get("size") == self.size, f"an identity of size {self.size}", self.identity.get("size")),
            (min(self.std) > 0, "std above 0", self.std),
        )
        if problems := [
            Problem(expected=expected, found=repr(found), todo=COPY_AGAIN)
            for holds, expected, found in conditions
            if not holds
        ]:
            raise ModelError(DOCUMENT, problems)


def write(frozen: FrozenModule, identity: Mapping[str, Any], folder: Path) -> None:
    """Write the files of ``frozen``, which is on the CPU, into an existing folder.

    Only a `FrozenNetwork` or a `TunedNetwork` can be built again: a `FrozenPrefix` leaves no files.

    Args:
        frozen: the network.
        identity: everything that determines the values it computes, plain JSON types; ``size`` among it.
        folder: where to.
    """
    from safetensors.torch import save_file

    from headstart.backbones.network import FrozenNetwork
    from headstart.backbones.split import TunedNetwork

    tuned: dict[str, Any] | None = None
    if isinstance(frozen, FrozenNetwork):
        tensors = _named("pretrained", frozen.model.state_dict())
    elif isinstance(frozen, TunedNetwork):
        before, after, body = frozen.tensors()
        changed = {name: value for name, value in after.items() if not value.equal(before[name])}
        tensors = {**_named("pretrained", before), **_named("tuned", changed), **_named("body", body)}
        tuned = {field: getattr(frozen, field) for field in ("train_from", "reads_map", "cut_at", "joined")}
        tuned["layers"] = frozen.layers()
    else:
        return
    with replacing(folder / TENSORS) as file:
        save_file({name: value.contiguous() for name, value in tensors.items()}, file)
    _write_document(folder, frozen.backbone, identity, frozen.widths, tuned)


def write_arrays(
    tensors: Mapping[str, NDArray[Any]],
    backbone: Backbone,
    identity: Mapping[str, Any],
    widths: Mapping[str, int],
    folder: Path,
) -> None:
    """As `write`, of a pretrained network that is not there as a torch module: its tensors by timm's names."""
    from safetensors.numpy import save_file

    with replacing(folder / TENSORS) as file:
        save_file({f"pretrained.{name}": np.asarray(value, order="C") for name, value in tensors.items()}, file)
    _write_document(folder, backbone, identity, widths, None)


def resize(folder: Path, size: int) -> None:
    """Let the network in ``folder`` be one for images of ``size`` pixels, which its tensors must fit."""
    document = read_document(folder / DOCUMENT, kind="network", version=FORMAT)
    resized = {"size": size, "identity": {**document["identity"], "size": size}}
    write_json(folder / DOCUMENT, {**document, **resized}, indent=1)


def _write_document(
    folder: Path,
    backbone: Backbone,
    identity: Mapping[str, Any],
    widths: Mapping[str, int],
    tuned: Mapping[str, Any] | None,
) -> None:
    document = {
        "format": FORMAT,
        "architecture": backbone.architecture,
        "mean": list(backbone.mean),
        "std": list(backbone.std),
        "size": identity["size"],
        "widths": dict(widths),
        "identity": dict(identity),
        "tuned": tuned,
        "sha256": sha256(folder / TENSORS),
    }
    write_json(folder / DOCUMENT, document, indent=1)


def read_document(path: Path, *, kind: str, version: int, todo: str = COPY_AGAIN) -> dict[str, Any]:
    """The JSON document of a ``kind`` of folder; raises ModelError if it is damaged or of another format."""
    what = f"{kind} {path.parent}"
    try:
        document = read_json(path.parent, path.name)
    except ValueError as error:
        expected = f"a readable {path.name}"
        raise ModelError.of(what, expected=expected, found=str(error), todo=todo) from error
    if not isinstance(document, dict) or document.get("format") != version:
        found = f"format {document['format']}" if isinstance(document, dict) and "format" in document else "no format"
        raise ModelError.of(what, expected=f"a {kind} of format {version}", found=found, todo=todo)
    return document


def changed_files(folder: Path, hashes: Mapping[str, str], *, todo: str = COPY_AGAIN) -> list[Problem]:
    """The files of ``folder`` that are missing, or of which SHA-256 is another than in ``hashes``, by name.

    None of them is outside of the folder, and none is opened that is no regular file, see `untrusted.file_in`.
    """
    found = {name: sha256_in(folder, name) for name in hashes}
    return [
        Problem(expected=f"{display(name)} with SHA-256 {expected}", found=found[name], todo=todo)
        for name, expected in hashes.items()
        if found[name] != expected
    ]


def describe(folder: Path, *, size: int | None = None) -> Description:
    """The network.json of ``folder``. Loads no torch and reads no tensor.

    Raises:
        ModelError: missing, damaged, of another format, or for images of another ``size`` than the one given.
    """
    document, what = read_document(folder / DOCUMENT, kind="network", version=FORMAT), f"network {folder}"
    description = read_record(Description, document, f"{what}, {DOCUMENT}", todo=COPY_AGAIN, error=ModelError)
    if size not in (None, description.size):
        expected, found = f"a network for pictures of {size} pixels", str(description.size)
        raise ModelError.of(what, expected=expected, found=found, todo=COPY_AGAIN)
    return description


def read(folder: Path, *, size: int | None = None) -> tuple[FrozenModule, Mapping[str, Any]]:
    """The network in ``folder`` as a torch module on the CPU, and its identity.

    Which tensors the named architecture has is worked out before any of it is built.

    Raises:
        ModelError: anything is missing, damaged or of another kind: the document, its hash, an architecture that timm
            does not know, a tensor's name, shape or type, a number that is not finite.
    """
    from safetensors.torch import load_file

    from headstart.backbones import network

    description, what = describe(folder, size=size), f"network {folder}"
    if problems := changed_files(folder, {TENSORS: description.sha256}):
        raise ModelError(what, problems)
    try:
        tensors = load_file(folder / TENSORS)
    except Exception as error:  # the file's library raises its own kind
        expected, found = f"tensors in {TENSORS}", f"{type(error).__name__}: {error}"
        raise ModelError.of(what, expected=expected, found=found, todo=COPY_AGAIN) from error
    try:
        published = network.record(description.architecture)
        backbone = replace(published, mean=description.mean, std=description.std)
        _require(_expected(backbone, description, tensors), tensors)
        frozen = (_frozen if description.tuned is None else _tuned)(backbone, description, tensors)
    except UserInputError as error:  # an architecture, or a module to cut at, that does not exist; tensors of others
        raise ModelError(what, error.problems) from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError.of(what, expected="a network that can be built", found=found, todo=COPY_AGAIN) from error
    if frozen.widths != description.widths:
        expected, found = f"rows of {dict(description.widths)}", str(frozen.widths)
        raise ModelError.of(what, expected=expected, found=found, todo=COPY_AGAIN)
    return frozen, description.identity


def _expected(backbone: Backbone, description: Description, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, without memory, that a network must have, by their names in a file; ``tensors`` are those there."""
    import torch

    from headstart.backbones import network
    from headstart.backbones.split import split

    with torch.device("meta"):
        model = network.untrained(backbone, size=description.size)
        if description.tuned is None:
            return _named("pretrained", model.state_dict())
        cut = split(model, description.tuned.train_from, reads_map=description.tuned.reads_map)
        before, after = cut.tensors()
        body = _body(description.tuned, tensors).state_dict()
    return {**_named("pretrained", before), **_named("tuned", after), **_named("body", body)}


def _require(expected: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Raise ModelError with everything that does not fit; a tensor that training did not change may miss."""
    from headstart.backbones.state_dicts import misfits

    wanted, found = ({n: f"{v.dtype} {tuple(v.shape)}" for n, v in part.items()} for part in (expected, tensors))
    every = f"every tensor of the network in {TENSORS}"
    problems = misfits(
        wanted, found, of="shape or type", may_miss=("tuned.",), expected=every, todo=COPY_AGAIN
    )  # fmt: skip
    if wrong := [name for name, value in tensors.items() if not value.isfinite().all()]:
        found_numbers = f"others in {some(wrong, 3)}"
        problems.append(Problem(expected=f"finite numbers in {TENSORS}", found=found_numbers, todo=COPY_AGAIN))
    if problems:
        raise ModelError("tensors of the network", problems)


def _frozen(backbone: Backbone, description: Description, tensors: Mapping[str, Tensor]) -> FrozenModule:
    from headstart.backbones import network

    model = network.untrained(backbone, size=description.size)
    _fill(_named("pretrained", model.state_dict()), tensors)
    return network.FrozenNetwork(backbone, model, size=description.size)


def _tuned(backbone: Backbone, description: Description, tensors: Mapping[str, Tensor]) -> FrozenModule:
    from headstart.backbones import network
    from headstart.backbones.split import TunedNetwork, split

    saved, size = cast("Tuned", description.tuned), description.size
    cut = split(network.untrained(backbone, size=size), saved.train_from, reads_map=saved.reads_map)
    if cut.at != saved.cut_at:
        raise ValueError(f"{saved.train_from} cuts the network after {cut.at} operations, not {saved.cut_at}")
    body = _body(saved, tensors)
    pretrained = copy.deepcopy(cut.suffix)
    frozen = TunedNetwork(backbone, cut, pretrained=pretrained, body=body, size=size, joined=saved.joined)
    before, after, own_body = frozen.tensors()
    _fill({**_named("pretrained", before), **_named("tuned", after), **_named("body", own_body)}, tensors)
    return frozen


def _body(saved: Tuned, tensors: Mapping[str, Tensor]) -> nn.Sequential:
    from headstart.backbones.split import build_body

    return build_body(saved.layers, {n.removeprefix("body."): v for n, v in tensors.items() if n.startswith("body.")})


def _fill(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy the tensors of a file into those of a network; what training did not change is the pretrained one's."""
    for name, value in own.items():
        value.copy_(tensors[name] if name in tensors else tensors[name.replace("tuned.", "pretrained.", 1)])


def _named(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}": value for name, value in tensors.items()}
