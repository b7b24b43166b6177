"""How often simulated runs are called what they are, with the thresholds of `headstart.evaluation.curves` and others.

    python benchmarks/curve_verdicts.py [--runs 100] [--factors 0.5 1 2]

Runs of 15 to 30 epochs of seven known kinds (``shaped`` in ``tests/histories.py``), their losses with noise of 2 and 5
% of the loss, judged on 153 validation pictures. One threshold at a time is multiplied by each factor; the rest stay.
No network: a minute on one core.

Measured with --runs 50 (standard error up to 3 points): 96 to 100 % of every kind are right with the thresholds as they
are. Half or twice of WORTH and RISEN, half of UNFINISHED and HARDLY_LEARNED change none of that. Half of STEEP: 86 to
90 % of the settled runs with 2 % noise, in place of 96 %; twice: 82 % of the runs called U with 5 % noise, in place of
100 %. Twice UNFINISHED: 18 to 46 % of the runs that were stopped early, in place of 98 to 100 %. Twice HARDLY_LEARNED:
0 to 10 % of the runs that learned nothing, in place of 100 %.
"""

from __future__ import annotations

import argparse
import runpy
from pathlib import Path

import numpy as np

from headstart.evaluation import curves

shaped = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "histories.py"))["shaped"]
KINDS = {
    "settled": ("good fit", "flat"),
    "with dropout": ("good fit", "flat"),
    "stopped early": ("under-fit", "still improving"),
    "learned nothing": ("under-fit", "flat"),
    "U": ("over-fit", "getting worse"),
    "memorised": ("over-fit", "flat"),
    "diverging": ("under-fit", "getting worse"),
}
"""Kind of run → fit and state."""
THRESHOLDS = ("WORTH", "STEEP", "RISEN", "UNFINISHED", "HARDLY_LEARNED")


def right(runs: int, noise: float) -> list[float]:
    """Share of runs of each kind whose fit and state are both called what they are."""
    shares = []
    for kind, expected in KINDS.items():
        drawn = (shaped(kind, np.random.default_rng(seed), noise) for seed in range(runs))
        judged = [curves.verdict(run, n_val=153) for run in drawn]
        shares.append(sum((one.fit, one.trend.state) == expected for one in judged) / runs)
    return shares


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--factors", type=float, nargs="+", default=[0.5, 1.0, 2.0])
    options = parser.parse_args()
    print(f"{'':28}" + "".join(f"{kind:>17}" for kind in KINDS))
    for name in THRESHOLDS:
        chosen = getattr(curves, name)
        for factor in options.factors:
            setattr(curves, name, chosen * factor)
            for noise in (0.02, 0.05):
                shares = "".join(f"{share:>17.0%}" for share in right(options.runs, noise))
                print(f"{f'{name} {chosen * factor:g}, noise {noise:g}':28}{shares}")
        setattr(curves, name, chosen)


if __name__ == "__main__":
    main()
