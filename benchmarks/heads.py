"""What a path of logistic regressions costs: `headstart.probe.heads` against scikit-learn, CPU seconds.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 python benchmarks/heads.py [FEATURES.npz] [--seed 0] [--search]

Eight strengths, warm-started from strong to weak regularisation, on the training rows of five stratified folds; every
fit then answers the rows of its fold that it has not seen. Both sides minimise the same objective on the same
standardised float32 matrix: headstart all folds at once in the principal axes, their computation counted;
scikit-learn's ``LogisticRegression`` with lbfgs and its own tolerance, fold by fold. Without FEATURES.npz (arrays X and
y) the rows are drawn: 1,903 × 6,192 in five classes, the variance of the j-th principal axis being 1/j. CPU time,
because it depends less than the clock's on what else runs; one thread, so that none waits for another and is counted.

Measured on a busy machine of 2 Intel Xeon cores with AVX-512, seeds 0 and 1, a minute each: headstart 3.1 and 3.9 CPU
seconds, scikit-learn 30.1 and 29.0, 7.5 to 9.8 times as much; mean log-losses at most 0.0010 and 0.0025 apart.
Expected: at least 5 times as much, and log-losses within 0.003. The strengths are the eight strongest regularisations
of `C_PATH`, the best of which is among them here. At C = 0.3, where both sides over-fit, headstart stops sooner and its
log-loss is lower by 0.0085 (seed 0).

``--search`` compares instead, in the same folds, the search of a path (`headstart.probe.path`) with looking at all
thirteen strengths: the same C = 0.001 at both seeds, log-losses 0.00008 and 0.00009 apart, 1.5 in place of 4.2 CPU
seconds. Expected: the same strength, and log-losses within 0.0001. On rows of 40 to 200 photographs the log-loss is
flat at weak regularisation, and there the two may choose other strengths, with log-losses up to 0.006 apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_info

from headstart.evaluation.calibration import softmax
from headstart.evaluation.losses import accuracy, log_losses
from headstart.probe.heads import C_PATH, fit_family, principal_axes
from headstart.probe.path import Path as Trail
from headstart.probe.path import calibrated, simplest

STRENGTHS = C_PATH[:8]
FOLDS, CLASSES = 5, 5
AGREE = 0.003
"""Greatest difference between the mean log-losses of the two sides at one strength."""
SAME = 1e-4
"""Greatest difference between the log-losses that a search and looking at all strengths choose."""

Fits = list[NDArray[np.float64]]  # one (n, k) of out-of-fold probabilities for each strength


def drawn(seed: int, n: int = 1_903, d: int = 6_192) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Rows whose j-th principal axis has variance 1/j, and classes that lie apart along the first fifty of them."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, CLASSES, n)
    spread = 1 / np.sqrt(np.arange(1, n + 1))
    hidden = rng.normal(size=(n, n)) * spread
    hidden[:, :50] += 0.4 * rng.normal(size=(CLASSES, 50))[y] * spread[:50]
    mixing = rng.normal(size=(n, d)) / np.sqrt(n)
    return (hidden @ mixing).astype(np.float32), y


def ours(X: NDArray[np.float32], y: NDArray[np.int64], folds: list[NDArray[np.intp]]) -> Fits:
    axes = principal_axes(X.copy())
    rows = np.ones((len(folds), len(y)), dtype=bool)
    for fold, test in enumerate(folds):
        rows[fold, test] = False
    fits = []
    k = int(y.max()) + 1
    for _, W, b in fit_family("logistic regression", axes, y, rows=rows, num_classes=k, strengths=STRENGTHS):
        proba = np.empty((len(y), k))
        for fold, test in enumerate(folds):
            proba[test] = softmax(axes.Z[test] @ W[fold] + b[fold])
        fits.append(proba)
    return fits


def theirs(X: NDArray[np.float32], y: NDArray[np.int64], folds: list[NDArray[np.intp]]) -> Fits:
    standardised = (X - X.mean(axis=0)) / X.std(axis=0)
    fits = [np.empty((len(y), int(y.max()) + 1)) for _ in STRENGTHS]
    for test in folds:
        train = np.setdiff1d(np.arange(len(y)), test)
        model = LogisticRegression(solver="lbfgs", warm_start=True, max_iter=1_000)
        for C, proba in zip(STRENGTHS, fits, strict=True):
            model.set_params(C=C).fit(standardised[train], y[train])
            proba[test] = model.predict_proba(standardised[test])
    return fits


def timed(side: Callable[..., Fits], *arguments: object) -> tuple[Fits, float]:
    began = time.process_time()
    fits = side(*arguments)
    return fits, time.process_time() - began


def table(y: NDArray[np.int64], first: Fits, second: Fits) -> Iterator[tuple[float, float, float, float]]:
    """For each strength: C, mean log-loss of either side, and the accuracy of the first."""
    for C, mine, other in zip(STRENGTHS, first, second, strict=True):
        losses = [float(log_losses(proba, y).mean()) for proba in (mine, other)]
        yield C, losses[0], losses[1], accuracy(mine, y)


def everything(path: Trail) -> None:
    for C in C_PATH:
        path.look((C,))


def searched(X: NDArray[np.float32], y: NDArray[np.int64], folds: list[NDArray[np.intp]]) -> None:
    """Compare the search of a path with looking at all strengths."""
    axes, groups = principal_axes(X.copy()), np.arange(len(y))
    splits = [(np.setdiff1d(groups, test), test) for test in folds]
    found = []
    for name, walk in (("searched", Trail.search), ("all strengths", everything)):
        began = time.process_time()
        path = Trail("logistic regression", axes, y, groups, [splits], num_classes=int(y.max()) + 1)
        walk(path)
        tried = sorted(path.logits)
        losses = [log_losses(calibrated(path.logits[C], y)[1], y).mean(axis=0) for C in tried]
        at = simplest(losses, groups)
        found.append((tried[at], float(losses[at].mean())))
        seconds = time.process_time() - began
        C, loss = found[-1]
        print(f"{name:<14} {seconds:6.1f} CPU s, {len(tried)} looked at, C {C:.6f}, log-loss {loss:.5f}")
    (C, loss), (other, all_of_them) = found
    if other != C or abs(loss - all_of_them) > SAME:
        raise SystemExit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, nargs="?", help="arrays X (n, d) and y (n,) in place of drawn ones")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--search", action="store_true")
    options = parser.parse_args()
    if options.features:
        with np.load(options.features) as arrays:
            X, y = arrays["X"].astype(np.float32), np.unique(arrays["y"], return_inverse=True)[1]
    else:
        X, y = drawn(options.seed)
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=options.seed)
    folds = [test for _, test in splitter.split(X, y)]
    threads = sorted({library["num_threads"] for library in threadpool_info()})
    print(f"{X.shape[0]:,} × {X.shape[1]:,}, {FOLDS} folds, {len(STRENGTHS)} strengths, threads {threads}")
    if options.search:
        searched(X, y, folds)
        return
    mine, seconds = timed(ours, X, y, folds)
    print(f"headstart      {seconds:6.1f} CPU s", flush=True)
    other, their_seconds = timed(theirs, X, y, folds)
    print(f"scikit-learn   {their_seconds:6.1f} CPU s, {their_seconds / seconds:.1f} times as much")
    worst = 0.0
    for C, loss, their_loss, share in table(y, mine, other):
        print(f"C {C:8.6f}   log-loss {loss:.4f} and {their_loss:.4f}   accuracy {share:.3f}")
        worst = max(worst, abs(loss - their_loss))
    print(f"largest difference {worst:.5f}, at most {AGREE} expected")
    if worst > AGREE:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
