"""Which settings can be told apart, from their answers on the same test pictures, with one seed or several.

Every pair is tested on the pictures and, with several seeds, against the variation between seeds (see ``paired``); the
p-values are corrected for the number of pairs (Holm 1979). Settings then get letters: two that share one cannot be
told apart, two that share none can (compact letter display, by insertion and absorption, Piepho 2004).
`headstart.report.comparison` says all of it in English.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, count
from string import ascii_lowercase
from typing import Any, Literal

import numpy as np

from headstart.arrays import Floats, Mask
from headstart.errors import DataError, OptionError, Problem
from headstart.evaluation.intervals import Estimate, wilson
from headstart.evaluation.paired import (
    ALPHA,
    MOST_FREEDOM,
    SeedSpread,
    freedom_of,
    holm,
    out_of_fold_p,
    paired_p,
    seed_spreads,
)
from headstart.files import plain


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One trained model: a setting and a seed.

    ``correct`` (n_test,) says of every test picture, in the same order for all results, whether the model of the last
    epoch was right. ``last_accuracy`` and ``best_accuracy`` (0 to 1) are those of the last and of the best epoch on
    validation.
    """

    name: str
    seed: int
    correct: Mask
    last_accuracy: float
    best_accuracy: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One row of the table, mean over its seeds. Settings that share a letter cannot be told apart."""

    name: str
    seeds: int
    accuracy: Estimate
    between_seeds: float | None
    """Standard deviation of the test accuracy from seed to seed; None for one seed."""
    last_accuracy: float
    best_accuracy: float
    seconds: float
    letters: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PairedResult:
    """Two settings, ``a`` not below ``b`` in accuracy, on n pictures.

    ``only_a`` and ``only_b`` are the pictures right with one alone: with several seeds, what each gains on the other
    in mean correctness, summed over pictures. ``p`` is two-sided, ``p_adjusted`` after Holm for ``pairs``.
    """

    a: str
    b: str
    n: int
    only_a: float
    only_b: float
    seeds: tuple[int, int]
    p: float
    p_adjusted: float
    pairs: int
    significant: bool


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Settings by falling accuracy on ``n`` test pictures, and all pairs of them in that order."""

    n: int
    level: float
    settings: tuple[Ranked, ...]
    pairs: tuple[PairedResult, ...]

    def pair(self, a: str, b: str) -> PairedResult:
        """The pair of these two, in either order. KeyError for others."""
        for pair in self.pairs:
            if {pair.a, pair.b} == {a, b}:
                return pair
        raise KeyError((a, b))

    @property
    def names(self) -> tuple[str, ...]:
        """Of the settings, best first."""
        return tuple(setting.name for setting in self.settings)

    @property
    def leaders(self) -> tuple[str, ...]:
        """The best setting and those that cannot be told from it."""
        best, *others = self.names
        return (best, *(name for name in others if not self.pair(best, name).significant))

    @property
    def seed_deviation(self) -> float | None:
        """Standard deviation of accuracy from seed to seed, root mean square over settings; None with one seed each."""
        spread = [setting.between_seeds for setting in self.settings if setting.between_seeds is not None]
        return math.sqrt(float(np.mean(np.square(spread)))) if spread else None

    @property
    def fewest_to_tell(self) -> int | None:
        """Pictures put right, with none put wrong, below which one seed of each can tell no two settings apart.

        By McNemar's exact test, p = 2 / 2ᵏ for k of k pictures, corrected for all pairs; None without a pair.
        """
        if not self.pairs:
            return None
        return next(k for k in count(1) if 2.0 ** (1 - k) * len(self.pairs) < self.level)

    @property
    def best_epoch_optimism(self) -> float:
        """Accuracy of the best epoch on validation above that of the last, mean over settings."""
        return float(np.mean([setting.best_accuracy - setting.last_accuracy for setting in self.settings]))

    def table(self) -> list[dict[str, Any]]:
        """A row per setting, plain numbers: accuracies from 0 to 1, ``low`` to ``high`` the 95 % interval."""
        return [
            {
                "rank": " ".join(setting.letters),
                "setting": setting.name,
                "seeds": setting.seeds,
                "accuracy": setting.accuracy.value,
                "low": setting.accuracy.low,
                "high": setting.accuracy.high,
                "between_seeds": setting.between_seeds,
                "last_epoch": setting.last_accuracy,
                "best_epoch": setting.best_accuracy,
                "seconds": setting.seconds,
            }
            for setting in self.settings
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self, "n", "level", settings=self.table(), pairs=self.pairs)


@dataclass(frozen=True, kw_only=True)
class ClaimCheck:
    """Whether “``better`` is better than ``worse``” holds in a comparison."""

    better: str
    worse: str | None
    """None: than all other settings."""
    outcome: Literal["holds", "opposite", "cannot be told", "not checkable"]
    """``opposite``: another setting is better. ``not checkable``: there is no result for ``missing``."""
    level: float
    """Of the comparison: the chance of a false difference."""
    pairs: tuple[PairedResult, ...] = ()
    """``better`` with every setting that it is to beat."""
    missing: tuple[str, ...] = ()

    @property
    def holds(self) -> bool | None:
        """None where it cannot be told, or could not be checked."""
        return {"holds": True, "opposite": False}.get(self.outcome)

    @property
    def above(self) -> tuple[str, ...]:
        """Settings that are better than ``better``."""
        return tuple(pair.a for pair in self.pairs if pair.significant and pair.b == self.better)

    @property
    def level_with(self) -> tuple[str, ...]:
        """Settings that ``better`` cannot be told from."""
        return tuple(pair.b if pair.a == self.better else pair.a for pair in self.pairs if not pair.significant)


def compare_results(
    results: Sequence[Result], *, level: float = ALPHA, train_fraction: float | None = None
) -> Comparison:
    """Rank settings. ``level``: the chance, over all pairs together, of telling apart settings that do not differ.

    ``train_fraction`` is the share of pictures that was trained on where answers are out of fold: 0.8 for five folds.
    Raises DataError with every result that does not fit the others, OptionError for a level outside (0, 1).
    """
    _require_fit(results, level)
    hits: dict[str, Floats] = {}
    for name in dict.fromkeys(result.name for result in results):
        hits[name] = np.array([result.correct for result in results if result.name == name], dtype=np.float64)
    names = sorted(hits, key=lambda name: -hits[name].mean())
    spreads = dict(zip(names, seed_spreads([hits[name] for name in names]), strict=True))
    duels = list(combinations(names, 2))
    raw = [paired_p(hits[a], hits[b], spreads[a], spreads[b]) for a, b in duels]
    if train_fraction is not None:
        raw = [out_of_fold_p(p, train_fraction=train_fraction) for p in raw]
    pairs = []
    for (a, b), p, adjusted in zip(duels, raw, holm(raw), strict=True):
        difference = hits[a].mean(axis=0) - hits[b].mean(axis=0)
        pairs.append(
            PairedResult(
                a=a,
                b=b,
                n=len(difference),
                only_a=float(difference.clip(min=0).sum()),
                only_b=float((-difference).clip(min=0).sum()),
                seeds=(len(hits[a]), len(hits[b])),
                p=p,
                p_adjusted=adjusted,
                pairs=len(duels),
                significant=adjusted < level,
            )
        )
    letters = _letters(names, [{pair.a, pair.b} for pair in pairs if pair.significant])
    settings = tuple(_ranked(name, hits[name], spreads[name], results, letters[name]) for name in names)
    return Comparison(n=len(results[0].correct), level=level, settings=settings, pairs=tuple(pairs))


def check_claim(comparison: Comparison, better: str, worse: str | None = None) -> ClaimCheck:
    """Whether “``better`` is better than ``worse``” holds; without ``worse``, better than every other setting.

    Raises OptionError if both are the same.
    """
    if better == worse:
        what, todo = "This claim cannot be checked", "name two different ones"
        raise OptionError.of(what, expected="two settings", found=f"{better} twice", todo=todo)
    rivals = [name for name in comparison.names if name != better] if worse is None else [worse]
    missing = tuple(name for name in (better, *rivals) if name not in comparison.names)
    check = ClaimCheck(better=better, worse=worse, outcome="not checkable", level=comparison.level, missing=missing)
    if missing or not rivals:
        return check
    check = replace(check, outcome="holds", pairs=tuple(comparison.pair(better, name) for name in rivals))
    if check.above:
        return replace(check, outcome="opposite")
    return replace(check, outcome="cannot be told") if check.level_with else check


def _require_fit(results: Sequence[Result], level: float) -> None:
    if not 0 < level < 1:
        what, todo = "These results cannot be compared", "pass 0.05, or the chance of a false difference you accept"
        raise OptionError.of(what, expected="a level between 0 and 1", found=str(level), todo=todo)
    problems = []
    if not results:
        problems.append(Problem(expected="at least one result", found="none", todo="train a setting first"))
    seen: set[tuple[str, int]] = set()
    for result in results:
        correct, length = np.asarray(result.correct), len(results[0].correct)
        if correct.dtype != bool or correct.shape != (length,) or not length:
            expected = f"correct as {max(length, 1)} booleans, one per test picture, the same pictures for all"
            found = f"{correct.dtype} of shape {correct.shape} for {result.name}, seed {result.seed}"
            problems.append(Problem(expected=expected, found=found, todo="pass predicted == y, of the same test set"))
        if (result.name, result.seed) in seen:
            found = f"two results for {result.name}, seed {result.seed}"
            problems.append(Problem(expected="one result per setting and seed", found=found, todo="leave one out"))
        seen.add((result.name, result.seed))
    if problems:
        raise DataError("These results cannot be compared", problems)


def _ranked(name: str, hits: Floats, spread: SeedSpread, results: Sequence[Result], letters: tuple[str, ...]) -> Ranked:
    rows = [result for result in results if result.name == name]
    means = hits.mean(axis=1)
    return Ranked(
        name=name,
        seeds=len(rows),
        accuracy=_accuracy(hits, spread),
        between_seeds=float(means.std(ddof=1)) if len(rows) > 1 else None,
        last_accuracy=float(np.mean([row.last_accuracy for row in rows])),
        best_accuracy=float(np.mean([row.best_accuracy for row in rows])),
        seconds=float(np.mean([row.seconds for row in rows])),
        letters=letters,
    )


def _accuracy(hits: Floats, spread: SeedSpread) -> Estimate:
    """Mean of hits (seeds, n), with Wilson's interval for as many pictures as give the variance from both sources."""
    from scipy.special import stdtrit

    seeds, n = hits.shape
    value, effective = float(hits.mean()), float(n)
    if spread.whole and 0 < value < 1:
        pictures = value * (1 - value) / n  # an upper bound: a mean over seeds varies no more than one answer
        variance = pictures + spread.added
        wider = float(stdtrit(freedom_of(variance, spread), 0.975)) / float(stdtrit(MOST_FREEDOM, 0.975))
        effective *= pictures / variance / wider**2
    low, high = wilson(value * effective, effective)
    over = f"seeds: {seeds}" if seeds > 1 or spread.whole else "pictures alone"
    return Estimate(value, low, high, n, f"Wilson, effective n {effective:.0f}, {over}")


def _letters(names: Sequence[str], apart: Sequence[set[str]]) -> dict[str, tuple[str, ...]]:
    """A letter for every largest set of settings of which no two can be told apart; the best settings' first."""
    groups = [frozenset(names)]
    for pair in apart:
        split = [group - {name} for group in groups if pair <= group for name in pair]
        kept = dict.fromkeys([*(group for group in groups if not pair <= group), *split])
        groups = [group for group in kept if not any(group < other for other in kept)]
    groups.sort(key=lambda group: [i for i, name in enumerate(names) if name in group])
    labels = [ascii_lowercase[i % 26] + (str(i // 26 + 1) if i >= 26 else "") for i in range(len(groups))]
    return {name: tuple(label for label, group in zip(labels, groups, strict=True) if name in group) for name in names}
