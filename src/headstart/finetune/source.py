"""What gives the activations that are trained on: a frozen part of a network at one of its cuts, or nothing."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headstart.backbones.catalog import Backbone
from headstart.backbones.runtime import Runtime
from headstart.backbones.space import prepare
from headstart.backbones.split import FrozenPrefix


@dataclass(frozen=True, kw_only=True)
class Source:
    """What gives the activations of a phase."""

    runtime: Runtime | None
    """None: nothing is frozen, and the pictures themselves are trained on."""
    shape: tuple[int, ...]
    """Of the activations of one view, or ``(s, s, 3)``."""
    name: str = "map0"
    """Of the cut among what the runtime gives."""

    @property
    def key(self) -> str:
        """Tells one source from another."""
        return "pictures" if self.runtime is None else f"{self.runtime.key}-{self.name}"


def sources(
    backbone: Backbone, frozen: FrozenPrefix, cuts: Sequence[int], *, reads: str, size: int, **where: Any
) -> tuple[Source, ...]:
    """Everything that the frozen part of a network gives in one pass, a source for each cut.

    Args:
        backbone: whose network it is.
        frozen: the part.
        cuts: where it is cut, as in `headstart.backbones.split.Split.at`.
        reads: what the plan's head reads, on which the end of the network depends.
        size: side in pixels of the pictures.
        where: ``cache``, ``device`` and ``precision`` as for `headstart.backbones.space.prepare`.
    """
    content = hashlib.sha256()
    for name, value in sorted(frozen.state_dict().items()):  # an earlier phase may have trained a part of it
        content.update(name.encode() + value.contiguous().numpy().tobytes())
    identity = {
        "architecture": backbone.architecture,
        "weights": content.hexdigest(),
        "cuts": list(cuts),
        "reads": reads,
        "size": size,
        "timm": importlib.metadata.version("timm"),
        "torch": importlib.metadata.version("torch"),
    }
    runtime = prepare(lambda: frozen, identity, **where)
    return tuple(Source(runtime=runtime, shape=shape, name=name) for name, shape in frozen.shapes.items())
