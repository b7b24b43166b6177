import os
import shutil
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.files import display
from headstart.images.folder import ImageSet, from_paths, in_turn, scan
from pictures import classes_in, picture


def error_of(action, *arguments) -> str:
    with pytest.raises(DataError) as caught:
        action(*arguments)
    return str(caught.value)


def names(images: ImageSet) -> list[str]:
    assert images.root is not None
    return [path.relative_to(images.root).as_posix() for path in images.paths]


def reasons(images: ImageSet) -> dict[str, str]:
    assert images.root is not None
    return {left.path.relative_to(images.root).as_posix(): left.reason for left in images.left_out}


def test_class_folders(tmp_path: Path) -> None:
    classes_in(tmp_path, "dog cat Bird 10 9")
    picture(tmp_path / "cat" / "winter" / "deep" / "9.png", 5000)
    images = scan(tmp_path)
    assert images.classes == ("10", "9", "Bird", "cat", "dog"), "plain string order"
    assert images.layout == "class folders"
    assert len(images) == 21
    assert "cat/winter/deep/9.png" in names(images)
    for name, label in zip(names(images), images.y, strict=True):
        assert images.classes[label] == name.split("/")[0]
    assert set(images.split) == {"train"}
    assert images.y.dtype == images.groups.dtype == np.int64
    assert len(set(images.groups.tolist())) == 21
    assert images.left_out == ()


def test_junk_is_passed_over_and_the_rest_is_listed(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b")
    for junk in (".DS_Store", "a/.DS_Store", "a/Thumbs.db", "b/desktop.ini", "a/._0.png"):
        (tmp_path / junk).write_bytes(b"junk")
    for junk in (".ipynb_checkpoints", "__MACOSX", "__pycache__", "a/.ipynb_checkpoints", "a/__MACOSX"):
        picture(tmp_path / junk / "0.png", 999)
    picture(tmp_path / "a" / "9.txt", 50, "JPEG")
    picture(tmp_path / "a" / "no extension", 51, "GIF")
    picture(tmp_path / "b" / "x.jpg?width=640", 52, "WEBP")
    picture(tmp_path / "b" / "UPPER.JPG", 53, "BMP")
    (tmp_path / "a" / "empty.png").touch()
    (tmp_path / "a" / "notes.jpg").write_text("no picture")
    (tmp_path / "labels.csv").write_text("x")
    images = scan(tmp_path)
    assert images.classes == ("a", "b")
    assert len(images) == 12
    assert reasons(images) == {
        "labels.csv": "beside the class folders, so without a label",
        "a/empty.png": "empty file: fetch it again",
        "a/notes.jpg": "text, not a picture: take it out of the folder",
    }


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="their file systems hold only Unicode names")
def test_strange_names(tmp_path: Path) -> None:
    classes_in(tmp_path, "蜜蜂 ants")
    raw = os.fsdecode(b"caf\xe9 \n.png")
    picture(tmp_path / "蜜蜂" / raw, 300)
    picture(tmp_path / "蜜蜂" / "two words.png", 301)
    for number in range(4):
        picture(tmp_path / os.fsdecode(b"gr\xfcn") / f"{number}.png", 400 + number)
        picture(tmp_path / "cafe\u0301" / f"{number}.png", 500 + number)
    images = scan(tmp_path)
    assert images.classes == ("ants", "café", "gr\\udcfcn", "蜜蜂")
    assert tmp_path / "蜜蜂" / raw in images.paths
    assert display(raw) == "caf\\udce9 \\n.png"
    assert all(display(path).isprintable() and display(path).encode() for path in images.paths)
    assert len(images.fingerprint()) == 64


def test_byte_identical_pictures_share_a_group(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b", count=5)
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / "copy.png")
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "b" / "copy.png")
    images = scan(tmp_path)
    group = dict(zip(names(images), images.groups.tolist(), strict=True))
    assert group["a/0.png"] == group["a/copy.png"] == group["b/copy.png"]
    assert len(set(group.values())) == 10
    assert len(images) == 12, "conflicting copies are kept; the audit names them"


def test_unusable_folders_name_what_is_wrong(tmp_path: Path) -> None:
    assert f"found: {tmp_path / 'gone'}: not found" in error_of(scan, tmp_path / "gone")
    flat = tmp_path / "flat"
    for number in range(3):
        picture(flat / f"{number}.png", number)
    assert "found: no class, and 3 files that are in none" in error_of(scan, flat)
    text = error_of(scan, classes_in(tmp_path / "one", "only"))
    assert "expected: at least two classes to train on" in text
    assert "found: only 'only'" in text


def test_too_few_distinct_pictures_of_a_class(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b c")
    (tmp_path / "empty").mkdir()
    (tmp_path / "b" / "0.png").write_bytes((tmp_path / "b" / "1.png").read_bytes())
    (tmp_path / "c" / "0.png").write_text("no picture")
    (tmp_path / "c" / "1.png").unlink()
    text = error_of(scan, tmp_path)
    assert text.endswith(
        "1 problem\n"
        "expected: at least 4 distinct readable pictures (or groups) of each class to train on\n"
        "   found: 'b' has 3, 'c' has 2, 'empty' has 0\n"
        "   to do: add pictures of these classes, or remove the classes"
    )


def test_all_problems_of_splits_at_once(tmp_path: Path) -> None:
    classes_in(tmp_path / "train", "a b c", count=4)
    shutil.rmtree(tmp_path / "train" / "c")
    classes_in(tmp_path / "train", "c", count=1, start=700)
    classes_in(tmp_path / "val", "a d", count=1, start=1000)
    (tmp_path / "val" / "b").mkdir()
    (tmp_path / "test").mkdir()
    text = error_of(scan, tmp_path)
    assert "4 problems" in text
    assert "'c' has 1" in text
    assert "missing from val: 'b', 'c'" in text
    assert "extra in val: 'd'" in text
    assert "expected: the same classes in val as in train (a, b, c)" in text
    assert "found: test has no readable picture in a class" in text


def test_scan_writes_nothing(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b")
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]}
    scan(tmp_path)
    assert {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]} == before


def test_table(tmp_path: Path) -> None:
    classes_in(tmp_path / "files", "x y", count=6)
    rows = [f"files/{name}/{n}.png,{name},patient{n // 2}" for name in "yx" for n in range(6)]
    table = tmp_path / "table.csv"
    table.write_text("path,label,group\n" + "\n".join(rows))
    assert "'x' has 3, 'y' has 3" in error_of(scan, table), "groups are counted, not pictures"
    table.write_text("path,label,group\n" + "\n".join(row.replace("patient2", "") for row in rows))
    images = scan(table)
    assert images.layout == "table"
    assert images.root == tmp_path
    assert images.classes == ("x", "y")
    assert list(zip(images.y, images.digests, strict=True)) == sorted(zip(images.y, images.digests, strict=True))
    # two pictures of patient 0 in each class are one group; those without a group are alone
    group_of = dict(zip(names(images), images.groups.tolist(), strict=True))
    patients = [{group_of[f"files/{name}/{n}.png"] for name in "xy" for n in pair} for pair in ((0, 1), (2, 3))]
    assert [len(patient) for patient in patients] == [1, 1]
    assert len(set(group_of.values())) == 6
    named = dict(zip(names(images), images.group_names, strict=True))
    assert (named["files/x/1.png"], named["files/y/4.png"]) == ("patient0", "")
    assert images.subset(np.array([2])).group_names == (images.group_names[2],)


def test_copies_join_groups_of_a_table(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b", count=6)
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / "2.png")
    rows = [
        f"{name}/{n}.png,{name},{'burst' if (name, n) in {('a', 2), ('a', 3)} else ''}"
        for name in "ab"
        for n in range(6)
    ]
    (tmp_path / "t.csv").write_text("path,label,group\n" + "\n".join(rows))
    images = scan(tmp_path / "t.csv")
    group_of = dict(zip(names(images), images.groups.tolist(), strict=True))
    together = {name for name, group in group_of.items() if group == group_of["a/0.png"]}
    assert together == {"a/0.png", "a/2.png", "a/3.png"}
    assert len(np.unique(images.groups)) == 10
    assert images.groups.tolist() == in_turn(images.groups.tolist())


def test_groups_that_share_copies_are_one_however_long_the_chain(tmp_path: Path) -> None:
    """Picture n has the group of the one before and the bytes of the one after, or the other way round."""
    classes_in(tmp_path, "a b", count=9)
    for n in range(1, 8, 2):
        shutil.copy(tmp_path / "a" / f"{n + 1}.png", tmp_path / "a" / f"{n}.png")
    rows = [f"a/{n}.png,a,{(n, n - 1)[n % 2]}" for n in reversed(range(9))] + [f"b/{n}.png,b," for n in range(9)]
    (tmp_path / "t.csv").write_text("path,label,group\n" + "\n".join(rows))
    images = scan(tmp_path / "t.csv", for_training=False)
    assert images.groups.tolist() == [0] * 9 + list(range(1, 10))


def test_table_with_splits(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b", count=5)
    rows = [f"{name}/{n}.png,{name},{'Valid' if n == 4 else 'train'}" for name in "ab" for n in range(5)]
    (tmp_path / "t.csv").write_text("path,label,split\n" + "\n".join(rows))
    images = scan(tmp_path / "t.csv")
    assert images.split.tolist() == ["train"] * 8 + ["val"] * 2
    assert images.in_split("val").tolist() == [8, 9]
    assert images.in_split("test").tolist() == []
    assert images.train_counts.tolist() == np.bincount(images.y[images.split == "train"]).tolist()
    assert images.counts["train"] == dict(zip(images.classes, images.train_counts.tolist(), strict=True))
    (tmp_path / "t.csv").write_text("path,label,split\n" + "\n".join(row.replace("train", "test") for row in rows))
    text = error_of(scan, tmp_path / "t.csv")
    assert text.startswith(f"pictures {tmp_path / 't.csv'}: ")
    assert "expected: at least two classes to train on" in text


def test_subset_and_without(tmp_path: Path) -> None:
    images = scan(classes_in(tmp_path, "a b", count=6))
    part = images.subset(np.array([7, 0]))
    assert names(part) == [names(images)[7], names(images)[0]]
    assert part.y.tolist() == [1, 0]
    assert part.digests == (images.digests[7], images.digests[0])
    assert sorted(names(images.subset(images.y == 1))) == [f"b/{n}.png" for n in range(6)]
    assert len(images.subset(np.array([], dtype=np.intp))) == 0
    left = images.without({images.paths[1]: "truncated or damaged: x"})
    assert names(left) == [name for name in names(images) if name != names(images)[1]]
    assert reasons(left) == {names(images)[1]: "truncated or damaged: x"}
    assert images.without({}) is images
    text = error_of(images.without, dict.fromkeys(images.paths[:3], "damaged"))
    assert "found: 'a' has 3" in text


def test_fingerprint_knows_content_label_split_group_but_neither_place_nor_name(tmp_path: Path) -> None:
    first = scan(classes_in(tmp_path / "one", "a b"))
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    assert scan(tmp_path / "two").fingerprint() == first.fingerprint()
    (tmp_path / "two" / "a" / "0.png").rename(tmp_path / "two" / "a" / "zero.png")
    assert scan(tmp_path / "two").fingerprint() == first.fingerprint()
    (tmp_path / "two" / "a" / "zero.png").rename(tmp_path / "two" / "a" / "0.png")
    assert first.subset(np.arange(8)[::-1]).fingerprint() == first.fingerprint(), "order does not matter"
    picture(tmp_path / "two" / "a" / "0.png", 77)
    other = scan(tmp_path / "two").fingerprint()
    (tmp_path / "two" / "b").rename(tmp_path / "two" / "c")
    renamed = scan(tmp_path / "two").fingerprint()
    fewer = first.subset(np.arange(7)).fingerprint()
    changed = [
        replace(first, split=np.array(["test"] * 8)).fingerprint(),
        replace(first, groups=np.zeros(8, np.int64)).fingerprint(),
    ]
    assert len({first.fingerprint(), other, renamed, fewer, *changed}) == 6


def test_from_paths(tmp_path: Path) -> None:
    root = classes_in(tmp_path, "a b", count=5)
    (root / "a" / "0.png").write_text("no picture")
    paths = sorted(str(path) for path in root.rglob("*.png"))
    images = from_paths(paths, [1] * 5 + [0] * 5, groups=[None] * 8 + ["same"] * 2)
    assert images.layout == "arrays"
    assert images.root is None
    assert images.classes == ("0", "1")
    assert images.y.tolist() == [1] * 4 + [0] * 5
    assert images.groups.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 7]
    assert [left.reason for left in images.left_out] == ["text, not a picture: take it out of the folder"]
    assert len(images.fingerprint()) == 64
    assert "found: 10 paths, 9 labels, 10 groups" in error_of(from_paths, paths, [1] * 9)
    text = error_of(from_paths, [*paths, "gone.png"], [1] * 5 + [0] * 6)
    assert "found: not found: gone.png" in text


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_folders_that_may_not_be_listed_are_named(tmp_path: Path) -> None:
    classes_in(tmp_path, "a b")
    locked = tmp_path / "a" / "locked"
    locked.mkdir(mode=0)
    assert reasons(scan(tmp_path)) == {"a/locked": "folder cannot be listed: Permission denied"}


def test_how_far_reading_is_can_be_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    classes_in(tmp_path, "dog cat")
    monkeypatch.setattr("headstart.images.folder.AT_A_TIME", 3)
    told: list[tuple[str, int]] = []

    class Listening:
        def stage(self, name: str, total: int):
            told.append((name, total))
            return nullcontext(lambda done: told.append(("done", done)))

    images = scan(tmp_path, progress=Listening())
    assert told[0] == ("reading the pictures", len(images))
    assert told[1:] == [("done", min(done, len(images))) for done in range(3, len(images) + 3, 3)]


def test_a_path_with_two_labels_is_refused(tmp_path: Path) -> None:
    paths = [picture(tmp_path / f"{number}.png", number) for number in range(8)]
    with pytest.raises(DataError, match=r"one label for each path\n *found: .*0\.png: a, b") as caught:
        from_paths([*paths, paths[0]], [*"aaaabbbb", "b"])
    assert len(caught.value.problems) == 1
    from_paths([*paths, paths[0]], [*"aaaabbbb", "a"])
