"""Whether the accuracy forecast for many pictures, from a few of them, is what the many then give.

    python benchmarks/learning_curve.py PHOTOS [--few 400] [--many 2000] [--draws 10]

PHOTOS has at least --many pictures, in all splits together. Each draw takes --few at random (stratified), chooses a
head on them as `train` does (the last layer at the backbone's own size, two families, all strengths), measures its
learning curve and forecasts the accuracy at --many with a 90 % interval. The truth is the accuracy of heads fitted on
--many pictures, strength chosen anew, on all the others, mean of 8 such splits.

Expected, "holds in" of 10 draws and the median width of the interval:

    2,500 photographs of cats and dogs, 400 → 2,000      9     0.015   (truth 0.994, interval typically 0.983 to 0.998)
    2,500 photographs of cats and dogs, 100 → 2,000     10     0.025
    398 photographs of ants and bees, 100 → 320          8     0.096
    the pictures of the demo, 400 → 1,600                8     0.079

Of 24 draws at a fixed strength, 21 to 24 held on each of these, and 18 to 20 on Gaussian clouds, whose curves fall
steeply and then stop: there the forecast from 200 for 1,000 is too hopeful. The chance that beyond the largest part a
curve goes between no and twice its promised way (MOST_STRETCH) was set on the latter, the demo and ants and bees.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from headstart.claims.learning_curve import learning_curve
from headstart.claims.parts import FixedHead, Pictures
from headstart.features.table import FeatureTable
from headstart.images.folder import scan
from headstart.options import FitOptions
from headstart.pipeline import workbench
from headstart.probe.choice import choose
from headstart.probe.heads import C_PATH, fit_family, principal_axes
from headstart.probe.trials import ProbeOptions

SPLITS = 8


def stratified(y: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """About ``count`` positions, the same share of each class."""
    members = [rng.permutation(np.flatnonzero(y == c)) for c in np.unique(y)]
    return np.concatenate([some[: round(count * len(some) / len(y))] for some in members])


def truth(X: np.ndarray, y: np.ndarray, many: int) -> tuple[float, float]:
    """Accuracy with ``many`` pictures, of the best strength, and its standard error over splits."""
    rng, n = np.random.default_rng(12345), len(y)
    axes = principal_axes(X)
    rows = np.zeros((SPLITS, n), bool)
    for row in rows:
        row[stratified(y, many, rng)] = True
    best = np.zeros(SPLITS)
    for _, W, b in fit_family("logistic regression", axes, y, rows=rows, num_classes=int(y.max()) + 1):
        hits = np.array(
            [((axes.Z[~row] @ w + c).argmax(axis=1) == y[~row]).mean() for row, w, c in zip(rows, W, b, strict=True)]
        )
        best = hits if hits.mean() > best.mean() else best
    return float(best.mean()), float(best.std(ddof=1) / np.sqrt(SPLITS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--few", type=int, default=400)
    parser.add_argument("--many", type=int, default=2000)
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    with workbench(FitOptions()) as bench:
        table = FeatureTable(scan(options.photos), bench).readable(224)
        images = table.images
        y, groups = images.y, images.groups
        accuracy, error = truth(table.rows(224, "last", np.arange(len(y))), y, options.many)
        print(f"truth at {options.many}: {accuracy:.4f}, standard error {error:.4f}; {len(C_PATH)} strengths")
        held, widths = 0, []
        for draw in range(options.draws):
            index = stratified(y, options.few, np.random.default_rng(draw))
            choice = choose(table, index, ProbeOptions(sizes=(224,), seed=draw, enough=1.0))
            recipe = FixedHead(family=choice.candidate.family, strength=choice.strength)
            X = table.rows(224, "last", index)
            curve = learning_curve(
                Pictures(X=X, y=y[index], groups=groups[index], classes=images.classes), recipe, seed=draw
            )
            now, ahead = curve.measured[-1], curve.at(options.many)
            inside = ahead.low <= accuracy <= ahead.high
            held += inside
            widths.append(ahead.high - ahead.low)
            print(
                f"draw {draw}: {now.value:.3f} at {curve.sizes[-1]}, forecast {ahead.value:.4f} "
                f"[{ahead.low:.4f}, {ahead.high:.4f}] {'holds' if inside else 'misses'} ({choice.candidate.family})"
            )
    print(f"holds in {held} of {options.draws}; width of the 90 % interval: median {np.median(widths):.4f}")


if __name__ == "__main__":
    main()
