from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.audit.deduplication import deduplicate
from headstart.audit.duplicates import CopyPair, Duplicates
from headstart.errors import DataError
from headstart.images.folder import ImageSet, scan
from headstart.images.splits import folds
from pictures import write_folder


def copies(images: ImageSet, *pairs: tuple[str, str], series: tuple[int, ...] = ()) -> Duplicates:
    """Near copies by the last parts of their paths, each pair a cluster."""
    at = {path.relative_to(images.root).as_posix(): i for i, path in enumerate(images.paths) if images.root}
    found = [CopyPair(first=at[a], second=at[b], kind="near", score=0.97, mirrored=False) for a, b in pairs]
    clusters = tuple((pair.first, pair.second) for pair in found)
    return Duplicates(images=images, pairs=tuple(found), clusters=clusters, series=(series,) if series else ())


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    root = tmp_path_factory.mktemp("splits")
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        write_folder(root / split, {"rings": 6, "stripes": 6}, first_seed=first)
    return scan(root)


def test_training_pictures_with_a_copy_that_is_tested_on_are_left_out(splits: ImageSet) -> None:
    found = copies(
        splits,
        ("train/rings/000.jpeg", "test/rings/003.jpeg"),
        ("train/rings/001.jpeg", "val/stripes/002.jpeg"),
        ("train/stripes/004.jpeg", "train/stripes/005.jpeg"),
    )
    deduplicated = deduplicate(found)
    names = {path.relative_to(splits.root).as_posix() for path in deduplicated.images.paths if splits.root}
    assert len(deduplicated.images) == len(splits) - 2
    assert not names & {"train/rings/000.jpeg", "train/rings/001.jpeg"}
    assert (deduplicated.images.split != "train").sum() == (splits.split != "train").sum()
    assert [left.reason for left in deduplicated.images.left_out] == [
        "a copy of test/rings/003.jpeg, which is tested on",
        "a copy of val/stripes/002.jpeg, which is tested on",
    ]
    assert splits.split[deduplicated.dropped].tolist() == ["train", "train"]
    assert splits.split[deduplicated.copied].tolist() == ["val", "test"]


def test_copies_never_cross_a_fold(splits: ImageSet) -> None:
    pairs = [(f"train/{label}/00{i}.jpeg", f"train/{label}/00{i + 1}.jpeg") for label in splits.classes for i in (0, 2)]
    images = deduplicate(copies(splits, *pairs)).images
    train = np.flatnonzero(images.split == "train")
    groups = images.groups[train]
    assert len(np.unique(groups)) == 8
    for seed in range(20):
        for a, b in folds(images.y[train], groups, n_splits=3, seed=seed):
            assert not set(groups[a]) & set(groups[b])


def test_copies_in_val_and_test_stay(splits: ImageSet) -> None:
    deduplicated = deduplicate(copies(splits, ("val/rings/000.jpeg", "test/rings/001.jpeg")))
    assert len(deduplicated.images) == len(splits)
    assert len(deduplicated.dropped) == 0


def test_without_copies_nothing_is_changed(splits: ImageSet) -> None:
    deduplicated = deduplicate(copies(splits))
    assert deduplicated.images.fingerprint() == splits.fingerprint()
    assert len(deduplicated.dropped) == len(deduplicated.copied) == 0


def test_too_few_pictures_left_to_train_on_is_an_error(splits: ImageSet) -> None:
    pairs = [(f"train/rings/00{i}.jpeg", f"test/rings/00{i}.jpeg") for i in range(3)]
    with pytest.raises(DataError, match=r"found: 'rings' has 3"):
        deduplicate(copies(splits, *pairs))
    within = [(f"train/rings/00{i}.jpeg", f"train/rings/00{i + 1}.jpeg") for i in (0, 2, 4)]
    with pytest.raises(DataError, match=r"found: 'rings' has 3"):
        deduplicate(copies(splits, *within))


def test_byte_identical_pictures_across_splits_are_left_out_too(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 200)):
        write_folder(tmp_path / split, {"rings": 6, "stripes": 6}, first_seed=first)
    (tmp_path / "train" / "rings" / "copy").write_bytes((tmp_path / "test" / "rings" / "000.jpeg").read_bytes())
    images = scan(tmp_path)
    first, second = sorted(
        i for i, path in enumerate(images.paths) if path.name == "copy" or "test/rings/000" in str(path)
    )
    pair = CopyPair(first=first, second=second, kind="exact", score=1.0, mirrored=False)
    deduplicated = deduplicate(Duplicates(images=images, pairs=(pair,), clusters=((first, second),), series=()))
    assert [left.path.name for left in deduplicated.images.left_out] == ["copy"]
