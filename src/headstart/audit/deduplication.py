"""Group copies of a picture, and leave out of training what has a copy in a held-out split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headstart.arrays import Index
from headstart.audit.duplicates import Duplicates
from headstart.files import below
from headstart.images.folder import ImageSet


@dataclass(frozen=True, kw_only=True)
class Deduplicated:
    """A set of pictures whose splits and folds no copy crosses into training."""

    found: Duplicates
    """The copies, in the pictures as they were."""
    grouped: ImageSet
    """The same pictures, in which clusters of copies are groups."""
    images: ImageSet
    """The pictures to go on with: of these, without the training pictures that have a copy in a held-out split, each
    left out with that reason. The held-out splits stay whole, and so does the number they give."""
    dropped: Index
    """Positions in ``found.images`` of the training pictures left out."""
    copied: Index
    """Positions in ``found.images`` of the held-out pictures that they are copies of."""


def deduplicate(found: Duplicates) -> Deduplicated:
    """Make each cluster of copies a group, and leave out training pictures with a copy in a held-out split.

    Raises:
        DataError: too few pictures of a class are left to train on.
    """
    images = found.images
    held_out = images.split != "train"
    reasons = {}
    dropped: list[int] = []
    copied: set[int] = set()
    for members in found.clusters:
        tested = [i for i in members if held_out[i]]
        trained = [i for i in members if not held_out[i]]
        if tested and trained:
            original = below(images.root, images.paths[tested[0]])
            reasons.update({images.paths[i]: f"a copy of {original}, which is tested on" for i in trained})
            dropped += trained
            copied.update(tested)
    grouped = images.grouped(found.membership())
    return Deduplicated(
        found=found,
        grouped=grouped,
        images=grouped.without(reasons),
        dropped=np.array(sorted(dropped), dtype=np.int64),
        copied=np.array(sorted(copied), dtype=np.int64),
    )
