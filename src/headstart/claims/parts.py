"""Fit one head on nested parts of the pictures, many parts at a time, and test each on pictures of none of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.arrays import Floats, Index, Labels, Mask, Rows
from headstart.probe.heads import Axes, Family, fit_family

MOST_SIZES = 6
"""Sizes of a part, each half of the next. Chosen for its cost; the law has three unknowns."""
SMALLEST_PER_CLASS = 3
"""Pictures of the rarest class in the smallest part. Chosen, not measured; harmless, as the law may miss an error by
``learning_curve.MISFIT`` per doubling."""


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Feature rows to fit heads on.

    ``X`` (v·n, d) float32, one block of n rows per view and the plain view first; it is overwritten. ``y`` (n,)
    classes, ``groups`` (n,) pictures that stay together, ``classes`` (k,) names.
    """

    X: Rows = field(repr=False)
    y: Labels
    groups: Index
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class FixedHead:
    """The family and strength of the head that is fitted on every part, as chosen on all pictures.

    The strength of logistic regression multiplies the sum of the losses, so that one strength fits every size.
    """

    family: Family
    strength: float
    balanced: bool = False


def places_in(y: Labels, groups: Index, train: Index, rng: np.random.Generator) -> Floats:
    """A place in (0, 1] for each picture, by class; ∞ outside ``train``. Those up to 0.25 are a quarter of each class.

    A group has the place of its first picture, so that it is in a part as a whole.
    """
    place = np.full(len(y), np.inf)
    names, first, member = np.unique(groups[train], return_index=True, return_inverse=True)
    of_group = np.empty(len(names))
    label = y[train][first]
    for c in np.unique(label):
        members = np.flatnonzero(label == c)
        of_group[members] = (rng.permutation(len(members)) + 1) / len(members)
    place[train] = of_group[member]
    return place


def shares_of(y: Labels, places: Sequence[Floats]) -> list[float]:
    """Halves of the training part, down to where the rarest class has but a few; rising, the last is 1.

    ``places`` as `places_in` gives them. Of groups at least one is left with pictures of each class.
    """
    of_class = [[place[(y == c) & (place <= 1)] for c in np.unique(y[place <= 1])] for place in places]
    rarest = min(len(own) for part in of_class for own in part)
    least = max(own.min() for part in of_class for own in part)
    shares = [1.0]
    while len(shares) < MOST_SIZES and shares[-1] / 2 * rarest >= SMALLEST_PER_CLASS and shares[-1] / 2 >= least:
        shares.append(shares[-1] / 2)
    return shares[::-1]


def logits_of_parts(
    axes: Axes, pictures: Pictures, recipe: FixedHead, rows: Mask, tests: Sequence[Index], shift: Floats | None = None
) -> Floats:
    """Logits (draws, n, k) of each picture by heads that were not fitted on it.

    ``rows`` (heads, n) and ``tests`` go fold by fold, with as many draws of each. ``shift`` (heads, k) is added to the
    logits.
    """
    n, k = len(pictures.y), len(pictures.classes)
    views = len(axes.Z) // n
    _, W, b = next(
        fit_family(
            recipe.family,
            axes,
            np.tile(pictures.y, views),
            rows=np.tile(rows, views),
            num_classes=k,
            balanced=recipe.balanced,
            strengths=(recipe.strength,),
        )
    )
    if shift is not None:
        b = b + shift
    draws = sum(map(len, tests)) // n  # every draw tests each picture once
    logits = np.empty((draws, n, k))
    for head, test in enumerate(tests):
        logits[head % draws, test] = axes.Z[test] @ W[head] + b[head]
    return logits
