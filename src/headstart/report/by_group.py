"""Accuracy by group as a section of the report."""

from __future__ import annotations

from headstart.claims.by_group import ByGroup
from headstart.evaluation.intervals import Estimate
from headstart.files import some
from headstart.report.section import Section, Table, p_value, text, with_interval
from headstart.report.words import counted

MOST_LISTED = 200
"""Groups in the table, the weakest; all are in run.json."""


def by_group_section(groups: ByGroup) -> Section:
    """Accuracy of each group, weakest first."""
    has = "has fewer than five pictures and is" if groups.small == 1 else "have fewer than five pictures and are"
    small = f" {counted(groups.small, 'group')} {has} not listed." if groups.small else ""
    shown = groups.groups[:MOST_LISTED]
    weakest = f"Accuracy of the weakest {len(shown)} of {len(groups.groups):,} groups"
    return Section(
        id="groups",
        title="Is it as good for every group?",
        aside="Groups as they were given: patients, sites, cameras.",
        sentences=group_sentences(groups),
        table=Table(
            about="Accuracy by group" if len(shown) == len(groups.groups) else weakest,
            columns=("group", "pictures", "accuracy", "weaker than the rest"),
            rows=tuple(
                (
                    group.name,
                    f"{group.accuracy.n:,}",
                    with_interval(group.accuracy),
                    f"yes, {p_value(group.p_weaker)}" if group.weaker else "",
                )
                for group in shown
            ),
            numbers=(1, 2),
            marked=tuple(i for i, group in enumerate(shown) if group.weaker),
        ),
        method=text("groups", small=small),
    )


def group_sentences(groups: ByGroup) -> tuple[str, ...]:
    """The weakest group by name, and whether it is weaker than chance makes one of so many."""
    weakest, weak = groups.weakest, [group for group in groups.groups if group.weaker]
    numbers = (
        f"{_accuracy(weakest.accuracy)} on its {counted(weakest.accuracy.n, 'picture')}, "
        f"{_accuracy(groups.rest)} on all others"
    )
    if not weak:
        lowest = f"No group can be told from the rest. The lowest accuracy is that of {weakest.name}: {numbers}"
        return (f"{lowest}; among {counted(len(groups.groups), 'group')}, that much is chance.",)
    said = f"Weakest group: {weakest.name}, {numbers}. That is more than chance explains (p = {weakest.p_weaker:.2g})."
    others = some([group.name for group in weak if group is not weakest])
    return (said, f"Also weaker than the rest: {others}.") if others else (said,)


def _accuracy(accuracy: Estimate) -> str:
    return f"{accuracy.value:.1%} (95 % interval {accuracy.low:.1%} to {accuracy.high:.1%})"
