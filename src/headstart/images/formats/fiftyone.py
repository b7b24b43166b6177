"""What FiftyOne writes: ``labels.json`` beside the pictures, and the samples of a whole data set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.formats.asked import Asked, Part, document_of, each_part
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing, Said, classes_in, gathered, require_one_name_each
from headstart.images.labelled import Entries, Understood
from headstart.images.split_names import split_of
from headstart.images.walk import LeftOut

_CLASS, _SAMPLE = "every label is one of the classes", "every record is a sample with a path"
_RULES = {
    _SAMPLE: "export the data set again",
    _CLASS: "correct the label, or add the class to the list",
}
_UNLABELLED = "no label in the export"
_TRUTH = "ground_truth"
"""What the field of labels is called that is taken where there are several."""


def is_labels(glance: Glance) -> bool:
    """Whether a document is a FiftyOneImageClassificationDataset's."""
    return glance.has("classes", "labels") and isinstance(glance.document["labels"], dict)


def is_samples(glance: Glance) -> bool:
    """Whether a document holds the samples of a FiftyOneDataset."""
    samples = glance.document["samples"] if glance.has("samples") else None
    return isinstance(samples, list) and any(isinstance(each, dict) and "filepath" in each for each in samples)


def read_labels(asked: Asked) -> Entries:
    """The entries of ``labels.json``; pictures without a label are left out.

    Raises:
        DataError: bad records, all of them, with their numbers; also pictures of several classes.
    """
    left_out: list[LeftOut] = []
    return each_part(asked, lambda part: _labels(part, asked, left_out), partial(_gathered, asked, left_out))


def _labels(part: Part, asked: Asked, left_out: list[LeftOut]) -> Listing:
    document = document_of(part, asked, "labels")
    if not isinstance(document["labels"], Mapping):
        found, todo = type(document["labels"]).__name__, "export it again"
        raise DataError.of(asked.what, expected="labels by the names of pictures", found=found, todo=todo)
    classes = document["classes"] if isinstance(document.get("classes"), list) else []
    require_one_name_each([*map(str, classes)], asked.what)
    said = []
    for at, (name, label) in enumerate(_pairs(part), 1):
        names, broken = _named(label, classes)
        if not names and not broken:
            left_out.append(LeftOut(part.file.parent / name, _UNLABELLED))
        else:
            split = part.split or "train"
            said.append(Said(at=at, names=(f"data/{name}", name), labels=names, split=split, broken=broken))
    return Listing(file=part.file, folder=part.file.parent, said=said)


def _named(label: Any, classes: list[Any]) -> tuple[tuple[str, ...], dict[str, str]]:
    """The classes that a label means, by number or by name, and what is wrong with it."""
    given = label if isinstance(label, list) else [label]
    names: list[str] = []
    for each in given:
        value = each.get("label") if isinstance(each, Mapping) else each
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, str))):
            return (), {_CLASS: display(str(value))}
        if isinstance(value, int):
            if not 0 <= value < len(classes):
                return (), {_CLASS: f"number {value} of {len(classes)}"}
            names.append(str(classes[value]))
        elif value is not None:
            if classes and value not in classes:
                return (), {_CLASS: display(repr(value))}
            names.append(str(value))
    return tuple(names), {}


def _pairs(part: Part) -> list[tuple[str, Any]]:
    """Names and labels in the order of the file, also names that are there twice, of which JSON keeps the last."""
    objects: list[tuple[dict[str, Any], list[tuple[str, Any]]]] = []

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(found := dict(pairs)) < len(pairs):
            objects.append((found, pairs))
        return found

    labels = json.loads(part.file.read_bytes(), object_pairs_hook=made)["labels"]
    return next((pairs for found, pairs in objects if found is labels), [*labels.items()])


def read_samples(asked: Asked) -> Entries:
    """The entries of samples, of the field ``--label-column``, of ``ground_truth``, or of the only one.

    Raises:
        DataError: several fields of labels; bad records, all of them, with their numbers; also pictures of several
            classes.
    """
    left_out: list[LeftOut] = []
    return each_part(asked, lambda part: _samples(part, asked, left_out), partial(_gathered, asked, left_out))


def _samples(part: Part, asked: Asked, left_out: list[LeftOut]) -> Listing:
    samples = document_of(part, asked, "samples")["samples"]
    samples = samples if isinstance(samples, list) else [samples]
    field = _field(asked, samples)
    said = []
    for at, sample in enumerate(samples, 1):
        known = isinstance(sample, Mapping) and isinstance(sample.get("filepath"), str)
        name = sample["filepath"] if known else ""
        labels = _classified(sample.get(field)) if known else ()
        if known and labels == ():
            left_out.append(LeftOut(part.file.parent / name, _UNLABELLED))
            continue
        tags = sample.get("tags") if known else None
        splits = {split: str(tag) for tag in tags if (split := split_of(str(tag)))} if isinstance(tags, list) else {}
        broken = {} if known else {_SAMPLE: display(str(sample)[:40])}
        if labels is None:
            broken[_CLASS] = f"{display(name)}: {display(str(sample.get(field))[:80])}"
        split = " and ".join(splits.values()) if splits else part.split or "train"  # several are refused as no split
        said.append(Said(at=at, names=(name,), labels=labels or (), split=split, broken=broken))
    return Listing(file=part.file, folder=part.file.parent, said=said)


def _field(asked: Asked, samples: list[Any]) -> str:
    """The field of samples that holds the classes."""
    fields = sorted(
        {
            name
            for sample in samples
            if isinstance(sample, Mapping)
            for name, value in sample.items()
            if isinstance(value, Mapping) and value.get("_cls") in ("Classification", "Classifications")
        }
    )
    wanted = asked.given.label_column or (_TRUTH if _TRUTH in fields else "")
    if wanted in fields or (not wanted and len(fields) == 1):
        return wanted or fields[0]
    todo = f"say which: --label-column {display(fields[0])}" if fields else "label pictures as a whole: Classification"
    found = some([*map(display, fields)]) or "none"
    raise DataError.of(asked.what, expected="one field of labels of whole pictures", found=found, todo=todo)


def _classified(value: Any) -> tuple[str, ...] | None:
    """The classes of a field of labels; None where they are no text."""
    if not isinstance(value, Mapping):
        return ()
    several = value.get("classifications")
    labels = [each.get("label") for each in several if isinstance(each, Mapping)] if isinstance(several, list) else []
    return classes_in(labels or value.get("label"))


def _gathered(asked: Asked, left_out: list[LeftOut], listings: Sequence[Listing]) -> Entries:
    return gathered(
        listings,
        what=asked.what,
        root=asked.root,
        layout="fiftyone",
        inside=asked.inside,
        rules=_RULES,
        understood=Understood(label_files=asked.label_files),
        left_out=left_out,
    )
