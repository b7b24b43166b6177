"""Is `--finetune auto` ever worse than the probe? Small training sets, many seeds, measured on pictures kept apart.

    python benchmarks/never_worse.py TRAIN VAL [--seeds 10] [--per-class 10 20 50]

TRAIN and VAL hold a folder per class. For each size and seed that many pictures of each class are drawn from TRAIN; one
classifier decides by itself whether to fine-tune, one never does, and both answer all of VAL. It prints how often the
fine-tuned network was tried and kept, and the mean difference in accuracy with its standard error over seeds.

Expected: no mean below zero by more than its standard error. On ants and bees it was tried in 0, 9 and 8 of 10 draws
of 10, 20 and 50 per class and kept in none: a difference of exactly zero.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from headstart import ImageClassifier
from headstart.images.folder import ImageSet, scan
from headstart.report.tuning import outcome


def draw(images: ImageSet, per_class: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(images.y == label) for label in range(len(images.classes))]
    return np.concatenate([rng.permutation(rows)[:per_class] for rows in members])


def accuracy(classifier: ImageClassifier, images: ImageSet) -> float:
    labels = [images.classes[label] for label in images.y]
    return float(classifier.score(images.paths, labels))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--per-class", type=int, nargs="+", default=[10, 20, 50])
    options = parser.parse_args()
    train, val = scan(options.train), scan(options.val, for_training=False)
    for per_class in options.per_class:
        differences, tried, kept = [], 0, 0
        for seed in range(options.seeds):
            index = draw(train, per_class, seed)
            paths, labels = [train.paths[i] for i in index], [train.classes[train.y[i]] for i in index]
            auto, never = (
                ImageClassifier(finetune=word, random_state=seed).fit(paths, labels) for word in ("auto", "never")
            )
            tried += auto.selection_.trial is not None
            used = auto.selection_.trial is not None and auto.selection_.trial.kept
            kept += used
            differences.append(accuracy(auto, val) - accuracy(never, val) if used else 0.0)
            print(
                f"{per_class:>4} per class, seed {seed}: {differences[-1]:+.4f}  {outcome(auto.selection_)}", flush=True
            )
        error = np.std(differences, ddof=1) / np.sqrt(len(differences))
        print(
            f"{per_class:>4} per class: tried {tried}, kept {kept} of {options.seeds}, "
            f"mean difference {np.mean(differences):+.4f} ± {error:.4f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
