"""Which columns of a table name the files, the classes and the splits: by what they are called, and by their cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.split_names import split_of

PATHS = (
    *("path", "filename", "file", "filepath", "image", "imagepath", "imagename", "imagefile", "imgpath", "imgname"),
    *("img", "imageid", "imgid", "picture", "photo", "fname", "relativepath", "id", "name"),
)
"""What people call the column of files, the likeliest first; in any case, with any signs between."""
LABELS = (
    *("label", "class", "classname", "labelname", "category", "categoryname", "target", "groundtruth", "choice"),
    *("species", "breed", "diagnosis", "labels", "classes", "tag", "y"),
)
"""What people call the column of classes."""
_SPLITS = ("split", "set", "subset", "partition", "dataset", "usage")
_FLAGS = {
    "isvalid": ("train", "val"),
    "isval": ("train", "val"),
    "istest": ("train", "test"),
    "istrain": ("test", "train"),
}
"""Columns of yes and no, as fastai's ``is_valid``, and the splits that no and yes mean."""
_YES_AND_NO = {"false": 0, "no": 0, "0": 0, "true": 1, "yes": 1, "1": 1}
_SAMPLE = 200
"""Rows by which it is told what a column holds."""
_LEAST_EXISTING = 0.5
"""Share of a sample of cells that are names of files, in a column of files that is called something else."""

Cells = Mapping[str, str]
Existing = Callable[[Sequence[str]], int]
"""How many of some names are files that exist."""


ANSWERS = ("path", "label", "probability", "answer", "prediction_set", "unsure", "unfamiliar", "novelty", "reason")
"""The columns of the table of ``headstart predict``, before those of the classes. No label there is a truth."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns of a table as they stand in its header, in lower case; empty where there is none."""

    path: str
    label: str
    split: str = ""
    group: str = ""

    @property
    def roles(self) -> tuple[tuple[str, str], ...]:
        """What they were taken for, "path", "label", "split" or "group", and their names."""
        return tuple((role, name) for role, name in vars(self).items() if name)


def chosen(
    header: Sequence[str], rows: Sequence[Cells], existing: Existing, *, path: str, label: str, labelled: bool = True
) -> Columns | None:
    """The columns of a table that hold files and classes; None where it has none, or not those that somebody named.

    Args:
        header: names in lower case.
        rows: cells by these names.
        existing: counts files.
        path: the name of that column, if somebody said it; else empty.
        label: likewise.
        labelled: whether it must hold classes; else files are enough, and no other column is looked for.

    Raises:
        DataError: several columns may be meant.
    """
    if any(name and name.lower() not in header for name in (path, label)):
        return None
    sample = [rows[i] for i in sorted({len(rows) * k // _SAMPLE for k in range(_SAMPLE)})] if rows else []
    files = path.lower() or _file_column(header, sample, existing, without=label.lower())
    if not files:
        return None
    if not labelled:
        return Columns(path=files, label="")
    others = [name for name in header if name != files]
    split = next((name for name in others if _is_split(name, sample) and name != label.lower()), "")
    classes = label.lower() or _class_column([name for name in others if name not in (split, "group")], rows)
    if not classes:
        return None
    return Columns(path=files, label=classes, split=split, group="group" if "group" in others else "")


def _file_column(header: Sequence[str], sample: Sequence[Cells], existing: Existing, *, without: str) -> str:
    if "path" in header:
        return "path"
    least = max(1.0, _LEAST_EXISTING * len(sample))

    def holds_files(name: str) -> bool:
        cells = [row.get(name, "") for row in sample]
        return len(set(cells)) > 1 and existing(cells) >= least

    named = [name for called in PATHS for name in header if plain_name(name) == called and name != without]
    if there := [name for name in named if holds_files(name)]:
        return there[0]
    if named and any(plain_name(name) in LABELS for name in header):
        return named[0]
    found = [name for name in header if name != without and name not in named and holds_files(name)]
    _refuse_several(found, "files", "--path-column")
    return found[0] if found else (named or [""])[0]


def _class_column(header: Sequence[str], rows: Sequence[Cells]) -> str:
    if "label" in header:
        return "label"
    named = [name for called in LABELS for name in header if plain_name(name) == called]
    if named:
        differ = [name for name in named[1:] if not _one_to_one(named[0], name, rows)]
        _refuse_several([named[0], *differ] if differ else [], "classes", "--label-column")
        return next((name for name in named if not all(row.get(name, "").isdecimal() for row in rows)), named[0])
    found = []
    for name in header:
        values = {row.get(name, "") for row in rows}
        if name and 1 < len(values) <= len(rows) / 2:
            found.append(name)
    _refuse_several(found, "classes", "--label-column")
    return found[0] if found else ""


def _is_split(name: str, sample: Sequence[Cells]) -> bool:
    if name == "split":
        return True
    called, cells = plain_name(name), {row.get(name, "") for row in sample}
    splits = {split_of(split_in(name, cell)) for cell in cells}
    return None not in splits and (len(splits) > 1 if called in _FLAGS else called in _SPLITS and bool(splits))


def split_in(name: str, cell: str) -> str:
    """What a cell of the column of splits says: that itself, or the split where the column is one of yes and no."""
    meant, answer = _FLAGS.get(plain_name(name)), _YES_AND_NO.get(cell.strip().casefold())
    return cell if meant is None or answer is None else meant[answer]


def _one_to_one(one: str, other: str, rows: Sequence[Cells]) -> bool:
    pairs = {(row.get(one, ""), row.get(other, "")) for row in rows}
    return len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})


def plain_name(name: str) -> str:
    """A name without case and signs."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _refuse_several(names: Sequence[str], of: str, option: str) -> None:
    if len(names) > 1:
        found = f"the columns {some([display(name) for name in names])}, which may all be meant"
        todo = f"say which it is: {option} {display(names[0])}"
        raise DataError.of("columns of the table", expected=f"one column of {of}", found=found, todo=todo)
