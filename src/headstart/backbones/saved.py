"""A network as files, from which it can be built again with nothing else at hand. Reading the JSON loads no torch.

::

    network.json         architecture (a name of timm), normalisation, size, rows, SHA-256 of the tensors; of a
                         fine-tuned network also where it is cut and the layers of its head below the last
    network.safetensors  pretrained.NAME for every tensor of the pretrained network, by timm's names; of a fine-tuned
                         one also tuned.NAME for those that training changed, and body.NAME for the layers of its head
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.errors import ModelError, OptionError, Problem
from headstart.files import replacing, sha256, write_json

if TYPE_CHECKING:
    from torch import Tensor

    from headstart.backbones.network import FrozenModule
    from headstart.backbones.pretrained import Backbone

FORMAT = 2
DOCUMENT, TENSORS = "network.json", "network.safetensors"
COPY_AGAIN = "copy the whole folder again, or train again with this version"

_FIELDS = {
    "architecture": str, "mean": list, "std": list, "size": int, "widths": dict, "identity": dict, "sha256": str,
}  # fmt: skip
_TUNED_FIELDS = {"train_from": str, "reads_map": bool, "cut_at": int, "layers": list}


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
        tuned = {field: getattr(frozen, field) for field in ("train_from", "reads_map", "cut_at")}
        tuned["layers"] = frozen.layers()
    else:
        return
    with replacing(folder / TENSORS) as file:
        save_file({name: value.contiguous() for name, value in tensors.items()}, file)
    document = {
        "format": FORMAT,
        "architecture": frozen.backbone.architecture,
        "mean": list(frozen.backbone.mean),
        "std": list(frozen.backbone.std),
        "size": frozen.size,
        "widths": frozen.widths,
        "identity": dict(identity),
        "tuned": tuned,
        "sha256": sha256(folder / TENSORS),
    }
    write_json(folder / DOCUMENT, document, indent=1)


def read_document(path: Path, *, kind: str, version: int, todo: str = COPY_AGAIN) -> dict[str, Any]:
    """The JSON document of a ``kind`` of folder; raises ModelError if it is damaged or of another format."""
    what = f"{kind} {path.parent}"
    try:
        document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        document["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError.of(what, expected=f"a readable {path.name}", found=found, todo=todo) from error
    if document["format"] != version:
        found = f"format {document['format']}"
        raise ModelError.of(what, expected=f"a {kind} of format {version}", found=found, todo=todo)
    return document


def wrong_types(
    document: Mapping[str, Any], fields: Mapping[str, type], *, place: str = "", todo: str = COPY_AGAIN
) -> list[Problem]:
    """The ``fields`` of a document that are missing or of another type; where a float should be, an int will do."""
    return [
        Problem(expected=f"{name}: {kind.__name__}{place}", found=repr(document.get(name))[:100], todo=todo)
        for name, kind in fields.items()
        if type(document.get(name)) not in ((float, int) if kind is float else (kind,))
    ]


def changed_files(folder: Path, hashes: Mapping[str, Any], *, todo: str = COPY_AGAIN) -> list[Problem]:
    """The files of ``folder`` that are missing, or of which SHA-256 is another than in ``hashes``, by name."""
    found = {name: sha256(folder / name) if (folder / name).is_file() else "no such file" for name in hashes}
    return [
        Problem(expected=f"{name} with SHA-256 {expected}", found=found[name], todo=todo)
        for name, expected in hashes.items()
        if found[name] != expected
    ]


def describe(folder: Path, *, size: int | None = None) -> dict[str, Any]:
    """The network.json of ``folder``, every field of the right type. Loads no torch and reads no tensor.

    Raises:
        ModelError: missing, damaged, of another format, or for images of another ``size`` than the one given.
    """
    document, what = read_document(folder / DOCUMENT, kind="network", version=FORMAT), f"network {folder}"
    problems = wrong_types(document, _FIELDS, place=f" in {DOCUMENT}")
    if isinstance(tuned := document.get("tuned"), dict):
        problems += wrong_types(tuned, _TUNED_FIELDS, place=f" in {DOCUMENT}")
    if problems:
        raise ModelError(what, problems)
    if not (_is_triple(document["mean"]) and _is_triple(document["std"]) and document["size"] > 0):
        found = f"{document['mean']}, {document['std']}, {document['size']}"
        raise ModelError.of(what, expected="mean and std of three colours, size above 0", found=found, todo=COPY_AGAIN)
    if size not in (None, document["size"]):
        found = str(document["size"])
        raise ModelError.of(what, expected=f"a network for pictures of {size} pixels", found=found, todo=COPY_AGAIN)
    return document


def read(folder: Path, *, size: int | None = None) -> tuple[FrozenModule, dict[str, Any]]:
    """The network in ``folder`` as a torch module on the CPU, and its identity.

    Raises:
        ModelError: anything is missing, damaged or of another kind: the document, its hash, an architecture that timm
            does not know, a tensor's name, shape or type.
    """
    from safetensors.torch import load_file

    from headstart.backbones import network

    document, what = describe(folder, size=size), f"network {folder}"
    try:
        found = sha256(folder / TENSORS)
        tensors = load_file(folder / TENSORS) if found == document["sha256"] else {}
    except Exception as error:  # the file's library raises its own kind
        found = f"{type(error).__name__}: {error}"
    if found != document["sha256"]:
        raise ModelError.of(what, expected=f"{TENSORS} with SHA-256 {document['sha256']}", found=found, todo=COPY_AGAIN)
    try:
        published = network.record(document["architecture"])
        backbone = replace(published, mean=tuple(document["mean"]), std=tuple(document["std"]))
        build = _frozen if document.get("tuned") is None else _tuned
        frozen = build(backbone, document, tensors)
    except OptionError as error:  # an architecture, or a module to cut at, that does not exist
        raise ModelError(what, error.problems) from error
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError) as error:
        found = f"{type(error).__name__}: {error}"
        raise ModelError.of(what, expected="a network that can be built", found=found, todo=COPY_AGAIN) from error
    if frozen.widths != document["widths"]:
        raise ModelError.of(what, expected=f"rows of {document['widths']}", found=str(frozen.widths), todo=COPY_AGAIN)
    return frozen, document["identity"]


def _frozen(backbone: Backbone, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FrozenModule:
    from headstart.backbones import network

    model = network.untrained(backbone, size=document["size"])
    _fill(_named("pretrained", model.state_dict()), tensors)
    return network.FrozenNetwork(backbone, model, size=document["size"])


def _tuned(backbone: Backbone, document: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> FrozenModule:
    from headstart.backbones import network
    from headstart.backbones.split import TunedNetwork, build_body, split

    saved, size = document["tuned"], document["size"]
    cut = split(network.untrained(backbone, size=size), saved["train_from"], reads_map=saved["reads_map"])
    if cut.at != saved["cut_at"]:
        raise ValueError(f"{saved['train_from']} cuts the network after {cut.at} operations, not {saved['cut_at']}")
    of_body = {n.removeprefix("body."): value for n, value in tensors.items() if n.startswith("body.")}
    body = build_body(saved["layers"], of_body)
    frozen = TunedNetwork(backbone, cut, pretrained=copy.deepcopy(cut.suffix), body=body, size=size)
    before, after, own_body = frozen.tensors()
    _fill({**_named("pretrained", before), **_named("tuned", after), **_named("body", own_body)}, tensors)
    return frozen


def _fill(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> None:
    """Copy the tensors of a file into those of a network; what training did not change is the pretrained one's.

    Raises ModelError with everything that does not fit; a tensor that training did not change may miss.
    """
    from headstart.backbones.state_dicts import misfits

    wanted, found = ({n: f"{v.dtype} {tuple(v.shape)}" for n, v in part.items()} for part in (own, tensors))
    expected, may_miss = f"every tensor of the network in {TENSORS}", ("tuned.",)
    if problems := misfits(wanted, found, of="shape or type", may_miss=may_miss, expected=expected, todo=COPY_AGAIN):
        raise ModelError("tensors of the network", problems)
    for name, value in own.items():
        value.copy_(tensors[name] if name in tensors else tensors[name.replace("tuned.", "pretrained.", 1)])


def _named(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}.{name}": value for name, value in tensors.items()}


def _is_triple(values: list[Any]) -> bool:
    return len(values) == 3 and all(isinstance(value, (int, float)) and math.isfinite(value) for value in values)
