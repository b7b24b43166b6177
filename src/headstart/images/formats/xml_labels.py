"""Labels in XML: of CVAT, a file of all pictures, and of Pascal VOC, a file a picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.formats.asked import Asked, Part, each_part
from headstart.images.formats.glance import Glance
from headstart.images.formats.said import Listing, Said, gathered
from headstart.images.labelled import Entries, Understood
from headstart.images.split_names import split_of
from headstart.images.walk import LeftOut

_ROOT = re.compile(r"\s*(<\?[^>]*\?>\s*|<!--.*?-->\s*)*<(\w+)[\s>]", re.DOTALL)
_SHAPES = ("tag", "box", "polygon", "polyline", "points", "cuboid", "ellipse", "mask", "skeleton")
"""What CVAT labels of a picture; a tag is of the whole."""
_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".xml")
"""Of names in the lists of VOC, which as they are published have none."""
_NO_SUBSET = ("", "default")
"""What CVAT calls the subset of pictures that are in none."""
_PICTURES = "JPEGImages"
FOLDERS_OF_VOC = frozenset({_PICTURES, "Annotations", "ImageSets", "SegmentationClass", "SegmentationObject"})
"""What VOC calls its folders, none of which is a class."""
_XML = "a file of XML"
_NOTHING, _IN_NO_LIST = "nothing is labelled in it", "in none of the lists of ImageSets/Main"


def is_cvat(glance: Glance) -> bool:
    """Whether an XML file is of CVAT for images."""
    return _root(glance) == "annotations" and ("<image " in glance.text or "<meta>" in glance.text)


def is_voc(glance: Glance) -> bool:
    """Whether an XML file is of Pascal VOC."""
    return _root(glance) == "annotation" and "<filename>" in glance.text


def _root(glance: Glance) -> str:
    found = _ROOT.match(glance.text)
    return found[2] if found else ""


def read_cvat(asked: Asked) -> Entries:
    """The entries of CVAT's tags, or of its shapes where a picture has those of one class alone.

    Raises:
        DataError: damaged XML; bad pictures, all of them, with their numbers; also those of several classes.
    """
    left_out: list[LeftOut] = []
    return each_part(asked, lambda part: _of_cvat(part, asked, left_out), partial(_gathered, asked, "cvat", left_out))


def _of_cvat(part: Part, asked: Asked, left_out: list[LeftOut]) -> Listing:
    said = []
    for at, image in enumerate(_parsed(part.file, asked.what).iter("image"), 1):
        name, subset = image.get("name", ""), image.get("subset", "")
        tags = [tag.get("label", "") for tag in image.iter("tag")]
        shapes = [shape.get("label", "") for kind in _SHAPES for shape in image.iter(kind)]
        labels = tuple(dict.fromkeys(tags or shapes))
        split = part.split or "train" if subset.casefold() in _NO_SUBSET else subset
        if name and not labels:
            left_out.append(LeftOut(part.file.parent / name, _NOTHING))
        else:
            said.append(Said(at=at, names=(name,), labels=labels, split=split))
    return Listing(file=part.file, folder=part.file.parent, said=said)


def read_voc(asked: Asked) -> Entries:
    """The entries of Pascal VOC, where the objects of a picture are of one class. ``ImageSets/Main`` says the splits.

    Raises:
        DataError: damaged XML; bad pictures, all of them, with the number of their file in string order; also those
            of several classes.
    """
    left_out: list[LeftOut] = []
    listings = []
    for folder in sorted({part.file.parent for part in asked.parts}):
        splits = _image_sets(folder.parent / "ImageSets" / "Main", asked.what)
        parts = [part for part in asked.parts if part.file.parent == folder]
        said = []
        for at, part in enumerate(parts, 1):
            try:
                document = _parsed(part.file, asked.what)
            except DataError as error:
                said.append(Said(at=at, names=("",), labels=(), broken={_XML: error.problems[0].found}))
                continue
            labels = tuple(dict.fromkeys(each.findtext("name", "").strip() for each in document.iter("object")))
            name = (document.findtext("filename") or "").strip()
            if not labels:
                left_out.append(LeftOut(part.file, _NOTHING))
                continue
            split = splits.get(part.file.stem, "" if "train" in splits.values() else part.split or "train")
            if not split:
                left_out.append(LeftOut(part.file, _IN_NO_LIST))
                continue
            names = tuple(dict.fromkeys(each for each in (name, part.file.stem) if each))
            said.append(Said(at=at, names=names, labels=labels, split=split))
        apart = folder.name.casefold().startswith(("annotation", "label", "xml"))
        top = folder.parent if apart else folder
        listings.append(Listing(file=folder, folder=top, said=said, pictures=_PICTURES))
    return _gathered(asked, "voc", left_out, listings)


def _gathered(asked: Asked, layout: str, left_out: list[LeftOut], listings: Sequence[Listing]) -> Entries:
    names = asked.label_files
    few = names if len(names) < 10 else (*names[:1], *names[-1:])
    return gathered(
        listings,
        what=asked.what,
        root=asked.root,
        layout=layout,
        inside=asked.inside,
        unit="picture",
        rules={_XML: "export it again"},
        understood=Understood(label_files=few),
        left_out=left_out,
    )


def _image_sets(folder: Path, what: str) -> dict[str, str]:
    """The split of each picture that the lists of VOC name, by its name without ending.

    Raises:
        DataError: a picture is in the lists of two splits.
    """
    found: dict[str, str] = {}
    torn = []
    files = {file: split for file in sorted(folder.glob("*.[tT][xX][tT]")) if (split := split_of(file.stem))}
    both = {file: split for file, split in files.items() if "trainval" not in file.stem.casefold()}
    for file, split in (both if {"train", "val"} & {*both.values()} else files).items():  # trainval is the two together
        lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
        for name in (line.split()[0] for line in lines if line.strip()):
            name = Path(name).stem if Path(name).suffix.lower() in _ENDINGS else name
            if found.setdefault(name, split) != split:
                torn.append(f"{display(name)} in {found[name]} and {split}")
    if torn:
        expected, todo = "each picture in the list of one split in ImageSets/Main", "take them out of the others"
        raise DataError.of(what, expected=expected, found=some(sorted(torn)), todo=todo)
    return found


def _parsed(file: Path, what: str) -> ElementTree.Element[Any]:
    """The document, without entities of its own: those can make a small file large."""
    data = file.read_bytes()
    try:
        plain = data.replace(b"\0", b"")  # of UTF-16 and UTF-32 too
        if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:
            raise ValueError("a document type, which is not read")
        return ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        found = f"{display(file.name)}: {error}"
        raise DataError.of(what, expected=_XML, found=found, todo="export it again") from error
