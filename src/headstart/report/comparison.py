"""Settings or runs compared, in English and as a page: which can be told apart, and whether published claims hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from headstart.evaluation.comparison import ClaimCheck, Comparison, PairedResult
from headstart.report.curves import comparison_figure
from headstart.report.page import PlainPage
from headstart.report.section import Section, Table, between, p_value, percent, text

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
        pictures = f"{pair.only_a + pair.only_b:.0f} of {pair.n} pictures differ"
        pictures += f" ({pair.only_a:.0f} right with the first alone, {pair.only_b:.0f} with the second)"
    else:
        more = pair.only_a - pair.only_b
        many = f"{more:.1f} more of" if more >= 0.05 else "as many of"
        pictures = f"{many} {pair.n} pictures right with the first, on average over seeds"
    return f"{pictures}, {p_value(pair.p_adjusted)}{correction}"


def _limits(comparison: Comparison) -> list[str]:
    """What the reader must know before using the order."""
    said = []
    if comparison.seed_deviation is None:
        said.append("One seed each: this compares the models there are. Another seed may reverse the order.")
    else:
        points = 100 * comparison.seed_deviation
        said.append(f"From seed to seed the accuracy of a setting varies by {points:.1f} points (sd).")
        if any(setting.seeds == 1 for setting in comparison.settings):
            said.append("A setting with one seed is taken to vary as settings usually do here.")
    if comparison.fewest_to_tell is not None:
        corrected = f", corrected for {len(comparison.pairs)} pairs," if len(comparison.pairs) > 1 else ""
        said.append(
            f"One picture is {100 / comparison.n:.2f} points; no difference{corrected} can be told below "
            f"{comparison.fewest_to_tell} pictures put right and none put wrong."
        )
    if comparison.best_epoch_optimism > VISIBLE_OPTIMISM:
        points = 100 * comparison.best_epoch_optimism
        said.append(f"The best epoch on validation is {points:.1f} points above the last on average: it flatters.")
    return said


def claim_words(check: ClaimCheck) -> str:
    """Whether a published conclusion holds here."""
    rivals = "all others" if check.worse is None else f"“{check.worse}”"
    claim = f"“{check.better}” is better than {rivals}"
    if check.outcome == "not checkable":
        missing = ", ".join(check.missing) or "any other setting"
        return f"The published conclusion {claim} cannot be checked: no result for {missing}."
    if check.worse is None:
        if check.outcome == "holds":
            return f"The published conclusion {claim} holds here."
        said = [f"it cannot be told from {quoted(check.level_with)}"] if check.level_with else []
        said += [f"{quoted(check.above)} {'is' if len(check.above) == 1 else 'are'} better"] if check.above else []
        return f"The published conclusion {claim} does not hold here: {'; '.join(said)}."
    (pair,) = check.pairs
    if check.outcome == "holds":
        return f"The published conclusion {claim} holds here: {evidence(pair)}."
    if check.outcome == "opposite":
        return f"The opposite of the published conclusion {claim} holds here. {pair_words(pair)}."
    alone = f" (p = {pair.p:.2g} if this were the only pair)" if pair.p < check.level else ""
    return f"The published conclusion {claim} does not hold here. {pair_words(pair)}{alone}."


def quoted(names: Sequence[str]) -> str:
    """“a”, “b”."""
    return ", ".join(f"“{name}”" for name in names)


def comparison_document(comparison: Comparison) -> dict[str, Any]:
    """A comparison in plain JSON types, its conclusions in words at the end."""
    return {**comparison.to_dict(), "conclusions": list(conclusions(comparison))}


@dataclass(frozen=True, kw_only=True)
class ComparisonContent:
    """What the page of a comparison shows."""

    title: str
    comparison: Comparison
    table: Table
    measured_on: str
    """Which pictures the accuracies are of, in a few words."""
    claims: tuple[str, ...] = ()
    """Published conclusions and whether each holds, a sentence or two each."""
    caveats: tuple[str, ...] = ()
    """What the reader must know before using the numbers."""
    troubles: tuple[str, ...] = ()
    """Rows that are missing or did not go as planned."""
    command: str = ""


def comparison_page(content: ComparisonContent) -> PlainPage:
    """The answer first, the table, the figure, published conclusions, then what limits all of it."""
    comparison = content.comparison
    first, second, *others = (*conclusions(comparison), "")
    sections = [
        Section(
            id="table",
            title="Which settings are better?",
            aside="Settings that share a letter cannot be told apart.",
            figures=(comparison_figure(comparison),),
            table=content.table,
            method=text("comparison"),
        )
    ]
    if content.claims:
        sections.append(Section(id="published", title="Do the published conclusions hold?", items=content.claims))
    pairs = tuple(sentence for sentence in others if sentence)
    if pairs:
        sections.append(Section(id="pairs", title="What differs, and what does not", items=pairs))
    if content.troubles:
        sections.append(Section(id="troubles", title="What did not go as planned", items=content.troubles))
    caveats = (f"All accuracies are on {content.measured_on}.", *content.caveats)
    sections.append(Section(id="limits", title="Before using these numbers", items=caveats))
    return PlainPage(title=content.title, lede=(first, second), sections=tuple(sections), command=content.command)


def settings_table(
    comparison: Comparison,
    *,
    about: str,
    published: Mapping[str, tuple[float, int]] | None = None,
    marks: Mapping[str, str] | None = None,
) -> Table:
    """A row per setting, best first.

    Args:
        comparison: what is known of each.
        about: what it lists.
        published: setting → best validation accuracy and seconds of the write-up.
        marks: setting → what is to be said of it in the last column.
    """
    columns = ["rank", "setting", "last epoch", "95 % interval", "sd of seeds", "best epoch (flatters)", "time"]
    rows = []
    for setting in comparison.settings:
        accuracy, spread = setting.accuracy, setting.between_seeds
        row = [
            "".join(setting.letters),
            setting.name,
            percent(accuracy.value),
            between(accuracy),
            "–" if spread is None else f"{100 * spread:.1f}",
            percent(setting.best_accuracy),
            duration(setting.seconds),
        ]
        if published is not None:
            accuracy_and_seconds = published.get(setting.name)
            row += ["–", "–"]
            if accuracy_and_seconds:
                row[-2:] = [percent(accuracy_and_seconds[0], 2), duration(accuracy_and_seconds[1])]
        if marks:
            row.append(marks.get(setting.name, ""))
        rows.append(tuple(row))
    columns += ["published best epoch", "published time"] if published is not None else []
    numbers = tuple(range(2, len(columns)))
    columns += ["note"] if marks else []
    leaders = tuple(i for i, name in enumerate(comparison.names) if name in comparison.leaders)
    return Table(about=about, columns=tuple(columns), rows=tuple(rows), numbers=numbers, marked=leaders)


def runs_table(comparison: Comparison) -> Table:
    """A row per finished run, best first."""
    rows = tuple(
        ("".join(run.letters), run.name, percent(run.accuracy.value), between(run.accuracy))
        for run in comparison.settings
    )
    return Table(about="every run", columns=("rank", "run", "accuracy", "95 % interval"), rows=rows, numbers=(2, 3))


def runs_caveat(*, out_of_fold: bool) -> str:
    """How finished runs were compared, and what that leaves open."""
    if not out_of_fold:
        return "None of the models has seen these pictures: McNemar's exact test, picture by picture."
    return (
        "Each picture was judged by a model that had not seen it, but these models share most of their training "
        "pictures: the variance is enlarged for that as Nadeau and Bengio (2003) have it."
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
