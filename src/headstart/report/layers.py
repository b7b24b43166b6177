"""A network layer by layer, as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from headstart.report.words import counted

if TYPE_CHECKING:
    from headstart.finetune.layers import Layer


def layer_lines(layers: Sequence[Layer]) -> Iterator[str]:
    """A table for a terminal: a line per layer, the way Keras' summary has it, then the sums."""
    if not layers:
        return
    rows = [("layer", "kind", "output shape", "parameters")]
    rows += [(layer.name, layer.kind, str(layer.shape), f"{layer.parameters + layer.statistics:,}") for layer in layers]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    for name, kind, shape, count in rows:
        yield f"{name:<{widths[0]}}  {kind:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
    parameters, statistics = (sum(getattr(layer, what) for layer in layers) for what in ("parameters", "statistics"))
    of_norms = f", {statistics:,} of them statistics of batch norms" if statistics else ""
    yield f"{counted(len(layers), 'layer')}, {parameters + statistics:,} parameters{of_norms}"
