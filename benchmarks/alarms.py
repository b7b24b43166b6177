"""How often do the alarms of an accuracy sound where nothing is wrong?

    python benchmarks/alarms.py [--sets 2000]

Sets of 40 to 400 held-out pictures of 2 to 10 classes, equal in size or not, the smallest with as few pictures as come;
an answer is right with one probability for every class, 50 to 99 %, and else any of the other classes. So no class
fails, and no class is recognised worse than another. A few seconds. Leaks and shortcuts have benchmarks of their own.

Expected, of 2,000 sets: a class is said to fail in 9 (0.2 to 0.9 %), an accuracy to hide unequal recall in 1.
"""

from __future__ import annotations

import argparse

import numpy as np

from headstart.claims.alarms import alarms_of_figures
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import evaluate

SIMULATED = MeasuredOn(kind="pictures", source="simulated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000)
    options = parser.parse_args()
    failed = hidden = 0
    for seed in range(options.sets):
        rng = np.random.default_rng(seed)
        k, n, right = int(rng.integers(2, 11)), int(rng.integers(40, 401)), rng.uniform(0.5, 0.99)
        prior = np.full(k, 1 / k) if rng.random() < 0.5 else rng.dirichlet(np.ones(k))
        y = rng.choice(k, size=n, p=prior)
        answers = np.where(rng.random(n) < right, y, (y + rng.integers(1, k, n)) % k)
        proba = np.where(answers[:, None] == np.arange(k), 0.9, 0.1 / (k - 1))
        names = [f"class {c}" for c in range(k)]
        found = alarms_of_figures(evaluate(proba, y, names, measured_on=SIMULATED, majority=0, resamples=1))
        failed += bool(found.failed)
        hidden += found.hidden is not None
    print(
        f"of {options.sets} sets: a class is said to fail in {failed}, an accuracy to hide unequal recall in {hidden}"
    )


if __name__ == "__main__":
    main()
