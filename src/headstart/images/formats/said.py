"""What label files say of pictures, one saying a row or record, becomes entries, or one error that names all faults."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from headstart.errors import DataError
from headstart.files import below, display, some
from headstart.images.faults import Faults
from headstart.images.labelled import Entries, Entry, Understood, class_name, merged_names, twins
from headstart.images.located import Located, located
from headstart.images.split_names import split_of
from headstart.images.walk import LeftOut

LABELLED, _ALIKE = "every row has a label", "every file is named once, or each time alike"
_PATH, _SPLIT, _FILE = "every row has a path", "every split is one of train, val, test", "every file exists"
_ONE = "every picture is of one class"
_REMEDIES = {
    _PATH: "fill in the path, or delete the row",
    LABELLED: "fill in the label, or delete the row",
    _ONE: "one class is answered for each picture: leave these out, or decide for one of their classes",
    _SPLIT: "correct the name, or leave the column out",
    _FILE: "correct the path; it is relative to the folder of the table",
    _ALIKE: "keep the row that is right, and delete the others",
}


@dataclass(frozen=True, kw_only=True)
class Said:
    """What one row or record says of one picture."""

    at: int
    """Line or number of the record, from 1."""
    names: tuple[str, ...]
    """Of the file, the likeliest spelling first; relative to the folder of the label file, or whole."""
    labels: tuple[str, ...]
    """Classes; a picture of several, or of none, cannot be used."""
    split: str = "train"
    """As it is written."""
    group: str | None = None
    cells: Mapping[str, str] = field(default_factory=dict)
    """What else is said, by column."""
    broken: Mapping[str, str] = field(default_factory=dict)
    """Rules of its format that it breaks, and what was found."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """All that one label file says."""

    file: Path
    said: Sequence[Said]
    folder: Path
    """From which its names begin."""
    pictures: str = ""
    """What the folder of pictures is called, if the format says so."""


def gathered(
    listings: Sequence[Listing],
    *,
    what: str,
    root: Path,
    layout: str,
    inside: bool = False,
    unit: str = "record",
    rules: Mapping[str, str] | None = None,
    understood: Understood,
    left_out: Sequence[LeftOut] = (),
    unlabelled: str = "",
) -> Entries:
    """The entries of label files. A row that says of a file what an earlier one did is passed over.

    Args:
        listings: the label files of one source.
        what: it is called in errors.
        root: the folder of the source.
        layout: the kind of source, as in `Entries`.
        inside: whether files outside of ``root`` are out of reach.
        unit: what is counted in a label file.
        rules: of the format, with a remedy each, that its rows may break.
        understood: what is known already of how labels were read.
        left_out: what was found to have no label.
        unlabelled: why pictures without one are left out; where it is empty, that is a fault.

    Raises:
        DataError: everything that is wrong with rows, by line or record.
    """
    faults = Faults({**(rules or {}), **_REMEDIES}, whole=(LABELLED, _ALIKE), unit=unit)
    seen: dict[str, tuple[str, Entry]] = {}
    repeated: dict[str, None] = {}
    splits: dict[str, str] = {}
    columns: dict[str, dict[Path, str]] = defaultdict(dict)
    moved, without = [], list(left_out)
    names_of_files = Counter(listing.file.name for listing in listings)
    for listing in listings:
        sought, near = [said.names for said in listing.said], listing.pictures or listing.file.stem
        found = located(listing.folder, sought, inside=inside, near=near)
        _refuse_rivals(found, what)
        moved += [found.moved] if found.moved else []
        is_alone = names_of_files[listing.file.name] == 1
        label_file = display(listing.file.name) if is_alone else below(root, listing.file)
        label_file = f"{label_file}: " if len(listings) > 1 else ""
        for said, path, wrong in zip(listing.said, found.paths, found.wrong, strict=True):
            if unlabelled and not said.labels and not said.broken:
                without.append(LeftOut(path, unlabelled))
                continue
            checks, entry = _checked(said, path, wrong, label_file)
            key, place = os.path.normpath(path), f"{label_file}{unit} {said.at}"
            first_place, first = seen.setdefault(key, (place, entry))
            was, now = (_without_path(other) for other in (first, entry))
            name = display(said.names[0]) if said.names else ""
            alike = f"{label_file}{name} as in {first_place}, there {was}, here {now}"
            checks[_ALIKE] = (not name or not entry.label or was == now, alike)
            if faults.none_in(said.at, checks):
                splits[said.split] = entry.split
                for column, cell in said.cells.items():
                    columns[column][path] = cell
                if first_place != place:
                    repeated[name] = None
    faults.tell(what)
    names = sorted({label for listing in listings for said in listing.said for label in said.labels})
    understood = replace(
        understood,
        splits=() if [*splits] == ["train"] else tuple(splits.items()),
        twins=twins(names),
        merged=merged_names(names),
        repeated=tuple(repeated),
        moved=tuple(dict.fromkeys(moved)),
    )
    entries = [entry for _, entry in seen.values()]
    listed = Entries.listed(entries, root=root, layout=layout, understood=understood)
    return replace(listed, columns=columns, left_out=tuple(without))


def files_named(
    rows: Sequence[tuple[int, str]], file: Path, *, what: str, inside: bool = False, unit: str = "record"
) -> tuple[Path, ...]:
    """The files that the rows of a list name, one for each, also where several name the same.

    Args:
        rows: line or number, and the name, relative to the folder of ``file`` or whole.
        file: the list.
        what: the source is called in errors.
        inside: whether files outside of its folder are out of reach.
        unit: what is counted.

    Raises:
        DataError: rows without a name, and files that are not there: all of them.
    """
    found = located(file.parent, [(name,) for _, name in rows], inside=inside, near=file.stem)
    _refuse_rivals(found, what)
    faults = Faults(_REMEDIES, unit=unit)
    for (at, name), wrong in zip(rows, found.wrong, strict=True):
        faults.none_in(at, {_PATH: (bool(name), "no path"), _FILE: (not name or not wrong, wrong)})
    faults.tell(what)
    return found.paths


def _checked(said: Said, path: Path, wrong: str, label_file: str) -> tuple[dict[str, tuple[bool, str]], Entry]:
    """The rules for a row, each with whether it keeps it and what was found; and the entry that it makes."""
    name = display(said.names[0]) if said.names and said.names[0] else ""
    split, labels = split_of(said.split), tuple(dict.fromkeys(map(class_name, said.labels)))
    entry = Entry(path=path, label=" + ".join(labels), split=split or "", group=said.group or None)
    checks = {rule: (False, found) for rule, found in said.broken.items()}
    checks |= {
        _PATH: (bool(name or said.broken), "no path"),
        LABELLED: (bool(entry.label or said.broken), "no label"),
        _ONE: (len(labels) < 2, f"{name}: {some(list(labels), 5)}"),
        _SPLIT: (split is not None, repr(said.split)),
        _FILE: (not name or not wrong, wrong),
    }
    return {rule: (holds, f"{label_file}{found}") for rule, (holds, found) in checks.items()}, entry


def _refuse_rivals(found: Located, what: str) -> None:
    if found.rivals:
        todo = "write the folder into the paths, or give each folder a table of its own, of its name"
        names = f"files of these names in {' and in '.join(found.rivals)}"
        raise DataError.of(what, expected="names that say in which folder a file lies", found=names, todo=todo)


def _without_path(entry: Entry) -> str:
    """What a row says of its file, such as “'cat'” or “'cat', test, group 7”."""
    split = "" if entry.split == "train" else f", {entry.split}"
    return f"{entry.label!r}{split}" + (f", group {entry.group}" if entry.group else "")


def classes_in(value: Any) -> tuple[str, ...] | None:
    """The classes that a value of JSON names: a text, a number, or a list of such; None where it is something else.

    None and NaN, which stand for a label that is missing, are no class.
    """
    said = [each for each in (value if isinstance(value, list) else [value]) if each is not None and each == each]
    if not all(isinstance(each, (str, int, float)) for each in said):
        return None
    return tuple(str(each) for each in said if each != "")


def require_one_name_each(classes: Sequence[str], what: str) -> None:
    """Raise DataError where two of the classes that a file declares have one name."""
    names = Counter(map(class_name, classes))
    if double := [name for name, times in names.items() if times > 1]:
        expected, todo = "a name of its own for each class", "rename them, or make one of them"
        raise DataError.of(what, expected=expected, found=f"twice: {some(double)}", todo=todo)


def several(labels: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Each of ``labels``, taken apart where it names several classes, such as “cat|dog”.

    It does where a sign between parts is not part of a name: every part is the whole label of some other row.
    """
    whole = Counter(label.strip() for label in labels)
    for label in labels:
        parts = next(
            (
                parts
                for sign in "|;,"
                if len(parts := tuple(part.strip() for part in label.split(sign))) > 1
                and all(part in whole for part in parts)
            ),
            (label,),
        )
        yield parts if label else ()
