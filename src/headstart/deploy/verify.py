"""Whether two ways to answer the same pictures agree: how far apart they are, and on how many labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.deploy.manifest import SAME, Precision
from headstart.deploy.model import Prediction
from headstart.deploy.portable import Portable
from headstart.files import plain

LARGEST_DIFFERENCE: Mapping[Precision, float] = {"f32": 0.01, "fp16": 0.01, "int8": 1.0}
"""Of a probability, between an exported file and the model it was made from, on pictures of any kind. Chosen; measured
in ``benchmarks/export.py``. In 8 bits labels alone count: near the border a probability may move by half."""
LEAST_AGREEMENT: Mapping[Precision, float] = {"f32": 0.998, "fp16": 0.998, "int8": 0.99}
"""Share of pictures with the same label. Chosen: of 500 pictures one may lie near enough to the border, of 100 in 8
bits."""


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """How two ways to answer n pictures agree; pictures that neither can read agree and are not counted."""

    n: int
    same_label: int
    """Pictures of which the most probable class is the same."""
    largest: float
    """Difference of a probability, 0 to 1."""
    mean: float
    """Difference of the probability that differs most of a picture, on average."""
    novelty: float
    """Largest difference of novelty; 0 where there is none."""
    farthest: str
    """Name of the picture that differs most."""
    unlike: tuple[str, ...]
    """Names of pictures that only one of the two can read."""
    tolerance: float
    """Of `largest`."""
    least: float = LEAST_AGREEMENT["f32"]
    """Of `share`."""

    @property
    def share(self) -> float:
        """Of pictures with the same label, 0 to 1; 1 of none."""
        return self.same_label / self.n if self.n else 1.0

    @property
    def holds(self) -> bool:
        """Whether both answer alike; nan does not."""
        return self.largest <= self.tolerance and self.share >= self.least and not self.unlike

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**plain(self), "share": self.share, "holds": self.holds}


def agreement(
    names: Sequence[str],
    some: Sequence[Prediction],
    others: Sequence[Prediction],
    *,
    tolerance: float,
    least: float = LEAST_AGREEMENT["f32"],
) -> Agreement:
    """Compare the answers of two models of the same classes for the pictures of these names."""
    unlike = tuple(n for n, a, b in zip(names, some, others, strict=True) if (a.proba is None) != (b.proba is None))
    both = [
        (name, a.proba, b.proba, abs((a.novelty or 0.0) - (b.novelty or 0.0)))
        for name, a, b in zip(names, some, others, strict=True)
        if a.proba is not None and b.proba is not None
    ]
    differences = np.array([np.abs(a - b).max() for _, a, b, _ in both])
    return Agreement(
        n=len(both),
        same_label=sum(int(a.argmax() == b.argmax()) for _, a, b, _ in both),
        largest=float(differences.max(initial=0.0)),
        mean=float(differences.mean()) if len(both) else 0.0,
        novelty=max((novelty for *_, novelty in both), default=0.0),
        farthest=both[int(differences.argmax())][0] if len(both) else "",
        unlike=unlike,
        tolerance=tolerance,
        least=least,
    )


def golden_agreement(portable: Portable) -> Agreement:
    """How an exported file answers its golden pictures, against what it must answer."""
    manifest = portable.manifest
    must = [
        Prediction(
            proba=np.array(picture.probabilities),
            novelty=picture.novelty,
            unsure=picture.unsure,
            unfamiliar=picture.unfamiliar,
        )
        for picture in manifest.golden
    ]
    names = [picture.name for picture in manifest.golden]
    return agreement(names, list(portable.answers(manifest.decoded())), must, tolerance=SAME[manifest.precision])
