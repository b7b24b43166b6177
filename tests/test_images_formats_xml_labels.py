from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import insisting
import sources
from headstart.errors import DataError
from headstart.images.formats.given import Given
from headstart.images.formats.reading import labels_of


@pytest.mark.parametrize(("layout", "format"), [("voc", "voc"), ("cvat", "cvat")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_refused_in_any_encoding(encoding: str, tmp_path: Path) -> None:
    text = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><annotations><image name="&b;"/></annotations>'
    (tmp_path / "annotations.xml").write_text(text, encoding=encoding)
    with pytest.raises(DataError, match="a document type, which is not read"):
        labels_of(Given(address=str(tmp_path / "annotations.xml"), format="cvat"))


def lists(tmp_path: Path, **changed: str) -> Path:
    """Pascal VOC whose lists of splits have other contents."""
    root = sources.voc(tmp_path / "v", sources.drawn(splits=True))
    for name, text in changed.items():
        (root / "VOCdevkit/VOC2012/ImageSets/Main" / f"{name}.txt").write_text(text, encoding="utf-8")
    return root


def splits(root: Path) -> dict[str, str]:
    return {entry.path.stem: entry.split for entry in labels_of(root).entries}


def test_lists_of_splits_as_people_write_them(tmp_path: Path) -> None:
    before = splits(lists(tmp_path / "a"))
    names = {split: [name for name, of in before.items() if of == split] for split in ("train", "val", "test")}
    assert all(names.values())
    root = lists(
        tmp_path / "b",
        train="\r\n".join(f"{name}.png" for name in names["train"]),
        val="\ufeff" + "\n".join(names["val"]),
        trainval="\n".join(names["train"] + names["val"]),
    )
    main = root / "VOCdevkit/VOC2012/ImageSets/Main"
    (main / "test.txt").rename(main / "TEST.txt")
    assert splits(root) == before


def test_a_picture_in_the_lists_of_two_splits_is_refused(tmp_path: Path) -> None:
    name = next(name for name, split in splits(lists(tmp_path / "a")).items() if split == "test")
    text = (tmp_path / "a/v/VOCdevkit/VOC2012/ImageSets/Main/train.txt").read_text(encoding="utf-8")
    with pytest.raises(DataError, match=f"{name} in test and train"):
        labels_of(lists(tmp_path / "b", train=f"{text}\n{name}\n"))


def test_a_picture_in_no_list_is_left_out(tmp_path: Path) -> None:
    before = splits(lists(tmp_path / "a"))
    found = labels_of(lists(tmp_path / "b", val=""))
    missing = sorted(name for name, split in before.items() if split == "val")
    assert sorted(out.path.stem for out in found.left_out) == missing
    assert {out.reason for out in found.left_out} == {"in none of the lists of ImageSets/Main"}


@pytest.mark.parametrize(("subset", "taken"), [("default", True), ("Default", True), ("", True), ("foo", False)])
def test_subsets_of_cvat(subset: str, taken: bool, tmp_path: Path) -> None:
    text = f'<annotations><image name="a.png" subset="{subset}"><tag label="cat"/></image></annotations>'
    (tmp_path / "annotations.xml").write_text(text, encoding="utf-8")
    sources.put(tmp_path, "a.png", sources.drawn()[0].data)
    given = Given(address=str(tmp_path / "annotations.xml"), format="cvat")
    if taken:
        assert [entry.split for entry in labels_of(given).entries] == ["train"]
    else:
        with pytest.raises(DataError, match="found: picture 1: 'foo'"):
            labels_of(given)


def test_one_list_for_train_and_val_together(tmp_path: Path) -> None:
    """As VOC 2007 may be had."""
    before = splits(lists(tmp_path / "a"))
    root = lists(tmp_path / "b", trainval="\n".join(name for name, split in before.items() if split != "test"))
    for name in ("train", "val"):
        (root / f"VOCdevkit/VOC2012/ImageSets/Main/{name}.txt").unlink()
    assert splits(root) == {name: "test" if split == "test" else "train" for name, split in before.items()}


def test_masks_and_other_pictures_of_the_same_names_are_none_of_voc(tmp_path: Path) -> None:
    root = sources.voc(tmp_path / "v", sources.drawn(splits=True))
    top, before = root / "VOCdevkit/VOC2012", splits(root)
    for folder in ("SegmentationClass", "SegmentationObject", "aside"):
        shutil.copytree(top / "JPEGImages", top / folder)
    read = labels_of(root)
    assert read.layout == "voc"
    assert {entry.path.parent.name for entry in read.entries} == {"JPEGImages"}
    assert splits(root) == before
