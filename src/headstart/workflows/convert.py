"""Write labelled pictures in another format: a table, class folders, Hugging Face's imagefolder, or WebDataset.

::

    csv          pictures.csv (path, label and, where there are any, group and split) beside pictures/
    folders      [SPLIT/]CLASS/…; where there are groups, pictures.csv beside them
    imagefolder  [SPLIT/]metadata.csv (file_name, label and, where there are any, group) beside the pictures
    webdataset   SPLIT-000000.tar, a thousand pictures in each, with their classes

Files are linked, or copied; nothing of the source is changed.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from headstart import output_folder
from headstart.errors import DataError, OptionError, Problem
from headstart.files import display, some, write_csv
from headstart.images.archives import safe_name
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given, Source
from headstart.images.split_names import SPLITS, split_of
from headstart.images.walk import LeftOut, is_junk
from headstart.progress import Progress

SHARD = 1000
"""Pictures in one tar."""
_TABLE = "pictures.csv"


@dataclass(frozen=True, kw_only=True)
class Converted:
    """What was written."""

    folder: Path
    pictures: int
    linked: bool
    """Whether files are other names of those of the source."""
    left_out: tuple[LeftOut, ...]
    """Files of the source that are no pictures with a class."""


def convert(source: Source, to: str, out: Path, *, copy: bool = False, progress: Progress | None = None) -> Converted:
    """Write the pictures of ``source`` into ``out``, a new or empty folder, in the format ``to``; see `FORMATS`.

    Files are hard links, or symbolic ones to another disk; copies with ``copy``, from an archive, and in tars.

    Raises:
        OptionError: no such format; ``out`` holds something, or lies among the pictures.
        DataError: the source cannot be read, or a class cannot be the name of a folder.
    """
    given = Given.of(source)
    if to not in FORMATS:
        raise OptionError.of("--to", expected=f"one of {', '.join(FORMATS)}", found=repr(to), todo="correct it")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        todo = "choose another folder"
        raise OptionError.of("OUT", expected="a new or empty folder", found=display(out), todo=todo)
    if given.path is not None and given.path.is_dir():
        output_folder.refuse_unsafe(given.path, out, what="conversion")
    images = scan(given, for_training=False, progress=progress)
    images = images.subset(images.by_name)
    copied = copy or bool(images.understood.unpacked)
    out.absolute().parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.absolute().parent))
    try:
        FORMATS[to](images, unfinished, _copied if copied else _linked)
        unfinished.chmod(0o755)
        if out.exists():
            out.rmdir()
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    linked = not copied and to != "webdataset"
    return Converted(folder=out, pictures=len(images), linked=linked, left_out=images.left_out)


_Put = Callable[[Path, Path], None]


def _copied(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _linked(source: Path, target: Path) -> None:
    """Another name of the same file: on another disk a symbolic link, where there are none a copy."""
    target.parent.mkdir(parents=True, exist_ok=True)
    real = source.resolve()
    for link in (os.link, os.symlink):
        try:
            link(real, target)
        except OSError:
            continue
        return
    shutil.copyfile(source, target)


def _to_csv(images: ImageSet, folder: Path, put: _Put) -> None:
    names = [f"pictures/{name}" for name in _distinct([path.name for path in images.paths])]  # no class folders
    for path, name in zip(images.paths, names, strict=True):
        put(path, folder / name)
    _write_table(images, folder / _TABLE, names)


def _write_table(images: ImageSet, file: Path, names: Sequence[str]) -> None:
    groups, splits = _groups(images), set(images.split.tolist()) != {"train"}
    columns = ["path", "label", *(["group"] if any(groups) else []), *(["split"] if splits else [])]
    rows = [
        [name, label, *([group] if any(groups) else []), *([split] if splits else [])]
        for name, label, group, split in zip(names, _labels(images), groups, images.split.tolist(), strict=True)
    ]
    write_csv(file, columns, rows)


def _to_folders(images: ImageSet, folder: Path, put: _Put) -> None:
    _require_folders(images)
    splits = set(images.split.tolist()) != {"train"}
    names = _distinct(
        [
            f"{split}/{label}/{path.name}" if splits else f"{label}/{path.name}"
            for path, label, split in zip(images.paths, _labels(images), images.split.tolist(), strict=True)
        ]
    )
    for path, name in zip(images.paths, names, strict=True):
        put(path, folder / name)
    if any(_groups(images)):
        _write_table(images, folder / _TABLE, names)


def _to_imagefolder(images: ImageSet, folder: Path, put: _Put) -> None:
    groups, labels = _groups(images), _labels(images)
    splits = [split for split in SPLITS if (images.split == split).any()]
    for split in splits:
        here = images.in_split(split).tolist()
        inner = folder / split if splits != ["train"] else folder
        names = _distinct([images.paths[i].name for i in here])
        for i, name in zip(here, names, strict=True):
            put(images.paths[i], inner / name)
        columns = ["file_name", "label", *(["group"] if any(groups) else [])]
        rows = [[name, labels[i], *([groups[i]] if any(groups) else [])] for i, name in zip(here, names, strict=True)]
        write_csv(inner / "metadata.csv", columns, rows)


def _to_webdataset(images: ImageSet, folder: Path, put: _Put) -> None:
    groups, labels = _groups(images), _labels(images)
    for split in SPLITS:
        here = images.in_split(split).tolist()
        for number in range(0, len(here), SHARD):
            with tarfile.open(folder / f"{split}-{number // SHARD:06d}.tar", "w") as tar:
                for at, i in enumerate(here[number : number + SHARD], number):
                    ending = images.paths[i].suffix.lower().lstrip(".") or "jpg"
                    says = {"label": labels[i], "name": images.name_of(images.paths[i])}
                    says |= {"group": groups[i]} if groups[i] else {}
                    _add(tar, f"{at:06d}.{ending}", images.paths[i].read_bytes())
                    _add(tar, f"{at:06d}.json", json.dumps(says, ensure_ascii=True).encode())


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), 0o644
    tar.addfile(info, io.BytesIO(data))


FORMATS: dict[str, Callable[[ImageSet, Path, _Put], None]] = {
    "csv": _to_csv,
    "folders": _to_folders,
    "imagefolder": _to_imagefolder,
    "webdataset": _to_webdataset,
}
"""What can be written."""


def _labels(images: ImageSet) -> list[str]:
    return [images.classes[label] for label in images.y]


def _groups(images: ImageSet) -> list[str]:
    """The name of each picture's group, as it was given; empty where it was given none."""
    return list(images.group_names)


def _require_folders(images: ImageSet) -> None:
    """Raise DataError where a class cannot be the name of a folder, naming all such."""
    bad = [
        name
        for name in images.classes
        if "/" in name or safe_name(name) != (name, "") or is_junk(name) or name != name.strip() or split_of(name)
    ]
    if bad:
        found, todo = some([repr(name) for name in bad]), "convert --to csv, or rename these classes"
        raise DataError("class folders", [Problem(expected="names that folders may have", found=found, todo=todo)])


def _distinct(names: Sequence[str]) -> list[str]:
    """The same names, with a number in those that an earlier one has, in any case."""
    return list(_numbered(names))


def _numbered(names: Sequence[str]) -> Iterator[str]:
    taken: set[str] = set()
    for name in names:
        safe, refused = safe_name(name)
        name = Path(name).name if refused else safe
        path, number, candidate = Path(name), 1, name
        while candidate.casefold() in taken:
            number += 1
            candidate = path.with_name(f"{path.stem}-{number}{path.suffix}").as_posix()
        taken.add(candidate.casefold())
        yield candidate
