"""Facts that give the class away without a look at what is in the picture: a shortcut that a network may take.

If one class was photographed with another camera, saved at another quality or cut out with another border, a network
can score well and have learned nothing of the subject. So from every such fact alone a small decision tree tries to
tell the classes apart, on pictures it was not grown on.

**Effect.** For a class, J is the share of its pictures that are recognised less the share of the others that are
mistaken for it (Youden 1950): 0 for guessing and for any answer that is always the same, such as the most frequent
class, and 1 if the fact settles it. The effect is the largest J over the classes, so that one class among many that
was treated differently is seen.

**Chance.** The same figure with the labels of each test fold shuffled; corrected for the number of facts (Holm 1979).

**Certainty.** Of a few pictures even a large effect is measured roughly. So it counts only where its interval, too,
lies above ``EFFECT`` (Newcombe 1998, method 10: both shares by Wilson's interval; at ``ALPHA``, divided by the number
of facts and classes tried). Of two classes that a fact tells apart without a mistake, that takes some 20 pictures each.

Facts follow from the subject too: grass makes a larger file than a wall. So the size of a file is compared with what
the picture's pixels, contrast and sharpness let expect, and the border's evenness with that of the whole. Small effects
are normal all the same, and an alarm needs all three: chance excluded at ``ALPHA``, certainty, and an effect of
``EFFECT``, which for two classes is 70 % right where guessing has 50 %. Two kinds of fact need more. Those three
explain a file's size only in part (rings and stripes drawn alike differ by 0.4): ``EFFECT_SIZE``. Numbers and dates are
not in the picture, they
only hint that each class was taken in one go, under one light, and classes are often collected one after the other
(file numbers of the clean ants and bees reach 0.45): ``EFFECT_OUTSIDE``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Index, Labels, Mask
from headstart.audit.tree import answers_of_tree
from headstart.evaluation.intervals import wilson
from headstart.evaluation.paired import holm
from headstart.images.facts import GREY, Facts
from headstart.images.splits import folds

EFFECT = 0.4
"""J, 0 to 1, from which a fact is an alarm. Planted faults have 0.72 or more, clean sets at most 0.38
(``benchmarks/doubts.py shortcuts``)."""
EFFECT_SIZE = 0.6
"""The same for the size of a file: rings and stripes drawn alike have 0.4."""
EFFECT_OUTSIDE = 0.8
"""The same for numbers and dates: clean ants and bees have 0.45 (``benchmarks/doubts.py shortcuts``)."""
ALPHA = 0.01
"""Level of the test against chance, over all facts. Fixed in advance."""
SHUFFLES = 1999
"""Of the labels: the smallest p is 1 in 2,000, below ALPHA for up to 20 facts."""
MOST_WORDS = 12
"""Cameras or formats that are told apart, the most frequent ones. Chosen, not measured; the others count as one."""
SHARED = 0.05
"""Share of numbers in several classes from which every class is taken to be numbered on its own. Chosen, not measured;
harmless, as numbers need EFFECT_OUTSIDE."""

SIZE, NUMBER, DATE = "file size", "number in the file name", "date and time"
DIMENSIONS, BORDER, COLOUR = "dimensions", "border", "colour or grey"
OF_THE_SUBJECT = SIZE, DIMENSIONS, BORDER, COLOUR
"""Facts that may follow from what is shown: snow makes a white border, and what is long is cut out long."""
Splits = Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]
_NEEDED = {SIZE: EFFECT_SIZE, NUMBER: EFFECT_OUTSIDE, DATE: EFFECT_OUTSIDE}


@dataclass(frozen=True, kw_only=True)
class Shortcut:
    """What one fact tells of the class."""

    fact: str
    """In words, such as "JPEG quality"."""
    effect: float
    """Largest J over the classes, out of fold; at most 1."""
    label: int
    """The class that has it."""
    recognised: float
    """Share of its pictures that the fact alone recognises."""
    mistaken: float
    """Share of the others that it takes for this class."""
    least: float
    """Lower end of the interval of the effect."""
    p: float
    """Of an effect as large by chance, corrected for the number of facts."""
    needed: float
    """Effect from which it is an alarm."""

    @property
    def alarm(self) -> bool:
        """Whether a network could live on this fact."""
        return self.effect >= self.needed and self.least >= EFFECT and self.p < ALPHA


def find(facts: Facts, y: Labels, groups: Index, *, seed: int) -> tuple[Shortcut, ...]:
    """Measure what every fact that varies tells of the class, the most telling first.

    Args:
        facts: of n training pictures.
        y: (n,) classes; those of fewer than two groups are not looked at.
        groups: (n,); of pictures that belong together the first is taken, since they share their facts.
        seed: of folds and shuffles.
    """
    first = np.sort(np.unique(groups, return_index=True)[1]).tolist()
    readable = [i for i in first if facts.images[i] is not None]
    counts = Counter(y[readable].tolist())
    use = np.array([i for i in readable if counts[y[i]] > 1], dtype=np.int64)
    labels, y = np.unique(y[use], return_inverse=True)
    columns = {name: X[use] for name, X in _columns(facts).items()}
    columns[NUMBER] = _numbering(columns[NUMBER], y)
    columns = {name: X for name, X in columns.items() if (X[:1] != X).any()}
    if len(labels) < 2 or not columns:
        return ()
    splits = folds(y, np.arange(len(y)), seed=seed)
    answers = np.stack([_answers(X, y, splits) for X in columns.values()])
    effects = _effects(answers, y, len(labels))
    shuffled = _shuffled(answers, y, splits, len(labels), seed)
    by_chance = (shuffled >= effects.max(axis=1, keepdims=True)).sum(axis=1)
    p = holm(((1 + by_chance) / (1 + SHUFFLES)).tolist())
    told = []
    for i, (fact, best) in enumerate(zip(columns, effects.argmax(axis=1).tolist(), strict=True)):
        recognised, mistaken = (answers[i, rows] == best for rows in (y == best, y != best))
        told.append(
            Shortcut(
                fact=fact,
                effect=float(effects[i, best]),
                label=int(labels[best]),
                recognised=float(recognised.mean()),
                mistaken=float(mistaken.mean()),
                least=_least(recognised, mistaken, 1 - ALPHA / effects.size),
                p=p[i],
                needed=_NEEDED.get(fact, EFFECT),
            )
        )
    return tuple(sorted(told, key=lambda shortcut: -shortcut.effect))


def _least(recognised: Mask, mistaken: Mask, level: float) -> float:
    """Lower end of the interval of the share of the first less that of the second."""
    first, second = float(recognised.mean()), float(mistaken.mean())
    low, _ = wilson(recognised.sum(), len(recognised), level)
    _, high = wilson(mistaken.sum(), len(mistaken), level)
    return first - second - float(np.hypot(first - low, high - second))


def _columns(facts: Facts) -> dict[str, Floats]:
    """Fact in words → (n, m) numbers, in which what is missing has a value of its own."""
    width, height = facts.column("width"), facts.column("height")
    even = facts.column("border_spread") / np.maximum(facts.column("contrast"), 1.0)
    columns = {
        SIZE: _unexpected_size(facts),
        DIMENSIONS: np.column_stack([width, height, width / height]),
        "file format": _one_hot(facts.words("format")),
        "JPEG quality": facts.column("quality"),
        "camera": _one_hot(facts.words("camera")),
        DATE: facts.column("taken"),
        NUMBER: facts.column("number"),
        BORDER: np.column_stack([facts.column("border"), even]),
        COLOUR: facts.column("colour") < GREY,
    }
    return {name: _filled(np.asarray(X, dtype=np.float64).reshape(len(width), -1)) for name, X in columns.items()}


def _unexpected_size(facts: Facts) -> Floats:
    """Logarithm of the file's size less what the picture lets expect, by least squares over the pictures."""
    size, pixels = np.log(facts.column("size")), np.log(facts.column("width") * facts.column("height"))
    sharpness = np.log(np.maximum(facts.column("sharpness"), 1e-4))
    seen = sharpness[~np.isnan(sharpness)]
    sharpness = np.where(np.isnan(sharpness), np.median(seen) if len(seen) else 0.0, sharpness)
    contrast = np.log(np.maximum(facts.column("contrast"), 1.0))
    known = np.isfinite(size)
    expected = np.column_stack([np.ones(len(size)), pixels, contrast, sharpness, sharpness**2, facts.column("colour")])
    weights = np.linalg.lstsq(expected[known], size[known], rcond=None)[0]
    return np.asarray(size - expected @ weights)


def _filled(X: Floats) -> Floats:
    lowest = np.nan_to_num(np.nanmin(np.vstack([X, np.zeros_like(X[:1])]), axis=0))
    return np.where(np.isnan(X), lowest - 1.0, X)


def _one_hot(words: Sequence[str]) -> Floats:
    common = [word for word, _ in Counter(words).most_common(MOST_WORDS)]
    return np.array([[word == known for known in common] for word in words], dtype=np.float64).reshape(len(words), -1)


def _numbering(X: Floats, y: Labels) -> Floats:
    """The numbers (n, 1), or zeros where each class was numbered on its own.

    Pictures of one camera or one collection share one sequence of numbers, and each number occurs once. Where every
    class begins at 1, a high number only tells which class is larger.
    """
    holders = Counter(number for number, _ in set(zip(X[:, 0].tolist(), y.tolist(), strict=True)))
    several = sum(count > 1 for count in holders.values())
    return np.zeros_like(X) if several > SHARED * len(holders) else X


def _answers(X: Floats, y: Labels, splits: Splits) -> Labels:
    """(n,) classes out of fold from a tree of a few questions, every class counting the same."""
    depth = 2 + int(np.ceil(np.log2(y.max() + 1)))
    answers = np.empty(len(y), dtype=np.int64)
    for train, test in splits:
        least = max(2, len(train) // 100)
        answers[test] = answers_of_tree(X[train], y[train], X[test], depth=depth, least=least)
    return answers


def _effects(answers: Labels, y: Labels, k: int) -> Floats:
    """J of every fact and class, (facts, k), from answers (facts, n)."""
    counts = np.bincount(y, minlength=k)
    J = np.empty((len(answers), k))
    for row, answer in zip(J, answers, strict=True):
        table = np.bincount(y * k + answer, minlength=k * k).reshape(k, k)
        right = table.diagonal()
        row[:] = right / counts - (table.sum(axis=0) - right) / (len(y) - counts)
    return J


def _shuffled(answers: Labels, y: Labels, splits: Splits, k: int, seed: int) -> Floats:
    """Largest J of every fact, (facts, SHUFFLES), with the labels shuffled inside each test fold.

    The trees were grown without the labels of the test fold, so under the null hypothesis every order of these labels
    is as likely, and the test is exact.
    """
    rng = np.random.default_rng(seed)
    best = np.empty((len(answers), SHUFFLES))
    order = np.arange(len(y))
    for b in range(SHUFFLES):
        for _, test in splits:
            order[test] = rng.permutation(test)
        best[:, b] = _effects(answers, y[order], k).max(axis=1)
    return best
