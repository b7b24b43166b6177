"""Write the list of suspicious pictures as a CSV to fill in, and turn it, filled in, into a table to train on.

::

    path,label,why,suggested,decision
    cats/7.jpg,cats,"looks confidently like “dogs” (98.1%)",dogs,relabel:dogs

``decision`` is empty or ``keep``, ``drop``, or ``relabel:NAME``; ``relabel`` alone takes what is suggested. No picture
is touched. A list that is written again keeps what has been decided.
"""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart.audit.findings import Findings
from headstart.errors import DataError, Problem
from headstart.files import display, write_csv
from headstart.images import tables
from headstart.images.faults import Faults
from headstart.images.folder import ImageSet
from headstart.images.labelled import class_name

COLUMNS = ("path", "label", "why", "suggested", "decision")

_DROP, _KEEP, _RELABEL = "drop", "keep", "relabel"
_REMEDIES = {
    "every row has as many cells as the header": "put texts that contain the delimiter between double quotes",
    "every path is one of the pictures": "leave the path as it was written, and give the folder that was checked",
    "every decision is empty, keep, drop or relabel:NAME": "correct the word",
    "every new label is one of the classes": "correct the name; a class of its own needs pictures in its folder first",
    "every picture is decided once": "delete one of the rows",
}


@dataclass(frozen=True, kw_only=True)
class Applied:
    """A table written from decisions, and what it changed."""

    table: Path
    pictures: int
    relabelled: int
    dropped: int


def write_review(path: Path, findings: Findings, reasons: Mapping[int, Sequence[str]]) -> None:
    """Write the pictures to be looked at, with a column for the decision.

    ``reasons``: their positions in the order of the list, and the words of its column ``why``. What was decided in a
    list that is there already stays: in its row, or at the end where that picture is not doubted any more. A file there
    that is no such list is kept beside it as ``before-NAME``.
    """
    images = findings.images
    decided = _filled_in(path)
    suggestions = {suspect.index: suspect.suggested for suspect in findings.suspects}
    table: list[tuple[str, ...]] = []
    for i, why in reasons.items():
        name = _path(images, i)
        decision = decided.pop(name, ("",))[-1]
        table.append((name, images.classes[images.y[i]], "; ".join(why), suggestions.get(i, ""), decision))
    table += decided.values()
    write_csv(path, COLUMNS, table, encoding="utf-8-sig")  # by its mark spreadsheets know the encoding


def _filled_in(review: Path) -> dict[str, tuple[str, ...]]:
    """The rows of an earlier list in which something was decided, by path; ``relabel`` alone now names its label."""
    if not review.exists():
        return {}
    try:
        lines = tables.read(review).rows
    except DataError:
        review.replace(review.with_name(f"before-{review.name}"))
        return {}
    rows = [row for _, row, _ in lines]
    for row in rows:
        if row.get("decision", "").lower() == _RELABEL and row.get("suggested"):
            row["decision"] = f"{_RELABEL}:{row['suggested']}"
    return {row["path"]: tuple(row.get(name, "") for name in COLUMNS) for row in rows if row.get("decision")}


def apply(images: ImageSet, review: Path, table: Path) -> Applied:
    """Write ``table``, a CSV that can be trained on, from ``images`` and the decisions in ``review``.

    Raises:
        DataError: with everything in the review that cannot be carried out.
    """
    decided = _decisions(images, review)
    members = Counter(images.groups.tolist())
    grouped = any(count > 1 for count in members.values())
    several = len(set(images.split.tolist())) > 1
    columns = ["path", "label", *(["group"] if grouped else []), *(["split"] if several else [])]
    rows = []
    for i, path in enumerate(images.paths):
        label = decided.get(i, images.classes[images.y[i]])
        if label is not None:
            group = int(images.groups[i])
            cells = [os.path.abspath(path), label]  # noqa: PTH100, links stay what they are
            cells += [f"group {group}" if members[group] > 1 else ""] if grouped else []
            rows.append(cells + ([str(images.split[i])] if several else []))
    table.parent.mkdir(parents=True, exist_ok=True)
    write_csv(table, columns, rows)
    dropped = sum(label is None for label in decided.values())
    return Applied(table=table, pictures=len(rows), relabelled=len(decided) - dropped, dropped=dropped)


def _decisions(images: ImageSet, review: Path) -> dict[int, str | None]:
    """Position → new label, None to drop; what is kept is not in it."""
    review_table = tables.read(review)
    if "decision" not in review_table.header:
        problem = Problem(
            expected=f"the columns {', '.join(COLUMNS)}",
            found="no column decision",
            todo="give the review.csv that `headstart check` wrote, with the decisions filled in",
        )
        raise DataError(f"review {display(review)}", [problem])
    position = {_path(images, i).strip(): i for i in range(len(images))}
    faults = Faults(_REMEDIES)
    decided: dict[int, str | None] = {}
    seen: dict[int, int] = {}
    for line, cell, count in review_table.rows:
        i = position.get(cell.get("path", ""))
        word, _, name = (part.strip() for part in cell.get("decision", "").partition(":"))
        word, label = word.lower(), class_name(name or cell.get("suggested", ""))
        relabels = word == _RELABEL
        first = line if i is None else seen.setdefault(i, line)
        checks = {
            "every row has as many cells as the header": (count <= len(review_table.header), f"{count} cells"),
            "every path is one of the pictures": (i is not None, repr(display(cell.get("path", "")))),
            "every decision is empty, keep, drop or relabel:NAME": (
                word in ("", _KEEP, _DROP, _RELABEL) and (relabels or not name),
                repr(cell.get("decision", "")),
            ),
            "every new label is one of the classes": (not relabels or label in images.classes, _meant(label, images)),
            "every picture is decided once": (first == line, f"{display(cell.get('path', ''))} as in line {first}"),
        }
        kept = faults.none_in(line, checks)
        if kept and i is not None and (word == _DROP or (relabels and label != images.classes[images.y[i]])):
            decided[i] = label if relabels else None
    faults.tell(f"review {display(review)}")
    return decided


def _meant(label: str, images: ImageSet) -> str:
    near = difflib.get_close_matches(label, images.classes, n=1)
    return (repr(label) if label else "no label") + (f" (did you mean {near[0]!r}?)" if near else "")


def _path(images: ImageSet, i: int) -> str:
    """As it stands in the review: from the folder that was checked, where it lies in there."""
    root, path = images.root, images.paths[i]
    return path.relative_to(root).as_posix() if root is not None and path.is_relative_to(root) else str(path)
