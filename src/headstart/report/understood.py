"""How a source of labelled pictures was read, in words: the layout, the splits, the classes, what was left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headstart.errors import Problem
from headstart.files import below, display, plain, some
from headstart.images.folder import ImageSet
from headstart.images.formats.given import Given
from headstart.images.located import Moved
from headstart.report.words import counted

_SEPARATORS = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "vertical bars"}
_LAYOUTS = {
    "table": "a table",
    "arrays": "a list",
    "one-hot": "a table with a column for each class",
    "label-studio": "an export of Label Studio",
    "cvat": "an export of CVAT",
    "voc": "Pascal VOC",
    "coco": "COCO",
    "fiftyone": "an export of FiftyOne",
}
_ARCHIVES = {"zip": "a zip of ", "tar": "a tar of ", "parquet": "Parquet, ", "webdataset": "WebDataset, "}
_IN_SPLIT = {"train": "to train on", "val": "to validate on", "test": "to test on"}
MOST_NAMED = 10
"""Classes named on one line, and files that were left out."""


def short(images: ImageSet) -> tuple[str, ...]:
    """What was understood, on a line, and a line for everything that may be a surprise."""
    of = counted(len(images.classes), "class", "classes")
    if len(images.counts) > 1:
        parts = [f"{counted(sum(of.values()), 'picture')} {_IN_SPLIT[split]}" for split, of in images.counts.items()]
        pictures = f"{', '.join(parts)}; {of}: {some([*images.classes], MOST_NAMED)}"
    else:
        each = [f"{name} {sum(of_split[name] for of_split in images.counts.values())}" for name in images.classes]
        pictures = f"{counted(len(images), 'picture')} in {of}: {some(each, MOST_NAMED)}"
    return (f"understood as {_layout(images)}: {pictures}", *_surprises(images))


def lines(source: Given, images: ImageSet) -> Iterator[str]:
    """All that was understood: the layout, a table of classes by split, what was left out."""
    yield f"{display(source.address)}: {_layout(images)}"
    splits = [*images.counts] or ["train"]
    width = max(map(len, ("class", *images.classes)))
    yield "  ".join(["class".ljust(width), *(split.rjust(7) for split in splits)])
    for name in images.classes:
        numbers = (images.counts.get(split, {}).get(name, 0) for split in splits)
        yield "  ".join([name.ljust(width), *(f"{number:,}".rjust(7) for number in numbers)])
    groups = len(set(images.groups.tolist()))
    together = f" in {counted(groups, 'group')}, which no fold tears apart" if groups < len(images) else ""
    yield f"{counted(len(images), 'picture')}{together}"
    yield from _surprises(images)
    for out in images.left_out:
        yield f"left out: {below(images.root, out.path)}: {out.reason}"


def document(source: Given, images: ImageSet, problems: tuple[Problem, ...]) -> dict[str, Any]:
    """The same in plain JSON types; ``problems`` keep the pictures from being trained on."""
    said = images.understood
    return {
        "layout": images.layout,
        "pictures": len(images),
        "classes": list(images.classes),
        "counts": images.counts,
        "groups": len(set(images.groups.tolist())),
        **plain(said),
        "source": display(source.address),
        "columns": dict(said.columns),
        "splits": dict(said.splits),
        "left_out": {below(images.root, out.path): out.reason for out in images.left_out},
        "problems": [plain(problem) for problem in problems],
    }


def _layout(images: ImageSet) -> str:
    """What kind of source it is, and what its splits are called."""
    said = images.understood
    names = some([f"{name} is {split}" for name, split in said.splits if name != split], MOST_NAMED)
    layout = _LAYOUTS.get(images.layout, images.layout)
    layout = "JSON" if said.format.endswith("jsonl") and not said.separator else layout
    layout = _ARCHIVES.get(said.format.split(", ")[0], "") + layout
    layout += f" ({names})" if names else ""
    return f"{layout} with {_SEPARATORS[said.separator]} between its cells" if said.separator else layout


def _moved(moved: Moved) -> str:
    off = "first folder" if moved.taken_off == 1 else f"first {moved.taken_off:,} folders"
    below = f"below {moved.below}" if moved.below else ""
    without = f"without the {off} of their names" if moved.taken_off else ""
    return ", ".join(filter(None, (below, without)))


def _surprises(images: ImageSet) -> Iterator[str]:
    said = images.understood
    if said.label_files:
        yield f"labels from {some([*said.label_files], 3)}"
    if said.columns:
        yield f"columns: {', '.join(f'{display(name)} is the {role}' for role, name in said.columns)}"
    if said.moved:
        yield f"files are found {', and '.join(map(_moved, said.moved))}"
    if said.unpacked:
        yield f"unpacked in {display(said.unpacked)}, in the cache"
    if said.looked_through:
        yield f"looked through to the folder {said.looked_through}, beside which there is no other"
    if said.encoding.startswith(("utf-16", "utf-32")):
        yield f"the table is read as {said.encoding}"
    elif not said.encoding.startswith("utf-8"):
        yield f"the table is not UTF-8: read as {said.encoding}; where a name looks wrong, save the table as UTF-8"
    elif said.encoding == "utf-8 and other bytes":
        yield "names of files in the table are no text: taken byte for byte, as they are on the disk"
    for name in said.classes_like_splits:
        yield f"the folder {name} is taken for a class, not for a split: no folder to train on belongs to it"
    if inside := said.in_every_class:
        yield (
            f"each class folder holds {some(inside, MOST_NAMED)}, which is taken for a part of the class; if these are "
            "the classes, give one of the folders around them, or call those train, val and test"
        )
    for twins in said.twins:
        yield f"classes of their own, though their names may mean the same: {', '.join(map(repr, twins))}"
    if said.merged:
        yield f"one class each, though written in several forms of Unicode: {', '.join(map(repr, said.merged))}"
    if said.repeated:
        rows = "file is" if len(said.repeated) == 1 else "files are"
        yield f"{len(said.repeated):,} {rows} named by several rows that agree, and taken once: {some(said.repeated)}"
    if out := len(images.left_out):
        yield f"{counted(out, 'file or folder is', 'files or folders are')} left out"
