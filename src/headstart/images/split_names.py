"""Names that people give the parts of a set of pictures: ``Training``, ``seg_test``, ``validation-set``."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

SPLITS = ("train", "val", "test")
"""Ours, in the order in which they are told."""

_WORDS = {
    "train": ("train", "training", "trainval"),
    "val": ("val", "valid", "validation", "dev", "development", "eval", "evaluation"),
    "test": ("test", "testing", "holdout"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_FILLERS = r"\d+|datasets?|data|sets?|splits?|images?|imgs?|pictures?|pics?|photos?|folders?|samples?"
"""Words beside that of a split that say nothing; another word does, and may make it a class: ``crash_test``."""
_GLUED = re.compile(rf"({'|'.join(_SPLIT_OF)})({_FILLERS})")
_FILLER = re.compile(_FILLERS)
_PARTS = re.compile(r"[^\W\d_]+|\d+")
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")


class SplitName(NamedTuple):
    """The name of a folder, or of a cell, that holds the word of one split."""

    split: str
    rest: str
    """What else it says, blanks between, such as ``seg``; empty for a name that means the split and no more."""
    written: str
    """The same as it is written: ``Big-Cats`` of ``Big-Cats_train``; words on both sides of it have blanks between."""


class SplitFolder(NamedTuple):
    """A folder that is one part of the pictures."""

    split: str
    path: Path


def split_name(name: str) -> SplitName | None:
    """What a name says of a split, in any case, between any signs; None where it names none, or several."""
    text = _HUMP.sub("\0", unicodedata.normalize("NFC", name))
    splits: list[str] = []
    said: list[re.Match[str]] = []
    sides = set()
    for part in _PARTS.finditer(text):
        word = part[0].casefold()
        glued = _GLUED.fullmatch(word)
        if split := _SPLIT_OF.get(glued[1] if glued else word):
            splits.append(split)
        elif not _FILLER.fullmatch(word):
            said.append(part)
            sides.add(len(splits))
    if len(splits) != 1:
        return None
    words = " ".join(part[0] for part in said)
    written = text[said[0].start() : said[-1].end()].replace("\0", "") if len(sides) == 1 else words
    return SplitName(splits[0], words.casefold(), written)


def split_of(name: str) -> str | None:
    """The split that a name means and nothing else; None for any other name."""
    found = split_name(name)
    return found.split if found and not found.rest else None


def split_family(folders: Sequence[Path]) -> list[SplitFolder]:
    """Those of the folders that may be the parts of one set of pictures, in their order; a part may be there twice.

    One of them is to train on. Its name is that of the split alone, or has words that the name of another part has too:
    ``seg_train`` belongs to ``seg_test``, and ``freight_train`` beside ``crash_test`` is a class.
    """
    named = [(found, folder) for folder in folders if (found := split_name(folder.name))]
    for rest in sorted({found.rest for found, _ in named}):
        own = {found.split for found, _ in named if found.rest == rest}
        if "train" in own and (not rest or len(own) > 1):
            return [SplitFolder(found.split, folder) for found, folder in named if found.rest in ("", rest)]
    return []


def split_classes(folders: Sequence[Path]) -> list[tuple[str, SplitFolder]]:
    """The class and the split of each folder where every name says both, as ``cats_train`` beside ``dogs_test`` does.

    Empty unless there are several classes, each with one folder to train on, and some with another. A class is called
    as the folder to train on has it.
    """
    named = [(found, folder) for folder in folders if (found := split_name(folder.name))]
    parts = {(found.rest, found.split) for found, _ in named}
    classes = {found.rest: found.written for found, _ in named if found.split == "train"}
    all_say_both = len(parts) == len(folders) and all(rest and rest in classes for rest, _ in parts)
    if not all_say_both or not 1 < len(classes) < len(parts):
        return []
    return [(classes[found.rest], SplitFolder(found.split, folder)) for found, folder in named]
