"""Whether a setting takes longer than another, from the times of both with the same seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from headstart.evaluation.comparison import Result
from headstart.evaluation.paired import ALPHA


@dataclass(frozen=True, kw_only=True)
class TimeCheck:
    """Whether “``slower`` takes longer than ``faster``” holds in a comparison."""

    slower: str
    faster: str
    published: float
    """How many times as long it took in the write-up."""
    outcome: Literal["holds", "opposite", "cannot be told", "not checkable"]
    """As of `ClaimCheck`; with fewer than two seeds in common it cannot be told."""
    missing: tuple[str, ...] = ()
    seeds: int = 0
    """In common."""
    seconds: tuple[float, float] = (0.0, 0.0)
    """Of both, mean over these seeds."""
    times: tuple[float, float, float] | None = None
    """How many times as long it takes here, geometric mean over seeds, and its 95 % interval; None for fewer than two
    seeds."""

    @property
    def holds(self) -> bool | None:
        """None where it cannot be told, or could not be checked."""
        return {"holds": True, "opposite": False}.get(self.outcome)


def check_times(results: Sequence[Result], slower: str, faster: str, *, published: float) -> TimeCheck:
    """Whether ``slower`` takes longer, by a paired t-test on the logarithm of the ratio of times, seed by seed."""
    from scipy.stats import t

    seconds = {name: {row.seed: row.seconds for row in results if row.name == name} for name in (slower, faster)}
    missing = tuple(name for name, of in seconds.items() if not of)
    check = TimeCheck(slower=slower, faster=faster, published=published, outcome="not checkable", missing=missing)
    if missing:
        return check
    seeds = sorted(seconds[slower].keys() & seconds[faster].keys())
    pairs = np.array([(seconds[slower][seed], seconds[faster][seed]) for seed in seeds]).reshape(-1, 2)
    if not len(pairs) or not (pairs > 0).all():
        return replace(check, outcome="cannot be told", seeds=len(pairs))
    both = float(pairs[:, 0].mean()), float(pairs[:, 1].mean())
    check = replace(check, outcome="cannot be told", seeds=len(pairs), seconds=both)
    if len(pairs) < 2:
        return check
    ratios = np.log(pairs[:, 0] / pairs[:, 1])
    middle, reach = float(ratios.mean()), float(ratios.std(ddof=1)) / math.sqrt(len(ratios))
    reach *= float(t.ppf(1 - ALPHA / 2, len(ratios) - 1))
    outcome: Literal["holds", "opposite", "cannot be told"] = (
        "holds" if middle > reach else "opposite" if middle < -reach else "cannot be told"
    )
    times = (math.exp(middle), math.exp(middle - reach), math.exp(middle + reach))
    return replace(check, outcome=outcome, times=times)
