"""Whether a pretrained network helped at all: it has to beat the colours of the pictures, which need no network.

Transfer is negative where what was learned on other pictures stands in the way (Wang et al. 2019, "Characterizing and
avoiding negative transfer"). The sign of it is that a rival without any pretraining does as well on the same pictures.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.errors import UnreadableImageError
from headstart.evaluation.paired import mcnemar_exact
from headstart.images.decode import decode, resample

BINS = 4  # of each colour: 64 cells
SIDE = 64  # pixels that a picture is reduced to: colours need no more
STRENGTHS = tuple(float(alpha) for alpha in 10.0 ** np.arange(-4, 3))
LEVEL = 0.05
"""Of the paired test. Fixed in advance."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """How the network compares with what needs no pretraining, on the same pictures."""

    verdict: Literal["helps", "no sign that it helps", "hurts"]
    accuracy: float
    """Of the network."""
    colours: float
    """Accuracy of a ridge classifier on colour histograms, learned from the same training pictures."""
    majority: float
    """Accuracy of always giving the most frequent class."""
    p: float
    """Two-sided, of McNemar's exact test of the network against the better of the two."""
    n: int

    @property
    def text(self) -> str:
        """The verdict in plain words."""
        said = {
            "helps": "The pretrained network helps here.",
            "no sign that it helps": "There is no sign that the pretrained network helps here: possibly negative "
            "transfer.",
            "hurts": "Negative transfer: the pretrained network does worse than what needs no network.",
        }[self.verdict]
        return (
            f"{said} It is right on {self.accuracy:.1%} of {self.n:,} pictures, colours alone on {self.colours:.1%}, "
            f"the most frequent class on {self.majority:.1%}; paired test against the better: p = {self.p:.2g}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**vars(self), "text": self.text}


def transfer(
    proba: NDArray[np.float64],
    y: NDArray[np.int64],
    paths: Sequence[Path],
    *,
    train_paths: Sequence[Path],
    train_y: NDArray[np.int64],
) -> Transfer:
    """Compare a network's probabilities (n, k) of the pictures ``paths`` with what their colours say.

    Args:
        proba: of the network, on pictures that it did not learn from.
        y: (n,) their labels.
        paths: their files.
        train_paths: files of the pictures that it did learn from.
        train_y: their labels; of at least two classes.
    """
    right = proba.argmax(axis=1) == y
    colours = colour_answers(train_paths, train_y, paths) == y
    majority = np.bincount(train_y).argmax() == y
    rival = colours if colours.sum() >= majority.sum() else majority
    p = mcnemar_exact(int((right & ~rival).sum()), int((rival & ~right).sum()))
    verdict: Literal["helps", "no sign that it helps", "hurts"] = "no sign that it helps"
    if p < LEVEL:
        verdict = "helps" if right.sum() > rival.sum() else "hurts"
    return Transfer(
        verdict=verdict,
        accuracy=float(right.mean()),
        colours=float(colours.mean()),
        majority=float(majority.mean()),
        p=p,
        n=len(y),
    )


def colour_answers(train_paths: Sequence[Path], train_y: NDArray[np.int64], paths: Sequence[Path]) -> NDArray[np.int64]:
    """(n,) labels that a ridge classifier gives ``paths`` by their colours, its strength by leave-one-out."""
    from sklearn.linear_model import RidgeClassifierCV

    ridge = RidgeClassifierCV(alphas=STRENGTHS, class_weight="balanced")
    ridge.fit(histograms(train_paths), train_y)
    return np.asarray(ridge.predict(histograms(paths)), dtype=np.int64)


def histograms(paths: Sequence[Path]) -> NDArray[np.float64]:
    """(n, 64) root of the share of pixels in each cell of colour; zeros for a picture that cannot be read."""
    with ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="decode") as pool:
        return np.array(list(pool.map(_histogram, paths))).reshape(len(paths), BINS**3)


def _histogram(path: Path) -> NDArray[np.float64]:
    try:
        picture = resample(decode(path, at_least=SIDE), size=(SIDE, SIDE), box=None, interpolation="bilinear")
    except UnreadableImageError:
        return np.zeros(BINS**3)
    red, green, blue = (picture[..., channel].astype(np.int64) * BINS // 256 for channel in range(3))
    cells = np.bincount(((red * BINS + green) * BINS + blue).ravel(), minlength=BINS**3)
    shares: NDArray[np.float64] = np.sqrt(cells / cells.sum())  # Hellinger: many near-empty cells count too
    return shares
