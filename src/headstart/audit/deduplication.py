"""Splits that do not leak: copies of a picture share a group, and what is tested on is not trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.audit.duplicates import CopyPair, Duplicates
from headstart.images.folder import ImageSet
from headstart.images.names import below, some

_EXAMPLES = 3  # named in a line for people


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
    dropped: NDArray[np.int64]
    """Positions in ``found.images`` of the training pictures left out."""
    copied: NDArray[np.int64]
    """Positions in ``found.images`` of the held-out pictures that they are copies of."""

    def lines(self) -> list[str]:
        """Plain sentences for people; none when there is nothing to say."""
        found, images = self.found, self.found.images
        lines = []
        near = [pair for pair in found.pairs if pair.kind == "near"]
        if len(self.dropped):
            of = _counted(images.split[self.copied].tolist())
            lines.append(
                f"Copies across splits ({len(self.dropped)}): training pictures that are copies of {of} are not "
                "trained on, so that nothing is tested that was learned by heart."
            )
        if any(found.across_splits(p) and "train" not in (images.split[p.first], images.split[p.second]) for p in near):
            lines.append("Near copies lie in both the validation and the test split, so the two are not independent.")
        if inside := [pair for pair in near if not found.across_splits(pair)]:
            lines.append(
                f"Near copies within a split ({len(inside)}): {self._named(inside)}. No fold tears them apart."
            )
        if conflicting := [pair for pair in near if found.across_labels(pair)]:
            lines.append(
                f"Near copies under different labels ({len(conflicting)}): {self._named(conflicting)}. "
                "At least one of the labels may be wrong."
            )
        if found.series:
            pictures = sum(map(len, found.series))
            lines.append(
                f"{pictures} pictures are so alike that copies cannot be told from pictures of one scene, so they "
                "count as separate. If they belong together, name what they share with --group-by."
            )
        return lines

    def _named(self, pairs: list[CopyPair]) -> str:
        images = self.found.images
        names = [[below(images.root, images.paths[i]) for i in (pair.first, pair.second)] for pair in pairs]
        return some([f"[{first}, {second}]" for first, second in names], _EXAMPLES)


def deduplicate(found: Duplicates) -> Deduplicated:
    """Make groups of the clusters of copies, and leave out what would be trained on and tested on.

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


def _counted(splits: list[str]) -> str:
    """“3 in test and 1 in val”."""
    return " and ".join(f"{splits.count(split)} in {split}" for split in ("test", "val") if split in splits)
