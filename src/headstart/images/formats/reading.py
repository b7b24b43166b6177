"""From what somebody gives to entries: which format it is, and where two may be meant, an error that names both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from headstart.cache_folder import size_limit
from headstart.errors import DataError, OptionError, Problem
from headstart.files import below, digest, display, sha256, some
from headstart.images import archives
from headstart.images.columns import ANSWERS
from headstart.images.formats.asked import Asked, Part
from headstart.images.formats.given import Given, Source
from headstart.images.formats.glance import Glance
from headstart.images.formats.parquet import is_parquet, picture_columns
from headstart.images.formats.registry import FOLDERS, FORMATS, NAMES, TAR, ZIP, Format, recognised
from headstart.images.formats.xml_labels import FOLDERS_OF_VOC
from headstart.images.labelled import Entries, read_folders
from headstart.images.layout import named_as_picture
from headstart.images.located import common_folders
from headstart.images.remote import fetched
from headstart.images.split_names import split_name, split_of
from headstart.images.unpacked import unpacked
from headstart.images.walk import LeftOut, children

_ARCHIVES = "archive 1"
"""Raised with every change to what is unpacked of an archive."""


def labels_of(source: Source) -> Entries:
    """What a source says of the classes of pictures; no picture is opened.

    Archives, and files that hold pictures themselves, are unpacked into the cache once.

    Raises:
        DataError: no format is recognised, or several are; or everything that is wrong with the labels.
        OptionError: a format that there is not.
        OSError: the folder or the file cannot be read.
    """
    given = Given.of(source)
    _require_format(given.format)
    if given.is_remote:
        return _of_address(given)
    path = Path(given.address)
    if path.is_dir():
        return _of_folder(given, path)
    if path.is_file():
        return _of_file(given, path)
    raise FileNotFoundError(0, "not found", path)


def picture_folders(source: Source) -> tuple[Path, ...]:
    """The folders of the pictures of a label file, in which nothing is to be written.

    None for a folder, and for a file that holds the pictures itself, which is not read here.

    Raises:
        DataError: as `labels_of`.
    """
    given = Given.of(source)
    if given.path is None or not given.path.is_file():
        return ()
    glance = Glance(given.path)
    if archives.is_zip(glance.head) or archives.is_tar(given.path, glance.head):
        return ()
    if is_parquet(glance) and picture_columns(given.path, f"pictures {display(given.address)}")[0]:
        return ()
    entries = labels_of(given)
    return () if entries.root is None else common_folders(entries.root, (entry.path for entry in entries.entries))


def _require_format(name: str) -> None:
    if name and name not in NAMES:
        expected, todo = f"one of {', '.join(NAMES)}", "correct it, or leave it out: formats are recognised by content"
        raise OptionError.of("--format", expected=expected, found=repr(name), todo=todo)


def _of_address(given: Given) -> Entries:
    """What lies at an address, which is fetched into the cache as far as it is not there."""
    local = fetched(given.address)
    entries = _of_folder(given, local, inside=True) if local.is_dir() else _of_file(given, local)
    understood = replace(entries.understood, unpacked=entries.understood.unpacked or str(local), source=given.address)
    return replace(entries, understood=understood)


def _of_file(given: Given, file: Path) -> Entries:
    glance = Glance(file)
    formats = _recognised(glance, given)
    is_zip = archives.is_zip(glance.head)
    if (is_zip or archives.is_tar(file, glance.head)) and "webdataset" not in [each.name for each in formats]:
        return _of_archive(given, file, ZIP if is_zip else TAR)
    if not formats and archives.is_compressed(glance.head):
        expected, found = "an archive that can be read to its end", f"{display(file.name)}, which holds no tar"
        todo = "fetch it again if it is damaged; else unpack it, and give what was in it"
        raise DataError.of(f"pictures {display(given.address)}", expected=expected, found=found, todo=todo)
    if not formats and glance.text.lstrip()[:1] not in ("{", "[", "<"):
        tables = [each for each in FORMATS if each.name == "table"]  # whose error says what it must have
        formats = tables if glance.text or (not glance.head and file.suffix.lower() in tables[0].endings) else []
    if not formats:
        raise _unknown(given, _not_known(glance))
    _refuse_several(given, [each.name for each in formats])
    return _read(given, formats[0], file.parent, [Part(file=file, glance=glance)])


def _read(given: Given, format: Format, root: Path, parts: Sequence[Part], *, inside: bool = False) -> Entries:
    entries = format.read(Asked(given=given, root=root, parts=tuple(parts), inside=inside))
    return replace(entries, understood=replace(entries.understood, format=format.name, source=given.address))


def _recognised(glance: Glance, given: Given) -> list[Format]:
    """The formats that a file may be of; with ``--format`` that one, and with columns that are named a table, if no
    other is recognised."""
    if given.format not in ("", ZIP, TAR):
        return [each for each in FORMATS if each.name == given.format]
    if (found := recognised(glance)) or not (given.path_column or given.label_column):
        return found
    is_json = glance.text.lstrip()[:1] in ("{", "[")
    return [each for each in FORMATS if each.name == ("jsonl" if is_json else "table") and glance.text]


def _of_archive(given: Given, file: Path, kind: str) -> Entries:
    """What lies in an archive, which is unpacked once."""
    folder = archive_files(given, file)
    inner = replace(given, format="" if given.format in (ZIP, TAR) else given.format)
    entries = _of_folder(inner, folder, inside=True)
    understood = replace(
        entries.understood, format=f"{kind}, {entries.understood.format}", unpacked=str(folder), source=given.address
    )
    return replace(entries, understood=understood)


def archive_files(given: Given, file: Path) -> Path:
    """The folder in the cache to which an archive is unpacked, once. Raises DataError for all that is wrong with it."""
    what = f"pictures {display(given.address)}"
    key = digest([_ARCHIVES, sha256(file)])
    with archives.opened(file, what, most=size_limit()) as archive:
        return unpacked(key, archive.write, needed=archive.size, what=what)


# ── folders ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _of_folder(given: Given, root: Path, *, inside: bool = False) -> Entries:
    """Class folders, or the label files that lie in a folder; where both may be meant they must agree."""
    found, damaged = ({}, {}) if given.format == FOLDERS else _label_files(given, root)
    readings: dict[str, Entries] = {}
    errors: list[DataError] = []
    refused: dict[Path, str] = {}
    if given.format in ("", FOLDERS):
        try:
            readings[FOLDERS] = read_folders(root)
        except DataError as error:
            errors.append(error)
    for format, parts in found.items():
        try:
            _refuse_versions(given, format, parts, root)
            readings[format.name] = _read(given, format, root, _split_alike(parts), inside=inside)
        except DataError as error:
            errors.insert(len(errors) - (FOLDERS not in readings and bool(errors)), error)
            refused |= {
                part.file: f"expected {p.expected}, found {p.found}" for part in parts for p in error.problems[:1]
            }
    by_folders = readings.get(FOLDERS)
    if damaged and not found and by_folders and not by_folders.entries:
        raise _unknown(given, some([f"{below(root, file)}: {damage}" for file, damage in damaged.items()]))
    if by_folders and found and _says_little(by_folders):
        del readings[FOLDERS]
    if not readings or (given.format and given.format not in readings):
        raise errors[0] if errors else _unknown(given, f"no file of that format in {display(root)}")
    kept = _distinct(readings)
    _refuse_several(given, [*kept])
    entries = next(iter(kept.values()))
    return replace(entries, left_out=_without_label_files(entries, damaged | refused))


def _label_files(given: Given, root: Path) -> tuple[dict[Format, list[Part]], dict[Path, str]]:
    """The label files of a folder by format, each with its split as far as names say it; and why others are none."""
    endings = {ending for each in FORMATS for ending in each.endings}
    top = root
    folders, files = children(top)
    while len(folders) == 1 and not files:
        top = folders[0]
        folders, files = children(top)
    found: dict[Format, list[Part]] = {}
    others: dict[Path, str] = {}
    for folder in (top, *folders):
        inner = files if folder == top else children(folder)[1]
        for file in (file for file in inner if file.suffix.lower() in endings):
            glance, known = Glance(file), False
            if glance.text.startswith(",".join(ANSWERS)) and not given.format:
                continue  # answers of a model that lie among pictures
            for format in _recognised(glance, given):
                if file.suffix.lower() in format.endings and (not given.format or format.recognises(glance)):
                    found.setdefault(format, []).append(Part(file=file, split=_split(file, top), glance=glance))
                    known = True
            if not known:
                others[file] = glance.damage
    for file, damage in others.items():
        for format, parts in found.items():
            if _belongs(file, damage, format, parts, top):
                parts.append(Part(file=file, split=_split(file, top)))
    return found, {file: damage for file, damage in others.items() if damage}


def _belongs(file: Path, damage: str, format: Format, parts: Sequence[Part], top: Path) -> bool:
    """Whether a file of no format is one of the label files by its name, so that it must be damaged, or empty."""
    if file.suffix.lower() not in format.endings:
        return False
    beside = format.in_parts and any(part.file.parent == file.parent for part in parts)
    alike = any(part.file.name == file.name for part in parts)
    return beside or alike or bool(damage and _split(file, top))


def _split(file: Path, top: Path) -> str:
    """The split that a label file is of, by its name, else by its folder."""
    names = [file.stem, *(parent.name for parent in file.relative_to(top).parents if parent.name)]
    return next((found.split for name in names if (found := split_name(name))), "")


def _split_alike(parts: Sequence[Part]) -> list[Part]:
    """The parts with their splits where one of them is to train on; else no name says a split."""
    if any(part.split == "train" for part in parts):
        return list(parts)
    return [replace(part, split="") for part in parts]


def _refuse_versions(given: Given, format: Format, parts: Sequence[Part], root: Path) -> None:
    """Raise DataError where several label files may be versions of the same, and not parts of one set."""
    splits = [part.split for part in parts]
    if format.in_parts or len(parts) == 1 or (len(set(splits)) == len(splits) and "train" in splits):
        return
    names = some([display(part.file.relative_to(root).as_posix()) for part in parts])
    expected = f"one label file ({format.name}), or one for each of train, val and test"
    todo = f"give the one that is meant: {display(parts[0].file)}"
    raise DataError.of(f"pictures {display(given.address)}", expected=expected, found=names, todo=todo)


def _says_little(entries: Entries) -> bool:
    """Whether class folders are no reading of their own: a folder of all pictures, one for each split, or VOC's."""
    named = {entry.label for entry in entries.entries if entry.split == "train" and named_as_picture(entry.path)}
    return len([label for label in named - FOLDERS_OF_VOC if not split_of(label)]) < 2


def _distinct(readings: dict[str, Entries]) -> dict[str, Entries]:
    """The readings that label pictures differently; of those that agree one that says groups, else the first."""
    kept: dict[str, Entries] = {}
    grouped = [name for name, each in readings.items() if any(entry.group for entry in each.entries)]
    for name, entries in sorted(readings.items(), key=lambda each: each[0] not in grouped):
        if not any(_label_of(entries) == _label_of(other) for other in kept.values()):
            kept[name] = entries
    return kept


def _label_of(entries: Entries) -> dict[Path, tuple[str, str]]:
    named = (entry for entry in entries.entries if not _is_label_file(entry.path))
    return {entry.path: (entry.label, entry.split) for entry in named}


def _is_label_file(path: Path) -> bool:
    return any(path.suffix.lower() in each.endings for each in FORMATS)


def _without_label_files(entries: Entries, damaged: Mapping[Path, str]) -> tuple[LeftOut, ...]:
    """What is left out but for the label files, which are read; of those that are ``damaged`` with the reason."""
    used = {display(name) for name in entries.understood.label_files}
    outs = {out.path: out.reason for out in entries.left_out if not used or display(out.path.name) not in used}
    outs |= {path: f"labels that cannot be read: {why}" for path, why in damaged.items() if used or path in outs}
    return tuple(LeftOut(path, reason) for path, reason in outs.items())


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _refuse_several(given: Given, names: Sequence[str]) -> None:
    if len(names) > 1:
        found = f"what may be read as {' and as '.join(names)}, which do not agree"
        todo = f"say which is meant: --format {names[0]}, or --format {names[1]}"
        expected = "labels in one format"
        raise DataError.of(f"pictures {display(given.address)}", expected=expected, found=found, todo=todo)


def _unknown(given: Given, found: str) -> DataError:
    problem = Problem(
        expected=f"class folders, or labels in a known format: {', '.join(NAMES[1:])}",
        found=found,
        todo="say how it is to be read: --format, and of a table --path-column and --label-column",
    )
    return DataError(f"pictures {display(given.address)}", [problem])


def _not_known(glance: Glance) -> str:
    """Why a file is of no format."""
    name, begins = display(glance.file.name), glance.head[:32].decode("utf-8", "backslashreplace").strip()
    return f"{name}: {glance.damage}" if glance.damage else f"{name}, which begins with {display(begins)}"
