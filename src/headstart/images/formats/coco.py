"""COCO: pictures, classes and annotations in one document, taken where those of a picture are of one class."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from headstart.files import display
from headstart.images.formats.asked import Asked, Part, document_of
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing, Said, gathered
from headstart.images.labelled import Entries, Understood
from headstart.images.walk import LeftOut

_KEYS = {"images": list, "annotations": list, "categories": list}
_IMAGE, _CLASS = "every picture has an id and a file_name", "every annotation is of a class in the list"
_RULES = {_IMAGE: "export it again", _CLASS: "add the class to `categories`, or take the annotation out"}


def is_coco(glance: Glance) -> bool:
    """Whether a document has pictures, annotations and classes."""
    return glance.has(*_KEYS) and all(isinstance(glance.document[name], list) for name in _KEYS)


def read_coco(asked: Asked) -> Entries:
    """The entries of COCO documents; pictures without an annotation are left out.

    Raises:
        DataError: bad records, all of them, with their numbers; also pictures of several classes.
    """
    left_out: list[LeftOut] = []
    listings = [
        Listing(file=part.file, folder=part.file.parent, said=_pictures(part, asked, left_out)) for part in asked.parts
    ]
    up = [part.file.parent.name.casefold().startswith("annotation") for part in asked.parts]
    listings = [
        Listing(file=each.file, folder=each.folder.parent if apart else each.folder, said=each.said)
        for each, apart in zip(listings, up, strict=True)
    ]
    return gathered(
        listings,
        what=asked.what,
        root=asked.root,
        layout="coco",
        inside=asked.inside,
        rules=_RULES,
        understood=Understood(label_files=asked.label_files),
        left_out=left_out,
    )


def _pictures(part: Part, asked: Asked, left_out: list[LeftOut]) -> list[Said]:
    document = document_of(part, asked, **_KEYS)
    listed = [each for each in document["categories"] if isinstance(each, Mapping)]
    classes = {each.get("id"): str(each.get("name")) for each in listed if isinstance(each.get("id"), (int, str))}
    labels: dict[Any, dict[str, None]] = defaultdict(dict)
    unknown: dict[Any, Any] = {}
    for annotation in document["annotations"]:
        if isinstance(annotation, Mapping):
            of, category = annotation.get("image_id"), annotation.get("category_id")
            if not isinstance(of, (int, str)):
                continue
            if isinstance(category, (int, str)) and category in classes:
                labels[of][classes[category]] = None
            else:
                unknown[of] = category
    said = []
    for at, image in enumerate(document["images"], 1):
        known = isinstance(image, Mapping) and isinstance(image.get("file_name"), str)
        known = known and isinstance(image.get("id"), (int, str))
        name, key = (image["file_name"], image["id"]) if known else ("", None)
        broken = {} if known else {_IMAGE: display(str(image)[:40])}
        if key in unknown:
            broken[_CLASS] = f"{display(name)}: {unknown[key]!r}"
        if known and not broken and not labels.get(key):
            left_out.append(LeftOut(part.file.parent / name, "no annotation"))
            continue
        found = tuple(labels.get(key, ())) or (("?",) if broken else ())
        said.append(Said(at=at, names=(name,), labels=found, split=part.split or "train", broken=broken))
    return said
