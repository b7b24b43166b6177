"""The rival that needs no network: colour histograms, answered by a ridge classifier.

The transfer certificate compares it with pretrained features out of fold; `transfer` compares it with the answers of a
network on held-out pictures. Transfer is negative where what was learned on other pictures stands in the way (Wang et
al. 2019, "Characterizing and avoiding negative transfer"): a rival without any pretraining then does as well.

Ridge regression on class membership is the plain head for any features, so that features alone are compared. Its
answers with one row left out have a closed form, so its strength is chosen inside each training part for the price of
one eigenvalue decomposition. Pictures of one group are left out together: for the residuals r of a group and its block
H of the hat matrix, the residuals without it are ``(I − H)⁻¹ r``. scikit-learn's ``RidgeCV`` has the closed form for
single rows alone, and takes strengths in absolute units.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Index, Labels, Rows
from headstart.evaluation.losses import correct
from headstart.evaluation.paired import ALPHA, mcnemar_exact
from headstart.features.rows import divisors
from headstart.images.decode import Picture
from headstart.images.grey_levels import Levels
from headstart.images.notes import Note
from headstart.images.threads import in_order

LENGTH = 118
"""Numbers in a histogram."""
WINDOW = 256
"""Histograms that may wait in memory."""
STRENGTHS = tuple(float(value) for value in 10.0 ** np.arange(-3.0, 3.5, 0.75))
"""Penalties to choose from, in units of the mean eigenvalue of the features' Gram matrix: from hardly any to one that
leaves little but the mean."""


def colours(paths: Sequence[Path], levels: Levels | None = None) -> Rows:
    """The histogram of each file of a set of these levels, (n, 118); zeros for a picture that cannot be read."""
    return histograms(in_order(partial(COLOURS.of_file, levels=levels), paths, window=WINDOW))


def histograms(kept: Iterable[bytes | None]) -> Rows:
    """The histograms (n, 118) of which the notes `COLOURS` were ``kept``; zeros where there is none."""
    none = np.zeros(LENGTH, np.float32)
    rows = [none if data is None else np.frombuffer(data, np.float32) for data in kept]
    return np.array(rows, np.float32).reshape(len(rows), LENGTH)


def colour_histogram(picture: NDArray[np.uint8]) -> Rows:
    """Of a picture (h, w, 3): 16 bins of each channel and 4 × 4 × 4 of all three together, as square roots of shares,
    which bins of few pixels count more in; mean and standard deviation of each channel, 0 to 1. (118,)
    """
    channels = np.ascontiguousarray(picture.reshape(-1, 3).T)
    red, green, blue = channels >> 6
    joint = np.bincount(16 * red + 4 * green + blue, minlength=64)
    single = [np.bincount(channel, minlength=16) for channel in channels >> 4]
    shares = np.concatenate([*single, joint]) / channels.shape[1]
    return np.concatenate([np.sqrt(shares), channels.mean(axis=1) / 255, channels.std(axis=1) / 255]).astype(np.float32)


def _of(picture: Picture) -> bytes:
    return colour_histogram(picture.square).tobytes()


COLOURS = Note(name="colours2", of=_of)
"""The histogram of a picture squashed to 64 × 64 pixels: colours need no more."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """How a network compares with what needs no pretraining, on the same pictures."""

    verdict: Literal["helps", "no sign that it helps", "hurts"]
    accuracy: float
    """Of the network, 0 to 1."""
    colours: float
    """Accuracy of a ridge classifier on colour histograms, learned from the same training pictures."""
    majority: float
    """Accuracy of always giving the most frequent class."""
    p: float
    """Two-sided, of McNemar's exact test of the network against the better of the two."""
    n: int
    """Pictures that all three answered."""


def transfer(
    proba: Floats,
    y: Labels,
    paths: Sequence[Path],
    *,
    train_paths: Sequence[Path],
    train_y: Labels,
    levels: Levels | None = None,
) -> Transfer:
    """Compare a network's probabilities (n, k) of the pictures ``paths`` with what their colours say.

    Args:
        proba: of the network, on pictures that it did not learn from.
        y: (n,) their labels.
        paths: their files.
        train_paths: files of the pictures that it did learn from.
        train_y: their labels; of at least two classes.
        levels: of the training pictures.
    """
    m, n = len(train_paths), len(paths)
    train, test = np.arange(m), np.arange(m, m + n)
    labels = np.concatenate([train_y, np.zeros(n, np.int64)])  # those of the tested rows are not looked at
    answers = out_of_fold(colours([*train_paths, *paths], levels), labels, np.arange(m + n), [(train, test)])
    right, colour = correct(proba, y), answers[test] == y
    majority = np.bincount(train_y).argmax() == y
    rival = colour if colour.sum() >= majority.sum() else majority
    p = mcnemar_exact(int((right & ~rival).sum()), int((rival & ~right).sum()))
    return Transfer(
        verdict="no sign that it helps" if p >= ALPHA else "helps" if right.sum() > rival.sum() else "hurts",
        accuracy=float(right.mean()),
        colours=float(colour.mean()),
        majority=float(majority.mean()),
        p=p,
        n=n,
    )


def out_of_fold(
    X: NDArray[np.floating], y: Labels, groups: Index, splits: Sequence[tuple[NDArray[np.intp], NDArray[np.intp]]]
) -> Labels:
    """The class (n,) that ridge gives each picture of X (n, d), fitted on the other folds; strength chosen there.

    ``y`` (n,) classes, ``groups`` (n,), ``splits`` (train, test) positions; pictures that no split tests have no answer
    that means anything. X is standardised with the mean and deviation of all its rows, which hold no label.
    """
    Z = np.asarray(X, dtype=np.float32)
    Z = Z - Z.mean(axis=0)
    Z /= divisors(Z.std(axis=0))
    K = (Z @ Z.T).astype(np.float64)
    targets = np.eye(int(y.max()) + 1)[y]
    answer = np.zeros(len(y), dtype=np.int64)
    for train, test in splits:
        answer[test] = _fit(K, targets, groups, train, test).argmax(axis=1)
    return answer


def _fit(K: Floats, targets: Floats, groups: Index, train: NDArray[np.intp], test: NDArray[np.intp]) -> Floats:
    """Scores (test, k), with the strength whose left-out squared error inside ``train`` is least."""
    inner, cross = K[np.ix_(train, train)], K[np.ix_(test, train)]
    middle = inner.mean(axis=0)
    cross = cross - middle - cross.mean(axis=1, keepdims=True) + middle.mean()
    inner = inner - middle - middle[:, None] + middle.mean()
    squares, U = np.linalg.eigh(inner)  # SciPy's would keep all other threads waiting
    squares = np.maximum(squares, 0.0)
    mean = targets[train].mean(axis=0)
    T = targets[train] - mean
    projected = U.T @ T
    _, codes, sizes = np.unique(groups[train], return_inverse=True, return_counts=True)
    blocks = [np.flatnonzero(codes == code) for code in np.flatnonzero(sizes > 1)]
    leverage = U**2
    best, weights = np.inf, projected
    for strength in STRENGTHS:
        penalty = strength * max(float(squares.mean()), 1e-12)
        kept = squares / (squares + penalty)
        residual = T - U @ (kept[:, None] * projected)
        left_out = residual / np.maximum(1 - (leverage @ kept + 1 / len(train)), 1e-9)[:, None]
        for block in blocks:
            hat = (U[block] * kept) @ U[block].T + 1 / len(train)
            left_out[block] = np.linalg.lstsq(np.eye(len(block)) - hat, residual[block], rcond=1e-9)[0]
        error = float((left_out**2).sum())
        if error < best:
            best, weights = error, projected / (squares + penalty)[:, None]
    return np.asarray(cross @ (U @ weights) + mean)
