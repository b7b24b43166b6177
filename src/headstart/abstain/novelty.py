"""Whether a picture is like those a model was trained on: how far its frozen row lies from the nearest class.

Rows are L2-normalised. The distance is Mahalanobis's to the nearest class mean, under one covariance for all classes,
shrunk towards the identity as in the closed-form head (``probe.heads.shrunk_lda``). Lee et al., "A simple unified
framework for detecting out-of-distribution samples and adversarial attacks", 2018, on the frozen embedding.

The limit comes from the training pictures, each measured with the means and covariance of the others: a picture that
took part in them is closer to them than a new one.

The distance to the k-th nearest training picture (Sun et al., "Out-of-distribution detection with deep nearest
neighbors", 2022) was measured beside it (``benchmarks/novelty.py``): it separates strange from familiar pictures no
better, and needs a row of every picture. Neither notices what is close to varied classes of few pictures: to a model of
124 pictures of ants, 2 % of bees are unfamiliar.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from headstart.arrays import Floats, Mask, Singles
from headstart.errors import ModelError
from headstart.features.rows import unit
from headstart.files import plain

FAMILIAR = "last"
"""The kind of row by which a picture is familiar or not; there is one at every input size, whatever the head reads."""
SHARE = 0.03
"""Share of pictures like those of training that count as unfamiliar. Chosen; ``benchmarks/novelty.py`` measures what it
gives: 2.6 to 3.6 % of held-out pictures, and 100 % of those of another subject."""
MOST = 4000
"""Pictures that the means and axes are made from, in all; classes share them evenly. Chosen for memory and time: the
products of one group with all classes are kept."""
LEAST_PER_CLASS = 20
"""Pictures of each class that are used however many classes there are. Chosen, not measured; it matters from 200
classes on."""

_BLOCK = 1024  # pictures measured at a time

Labels = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The numbers of a `Novelty`, where they are said."""

    ridge: float
    limit: float
    share: float
    n: int

    def __post_init__(self) -> None:
        if not (self.ridge > 0 and self.limit > 0 and 0 < self.share <= 1 and self.n >= 0):
            expected, found = "ridge and limit above 0, share from 0 to 1, n from 0", str(vars(self))
            raise ModelError.of("novelty", expected=expected, found=found, todo="train again")


@dataclass(frozen=True, kw_only=True)
class Novelty:
    """Distance of a frozen row from the nearest class of training, in units of the limit.

    With u = x/‖x‖ and the nearest mean μ, the squared distance is ``(‖u − μ‖² − ‖axes (u − μ)‖²) / ridge``, which is
    ``(u − μ)ᵀ(S + ridge·I)⁻¹(u − μ)`` with S the scatter within classes.
    """

    means: Singles = field(repr=False)
    """(k, d) means of the normalised rows of each class."""
    axes: Singles = field(repr=False)
    """(r, d), r ≤ min(n, d): principal axes of S, that of square s as long as √(s / (s + ridge))."""
    ridge: float
    limit: float = 1.0
    """Distance above which a picture counts as unfamiliar."""
    share: float = SHARE
    """Share, 0 to 1, of pictures like those of training that is to be expected above the limit."""
    n: int = 0
    """Training pictures that the limit was learned from."""

    def measure(self, X: NDArray[np.floating]) -> Floats:
        """Novelty of rows X (n, d): (n,) from 0 up, in units of the limit, so that above 1 a picture is unfamiliar."""
        return np.asarray(np.sqrt(self.squares(_unit(X)).min(axis=1)) / self.limit)

    def squares(self, U: Floats) -> Floats:
        """Squared distances of normalised rows U (n, d) to every class: (n, k)."""
        own, to_means, means = self._products(U, U @ self._wide.T)
        return np.maximum(own[:, None] - 2 * to_means + means.diagonal(), 0.0)

    def squares_left_out(self, U: Floats, labels: Labels, groups: Labels) -> Floats:
        """The same for the rows it was fitted on, each as if the model had been fitted without its group: (n, k).

        Exact but for the ridge, which stays. Taking away the rows of a group takes their scatter from S and moves the
        means of their classes: a change of low rank, so the inverse follows by Woodbury's formula. A class that was
        all in one group is infinitely far from it.
        """
        Z = U @ self._wide.T
        own, to_means, means = self._products(U, Z)
        counts = np.bincount(labels, minlength=len(self.means))
        squares = own[:, None] - 2 * to_means + means.diagonal()
        left_out = _without_itself(squares, own, to_means, means, labels, counts)
        order = np.argsort(groups, kind="stable")
        order = order[np.bincount(groups)[groups[order]] > 1]
        for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else ():
            classes = labels[rows]
            between = (U[rows] @ U[rows].T - Z[rows] @ Z[rows].T) / self.ridge
            # δ = u − its class mean; products of δ with δ, and of u − μ with δ for every class mean μ
            to_class = to_means[rows]
            T = (between - to_class[:, classes])[:, None, :] - to_class.T[None] + means[:, classes][None]
            H = T[np.arange(len(rows)), classes]
            left_out[rows] = _without(squares[rows], T, H, classes, counts)
        return left_out

    def tensors(self) -> dict[str, Singles]:
        """The arrays to keep."""
        return {"novelty.means": self.means, "novelty.axes": self.axes}

    def to_dict(self) -> dict[str, Any]:
        """The numbers to keep."""
        return plain(self, *(number.name for number in fields(Limits)))

    @classmethod
    def from_parts(cls, numbers: Limits, tensors: Mapping[str, Singles], shape: tuple[int, int]) -> Novelty:
        """The inverse of `to_dict` and `tensors`; ``shape`` (k, d) is that of the means. Raises ValueError."""
        means, axes = (tensors.get(f"novelty.{name}", np.empty(0, np.float32)) for name in ("means", "axes"))
        if means.shape != shape or axes.ndim != 2 or axes.shape[1] != shape[1]:
            raise ValueError(f"means {means.shape} and axes {axes.shape}, where the rows of all classes are {shape}")
        return cls(means=means, axes=axes, **vars(numbers))

    @cached_property
    def _wide(self) -> Floats:
        return self.axes.astype(np.float64)

    @cached_property
    def _wide_means(self) -> tuple[Floats, Floats]:
        means = self.means.astype(np.float64)
        return means, means @ self._wide.T

    def _products(self, U: Floats, Z: Floats) -> tuple[Floats, Floats, Floats]:
        """Products under the inverse covariance: u·u (n,), u·μ (n, k), μ·μ (k, k). ``Z`` (n, r) are U's axes."""
        M, ZM = self._wide_means
        own = (np.einsum("nd,nd->n", U, U) - np.einsum("nr,nr->n", Z, Z)) / self.ridge
        return own, (U @ M.T - Z @ ZM.T) / self.ridge, (M @ M.T - ZM @ ZM.T) / self.ridge


def learn_novelty(
    X: NDArray[np.floating], y: ArrayLike, groups: ArrayLike | None = None, *, share: float = SHARE, seed: int = 0
) -> tuple[Novelty, Floats]:
    """Learn means, axes and limit from training rows X (n, d) with classes y (n,).

    Also returns the novelty (n,) of every training picture, each from a model without it and its group. Above
    ``MOST`` pictures the model is made from a sample of whole groups and the others are measured as new ones are.
    Where 1/share pictures are not to be had, the limit is the largest novelty seen, and ``share`` says what that gives.
    """
    labels = np.unique(np.asarray(y), return_inverse=True)[1]
    group = np.arange(len(labels)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    used = _sample(labels, group, seed)
    U = _unit(X[used])
    novelty = _fit(U, labels[used])
    squares = np.empty(len(X))
    squares[used] = novelty.squares_left_out(U, labels[used], group[used]).min(axis=1)
    others = np.flatnonzero(~used)
    for start in range(0, len(others), _BLOCK):
        rows = others[start : start + _BLOCK]
        squares[rows] = novelty.squares(_unit(X[rows])).min(axis=1)
    distances = np.sqrt(squares)
    n = len(distances)
    rank = min(n, math.ceil((n + 1) * (1 - share)))  # of the order statistic that n + 1 exchangeable pictures need
    limit = max(float(np.sort(distances)[rank - 1]), 1e-9)
    return replace(novelty, limit=limit, share=max(share, 1 / (n + 1)), n=n), distances / limit


def _unit(X: NDArray[np.floating]) -> Floats:
    return unit(np.asarray(X, dtype=np.float64))


def _sample(labels: Labels, groups: Labels, seed: int) -> Mask:
    """Which pictures (n,) to use: all, or whole groups at random until their classes have their part of ``MOST``."""
    if len(labels) <= MOST:
        return np.ones(len(labels), dtype=bool)
    classes, number = int(labels.max()) + 1, int(groups.max()) + 1
    room = np.full(classes, max(LEAST_PER_CLASS, MOST // classes))
    of_group = np.zeros((number, classes), dtype=np.int64)
    np.add.at(of_group, (groups, labels), 1)
    chosen = np.zeros(number, dtype=bool)
    for group in np.random.default_rng(seed).permutation(number):
        if (room[of_group[group] > 0] > 0).all():
            chosen[group] = True
            room -= of_group[group]
    return np.asarray(chosen[groups])


def _fit(U: Floats, labels: Labels) -> Novelty:
    """Means, axes and ridge from normalised rows (n, d); no limit yet."""
    from scipy.linalg import eigh

    k = int(labels.max()) + 1
    onehot = (labels == np.arange(k)[:, None]).astype(np.float64)
    means = ((onehot @ U) / onehot.sum(axis=1, keepdims=True)).astype(np.float32)
    R = U - means[labels]
    ridge = max(float((R**2).sum()) / max(len(U) - k, 1), 1e-12)
    wide = R.shape[1] > R.shape[0]
    scatter = (R @ R.T if wide else R.T @ R).astype(np.float32)  # the axes are kept in float32 too
    squares, vectors = eigh(scatter, overwrite_a=True, check_finite=False, driver="evd")
    keep = squares > 1e-6 * max(float(squares[-1]), 1e-12)
    squares, vectors = squares[keep], vectors[:, keep]
    basis = (vectors / np.sqrt(squares)).T @ R if wide else vectors.T  # (r, d), orthonormal
    axes = np.sqrt(squares / (squares + ridge))[:, None] * basis
    return Novelty(means=means, axes=axes.astype(np.float32), ridge=ridge)


def _without_itself(
    squares: Floats, own: Floats, to_means: Floats, means: Floats, labels: Labels, counts: NDArray[np.int64]
) -> Floats:
    """`_without` for n rows that are a group each, all at once: (n, k). Arguments are as `Novelty._products` has them.

    Of one row, Woodbury's formula is that of Sherman and Morrison.
    """
    at = np.arange(len(labels))
    left = counts[labels] - 1
    step = 1 / np.maximum(left, 1)
    h = squares[at, labels]  # δ with δ
    to_row = (own - to_means[at, labels])[:, None] - to_means + means[labels]  # u − μ with δ
    moved = squares.copy()
    moved[at, labels] += step * (2 * to_row[at, labels] + step * h)
    to_row[at, labels] += step * h
    lost = 1 + step
    moved += to_row**2 * (lost / (1 - lost * h))[:, None]
    moved[at[left == 0], labels[left == 0]] = np.inf
    return np.asarray(np.maximum(moved, 0.0))


def _without(squares: Floats, T: Floats, H: Floats, classes: Labels, counts: NDArray[np.int64]) -> Floats:
    """Squared distances (m, k) of the m rows of one group to all classes, after the group is taken away.

    All products are under the inverse covariance: ``T`` (m, k, m) of u − μ with δ, ``H`` (m, m) of δ with δ.
    """
    m, k = squares.shape
    present, position = np.unique(classes, return_inverse=True)
    taken = np.bincount(position)
    left = counts[present] - taken
    member = (position == np.arange(len(present))[:, None]).astype(np.float64)  # (classes of the group, m)
    # The class mean moves by Σδ / left, away from the group …
    shift = member / np.maximum(left, 1)[:, None]
    to_group = T.copy()  # u − moved μ, with δ
    to_group[:, present] += shift @ H
    moved = squares.copy()
    moved[:, present] += 2 * np.einsum("cj,icj->ic", shift, T[:, present]) + np.einsum("ci,ij,cj->c", shift, H, shift)
    # … and S loses the rows Σδδᵀ and, because its mean moved, (Σδ)(Σδ)ᵀ / left.
    lost = np.concatenate([np.eye(m), member / np.sqrt(np.maximum(left, 1))[:, None]])
    V = to_group @ lost.T  # (m, k, m + classes)
    inverse = np.linalg.solve(np.eye(len(lost)) - lost @ H @ lost.T, V.reshape(m * k, -1).T).T.reshape(V.shape)
    moved += np.einsum("ick,ick->ic", V, inverse)
    moved[:, present[left == 0]] = np.inf
    return np.maximum(moved, 0.0)
