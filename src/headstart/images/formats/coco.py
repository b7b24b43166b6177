"""COCO: pictures, classes and annotations in one document, taken where those of a picture are of one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import Any

from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.formats.asked import Asked, Part, document_of, each_part
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing, Said, gathered
from headstart.images.labelled import Entries, Understood
from headstart.images.walk import LeftOut

_KEYS = "images", "annotations", "categories"
_IMAGE, _CLASS = "every picture has an id and a file_name", "every annotation is of a class in the list"
_ANNOTATION, _OWN = "every annotation is of a picture in the list", "every picture has an id of its own"
_RULES = {
    _IMAGE: "export it again",
    _CLASS: "add the class to `categories`, or take the annotation out",
    _ANNOTATION: "add the picture to `images`, or take the annotation out",
    _OWN: "which annotations are whose cannot be told: export it again",
}


def is_coco(glance: Glance) -> bool:
    """Whether a document has pictures, annotations and classes."""
    return glance.has(*_KEYS) and all(isinstance(glance.document[name], list) for name in _KEYS)


def read_coco(asked: Asked) -> Entries:
    """The entries of COCO documents; pictures without an annotation are left out.

    Raises:
        DataError: bad records, all of them, with their numbers; also pictures of several classes.
    """
    left_out: list[LeftOut] = []
    together = partial(
        gathered,
        what=asked.what,
        root=asked.root,
        layout="coco",
        inside=asked.inside,
        rules=_RULES,
        understood=Understood(label_files=asked.label_files),
        left_out=left_out,
    )
    return each_part(asked, lambda part: _listing(part, asked, left_out), together)


def _listing(part: Part, asked: Asked, left_out: list[LeftOut]) -> Listing:
    document = document_of(part, asked, *_KEYS)
    images, annotations, categories = (_listed(document[key]) for key in _KEYS)
    classes = _classes(categories, asked.what)
    labels: dict[str, dict[str, None]] = defaultdict(dict)
    unknown: dict[str, Any] = {}
    said = []
    known = {_id(image, "id") for image in images}
    for at, annotation in enumerate(annotations, 1):
        of, category = _id(annotation, "image_id"), _id(annotation, "category_id")
        if not of or of not in known:
            broken = {_ANNOTATION: f"annotation {at}: {display(str(annotation)[:60])}"}
            said.append(Said(at=at, names=("",), labels=(), broken=broken))
        elif category in classes:
            labels[of][classes[category]] = None
        else:
            unknown[of] = annotation.get("category_id")
    first: dict[str, str] = {}
    for at, image in enumerate(images, 1):
        key = _id(image, "id")
        name = image["file_name"] if key and isinstance(image.get("file_name"), str) else ""
        broken = {} if name else {_IMAGE: display(str(image)[:60])}
        if key in unknown:
            broken[_CLASS] = f"{display(name)}: {display(repr(unknown[key])[:60])}"
        if name and first.setdefault(key, name) != name:
            broken[_OWN] = f"{display(name)}: {key}, as {display(first[key])}"
        if name and not broken and key not in labels:
            left_out.append(LeftOut(part.file.parent / name, "no annotation"))
        else:
            found = tuple(labels.get(key, ()))
            said.append(Said(at=at, names=(name,), labels=found, split=part.split or "train", broken=broken))
    folder = part.file.parent
    apart = folder.name.casefold().startswith("annotation")
    return Listing(file=part.file, folder=folder.parent if apart else folder, said=said)


def _classes(categories: list[Any], what: str) -> dict[str, str]:
    """The name of each class by its id. Raises DataError where an id stands for two, or a class lacks one of both."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    wrong = []
    for each in categories:
        key, name = _id(each, "id"), each.get("name") if isinstance(each, Mapping) else None
        if key and isinstance(name, (str, int)) and name != "":
            names[key][str(name)] = None
        else:
            wrong.append(display(str(each)[:60]))
    wrong += [f"{key}: {some([*map(display, found)])}" for key, found in names.items() if len(found) > 1]
    if wrong:
        expected = "an id and a name of its own for every class in `categories`"
        raise DataError.of(what, expected=expected, found=some(wrong), todo="correct them, or export it again")
    return {key: next(iter(found)) for key, found in names.items()}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _id(record: Any, name: str) -> str:
    """A number or text by which records name each other, so that 1 is not '1'; empty where there is none."""
    value = record.get(name) if isinstance(record, Mapping) else None
    return repr(value) if isinstance(value, (int, str)) else ""
