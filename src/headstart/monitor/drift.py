"""Do new, unlabelled pictures look like the training pictures? A test, how large the difference is, and simple facts.

The test is the kernel two-sample test (maximum mean discrepancy, Gretton et al. 2012, JMLR 13) on rows of the
pretrained network, with a p-value from shuffling which pictures are called new. A large sample makes any difference
significant, so beside it stands how large it is: how well a classifier tells new from training pictures out of fold
(Lopez-Paz and Oquab 2017), as the area under its ROC curve.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float32]
Level = Literal["none", "slight", "drift", "too few"]

ALARM_P = 0.01
"""A difference that chance would give less often than this is believed."""
ALARM_AUC = 0.65
"""How well the new pictures must be told from the training pictures for an alarm: 0.5 is not at all, 1 is each one."""
LEAST = 10
"""New pictures below which nothing is said."""
MOST = 1500
"""Pictures of either side that take part, drawn at random from more."""
SHUFFLES = 999
FAMILIAR = 0.99
"""Share of the training pictures that must count as familiar."""


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
    mix: NDArray[np.float64] = field(repr=False)
    """(k,) share of each class among the answers for the new pictures."""
    mix_before: NDArray[np.float64] = field(repr=False)
    """(k,) among the training pictures."""
    unfamiliar: NDArray[np.bool_] = field(repr=False)
    """(n,) whether a picture is farther from all training pictures than 99 % of these are from each other."""

    @property
    def level(self) -> Level:
        """``drift`` is the alarm; ``slight`` is a difference that is real but small, or only in the mix of classes."""
        if self.n < LEAST:
            return "too few"
        if self.p >= ALARM_P:
            return "none"
        only_mix = self.p_within is not None and self.p_within >= ALARM_P
        return "slight" if only_mix or self.auc < ALARM_AUC else "drift"

    @property
    def only_mix(self) -> bool:
        """Whether classes come in other shares, and pictures of each class look as before."""
        return self.n >= LEAST and self.p < ALARM_P and self.p_within is not None and self.p_within >= ALARM_P

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "level": self.level,
            "new": self.n,
            "training": self.m,
            "p": self.p,
            "auc": self.auc,
            "p_within_answers": self.p_within,
            "only_the_mix_of_classes": self.only_mix,
            "mix": self.mix.tolist(),
            "mix_before": self.mix_before.tolist(),
            "unfamiliar": float(self.unfamiliar.mean()) if self.n else 0.0,
        }


def compare(
    new: Rows,
    training: Rows,
    *,
    answers: NDArray[np.int64],
    answers_before: NDArray[np.int64],
    num_classes: int,
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
        same_head: ``answers_before`` come from a head like the one that gave ``answers``; where not (they may be
            labels), only the mix is compared with them.
        seed: of samples and shuffles.
    """
    rng = np.random.default_rng(seed)
    unfamiliar = _unfamiliar(new, training, rng)
    a = _some(len(new), rng)
    b = _some(len(training), rng)
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
    )


def _shares(answers: NDArray[np.int64], num_classes: int) -> NDArray[np.float64]:
    return np.asarray(np.bincount(answers, minlength=num_classes) / max(len(answers), 1))


def _some(count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return np.arange(count) if count <= MOST else np.sort(rng.choice(count, MOST, replace=False))


def _kernel(X: Rows) -> NDArray[np.float64]:
    """Gaussian kernel (N, N), its width the median distance between two rows."""
    squares = np.maximum(2.0 - 2.0 * (X @ X.T).astype(np.float64), 0.0)
    median = float(np.median(squares[np.triu_indices(len(X), 1)]))
    return np.asarray(np.exp(-squares / (median or 1.0)))


def _p_value(
    kernel: NDArray[np.float64], is_new: NDArray[np.bool_], stratum: NDArray[np.int64], rng: np.random.Generator
) -> float:
    """Permutation p of the discrepancy summed over the strata, new and old shuffled only within each.

    With ``z`` = 1/n for new and −1/m for old rows of a stratum, the discrepancy is ``zᵀ K z`` (the biased estimate; its
    diagonal is the same under every shuffle). A stratum counts by how many new rows it holds.
    """
    total = np.zeros(1 + SHUFFLES)
    for one in np.unique(stratum):
        rows = np.flatnonzero(stratum == one)
        new = is_new[rows]
        n, m = int(new.sum()), int((~new).sum())
        if not n or not m:
            continue
        z = np.where(new, 1.0 / n, -1.0 / m)
        Z = np.stack([z, *(rng.permutation(z) for _ in range(SHUFFLES))], axis=1)
        total += n * np.einsum("ij,ij->j", Z, kernel[np.ix_(rows, rows)] @ Z)
    return float((1 + (total[1:] >= total[0] - 1e-12).sum()) / (1 + SHUFFLES))


def _auc(kernel: NDArray[np.float64], is_new: NDArray[np.bool_], rng: np.random.Generator) -> float:
    """Area under the ROC curve of kernel ridge regression, each row judged by a fit on the other folds."""
    from scipy.linalg import solve
    from scipy.stats import rankdata

    N, n = len(is_new), int(is_new.sum())
    fold = np.empty(N, int)
    for group in (np.flatnonzero(is_new), np.flatnonzero(~is_new)):
        fold[rng.permutation(group)] = np.arange(len(group)) % 5
    ranks = np.empty(N)
    target = np.where(is_new, 1.0 / n, -1.0 / (N - n))
    for one in range(5):  # ranked within a fold: the levels of two fits are not comparable
        train, test = fold != one, fold == one
        ridge = kernel[np.ix_(train, train)] + 0.1 * np.eye(int(train.sum()))
        score = kernel[np.ix_(test, train)] @ solve(ridge, target[train], assume_a="pos")
        ranks[test] = rankdata(score) / (test.sum() + 1)
    both = rankdata(ranks)
    return float((both[is_new].sum() - n * (n + 1) / 2) / (n * (N - n)))


def _unfamiliar(new: Rows, training: Rows, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Whether a row is farther from its nearest training row than 99 % of training rows are from theirs."""
    drawn = training[_some(len(training), rng)]
    own = np.sort(drawn @ training.T, axis=1)[:, -2]  # the nearest is the row itself
    limit = float(np.quantile(own, 1 - FAMILIAR))
    return np.asarray((new @ training.T).max(axis=1, initial=-1.0) < limit)
