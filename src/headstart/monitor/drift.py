"""Compare new, unlabelled pictures with the training pictures: a test, the size of the difference, the mix of answers.

The test is the kernel two-sample test (maximum mean discrepancy, Gretton et al. 2012, JMLR 13) on rows of the
pretrained network, with a p-value from shuffling which pictures are called new. A large sample makes any difference
significant, so beside it stands how large it is: how well a classifier tells new from training pictures out of fold
(Lopez-Paz and Oquab 2017), as the area under its ROC curve.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from headstart.arrays import Floats, Index, Labels, Mask, Rows
from headstart.files import plain

Level = Literal["none", "slight", "drift", "too few"]

ALARM_P = 0.01
"""Level of the test: a difference that chance would give less often is believed. Fixed in advance."""
ALARM_AUC = 0.65
"""Area under the ROC curve, 0.5 to 1, from which a difference is an alarm. Fixed in advance; spoilt and other pictures
have 0.99 and more, more of the same 0.48 (``benchmarks/watch.py``)."""
LEAST = 10
"""New pictures below which no level is given. Chosen, not measured; harmless, as "too few" claims nothing."""
MOST = 1500
"""Pictures of either side that take part, drawn at random from more. Chosen for time: the kernel has 3,000² entries."""
SHUFFLES = 999
"""Of which pictures are called new: the smallest p is 1 in 1,000."""
RIDGE = 0.1
"""Added to the diagonal of the kernel, whose entries are 1, in the classifier of new against training pictures. Chosen;
the areas that it gives are measured in ``benchmarks/watch.py``."""
FOLDS = 5
"""Of the same classifier."""


@dataclass(frozen=True, kw_only=True)
class Drift:
    """What the comparison of n new pictures with m training pictures found."""

    n: int
    m: int
    p: float
    """How often a difference as large would come about by chance."""
    auc: float
    """How well new and training pictures can be told apart: 0.5 not at all, 1 without a mistake."""
    p_within: float | None
    """The test with every new picture compared only with training pictures that get the same answer; None where those
    answers are not known. High where ``p`` is low: only the mix of classes has changed."""
    mix: Floats = field(repr=False)
    """(k,) share of each class among the answers for the new pictures."""
    mix_before: Floats = field(repr=False)
    """(k,) among the training pictures."""
    unfamiliar: Mask | None = field(default=None, repr=False)
    """(n,) whether the model takes a new picture for unfamiliar, as `predict` does; None for one that cannot tell."""
    unfamiliar_before: float | None = None
    """Share of pictures like those of training that the model takes for unfamiliar, 0 to 1."""

    @property
    def level(self) -> Level:
        """``drift`` is the alarm; ``slight`` is a difference that is real but small, or only in the mix of classes."""
        if self.n < LEAST:
            return "too few"
        if self.p >= ALARM_P:
            return "none"
        return "slight" if self.only_mix or self.auc < ALARM_AUC else "drift"

    @property
    def only_mix(self) -> bool:
        """Whether classes come in other shares, and pictures of each class look as before."""
        return self.n >= LEAST and self.p < ALARM_P and self.p_within is not None and self.p_within >= ALARM_P

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        unfamiliar = None if self.unfamiliar is None else float(self.unfamiliar.mean()) if self.n else 0.0
        return (
            {"level": self.level, "new": self.n, "training": self.m, "p": self.p, "auc": self.auc}
            | {"p_within_answers": self.p_within, "only_the_mix_of_classes": self.only_mix}
            | plain(self, "mix", "mix_before", unfamiliar=unfamiliar)
        )


def compare_rows(
    new: Rows,
    training: Rows,
    *,
    answers: Labels,
    answers_before: Labels,
    num_classes: int,
    unfamiliar: Mask | None = None,
    unfamiliar_before: float | None = None,
    same_head: bool = True,
    seed: int = 0,
) -> Drift:
    """Compare rows of length 1, ``new`` (n, d) and ``training`` (m, d).

    Args:
        new: rows of the new pictures.
        training: rows of the training pictures.
        answers: (n,) the answer for each new picture.
        answers_before: (m,) the answer for each training picture from a head that had not seen it.
        num_classes: k.
        unfamiliar: (n,) whether the model takes each new picture for unfamiliar (its novelty is above 1).
        unfamiliar_before: share of pictures like those of training for which that is so.
        same_head: ``answers_before`` come from a head like the one that gave ``answers``; where not (they may be
            labels), only the mix is compared with them.
        seed: of samples and shuffles.
    """
    rng = np.random.default_rng(seed)
    a, b = _some(len(new), rng), _some(len(training), rng)
    p, p_within, auc = 1.0, None, 0.5
    if len(new) >= LEAST:
        X = np.concatenate([new[a], training[b]])
        is_new = np.arange(len(X)) < len(a)
        kernel = _kernel(X)
        p = _p_value(kernel, is_new, np.zeros(len(X), int), rng)
        auc = _auc(kernel, is_new, rng)
        if same_head:
            p_within = _p_value(kernel, is_new, np.concatenate([answers[a], answers_before[b]]), rng)
    return Drift(
        n=len(new),
        m=len(training),
        p=p,
        auc=auc,
        p_within=p_within,
        mix=_shares(answers, num_classes),
        mix_before=_shares(answers_before, num_classes),
        unfamiliar=unfamiliar,
        unfamiliar_before=unfamiliar_before,
    )


def _shares(answers: Index, num_classes: int) -> Floats:
    return np.asarray(np.bincount(answers, minlength=num_classes) / max(len(answers), 1))


def _some(count: int, rng: np.random.Generator) -> Index:
    return np.arange(count) if count <= MOST else np.sort(rng.choice(count, MOST, replace=False))


def _kernel(X: Rows) -> Floats:
    """Gaussian kernel (N, N), its width the median distance between two rows."""
    squares = np.maximum(2.0 - 2.0 * (X @ X.T).astype(np.float64), 0.0)
    median = float(np.median(squares[np.triu_indices(len(X), 1)]))
    return np.asarray(np.exp(-squares / (median or 1.0)))


def _p_value(kernel: Floats, is_new: Mask, stratum: Index, rng: np.random.Generator) -> float:
    """Permutation p of the discrepancy summed over the strata, new and old shuffled only within each.

    With ``z`` = 1/n for new and −1/m for old rows of a stratum, the discrepancy is ``zᵀ K z`` (the biased estimate; its
    diagonal is the same under every shuffle). A stratum counts by how many new rows it holds.
    """
    total = np.zeros(1 + SHUFFLES)
    for answer in np.unique(stratum):
        rows = np.flatnonzero(stratum == answer)
        new = is_new[rows]
        n, m = int(new.sum()), int((~new).sum())
        if not n or not m:
            continue
        z = np.where(new, 1.0 / n, -1.0 / m)
        Z = np.stack([z, *(rng.permutation(z) for _ in range(SHUFFLES))], axis=1)
        total += n * np.einsum("ij,ij->j", Z, kernel[np.ix_(rows, rows)] @ Z)
    return float((1 + (total[1:] >= total[0] - 1e-12).sum()) / (1 + SHUFFLES))


def _auc(kernel: Floats, is_new: Mask, rng: np.random.Generator) -> float:
    """Area under the ROC curve of kernel ridge regression, each row scored by a fit on the other folds."""
    from scipy.linalg import solve
    from scipy.stats import rankdata

    N, n = len(is_new), int(is_new.sum())
    fold = np.empty(N, int)
    for group in (np.flatnonzero(is_new), np.flatnonzero(~is_new)):
        fold[rng.permutation(group)] = np.arange(len(group)) % FOLDS
    ranks = np.empty(N)
    target = np.where(is_new, 1.0 / n, -1.0 / (N - n))
    for held_out in range(FOLDS):  # ranked within a fold: the levels of two fits are not comparable
        train, test = fold != held_out, fold == held_out
        ridge = kernel[np.ix_(train, train)] + RIDGE * np.eye(int(train.sum()))
        score = kernel[np.ix_(test, train)] @ solve(ridge, target[train], assume_a="pos")
        ranks[test] = rankdata(score) / (test.sum() + 1)
    both = rankdata(ranks)
    return float((both[is_new].sum() - n * (n + 1) / 2) / (n * (N - n)))
