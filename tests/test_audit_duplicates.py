from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from headstart.audit import duplicates
from headstart.audit.duplicates import CopyPair, Duplicates, deduplicate, find_duplicates
from headstart.errors import DataError
from headstart.images.decode import decode, encode, resample
from headstart.images.folder import ImageSet, scan
from headstart.images.splits import folds
from headstart.store import FeatureStore
from pictures import scene, write_folder
from tiny import tiny_table


def found_in(folder: Path, cache: Path) -> Duplicates:
    with FeatureStore(cache) as store:
        return find_duplicates(tiny_table(scan(folder), store), 32)


def names(found: Duplicates) -> set[frozenset[str]]:
    return {frozenset(found.images.paths[i].name for i in members) for members in found.clusters}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """24 different pictures in two classes, numbered across both."""
    for number in range(24):
        here = tmp_path / "photos" / ("a" if number < 12 else "b")
        here.mkdir(parents=True, exist_ok=True)
        (here / f"{number}.png").write_bytes(encode(scene(number), format="PNG"))
    return tmp_path / "photos"


def test_different_pictures_are_no_copies(folder: Path, tmp_path: Path) -> None:
    found = found_in(folder, tmp_path / "cache")
    assert (found.pairs, found.clusters, found.series) == ((), (), ())


def test_copies_of_every_kind_are_found_within_and_across_labels(folder: Path, tmp_path: Path) -> None:
    pixels = scene(3)
    (folder / "a" / "3 exact").write_bytes((folder / "a" / "3.png").read_bytes())
    (folder / "a" / "3 again").write_bytes((folder / "a" / "3.png").read_bytes())
    (folder / "a" / "4 resized").write_bytes(encode(resample(scene(4), size=(70, 60)), format="PNG"))
    (folder / "a" / "5 recompressed").write_bytes(encode(scene(5), quality=40))
    (folder / "b" / "6 cropped").write_bytes(encode(scene(6)[3:-3, 4:-3], quality=90))
    (folder / "b" / "3 mirrored").write_bytes(encode(pixels[:, ::-1], quality=90))
    found = found_in(folder, tmp_path / "cache")
    assert names(found) == {
        frozenset({"3.png", "3 exact", "3 again", "3 mirrored"}),
        frozenset({"4.png", "4 resized"}),
        frozenset({"5.png", "5 recompressed"}),
        frozenset({"6.png", "6 cropped"}),
    }
    by_name = {found.images.paths[pair.second].name: pair for pair in found.pairs}
    by_name |= {found.images.paths[pair.first].name: pair for pair in found.pairs if pair.kind == "near"}
    assert [pair.kind for pair in found.pairs].count("exact") == 2
    assert by_name["3 mirrored"].mirrored
    assert found.across_labels(by_name["3 mirrored"])
    assert not found.across_labels(by_name["4 resized"])
    assert not found.across_splits(by_name["4 resized"])
    assert all(pair.first < pair.second and pair.score > 0.8 for pair in found.pairs)
    member = found.membership()
    assert sum(one is not None for one in member) == 10
    assert len({one for one in member if one is not None}) == 4


def test_a_copy_across_splits_is_told(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 50)):
        for label in ("a", "b"):
            here = tmp_path / "photos" / split / label
            here.mkdir(parents=True)
            for number in range(first, first + 5):
                (here / f"{label}{number}").write_bytes(encode(scene(number + 1000 * (label == "b")), format="PNG"))
    (tmp_path / "photos" / "train" / "a" / "copy").write_bytes(encode(scene(52), quality=70))
    found = found_in(tmp_path / "photos", tmp_path / "cache")
    assert names(found) == {frozenset({"a52", "copy"})}
    assert found.across_splits(found.pairs[0])


def test_pictures_of_one_scene_that_differ_by_noise_alone_are_one_cluster(tmp_path: Path) -> None:
    here, background, rng = tmp_path / "photos", scene(1).astype(float), np.random.default_rng(0)
    for number in range(12):
        picture = np.clip(background + 8 * rng.normal(0, 1, background.shape), 0, 255).astype(np.uint8)
        label = here / ("a" if number % 2 else "b")
        label.mkdir(parents=True, exist_ok=True)
        (label / f"{number}").write_bytes(encode(picture, format="PNG"))
    (here / "a" / "1 exact").write_bytes((here / "a" / "1").read_bytes())
    found = found_in(here, tmp_path / "cache")
    assert [len(members) for members in found.clusters] == [13]
    assert [pair.kind for pair in found.pairs].count("exact") == 1


def panel(seed: int, *, side: int = 128) -> NDArray[np.uint8]:
    """Bars and a frame that all panels share, and what is one panel's own: faint blotches and grain."""
    rng = np.random.default_rng(seed)
    picture = np.full((side, side), 150.0)
    picture[side // 4 :: side // 4, 8:-8] = picture[side // 4 + 1 :: side // 4, 8:-8] = 60
    for edge in (slice(0, 5), slice(-5, None)):
        picture[edge] = picture[:, edge] = 40
    picture += 6 * gaussian_filter(rng.normal(0, 1, picture.shape), 5) * 18 + rng.normal(0, 2, picture.shape)
    return np.repeat(np.clip(picture, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def test_among_pictures_that_are_all_alike_only_copies_are_copies(tmp_path: Path) -> None:
    for number in range(24):
        here = tmp_path / "photos" / ("a" if number % 2 else "b")
        here.mkdir(parents=True, exist_ok=True)
        (here / f"{number}").write_bytes(encode(panel(number), format="PNG"))
    copies = {
        "1 recompressed": encode(panel(1), quality=40),
        "3 resized": encode(resample(panel(3), size=(64, 64)), quality=90),
        "5 cropped": encode(panel(5)[8:, :-8], quality=90),
        "7 mirrored": encode(panel(7)[:, ::-1], quality=90),
    }
    for name, data in copies.items():
        (tmp_path / "photos" / "a" / name).write_bytes(data)
    found = found_in(tmp_path / "photos", tmp_path / "cache")
    assert names(found) == {frozenset({name.split()[0], name}) for name in copies}
    assert [len(members) for members in found.series] == [28]  # they look alike, and that is all that is said


def test_plain_things_with_other_noise_are_no_copies(tmp_path: Path) -> None:
    rng, thing = np.random.default_rng(0), np.full((96, 96, 3), 150.0)
    thing[24::24, 8:-8] = 40
    for number in range(12):
        here = tmp_path / "photos" / ("a" if number % 2 else "b")
        here.mkdir(parents=True, exist_ok=True)
        grain = 3 * rng.normal(0, 1, (96, 96, 1))
        (here / f"{number}").write_bytes(encode(np.clip(thing + grain, 0, 255).astype(np.uint8), format="PNG"))
    assert found_in(tmp_path / "photos", tmp_path / "cache").pairs == ()


def test_frames_of_a_burst_are_one_cluster(tmp_path: Path) -> None:
    for label, seed in (("a", 1), ("b", 2)):
        here, still = tmp_path / "photos" / label, scene(seed, size=(120, 160)).astype(int)
        here.mkdir(parents=True)
        for number in range(5):
            noise = np.random.default_rng(number).integers(-6, 7, still.shape)
            frame = np.clip(np.roll(still, number % 3, 1) + noise, 0, 255).astype(np.uint8)
            (here / f"{label}{number}").write_bytes(encode(frame, quality=88))
    found = found_in(tmp_path / "photos", tmp_path / "cache")
    assert names(found) == {frozenset(f"{label}{number}" for number in range(5)) for label in "ab"}


def test_a_picture_that_vanishes_meanwhile_is_a_copy_of_nothing(folder: Path, tmp_path: Path) -> None:
    (folder / "a" / "4 recompressed").write_bytes(encode(scene(4), quality=40))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(scan(folder), store)
        table.fill(32)
        (folder / "a" / "4 recompressed").unlink()
        assert find_duplicates(table, 32).pairs == ()


def test_of_too_many_pairs_the_nearest_are_compared_and_the_others_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "photos" / "a"
    folder.mkdir(parents=True)
    (tmp_path / "photos" / "b").mkdir()
    for i in range(12):
        one = np.clip(scene(0).astype(float) + 40 * (scene(i + 1).astype(float) / 255 - 0.5), 0, 255).astype(np.uint8)
        (tmp_path / "photos" / "ab"[i % 2] / f"{i}.png").write_bytes(encode(one, format="PNG"))
        if i == 3:
            (folder / "copy.jpg").write_bytes(encode(one, quality=60))
    images = scan(tmp_path / "photos")
    found = []
    for number, most in enumerate((10_000, 12)):
        monkeypatch.setattr(duplicates, "MOST_COMPARED", most)
        monkeypatch.setattr(duplicates, "_PAIRS", 4)
        with FeatureStore(tmp_path / f"cache{number}") as store:
            found.append(find_duplicates(tiny_table(images, store), 32))
    assert found[0].uncompared == 0
    assert found[1].uncompared > 0
    for each in found:
        assert ("3.png", "copy.jpg") in [
            tuple(sorted(images.paths[i].name for i in (pair.first, pair.second))) for pair in each.pairs
        ]


def test_the_images_looked_at_are_kept(folder: Path, tmp_path: Path) -> None:
    found = found_in(folder, tmp_path / "cache")
    assert isinstance(found.images, ImageSet)
    assert found.membership() == [None] * 24


def test_what_was_found_among_the_same_pictures_is_found_again_without_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "photos", {"rings": 6, "stripes": 6})
    picture = decode(folder / "rings" / "003.jpeg")
    (folder / "rings" / "zz.jpg").write_bytes(encode(picture, format="JPEG", quality=60))
    with FeatureStore(tmp_path / "cache") as store:
        first = find_duplicates(tiny_table(scan(folder), store), 32)
        assert "near" in [pair.kind for pair in first.pairs]
        monkeypatch.setattr("headstart.audit.duplicates.compare_miniatures", None)
        monkeypatch.setattr("headstart.audit.clusters.compare", None)
        again = find_duplicates(tiny_table(scan(folder), store), 32)
        assert again.pairs == first.pairs
        # A byte-identical file moves the others: the same two pictures, elsewhere in the set.
        (folder / "rings" / "000 copy.jpeg").write_bytes((folder / "rings" / "000.jpeg").read_bytes())
        moved = find_duplicates(tiny_table(scan(folder), store), 32)
        near = [{moved.images.paths[i].name for i in (p.first, p.second)} for p in moved.pairs if p.kind == "near"]
        assert {"003.jpeg", "zz.jpg"} in near


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
    assert sorted(left.reason for left in deduplicated.images.left_out) == [
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
    with pytest.raises(DataError, match=r"found: 3 of 12 .*: 3 of 6 of 'rings', which leaves 3 scenes"):
        deduplicate(copies(splits, *pairs))
    within = [(f"train/rings/00{i}.jpeg", f"train/rings/00{i + 1}.jpeg") for i in (0, 2, 4)]
    with pytest.raises(DataError, match=r"found: 12 .* of 9 scenes: 'rings' has 6 pictures of 3 scenes"):
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
