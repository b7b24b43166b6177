"""Accuracy by group as a section of the report."""

from __future__ import annotations

from headstart.claims.by_group import ByGroup
from headstart.report.section import Section, Table, p_value, with_interval


def by_group_section(found: ByGroup) -> Section:
    """Accuracy of each group, weakest first."""
    groups = "1 group has" if found.small == 1 else f"{found.small} groups have"
    small = f" {groups} fewer than five pictures and no row." if found.small else ""
    return Section(
        id="groups",
        title="Is it as good for every group?",
        aside="Groups as they were given: patients, sites, cameras.",
        sentences=found.sentences,
        table=Table(
            about="Accuracy by group",
            columns=("group", "pictures", "accuracy", "weaker than the rest"),
            rows=tuple(
                (
                    one.name,
                    f"{one.accuracy.n:,}",
                    with_interval(one.accuracy),
                    f"yes, {p_value(one.p_weaker)}" if one.weaker else "",
                )
                for one in found.groups
            ),
            numbers=(1, 2),
            marked=tuple(i for i, one in enumerate(found.groups) if one.weaker),
        ),
        method=(
            "Fisher's exact test of each group against all other pictures, one-sided, corrected for the number of "
            f"groups (Holm). Intervals are Wilson's, for further pictures of the same group.{small}"
        ),
    )
