"""Which numbers of a ``depths`` row come from which depth of the network; known without torch after the first time."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.pretrained import Backbone
from headstart.backbones.runtime import OUTPUTS_VERSION
from headstart.backbones.weights import locate
from headstart.files import write_json

STATISTICS = 3  # of each channel: mean, maximum, standard deviation

Layout = tuple[tuple[str, int], ...]


def depth_channels(backbone: Backbone, *, cache: Path) -> Layout:
    """Name and channels of each depth of ``backbone``, in the order of the row; kept in the folder ``cache``."""
    identity = {"architecture": backbone.architecture, "outputs": OUTPUTS_VERSION, "size": backbone.input_size}
    file = cache / "layouts" / f"{backbone.architecture.replace('/', '_')}.json"
    try:
        document: Mapping[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        if document["identity"] == identity:
            return tuple((str(name), int(channels)) for name, channels in document["layout"])
    except (OSError, ValueError, KeyError, TypeError):  # not there yet, or damaged: made anew
        pass
    from headstart.backbones.network import FrozenNetwork, build

    model = build(backbone, locate(backbone, random=True))
    channels = FrozenNetwork(backbone, model, size=backbone.input_size).depth_channels
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, {"identity": identity, "layout": channels})
    return channels


def by_depth(rows: NDArray[np.float32], of: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.float32]]:
    """Rows (n, D) of ``depths`` cut into each depth's own (n, 3·channels), by name, from shallow to deep.

    Raises ValueError if they are not laid out like that.
    """
    ends = np.cumsum([STATISTICS * channels for _, channels in of])
    if not len(ends) or ends[-1] != rows.shape[1]:
        raise ValueError(f"rows of {rows.shape[1]} numbers do not fit a layout of {ends[-1] if len(ends) else 0}")
    parts = np.split(rows, ends[:-1], axis=1)
    return {name: part for (name, _), part in zip(of, parts, strict=True)}
