"""Does the interval of the number of wrong labels hold the truth: 0 where classes overlap, else the labels flipped?

    python benchmarks/wrong_labels.py [--sets 120] [--seed 100] [--flips 0 0.01 0.05 0.1]

Every set is drawn anew: 2 to 10 classes, of equal sizes or not, 100 to 2,000 pictures, 4 to 256 features, a Bayes error
of 0 to 20 %. In a quarter of the sets each the features are normal around one mean a class or three, on a curve, or
have the heavy tails of Student's t with 3 to 5 degrees of freedom, in the length of the whole row or in every feature.
A head is chosen on them as on the rows of a network, and its out-of-fold answers are what is looked at. A flipped label
becomes any of the others. No network: six minutes on one core.

Expected, 120 sets (standard error 1 to 2 points): the interval holds the truth in 98, 98, 96 and 95 % of the sets with
no, 1, 5 and 10 % of the labels flipped, and leaves out 0 in 3, 38, 75 and 86 %. With right labels it leaves out 0 in 3
of 119 sets, one of 2 % Bayes error and two of 20 %. Where it misses flipped labels it is mostly too low, on curves and
clusters that a linear head cannot follow: there they count as overlap.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.audit.wrong_labels import wrong_labels
from headstart.evaluation.intervals import Estimate
from headstart.features.spread import in_threads
from headstart.probe.choice import choose
from headstart.probe.trials import ProbeOptions

SHAPES = ("one mean", "three means", "curve", "long rows", "long features")
BAYES = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2)
LEAST = 5
"""Pictures of each class, as headstart asks for."""

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Design:
    """A law from which pictures are drawn: their labels by a prior, their features around the means of a class."""

    shape: str
    prior: Floats
    """(k,)"""
    means: Floats
    """(m, k, d): a class has m clusters."""
    spread: float
    """Standard deviation of the features, in distances of a mean from 0."""
    freedom: int
    """Of Student's t, where tails are heavy."""

    def draw(self, n: int, rng: np.random.Generator) -> tuple[Labels, Floats]:
        """Labels (n,) and features (n, d)."""
        m, k, d = self.means.shape
        y, cluster = rng.choice(k, size=n, p=self.prior), rng.integers(m, size=n)
        heavy = self.shape == "long features"
        noise = rng.standard_t(self.freedom, size=(n, d)) if heavy else rng.normal(size=(n, d))
        if self.shape == "long rows":
            noise *= np.sqrt(self.freedom / rng.chisquare(self.freedom, size=(n, 1)))
        return y, self.means[cluster, y] + self.spread * noise

    def posterior(self, X: Floats) -> Floats:
        """(n, k) probability of each class, up to a factor of each row."""
        _, k, d = self.means.shape
        logs = np.full((len(X), k), -np.inf)
        for cluster in self.means:
            for c, mean in enumerate(cluster):
                squares = ((X - mean) / self.spread) ** 2
                if self.shape == "long features":
                    log = -(self.freedom + 1) / 2 * np.log1p(squares / self.freedom).sum(axis=1)
                elif self.shape == "long rows":
                    log = -(self.freedom + d) / 2 * np.log1p(squares.sum(axis=1) / self.freedom)
                else:
                    log = -squares.sum(axis=1) / 2
                logs[:, c] = np.logaddexp(logs[:, c], log)
        logs += np.log(self.prior)
        return np.asarray(np.exp(logs - logs.max(axis=1, keepdims=True)))

    def bayes_error(self, rng: np.random.Generator) -> float:
        """The least error that any classifier can have, on 3,000 pictures."""
        y, X = self.draw(3000, rng)
        return float((self.posterior(X).argmax(axis=1) != y).mean())


def design(shape: str, k: int, d: int, error: float, rng: np.random.Generator) -> Design:
    """A design of this Bayes error, found by halving the spread's logarithm."""
    prior = np.full(k, 1 / k) if rng.random() < 0.7 else 0.4 / k + 0.6 * rng.dirichlet(np.full(k, 2.0))
    if shape == "curve":  # the place on it, one number; `features` bends it
        means = np.arange(k, dtype=np.float64)[None, :, None]
    else:
        means = rng.normal(size=(3 if shape == "three means" else 1, k, d))
        means /= np.linalg.norm(means, axis=2, keepdims=True)
    freedom, state = int(rng.integers(3, 6)), rng.bit_generator.state
    low, high = (0.02, 0.08 if error == 0 else 50.0)
    for _ in range(18):
        spread = float(np.sqrt(low * high))
        tried = Design(shape=shape, prior=prior, means=means, spread=spread, freedom=freedom)
        rng.bit_generator.state = state  # the same draws for every spread, so that the error rises with it
        low, high = (spread, high) if tried.bayes_error(rng) <= error else (low, spread)
    return tried


def features(shape: str, X: Floats, rng: np.random.Generator) -> NDArray[np.float32]:
    """Rows as a network might give them: a curve is bent through 64 dimensions, the others are as they are."""
    if shape == "curve":
        X = np.sin(1.5 * X @ rng.normal(size=(1, 64)) + rng.uniform(0, 2 * np.pi, 64))
        X = X + 0.1 * rng.normal(size=X.shape)
    return X.astype(np.float32)


def out_of_fold(X: NDArray[np.float32], y: Labels, k: int) -> Floats:
    """(n, k) answers of the head that headstart chooses among the cheap ones."""
    everything = np.arange(len(y))
    images = SimpleNamespace(y=y, groups=everything, classes=tuple(f"class {c}" for c in range(k)))
    bench = SimpleNamespace(spread=in_threads)
    table: Any = SimpleNamespace(images=images, bench=bench, rows=lambda size, output, index, views: X[index].copy())
    return choose(table, everything, ProbeOptions(sizes=(224,), enough=1.0)).proba


def looked_at(seed: int, flips: list[float]) -> Iterator[tuple[str, float, float, int, Estimate]]:
    """One set with each share of its labels flipped: shape, Bayes error, share, number flipped, estimate."""
    rng = np.random.default_rng(seed)
    shape, error = SHAPES[seed % len(SHAPES)], float(rng.choice(BAYES))
    k, n = int(rng.integers(2, 11)), int(np.exp(rng.uniform(np.log(100), np.log(2000))))
    d = int(rng.choice([16, 64, 256] if k > 4 else [4, 16, 64, 256]))
    law = design(shape, k, min(d, 16) if shape == "long features" else d, error, rng)
    truth, drawn = law.draw(n, rng)
    X = features(shape, drawn, rng)
    for share in flips:
        flipped = rng.choice(n, round(share * n), replace=False)
        y = truth.copy()
        y[flipped] = (y[flipped] + rng.integers(1, k, len(flipped))) % k
        if np.bincount(y, minlength=k).min() >= LEAST:
            yield shape, error, share, len(flipped), wrong_labels(out_of_fold(X, y, k), y, X, np.arange(n))


def table(results: list[tuple[str, float, float, int, Estimate]], flips: list[float]) -> Iterator[str]:
    """A line for each shape, each Bayes error and all: how often the interval holds the truth, and leaves out 0."""
    for value in (*SHAPES, *BAYES, "all"):
        line = f"{value if isinstance(value, str) else f'Bayes error {value:.0%}':16}"
        for share in flips:
            rows = [row for row in results if row[2] == share and value in (*row[:2], "all")]
            held = np.mean([wrong.low <= number <= wrong.high for *_, number, wrong in rows])
            called = np.mean([wrong.low > 0 for *_, wrong in rows])
            line += f"   {held:6.1%} / {called:6.1%} of {len(rows):3}"
        yield line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=120)
    parser.add_argument("--seed", type=int, default=100, help="of the first set; the others follow")
    parser.add_argument("--flips", type=float, nargs="+", default=[0.0, 0.01, 0.05, 0.1], help="shares of the labels")
    options = parser.parse_args()
    results = [
        row for seed in range(options.seed, options.seed + options.sets) for row in looked_at(seed, options.flips)
    ]
    print(f"{'flipped':16}" + "".join(f"   {share:<23.0%}" for share in options.flips))
    print("\n".join(table(results, options.flips)))


if __name__ == "__main__":
    main()
