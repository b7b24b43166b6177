from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.images.folder import ImageSet, scan
from headstart.images.record import FILE, Changes, changes, record, trained_on, write
from pictures import classes_in, write_folder


@pytest.fixture
def images(tmp_path: Path) -> ImageSet:
    return scan(write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}))


def folder(images: ImageSet) -> Path:
    assert images.root is not None
    return images.root


def test_the_record_names_every_picture_wherever_the_folder_lies(images: ImageSet, tmp_path: Path) -> None:
    found = record(images)
    assert json.loads(json.dumps(found)) == found
    assert [row[0] for row in found["pictures"]][:2] == ["rings/000.jpeg", "rings/001.jpeg"]
    assert found["fingerprint"] == images.fingerprint()
    moved = folder(images).rename(tmp_path / "elsewhere")
    assert record(scan(moved)) == found
    assert not changes(found, scan(moved))


def test_it_is_written_a_picture_per_line(images: ImageSet, tmp_path: Path) -> None:
    write(tmp_path / "data.json", images)
    text = (tmp_path / "data.json").read_text(encoding="utf-8")
    assert json.loads(text) == record(images)
    assert sum(line.startswith('["') for line in text.splitlines()) == len(images)
    assert [path.name for path in tmp_path.glob("*.json*")] == ["data.json"]


def test_every_kind_of_change_is_named(images: ImageSet) -> None:
    before, root = record(images), folder(images)
    (root / "rings" / "000.jpeg").unlink()
    (root / "rings" / "001.jpeg").rename(root / "rings" / "renamed.jpeg")
    (root / "rings" / "002.jpeg").write_bytes((root / "stripes" / "003.jpeg").read_bytes() + b"tail")
    write_folder(root, {"stripes": 6})
    assert changes(before, scan(root)) == Changes(
        missing=("rings/000.jpeg",),
        added=("stripes/005.jpeg",),
        renamed=(("rings/001.jpeg", "rings/renamed.jpeg"),),
        contents=("rings/002.jpeg",),
        classes=(),
        splits=(),
        grouped=False,
    )


def test_labels_splits_and_groups_count(images: ImageSet) -> None:
    before = record(images)
    y, split = images.y.copy(), images.split.copy()
    y[0], split[1] = 1, "test"
    assert changes(before, replace(images, y=y)).classes == (images.name_of(images.paths[0]),)
    assert changes(before, replace(images, split=split)).splits == (images.name_of(images.paths[1]),)
    together = changes(before, replace(images, groups=np.array([0, 0, *range(2, 10)])))
    assert together
    assert together.grouped


def test_what_was_left_out_before_is_not_new(images: ImageSet) -> None:
    without = images.without({images.paths[0]: "truncated"})
    assert not changes(record(without), images)


def test_the_pictures_that_were_trained_on(tmp_path: Path) -> None:
    classes_in(tmp_path / "photos" / "train", "a b")
    classes_in(tmp_path / "photos" / "test", "a b", count=1, start=700)
    images = scan(tmp_path / "photos")
    (tmp_path / "run" / "model").mkdir(parents=True)
    assert trained_on(tmp_path / "run") == frozenset()
    write(tmp_path / "run" / FILE, images)
    (tmp_path / "run" / "model" / "model.json").touch()
    expected = {digest for digest, split in zip(images.digests, images.split, strict=True) if split == "train"}
    assert trained_on(tmp_path / "run") == trained_on(tmp_path / "run" / "model") == expected
    assert len(expected) == 8
    (tmp_path / "run" / FILE).write_text("{}")
    assert trained_on(tmp_path / "run") == frozenset()
