"""Which settings can be told apart, from their answers on the same test pictures, with one seed or several.

Every pair is tested on the pictures and, with several seeds, against the variation between seeds (see ``paired``); the
p-values are corrected for the number of pairs (Holm 1979). Settings then get letters: two that share one cannot be
told apart, two that share none can (compact letter display, by insertion and absorption, Piepho 2004).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations, pairwise
from string import ascii_lowercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.errors import DataError, OptionError, Problem
from headstart.evaluation.intervals import Estimate, wilson
from headstart.evaluation.paired import (
    MOST_FREEDOM,
    SeedSpread,
    corrected_resampled_t,
    freedom_of,
    holm,
    mcnemar_exact,
    out_of_fold_p,
    paired_p,
    seed_spreads,
)

__all__ = [
    "Comparison",
    "PairedResult",
    "Result",
    "Ranked",
    "compare",
    "corrected_resampled_t",
    "mcnemar_exact",
    "published_claim",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Result:
    """One trained model: a setting and a seed.

    ``correct`` (n_test,) says of every test picture, in the same order for all results, whether the model of the last
    epoch was right. ``last_accuracy`` and ``best_accuracy`` (0 to 1) are those of the last and of the best epoch on
    validation.
    """

    name: str
    seed: int
    correct: NDArray[np.bool_]
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

    @property
    def text(self) -> str:
        """In words."""
        told = f"“{self.a}” is better than “{self.b}”"
        return f"{told if self.significant else f'“{self.a}” and “{self.b}” cannot be told apart'}: {self.evidence}."

    @property
    def evidence(self) -> str:
        """The pictures and the p-value."""
        correction = f" after correction for {self.pairs} pairs" if self.pairs > 1 else ""
        p = "p < 0.001" if self.p_adjusted < 0.001 else f"p = {self.p_adjusted:.2g}"
        if self.seeds == (1, 1):
            pictures = f"{self.only_a + self.only_b:.0f} of {self.n} pictures differ"
            pictures += f" ({self.only_a:.0f} right with the first alone, {self.only_b:.0f} with the second)"
        else:
            more = self.only_a - self.only_b
            many = f"{more:.1f} more of" if more >= 0.05 else "as many of"
            pictures = f"{many} {self.n} pictures right with the first, on average over seeds"
        return f"{pictures}, {p}{correction}"


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Settings by falling accuracy on ``n`` test pictures, and all pairs of them in that order."""

    n: int
    level: float
    settings: tuple[Ranked, ...]
    pairs: tuple[PairedResult, ...]

    def pair(self, a: str, b: str) -> PairedResult:
        """The pair of these two, in either order. KeyError for others."""
        for one in self.pairs:
            if {one.a, one.b} == {a, b}:
                return one
        raise KeyError((a, b))

    @property
    def leaders(self) -> tuple[str, ...]:
        """The best setting and those that cannot be told from it."""
        best, *others = (one.name for one in self.settings)
        return (best, *(name for name in others if not self.pair(best, name).significant))

    @property
    def conclusions(self) -> tuple[str, ...]:
        """Sentences: the whole, every pair with the best setting and of neighbours, and what limits all of it."""
        names = [one.name for one in self.settings]
        if len(names) == 1:
            return (f"“{names[0]}” is alone: there is nothing to compare it with.", *self._limits())
        told = sum(one.significant for one in self.pairs)
        others = ", ".join(f"“{name}”" for name in self.leaders[1:])
        shown = dict.fromkeys([*((names[0], name) for name in names[1:]), *pairwise(names)])
        return (
            f"{told} of {len(self.pairs)} pairs of settings can be told apart."
            if len(self.pairs) > 1
            else f"The two settings can{'' if told else 'not'} be told apart.",
            f"“{names[0]}” has the highest accuracy; "
            + (f"{others} cannot be told from it." if others else "every other setting can be told from it."),
            *(self.pair(a, b).text for a, b in shown),
            *self._limits(),
        )

    def _limits(self) -> list[str]:
        said = []
        if all(one.seeds == 1 for one in self.settings):
            said.append("One seed each: this compares the models there are. Another seed may reverse the order.")
        else:
            spread = [one.between_seeds for one in self.settings if one.between_seeds is not None]
            typical = 100 * math.sqrt(float(np.mean(np.square(spread))))
            said.append(f"From seed to seed the accuracy of a setting varies by {typical:.1f} points (sd).")
            if any(one.seeds == 1 for one in self.settings):
                said.append("A setting with one seed is taken to vary as settings usually do here.")
        if self.pairs:
            needed = next(k for k in range(1, 10_000) if mcnemar_exact(k, 0) * len(self.pairs) < self.level)
            corrected = f", corrected for {len(self.pairs)} pairs," if len(self.pairs) > 1 else ""
            said.append(
                f"One picture is {100 / self.n:.2f} points; no difference{corrected} can be told below {needed} "
                "pictures put right and none put wrong."
            )
        optimism = 100 * float(np.mean([one.best_accuracy - one.last_accuracy for one in self.settings]))
        if optimism > 0.05:
            said.append(
                f"The best epoch on validation is {optimism:.1f} points above the last on average: it flatters."
            )
        return said

    def table(self) -> list[dict[str, Any]]:
        """A row per setting, plain numbers: accuracies from 0 to 1, ``low`` to ``high`` the 95 % interval."""
        return [
            {
                "rank": " ".join(one.letters),
                "setting": one.name,
                "seeds": one.seeds,
                "accuracy": one.accuracy.value,
                "low": one.accuracy.low,
                "high": one.accuracy.high,
                "between_seeds": one.between_seeds,
                "last_epoch": one.last_accuracy,
                "best_epoch": one.best_accuracy,
                "seconds": one.seconds,
            }
            for one in self.settings
        ]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "n": self.n,
            "level": self.level,
            "settings": self.table(),
            "pairs": [{**asdict(one), "seeds": list(one.seeds)} for one in self.pairs],
            "conclusions": list(self.conclusions),
        }


def compare(results: Sequence[Result], *, level: float = 0.05, train_fraction: float | None = None) -> Comparison:
    """Rank settings. ``level``: the chance, over all pairs together, of telling apart settings that do not differ.

    ``train_fraction`` is the share of pictures that was trained on where answers are out of fold: 0.8 for five folds.
    Raises DataError with every result that does not fit the others, OptionError for a level outside (0, 1).
    """
    _check(results, level)
    hits: dict[str, Floats] = {}
    for name in dict.fromkeys(one.name for one in results):
        hits[name] = np.array([one.correct for one in results if one.name == name], dtype=np.float64)
    names = sorted(hits, key=lambda name: -hits[name].mean())
    spreads = dict(zip(names, seed_spreads([hits[name] for name in names]), strict=True))
    duels = list(combinations(names, 2))
    raw = [paired_p(hits[a], hits[b], spreads[a], spreads[b]) for a, b in duels]
    if train_fraction is not None:
        raw = [out_of_fold_p(p, train_fraction=train_fraction) for p in raw]
    pairs = tuple(
        _pair(a, b, hits, p=p, p_adjusted=adjusted, pairs=len(duels), level=level)
        for (a, b), p, adjusted in zip(duels, raw, holm(raw), strict=True)
    )
    letters = _letters(names, [{one.a, one.b} for one in pairs if one.significant])
    settings = tuple(_setting(name, hits[name], spreads[name], results, letters[name]) for name in names)
    return Comparison(n=len(results[0].correct), level=level, settings=settings, pairs=pairs)


def published_claim(comparison: Comparison, better: str, worse: str) -> str:
    """Whether a published “``better`` is better than ``worse``” holds here. OptionError if one is no setting here."""
    known = [one.name for one in comparison.settings]
    problems = [
        Problem(expected=f"one of {', '.join(known)}", found=name, todo="name two different settings of the comparison")
        for name in (better, worse)
        if name not in known
    ]
    if better == worse:
        problems.append(Problem(expected="two settings", found=f"{better} twice", todo="name two different ones"))
    if problems:
        raise OptionError("This claim cannot be checked", problems)
    pair = comparison.pair(better, worse)
    claim = f"“{better}” is better than “{worse}”"
    if not pair.significant:
        alone = f" (p = {pair.p:.2g} if this were the only pair)" if pair.p < comparison.level else ""
        return f"The published conclusion {claim} does not hold here. {pair.text[:-1]}{alone}."
    if pair.a == better:
        return f"The published conclusion {claim} holds here: {pair.evidence}."
    return f"The opposite of the published conclusion {claim} holds here. {pair.text}"


def _check(results: Sequence[Result], level: float) -> None:
    if not 0 < level < 1:
        todo = "pass 0.05, or the chance of a false difference you accept"
        problem = Problem(expected="a level between 0 and 1", found=str(level), todo=todo)
        raise OptionError("These results cannot be compared", [problem])
    problems = []
    if not results:
        problems.append(Problem(expected="at least one result", found="none", todo="train a setting first"))
    seen: set[tuple[str, int]] = set()
    for one in results:
        correct, length = np.asarray(one.correct), len(results[0].correct)
        if correct.dtype != bool or correct.shape != (length,) or not length:
            expected = f"correct as {max(length, 1)} booleans, one per test picture, the same pictures for all"
            found = f"{correct.dtype} of shape {correct.shape} for {one.name}, seed {one.seed}"
            problems.append(Problem(expected=expected, found=found, todo="pass predicted == y, of the same test set"))
        if (one.name, one.seed) in seen:
            found = f"two results for {one.name}, seed {one.seed}"
            problems.append(Problem(expected="one result per setting and seed", found=found, todo="leave one out"))
        seen.add((one.name, one.seed))
    if problems:
        raise DataError("These results cannot be compared", problems)


def _pair(
    a: str, b: str, hits: Mapping[str, Floats], *, p: float, p_adjusted: float, pairs: int, level: float
) -> PairedResult:
    difference = hits[a].mean(axis=0) - hits[b].mean(axis=0)
    return PairedResult(
        a=a,
        b=b,
        n=len(difference),
        only_a=float(difference.clip(min=0).sum()),
        only_b=float((-difference).clip(min=0).sum()),
        seeds=(len(hits[a]), len(hits[b])),
        p=p,
        p_adjusted=p_adjusted,
        pairs=pairs,
        significant=p_adjusted < level,
    )


def _setting(
    name: str, hits: Floats, spread: SeedSpread, results: Sequence[Result], letters: tuple[str, ...]
) -> Ranked:
    rows = [one for one in results if one.name == name]
    means = hits.mean(axis=1)
    return Ranked(
        name=name,
        seeds=len(rows),
        accuracy=_accuracy(hits, spread),
        between_seeds=float(means.std(ddof=1)) if len(rows) > 1 else None,
        last_accuracy=float(np.mean([one.last_accuracy for one in rows])),
        best_accuracy=float(np.mean([one.best_accuracy for one in rows])),
        seconds=float(np.mean([one.seconds for one in rows])),
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
    over = f"{seeds} seed{'s' if seeds > 1 else ', whose luck is not in it' if not spread.whole else ''}"
    return Estimate(value, low, high, n, f"Wilson, effective n {effective:.0f}, over pictures and {over}")


def _letters(names: Sequence[str], apart: Sequence[set[str]]) -> dict[str, tuple[str, ...]]:
    """A letter for every largest set of settings of which no two can be told apart; the best settings' first."""
    groups = [frozenset(names)]
    for pair in apart:
        split = [group - {one} for group in groups if pair <= group for one in pair]
        kept = dict.fromkeys([*(group for group in groups if not pair <= group), *split])
        groups = [group for group in kept if not any(group < other for other in kept)]
    groups.sort(key=lambda group: [i for i, name in enumerate(names) if name in group])
    labels = [ascii_lowercase[i % 26] + (str(i // 26 + 1) if i >= 26 else "") for i in range(len(groups))]
    return {name: tuple(label for label, group in zip(labels, groups, strict=True) if name in group) for name in names}
