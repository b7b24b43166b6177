"""What keeps labelled pictures from being trained on: too few of a class, splits that do not fit each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Index, Labels
from headstart.errors import Problem
from headstart.files import some

MIN_PER_CLASS = 4
"""Distinct training pictures (or groups) of each class: two outer folds of two inner folds each, which is the least
that cross-validation inside a held-in part needs to have one of every class on every side."""


def shortfalls(
    declared: Mapping[str, set[str]],
    *,
    classes: Sequence[str],
    y: Labels,
    split: NDArray[np.str_],
    groups: Index,
    left_out: int,
    from_arrays: bool,
) -> Iterator[Problem]:
    """What keeps n labelled pictures from being trained on.

    Args:
        declared: the classes of each split that folders or rows name, also those without a picture.
        classes: names.
        y: (n,) positions in ``classes``.
        split: (n,) of "train", "val", "test".
        groups: (n,) numbers; pictures of one group count once.
        left_out: files that are in no class.
        from_arrays: whether paths and labels were given one by one.
    """
    train = sorted(declared["train"])
    files = "1 file that is" if left_out == 1 else f"{left_out:,} files that are"
    outside = f", and {files} in none" if left_out else ""
    if len(train) < 2:
        yield Problem(
            expected="at least two classes to train on, a folder (or label) for each",
            found=f"only {train[0]!r}" if train else f"no class{outside}",
            todo="give labels of two classes or more"
            if from_arrays
            else "sort the pictures into one folder for each class, or give a CSV path,label",
        )
    names = np.array(classes, dtype=object)[y]
    usable = Counter(zip(split.tolist(), names.tolist(), strict=True))
    in_train = split == "train"
    distinct = Counter(label for label, _ in set(zip(names[in_train], groups[in_train], strict=True)))
    if few := [f"{label!r} has {distinct[label]}" for label in train if distinct[label] < MIN_PER_CLASS]:
        yield Problem(
            expected=f"at least {MIN_PER_CLASS} distinct readable pictures (or groups) of each class to train on",
            found=some(few),
            todo="add pictures of these classes, or remove the classes",
        )
    for part in [part for part in ("val", "test") if part in declared]:
        here = {label for label in classes if usable[part, label]}
        if not here:
            yield Problem(
                expected=f"pictures in every split, in the same classes as train ({some(train)})",
                found=f"{part} has no readable picture in a class",
                todo=f"fill {part}, or remove it",
            )
            continue
        for what, labels in (("missing from", set(train) - here), ("extra in", declared[part] - set(train))):
            if labels:
                yield Problem(
                    expected=f"the same classes in {part} as in train ({some(train)})",
                    found=f"{what} {part}: {some([_beside(label, train) for label in sorted(labels)])}",
                    todo=f"correct the names in {part}, add what is missing, or remove {part}",
                )


def _beside(label: str, known: Sequence[str]) -> str:
    """A label, and the class that it may stand for, whose name differs by case or blanks alone."""
    near = [name for name in known if name != label and name.casefold().split() == label.casefold().split()]
    return repr(label) + (f" (did you mean {near[0]!r}?)" if near else "")
