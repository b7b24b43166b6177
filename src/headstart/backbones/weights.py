"""Where the tensors of a backbone are, and their hash. Loads no torch: reading them is `network.build`'s part."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from headstart.backbones import pretrained
from headstart.backbones.pretrained import Backbone, Bundled, Hub
from headstart.errors import MissingPackageError, OptionError, WeightsError
from headstart.files import sha256

Origin = Literal["bundled", "hub", "file", "random"]
"""Where weights are from."""
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Located weights. The hash is what caches and saved models know them by."""

    path: Path | None
    """None for random weights."""
    sha256: str
    """Of the file; of random weights, of the seed and the architecture."""
    origin: Origin


def locate(backbone: Backbone, *, file: Path | None = None, random: bool = False) -> Weights:
    """Find the weights of ``backbone``: the user's file, or else its published ones.

    The network is not touched where the hub's own switch, ``HF_HUB_OFFLINE``, is set.

    Args:
        backbone: whose weights.
        file: a ``.safetensors`` file or a torch checkpoint to use instead of the published ones.
        random: untrained weights, the same every time; never chosen unless asked for.

    Raises:
        MissingPackageError: bundled weights whose package is not installed.
        WeightsError: no such file, a bundled file that is not the published one, or weights that are neither
            in the hub's local cache nor to be had from the network.
        OptionError: ``file`` and ``random`` together.
    """
    if random:
        if file is not None:
            found, todo = f"random and {file}", "drop one of the two"
            raise OptionError.of("weights", expected="one source of weights", found=found, todo=todo)
        name = f"random weights, seed 0, {backbone.architecture}"
        return Weights(path=None, sha256=hashlib.sha256(name.encode()).hexdigest(), origin="random")
    if file is not None:
        _check_file(file)
        return Weights(path=file, sha256=sha256(file), origin="file")
    if isinstance(backbone.source, Bundled):
        return _from_package(backbone, backbone.source)
    if isinstance(backbone.source, Hub):
        path = _from_hub(backbone, backbone.source)
        return Weights(path=path, sha256=sha256(path), origin="hub")
    what, todo = f"weights of {backbone.name}", "give a weights file, or ask for random"
    raise WeightsError.of(what, expected="published weights", found="none for this network", todo=todo)


def locate_named(backbone: Backbone, weights: str | None) -> Weights:
    """As `locate`, by what a user typed: None for its own weights, ``"random"``, or the path of a file."""
    random = weights == "random"
    return locate(backbone, random=random, file=Path(weights) if weights and not random else None)


def origin_of(backbone: Backbone, weights: Weights) -> dict[str, str]:
    """What a saved model says about where its network came from."""
    return {
        "name": backbone.name,
        "architecture": backbone.architecture,
        "licence": backbone.licence if weights.origin in ("bundled", "hub") else "that of the weights given",
        "weights": weights.origin,
        "sha256": weights.sha256,
    }


def is_ready(backbone: Backbone) -> bool:
    """Whether the published weights are on this machine: their package installed, or their file in the hub's cache."""
    source = backbone.source
    if isinstance(source, Bundled):
        return importlib.util.find_spec(source.package) is not None
    return isinstance(source, Hub) and _cached(source) is not None


def _check_file(file: Path) -> None:
    if not file.is_file():
        found, todo = "no such file", "check the path"
    elif file.suffix not in SUFFIXES:
        found, todo = f"the suffix {file.suffix!r}", "save it as .safetensors, or as .pth with torch.save"
    else:
        return
    expected = f"a weights file: {', '.join(SUFFIXES)}"
    raise WeightsError.of(f"weights {file}", expected=expected, found=found, todo=todo)


def _from_package(backbone: Backbone, source: Bundled) -> Weights:
    spec = importlib.util.find_spec(source.package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError(source.package, f"the backbone {backbone.name}", source.install)
    path = Path(spec.submodule_search_locations[0]) / source.file
    found = sha256(path) if path.is_file() else "no such file"
    if found != source.sha256:
        what, expected = f"weights of {backbone.name}", f"{path} with sha256 {source.sha256}"
        todo = f"install the package again: {source.install} --force-reinstall"
        raise WeightsError.of(what, expected=expected, found=found, todo=todo)
    return Weights(path=path, sha256=found, origin="bundled")


def _from_hub(backbone: Backbone, source: Hub) -> Path:
    """The file in the hub's local cache, which is filled from the network where it may be.

    What is cached is used as it is, without asking the network whether there is something newer.
    """
    if (cached := _cached(source)) is not None:
        return cached
    from huggingface_hub import constants, get_session, hf_hub_download, hf_hub_url

    if constants.HF_HUB_OFFLINE:
        found = "it is not in the cache, and the network is switched off"
    else:
        try:
            # One request first, because the download itself repeats a refused one for 20 seconds and more.
            get_session().head(hf_hub_url(source.repo_id, source.file), timeout=5)
            return Path(hf_hub_download(source.repo_id, source.file))
        except Exception as error:  # of the hub's client, of its HTTP library, of the disk
            found = f"it is not in the cache, and fetching it failed ({_cause(error)})"
    ready = [other.name for other in pretrained.all() if is_ready(other)]
    folder = f"models--{source.repo_id.replace('/', '--')}"
    raise WeightsError.of(
        f"weights of {backbone.name}",
        expected=f"{source.file} of {source.repo_id} in the hub's local cache {constants.HF_HUB_CACHE}",
        found=found,
        todo=(
            f"on a machine with a network run `headstart backbones fetch {backbone.name}` "
            f"(or `hf download {source.repo_id} {source.file}`) and copy the folder {folder} "
            f"of its cache into {constants.HF_HUB_CACHE}; or give a weights file; "
            f"or use a backbone that works right now: {', '.join(ready) or 'none is installed'}"
        ),
    )


def _cached(source: Hub) -> Path | None:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when huggingface_hub is first imported
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.repo_id, source.file)
    return Path(found) if isinstance(found, str) else None


def _cause(error: BaseException) -> str:
    """The first line of the innermost cause: the hub's client wraps what went wrong several times."""
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return f"{type(error).__name__}: {error}".splitlines()[0]
