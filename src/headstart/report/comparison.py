"""Settings or runs compared, in English and as a page: which can be told apart, and whether published claims hold.

What is said of the rows, of what went wrong with them and of the conditions stands here as well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from headstart.evaluation.comparison import ClaimCheck, Comparison, PairedResult, Result
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.times import TimeCheck
from headstart.files import plain, some
from headstart.finetune.plan import Departure
from headstart.report.curves import comparison_figure
from headstart.report.departures import departure
from headstart.report.page import PlainPage
from headstart.report.section import THIN, Section, Table, between, p_value, percent, text
from headstart.report.words import counted, listed, pictures_of, points

DIVERGED = "diverged: see below"
"""In the table, of a setting of which a row diverged."""
VISIBLE_OPTIMISM = 0.0005
"""Accuracy from which the best epoch is said to be above the last: less is 0.0 points."""


def conclusions(comparison: Comparison) -> tuple[str, ...]:
    """Sentences: the whole, every pair with the best setting and of neighbours, and what limits all of it."""
    names = comparison.names
    if len(names) == 1:
        return (f"“{names[0]}” is alone: there is nothing to compare it with.", *_limits(comparison))
    told = sum(pair.significant for pair in comparison.pairs)
    others = quoted(comparison.leaders[1:])
    shown = dict.fromkeys([*((names[0], name) for name in names[1:]), *pairwise(names)])
    return (
        f"{told} of {len(comparison.pairs)} pairs of settings can be told apart."
        if len(comparison.pairs) > 1
        else f"The two settings can{'' if told else 'not'} be told apart.",
        f"“{names[0]}” has the highest accuracy; "
        + (f"{others} cannot be told from it." if others else "every other setting can be told from it."),
        *(f"{pair_words(comparison.pair(a, b))}." for a, b in shown),
        *_limits(comparison),
    )


def pair_words(pair: PairedResult) -> str:
    """Whether two settings can be told apart, and by what; without a full stop."""
    told = f"“{pair.a}” is better than “{pair.b}”"
    return f"{told if pair.significant else f'“{pair.a}” and “{pair.b}” cannot be told apart'}: {evidence(pair)}"


def evidence(pair: PairedResult) -> str:
    """The pictures that two settings differ on, and the p-value."""
    correction = f" after correction for {pair.pairs} pairs" if pair.pairs > 1 else ""
    if pair.seeds == (1, 1):
        differ = round(pair.only_a + pair.only_b)
        pictures = f"{differ} of {counted(pair.n, 'picture')} {'differs' if differ == 1 else 'differ'}"
        pictures += f" ({pair.only_a:.0f} right with the first alone, {pair.only_b:.0f} with the second)"
    else:
        more = pair.only_a - pair.only_b
        none = "as many pictures right with either"
        pictures = f"{more:.1f} more of {pair.n} pictures right with the first" if more >= 0.05 else none
        pictures += ", on average over seeds"
    return f"{pictures}, {p_value(pair.p_adjusted)}{correction}"


def _limits(comparison: Comparison) -> list[str]:
    """What the reader must know before using the order."""
    said = []
    if comparison.seed_deviation is None:
        said.append("One seed each: this compares the models there are. Another seed may reverse the order.")
    else:
        varies = points(comparison.seed_deviation)
        said.append(f"From seed to seed the accuracy of a setting varies by {varies} points (sd).")
        if any(setting.seeds == 1 for setting in comparison.settings):
            said.append("A setting with one seed is taken to vary as settings usually do here.")
    if comparison.fewest_to_tell is not None:
        corrected = f", corrected for {len(comparison.pairs)} pairs," if len(comparison.pairs) > 1 else ""
        said.append(
            f"One picture is {100 / comparison.n:.2f} points; no difference{corrected} can be told below "
            f"{comparison.fewest_to_tell} pictures put right and none put wrong."
        )
    if comparison.best_epoch_optimism > VISIBLE_OPTIMISM:
        above = f"{points(comparison.best_epoch_optimism)} points above the last on average"
        said.append(f"The best epoch on validation, {above}, is too optimistic: it was chosen on these pictures.")
    return said


def claim_words(check: ClaimCheck) -> str:
    """Whether a published conclusion holds here, does not, or cannot be told."""
    better = f"“{check.better}” is better than {'all others' if check.worse is None else f'“{check.worse}”'}"
    if check.outcome == "not checkable":
        return _not_checkable(better, check.missing or ("any other setting",))
    if check.worse is None:
        said = [f"{quoted(check.above)} {'is' if len(check.above) == 1 else 'are'} better"] if check.above else []
        said += [f"it cannot be told from {quoted(check.level_with)}"] if check.level_with else []
        return f"{_judged(better, check.outcome)}{': ' if said else ''}{'; '.join(said)}."
    (pair,) = check.pairs
    if check.outcome == "opposite":
        return f"The opposite of the published conclusion {better} holds here. {pair_words(pair)}."
    untold = check.outcome == "cannot be told" and pair.p < check.level
    alone = f" (p = {pair.p:.2g} if this were the only pair)" if untold else ""
    return f"{_judged(better, check.outcome)}: {evidence(pair)}{alone}."


def time_words(check: TimeCheck) -> str:
    """The same of a published conclusion on time, with the times that were measured."""
    longer = f"“{check.slower}” takes longer than “{check.faster}”"
    if check.outcome == "not checkable":
        return _not_checkable(longer, check.missing)
    there = f"{check.published:.1f} times as long in the write-up"
    if not all(check.seconds):
        return f"{_judged(longer, check.outcome)}: no seed has a time for both; {there}."
    slower, faster = map(duration, check.seconds)
    if check.times is None:
        return f"{_judged(longer, check.outcome)}: {slower} against {faster}, from one seed; {there}."
    times, low, high = (f"{value:.2g}" if value < 10 else f"{value:,.0f}" for value in check.times)
    here = f"{slower} against {faster} on average over {check.seeds} seeds"
    return (
        f"{_judged(longer, check.outcome)}: {here}, {times} times as long (95{THIN}% interval {low}–{high}); {there}."
    )


def _judged(claim: str, outcome: str) -> str:
    """What came of a published conclusion, to be followed by the reason."""
    if outcome == "cannot be told":
        return f"Whether {claim}, as published, cannot be told here"
    return f"The published conclusion {claim} {'holds' if outcome == 'holds' else 'does not hold'} here"


def _not_checkable(claim: str, missing: Sequence[str]) -> str:
    return f"The published conclusion {claim} cannot be checked: no result for {', '.join(missing)}."


def quoted(names: Sequence[str]) -> str:
    """“a”, “b”."""
    return ", ".join(f"“{name}”" for name in names)


@dataclass(frozen=True, kw_only=True)
class ComparisonContent:
    """What the page of a comparison shows."""

    title: str
    comparison: Comparison
    table: Table
    measured_on: MeasuredOn
    """Which pictures the accuracies are of."""
    claims: tuple[str, ...] = ()
    """Published conclusions and whether each holds, a sentence or two each."""
    caveats: tuple[str, ...] = ()
    """What the reader must know before using the numbers."""
    troubles: tuple[str, ...] = ()
    """Rows that are missing or did not go as planned."""
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types: the comparison, its conclusions in words, and what they rest on."""
        return {
            **self.comparison.to_dict(),
            "conclusions": list(conclusions(self.comparison)),
            "measured_on": measured_pictures(self.measured_on, self.comparison.n),
            **plain(self, "caveats", "command"),
        }


def comparison_page(content: ComparisonContent) -> PlainPage:
    """The answer first, the table, the figure, published conclusions, then what limits all of it."""
    first, *others = conclusions(content.comparison)
    answer = Section(
        id="table",
        title="Which settings are better?",
        aside="Settings that share a letter cannot be told apart.",
        figures=(comparison_figure(content.comparison, content.measured_on),),
        table=content.table,
        method=text("comparison"),
    )
    pictures = measured_pictures(content.measured_on, content.comparison.n)
    lists = (
        ("published", "Do the published conclusions hold?", content.claims),
        ("pairs", "What differs, and what does not", tuple(others[1:])),
        ("troubles", "What did not go as planned", content.troubles),
        ("limits", "Before using these numbers", (f"All accuracies are on {pictures}.", *content.caveats)),
    )
    return PlainPage(
        title=content.title,
        lede=(first, *others[:1]),
        sections=(answer, *(Section(id=key, title=title, items=items) for key, title, items in lists if items)),
        command=content.command,
    )


def settings_table(
    comparison: Comparison, *, published: Mapping[str, tuple[float, int]], marks: Mapping[str, str]
) -> Table:
    """A row per setting, best first.

    Args:
        comparison: what is known of each.
        published: setting → best validation accuracy and seconds of the write-up; empty if there is none.
        marks: setting → what is to be said of it in the last column; empty if there is nothing.
    """
    columns = ["rank", "setting", "last epoch", "95 % interval", "sd of seeds", "best epoch (too optimistic)", "time"]
    columns += ["published best epoch", "published time"] if published else []
    rows = []
    for setting in comparison.settings:
        accuracy, seconds = published.get(setting.name, (None, 0))
        as_published = ("–", "–") if accuracy is None else (percent(accuracy, 2), duration(seconds))
        rows.append(
            (
                "".join(setting.letters),
                setting.name,
                percent(setting.accuracy.value),
                between(setting.accuracy),
                "–" if setting.between_seeds is None else f"{100 * setting.between_seeds:.1f}",
                percent(setting.best_accuracy),
                duration(setting.seconds),
                *(as_published if published else ()),
                *([marks.get(setting.name, "")] if marks else ()),
            )
        )
    return Table(
        about="every setting",
        columns=(*columns, *(["note"] if marks else ())),
        rows=tuple(rows),
        numbers=tuple(range(2, len(columns))),
        marked=tuple(i for i, name in enumerate(comparison.names) if name in comparison.leaders),
    )


def runs_content(
    comparison: Comparison, measured_on: MeasuredOn, *, command: str, chosen: Sequence[str] = ()
) -> ComparisonContent:
    """Finished runs compared: a row of the table for each, best first.

    ``chosen``: runs whose epoch was chosen on the pictures that all are compared on.
    """
    flattered = f"The epoch of {listed([f'“{name}”' for name in chosen])} was chosen on these pictures: too optimistic."
    rows = tuple(
        ("".join(run.letters), run.name, percent(run.accuracy.value), between(run.accuracy))
        for run in comparison.settings
    )
    return ComparisonContent(
        title="Runs compared",
        comparison=comparison,
        table=Table(about="every run", columns=("rank", "run", "accuracy", "95 % interval"), rows=rows, numbers=(2, 3)),
        measured_on=measured_on,
        caveats=(text("out of fold") if measured_on.folds else text("held out"), *([flattered] if chosen else [])),
        command=command,
    )


def aligned(table: Table) -> list[str]:
    """The table as lines of text for a terminal, columns aligned."""
    rows: Sequence[tuple[str, ...]] = (table.columns, *table.rows)
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    return [
        "  ".join(
            cell.rjust(width) if i in table.numbers else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def duration(seconds: float) -> str:
    """682 as 11m22s, 75.4 as 1m15s, 3.21 as 3.2s."""
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m{rest:02}s" if hours else f"{minutes}m{rest:02}s"


def measured_pictures(measured_on: MeasuredOn, n: int) -> str:
    """The n pictures that all accuracies are of, to follow “on”."""
    epochs = {"last": ", last epoch: nothing was chosen on them", "best": ", best epoch: it was chosen on them", "": ""}
    return pictures_of(measured_on, n) + epochs[measured_on.epoch]


def settings_caveats(
    *,
    in_common: Mapping[str, str],
    prepared: float,
    stand_ins: Sequence[tuple[str, str]],
    weights: Mapping[str, str],
    departures: Mapping[Departure, Sequence[str]],
    count: int,
    left_out: Sequence[tuple[str, str]] = (),
) -> tuple[str, ...]:
    """What the reader must know before using the numbers, a sentence each.

    Args:
        in_common: what all settings share: option → value.
        prepared: seconds spent on the outputs of what is frozen, and on getting ready, all rows together.
        stand_ins: backbone of the write-up, and the one that was used.
        weights: backbone → where its weights are from.
        departures: in what settings are other than their write-up → these settings.
        count: of all settings.
        left_out: path and reason of every file that no setting used.
    """
    shared = "; ".join(f"{option} {value}" for option, value in in_common.items())
    shared_by_all = [fact for fact, names in departures.items() if len(names) == count]
    which = [f"{path} ({reason})" for path, reason in left_out]
    return (
        f"All settings have in common: {shared or 'nothing'}.",
        text("last epoch"),
        text("times", prepared=prepared),
        *(text("stand-in", own=own, used=used) for own, used in stand_ins),
        *(f"Weights of {name}: {origin}." for name, origin in weights.items()),
        *([f"Not as published in all settings: {'; '.join(map(departure, shared_by_all))}."] if shared_by_all else []),
        *(
            f"Not as published in {', '.join(names)}: {departure(fact)}."
            for fact, names in departures.items()
            if fact not in shared_by_all
        ),
        *([text("left out", files=counted(len(left_out), "file"), which=some(which, 5))] if left_out else []),
    )


def row_line(row: Result, *, diverged: bool) -> str:
    """A finished row in a line."""
    accuracies = f"{row.correct.mean():.4f} after the last epoch, best {row.best_accuracy:.4f}"
    return f"{row.name}, seed {row.seed}: {accuracies}, {row.seconds:.1f} s{'; diverged' if diverged else ''}"


def no_result_line(setting: str, seeds: Sequence[int], reason: str) -> str:
    """Rows of a setting that gave no result, all for the same reason."""
    return f"{setting}, seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}: no result. {reason}"


def diverged_line(setting: str, seed: int, note: str, *, done: int, planned: int) -> str:
    """A row whose figure means something else, because its training diverged."""
    return f"{setting}, seed {seed}: {note}; {done} of {planned} epochs."


def kept_line(finished: int, total: int, folder: str) -> str:
    """What is there after an interruption."""
    return f"{finished} of {total} rows are finished and kept in {folder}"
