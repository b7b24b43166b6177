"""Which pictures a model takes for unfamiliar: those of another kind, and how many of its own.

    python benchmarks/novelty.py FAMILIAR STRANGE [--size 224]

FAMILIAR holds pictures in classes, with a validation split (or test split; else a fifth of each class is set aside).
The model of what is familiar is learned from its training pictures alone, limit included, and then shown its held-out
pictures and all pictures of STRANGE. Printed are the share of both that is called unfamiliar, with 95 % intervals, and
the area under the ROC curve; beside it the same for the distance to the k-th nearest training picture. Then the same
for a model of each class of FAMILIAR alone, to which the other classes are strange, if not very.

Expected with efficientnet_lite0, where the limit is set for 3 % of familiar pictures, on 245 + 153 pictures of ants and
bees and 2,000 + 500 of cats and dogs (there is no chance in it, the intervals are those of the shares):

    ants and bees, to which         Mahalanobis  AUROC 0.9946, flagged 2.6 % [1.0, 6.5] own, 100.0 % strange
    cats and dogs are strange       nearest 1    AUROC 0.9962, flagged 2.6 % [1.0, 6.5] own,  99.6 % strange
                                    nearest 5    AUROC 0.9942, flagged 3.3 % [1.4, 7.4] own, 100.0 % strange
    the same at 384 (--size 384)    Mahalanobis  AUROC 0.9992, flagged 3.9 % [1.8, 8.3] own,  99.8 % strange
                                    nearest 1    AUROC 0.9983, flagged 2.6 % [1.0, 6.5] own,  98.8 % strange
    the other way round             Mahalanobis  AUROC 1.0000, flagged 3.6 % [2.3, 5.6] own, 100.0 % strange
                                    nearest 1    AUROC 0.9999, flagged 4.4 % [2.9, 6.6] own, 100.0 % strange

    cats alone, to which dogs are   Mahalanobis  AUROC 0.9957, flagged 1.6 % [0.6, 4.0] own,  98.2 % strange
                                    nearest 1    AUROC 0.9901, flagged 1.2 % [0.4, 3.5] own,  91.5 % strange
    ants alone, to which bees are   Mahalanobis  AUROC 0.8417, flagged 2.9 % [0.8, 9.8] own,   1.5 % strange
                                    nearest 1    AUROC 0.8287, flagged 2.9 % [0.8, 9.8] own,   2.0 % strange
    bees alone, to which ants are   Mahalanobis  AUROC 0.9251, flagged 2.4 % [0.7, 8.4] own,  15.5 % strange
                                    nearest 1    AUROC 0.9266, flagged 3.6 % [1.2, 10.] own,  24.7 % strange

So another subject is noticed, and a neighbouring class only if there are many pictures. Mahalanobis keeps 1.3 MB for
245 training pictures and 6.6 MB for any number above 1,280.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from headstart.abstain.novelty import SHARE, Novelty, learn_novelty
from headstart.evaluation.intervals import wilson
from headstart.features.table import FeatureTable
from headstart.images.folder import ImageSet, scan
from headstart.images.splits import holdout
from headstart.options import FitOptions
from headstart.pipeline import workbench

Floats = NDArray[np.floating]


def rows_of(photos: Path, size: int, output: str) -> tuple[ImageSet, Floats]:
    with workbench(FitOptions()) as bench:
        table = FeatureTable(scan(photos), bench).readable(size)
        return table.images, table.rows(size, output, np.arange(len(table.images)))


def area(strange: Floats, familiar: Floats) -> float:
    """How often a strange picture is further away than a familiar one, ties counting half."""
    ordered = np.sort(familiar)
    left, right = (ordered.searchsorted(strange, side=side) for side in ("left", "right"))
    return float((left + right).mean() / (2 * len(ordered)))


def nearest(known: Floats, new: Floats, k: int, *, own: bool = False) -> Floats:
    """Cosine distance to the k-th nearest known picture; ``own``: the new ones are the known ones, so not itself."""
    known, new = (X / np.linalg.norm(X, axis=1, keepdims=True) for X in (known, new))
    similarity = new @ known.T
    if own:
        np.fill_diagonal(similarity, -np.inf)
    return 1 - np.sort(similarity, axis=1)[:, -k]


def report(name: str, limit: float, familiar: Floats, strange: Floats) -> None:
    words = [f"{name:<42} AUROC {area(strange, familiar):.4f}"]
    for kind, values in (("own held-out", familiar), ("strange", strange)):
        flagged = int((values > limit).sum())
        low, high = wilson(flagged, len(values))
        words.append(f"{kind} flagged {flagged}/{len(values)} = {flagged / len(values):.1%} [{low:.1%}, {high:.1%}]")
    print("   ".join(words))


def compare(name: str, known: Floats, new: Floats, strange: Floats, novelty: Novelty) -> None:
    report(f"{name} Mahalanobis", 1.0, novelty.measure(new), novelty.measure(strange))
    for k in (1, 5):
        own = nearest(known, known, k, own=True)
        limit = float(np.sort(own)[min(len(own), int(np.ceil((len(own) + 1) * (1 - SHARE)))) - 1])
        report(f"{name} nearest {k}", limit, nearest(known, new, k), nearest(known, strange, k))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("familiar", type=Path)
    parser.add_argument("strange", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--output", default="last", choices=["last", "depths"])
    options = parser.parse_args()
    images, rows = rows_of(options.familiar, options.size, options.output)
    _, strange = rows_of(options.strange, options.size, options.output)
    train = images.split == "train"
    if train.all():
        inside, _ = holdout(images.y, images.groups, fraction=0.2, seed=0)
        train = np.isin(np.arange(len(images)), inside)
    known, new = rows[train], rows[~train]
    novelty, _ = learn_novelty(known, images.y[train], images.groups[train])
    kept = sum(array.nbytes for array in novelty.tensors().values())
    print(f"{train.sum()} training, {len(new)} held-out, {len(strange)} strange pictures; {kept / 1e6:.1f} MB kept")
    compare("all, against strange:", known, new, strange, novelty)
    for label, name in enumerate(images.classes):
        mine = images.y == label
        novelty, _ = learn_novelty(rows[train & mine], images.y[train & mine], images.groups[train & mine])
        compare(f"{name} alone, against the rest:", rows[train & mine], rows[~train & mine], rows[~mine], novelty)


if __name__ == "__main__":
    main()
