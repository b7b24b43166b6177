"""Settings or runs compared, as a page: which can be told apart, and whether published conclusions hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headstart.evaluation.comparison import Comparison
from headstart.report.curves import comparison_figure
from headstart.report.page import PlainPage
from headstart.report.section import Section, Table, between, percent

METHOD = (
    "Every pair is tested on the same pictures, picture by picture, and against the variation from seed to seed; the "
    "p-values are corrected for the number of pairs (Holm 1979). Settings get letters: two that share one cannot be "
    "told apart. Intervals are Wilson's, widened by what seeds add."
)


@dataclass(frozen=True, kw_only=True)
class Content:
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


def page(content: Content) -> PlainPage:
    """The answer first, the table, the figure, published conclusions, then what limits all of it."""
    comparison = content.comparison
    first, second, *others = (*comparison.conclusions, "")
    sections = [
        Section(
            id="table",
            title="Which settings are better?",
            aside="Settings that share a letter cannot be told apart.",
            figures=(comparison_figure(comparison),),
            table=content.table,
            method=METHOD,
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
    for one in comparison.settings:
        accuracy, spread = one.accuracy, one.between_seeds
        row = [
            "".join(one.letters),
            one.name,
            percent(accuracy.value),
            between(accuracy),
            "–" if spread is None else f"{100 * spread:.1f}",
            percent(one.best_accuracy),
            duration(one.seconds),
        ]
        if published is not None:
            accuracy_and_seconds = published.get(one.name)
            row += ["–", "–"]
            if accuracy_and_seconds:
                row[-2:] = [percent(accuracy_and_seconds[0], 2), duration(accuracy_and_seconds[1])]
        if marks:
            row.append(marks.get(one.name, ""))
        rows.append(tuple(row))
    columns += ["published best epoch", "published time"] if published is not None else []
    numbers = tuple(range(2, len(columns)))
    columns += ["note"] if marks else []
    leaders = tuple(i for i, one in enumerate(comparison.settings) if one.name in comparison.leaders)
    return Table(about=about, columns=tuple(columns), rows=tuple(rows), numbers=numbers, marked=leaders)


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
