"""The pictures that a recipe begins with: those that can be decoded, in the splits that it needs."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from headstart.errors import UnreadableImageError
from headstart.images.decode import decode, read_extent
from headstart.images.folder import ImageSet
from headstart.images.grey_levels import Extent
from headstart.images.splits import holdout
from headstart.images.threads import in_order
from headstart.progress import Progress, Silent
from headstart.recipes.records import Recipe

BATCH = 32
"""Pictures in the validation batches of which a fifth becomes the test split, as in Keras' tutorials."""
VAL_FRACTION = 0.2
"""Share of the training pictures that becomes the validation split where there is none."""


def usable(images: ImageSet, *, size: int, progress: Progress | None = None) -> ImageSet:
    """The pictures without those that cannot be decoded, which are left out with the reason.

    Args:
        images: recognised, and not decoded yet.
        size: side in pixels of what a network is given; no more of a picture is decoded than that takes.
        progress: is told how far it is.

    Raises:
        DataError: too few pictures of a class are left.
    """
    failures: dict[Path, str] = {}
    with (progress or Silent()).stage("decoding", len(images)) as advance:
        reasons = in_order(partial(_reason, size=size), images.paths)
        for done, (path, reason) in enumerate(zip(images.paths, reasons, strict=True), start=1):
            if reason:
                failures[path] = reason
            advance(done)
    return images.without(failures)


def with_splits(images: ImageSet, recipe: Recipe, *, seed: int) -> ImageSet:
    """The pictures with the splits that the recipe trains and measures on.

    Without a validation split, a stratified fifth of the training pictures becomes one. Where the recipe moves
    validation batches to a test split and none is given, ⌊batches / 5⌋ of them, drawn at random, are moved.
    """
    split = images.split.copy()
    if not (split == "val").any():
        train = np.flatnonzero(split == "train")
        y, groups = images.y[train], images.groups[train]
        _, held = holdout(y, groups, fraction=VAL_FRACTION, seed=seed, classes=images.classes)
        split[train[held]] = "val"
    if recipe.test == "batches" and not (split == "test").any():
        val = np.flatnonzero(split == "val")
        batches = -(-len(val) // BATCH) // 5
        split[np.random.default_rng(seed).permutation(val)[: batches * BATCH]] = "test"
    images = replace(images, split=split)
    deep = [images.paths[i] for i in images.deep_training()]
    return images.levelled(in_order(_extent, deep)) if deep else images


def _extent(path: Path) -> Extent | None:
    with suppress(UnreadableImageError):  # said where it is trained on
        return read_extent(path)
    return None


def _reason(path: Path, *, size: int) -> str:
    """Why a picture cannot be decoded; empty where it can."""
    try:
        decode(path, at_least=size)
    except UnreadableImageError as error:
        return error.reason
    return ""
