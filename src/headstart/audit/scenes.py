"""Whether enough scenes are left to learn from: pictures that are copies of each other are one, and count once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.arrays import Index
from headstart.errors import DataError, Problem
from headstart.files import display, some
from headstart.images.folder import ImageSet
from headstart.images.shortfalls import MIN_PER_CLASS

MOST_DROPPED = 0.9
"""Share of the training pictures that are copies of tested ones, from which what is left is not what was meant to be
trained on. Chosen, not measured: a tenth of the pictures is left."""


def require_scenes(images: ImageSet, dropped: Index) -> None:
    """Raise DataError, with all numbers, where copies leave too few scenes of a class or nearly nothing to train on.

    Args:
        images: in which copies are groups.
        dropped: positions of the training pictures that are copies of tested ones.
    """
    if problems := [*_too_few(images), *_nearly_all(images, dropped)]:
        where = "" if images.root is None else f" of {display(images.root)}"
        raise DataError(f"copies among the pictures{where}", problems)


def _too_few(images: ImageSet) -> Iterator[Problem]:
    scenes = _scenes(images, images.in_split("train"))
    if scenes.min() >= MIN_PER_CLASS:
        return
    total, pictures = len(np.unique(images.groups[images.in_split("train")])), images.train_counts
    few = [
        f"{name!r} has {_counted(pictures[label])} of {_counted(scenes[label], 'scene')}"
        for label, name in enumerate(images.classes)
        if scenes[label] < MIN_PER_CLASS
    ]
    yield Problem(
        expected=f"at least {MIN_PER_CLASS} scenes of each class, to train on some and test on others; pictures that "
        "show the same, such as a burst or frames of a film, are one scene",
        found=f"{_counted(pictures.sum())} of {_counted(total, 'scene')}: {some(few)}",
        todo="add pictures of other scenes of these classes; where names of files tell scenes apart, "
        "`headstart check PHOTOS --list --group-by '(scene[0-9]+)'` counts them",
    )


def _nearly_all(images: ImageSet, dropped: Index) -> Iterator[Problem]:
    if not len(dropped):
        return
    train = images.in_split("train")
    left = _scenes(images, np.setdiff1d(train, dropped))
    lost = np.bincount(images.y[dropped], minlength=len(images.classes))
    if left.min() >= MIN_PER_CLASS and len(dropped) < MOST_DROPPED * len(train):
        return
    each = [
        f"{lost[label]} of {images.train_counts[label]} of {name!r}, which leaves {_counted(left[label], 'scene')}"
        for label, name in enumerate(images.classes)
        if lost[label]
    ]
    yield Problem(
        expected=f"at least {MIN_PER_CLASS} scenes of each class to train on that are not tested on too, and more than "
        f"{1 - MOST_DROPPED:.0%} of the training pictures",
        found=f"{len(dropped)} of {_counted(len(train), 'training picture')} show what is tested on: {some(each)}",
        todo="put all pictures of a scene into one split, or give the pictures without splits: each scene then stays "
        "in one fold, and --group-by names what else belongs together",
    )


def _scenes(images: ImageSet, index: Index) -> Index:
    """(k,) different groups of each class among the pictures at ``index``."""
    pairs = np.unique(np.stack([images.y[index], images.groups[index]]), axis=1)
    return np.bincount(pairs[0], minlength=len(images.classes))


def _counted(number: int, thing: str = "picture") -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
