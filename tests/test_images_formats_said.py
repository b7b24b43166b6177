"""Each format with the faults of its kind: all of them named at once, with the line or record."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sources
from headstart.errors import DataError
from headstart.images.folder import scan
from headstart.images.formats.given import Given
from headstart.images.formats.reading import labels_of
from headstart.images.located import Moved


def error_of(source: Path | Given) -> str:
    with pytest.raises(DataError) as caught:
        labels_of(source)
    return str(caught.value)


def changed(path: Path, change: Callable[[Any], None]) -> Path:
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def test_a_table_of_other_columns(tmp_path: Path) -> None:
    table = sources.tsv(tmp_path, sources.drawn())
    text = table.read_text(encoding="utf-16")
    table.write_text(
        text + "gone.png\tcat\n/abs/x.png\tcat\n../y.png\tcat\n0000.png\tcat\n0001.png\tdog\n\tcat\n"
        "0002.png\t\n0003.png\tcat|dög\n",
        encoding="utf-16",
    )
    said = error_of(table)
    for found in (
        "line 17: no path",
        "line 18: no label",
        "line 19: 0003.png: cat, dög",
        "line 12: gone.png, line 13: /abs/x.png, line 14: ../y.png",
        "line 16: 0001.png as in line 3, there 'cat', here 'dog'",
    ):
        assert found in said
    assert "line 15" not in said, "a row that agrees is no fault"


def test_json_lines(tmp_path: Path) -> None:
    file = sources.json_lines(tmp_path, sources.drawn())
    lines = [
        '{"image": "gone.png", "category": "cat"}',
        "not json",
        '{"image": "0000.png", "category": ["cat", "dog"]}',
        '{"category": "cat"}',
        '{"image": "0001.png", "category": "cat", "split": "later"}',
    ]
    file.write_text(file.read_text(encoding="utf-8") + "\n".join(lines), encoding="utf-8")
    said = error_of(file)
    for found in (
        "record 11: gone.png",
        "record 12: not json",
        "record 13: 0000.png: cat, dog",
        "record 14: no path",
        "record 15: 'later'",
    ):
        assert found in said


def test_one_hot(tmp_path: Path) -> None:
    root = sources.roboflow(tmp_path, sources.drawn())
    file = root / "train" / "_classes.csv"
    file.write_text(
        file.read_text(encoding="utf-8") + "0000.png, 0, 1\ngone.png, 1, 0\n0001.png, 1, 1\n0002.png, 2, 0\n"
        "0003.png, 1\n../x.png, 1, 0\n",
        encoding="utf-8",
    )
    said = error_of(root)
    for found in (
        "line 12: 0000.png as in line 2",
        "line 13: gone.png",
        "line 14: 0001.png: cat, dög",
        "line 15: 0002.png: '2'",
        "line 16: 2 cells",
        "line 17: ../x.png",
    ):
        assert found in said
    file.write_bytes("filename, cat, dög\n0000.png, 1, 0\n".encode("cp1252"))
    assert "expected: labels in UTF-8" in error_of(Given(address=str(file), format="one-hot"))


def test_label_studio(tmp_path: Path) -> None:
    file = sources.label_studio_local(tmp_path, sources.drawn())

    def spoil(tasks: Any) -> None:
        tasks[0]["data"]["image"] = "/data/local-files/?d=photos/gone.png"
        tasks[1]["annotations"][0]["result"][0]["value"]["choices"] = ["cat", "dög"]
        tasks[2]["annotations"].append(json.loads(json.dumps(tasks[7]["annotations"][0])))
        tasks[3]["annotations"][0]["was_cancelled"] = True
        tasks[4]["data"] = {}
        tasks.append("nothing")

    said = error_of(changed(file, spoil))
    for found in (
        "record 1: photos/gone.png",
        "record 2: photos/0001.png: cat, dög",
        "record 5: none",
        "record 11: none",
        "record 3: photos/0002.png as in record 3, there 'cat', here 'dög'",
    ):
        assert found in said
    tasks = json.loads(file.read_text(encoding="utf-8"))
    tasks[0]["annotations"][0]["result"].append({"from_name": "quality", "value": {"choices": ["good"]}})
    file.write_text(json.dumps(tasks), encoding="utf-8")
    assert "found: choice, quality\n   to do: say which: --label-column choice" in error_of(file)


def test_cvat_and_voc(tmp_path: Path) -> None:
    pictures = sources.drawn()
    for each in pictures:
        sources.put(tmp_path / "c", each.name, each.data)
    tag = '<tag label="{}"/>'.format
    images = [f'<image name="{each.name}">{tag(each.label)}</image>' for each in pictures]
    images += [
        '<image name="gone.png"><tag label="cat"/></image>',
        f'<image name="0000.png">{tag("x")}{tag("y")}</image>',
        '<image><tag label="cat"/></image>',
        '<image name="0001.png"></image>',
    ]
    xml = sources.put_text(tmp_path / "c", "a.xml", f"<annotations><meta></meta>{''.join(images)}</annotations>")
    said = error_of(xml)
    for found in ("picture 11: gone.png", "picture 12: 0000.png: x, y", "picture 13: no path"):
        assert found in said
    xml.write_text('<!DOCTYPE x [<!ENTITY a "b">]><annotations><image name="x"/></annotations>', encoding="utf-8")
    assert "a document type, which is not read" in error_of(Given(address=str(xml), format="cvat"))
    root = sources.voc(tmp_path / "v", pictures)
    file = root / "VOCdevkit/VOC2012/Annotations/0000.xml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("<name>cat", "<name>dög", 1), encoding="utf-8")
    assert re.search(r"picture 1: 0000.png: dög, cat", error_of(root))
    file.write_text(text[:90], encoding="utf-8")
    assert "found: picture 1: 0000.xml: " in error_of(Given(address=str(root), format="voc"))


def test_coco_and_fiftyone(tmp_path: Path) -> None:
    root = sources.coco(tmp_path / "c", sources.drawn())

    def spoil(document: Any) -> None:
        document["images"][0]["file_name"] = "gone.png"
        document["annotations"][2]["category_id"] = 2
        document["annotations"][4]["category_id"] = 99
        document["images"][3] = {"id": 10}

    changed(root / "annotations" / "instances_train2017.json", spoil)
    said = error_of(root)
    for found in (
        "record 1: gone.png",
        "record 2: 0001.png: dög, cat",
        "record 3: 0002.png: 99",
        "record 4: {'id': 10}",
    ):
        assert found in said
    root = sources.fiftyone_labels(tmp_path / "f", sources.drawn())

    def unknown(document: Any) -> None:
        document["labels"] |= {"0000": 7, "0001": [0, 1], "gone": 0, "../out": 1, "0002": None}

    changed(root / "labels.json", unknown)
    said = error_of(root)
    for found in ("record 1: number 7 of 2", "record 2: data/0001: cat, dög", "record 11: data/gone", "data/../out"):
        assert found in said
    root = sources.fiftyone_samples(tmp_path / "s", sources.drawn())
    changed(root / "samples.json", lambda document: [each.pop("ground_truth") for each in document["samples"][:0]])
    (root / "samples.json").write_text('{"samples": [{"filepath": "data/x.png"}]}', encoding="utf-8")
    assert "expected: one field of labels of whole pictures\n   found: none" in error_of(root)


def test_parquet_and_webdataset(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    root = sources.parquet(tmp_path / "p", sources.drawn())
    file = root / "data" / "train-00000-of-00002.parquet"
    file.write_bytes(file.read_bytes()[:200])
    assert "expected: Parquet that can be read to its end" in error_of(root)
    two = [{"image": each.data, "fine": each.label, "coarse": "x"} for each in sources.drawn()]
    pq.write_table(pa.Table.from_pylist(two), tmp_path / "two.parquet")
    assert "found: two.parquet: fine, coarse\n   to do: say which: --label-column fine" in error_of(
        tmp_path / "two.parquet"
    )
    several = [{"image": each.data, "label": ["cat", "dog"]} for each in sources.drawn()]
    pq.write_table(pa.Table.from_pylist(several), tmp_path / "several.parquet")
    assert "record 10: 000009.png: cat, dog" in error_of(tmp_path / "several.parquet")
    shards = sources.webdataset(tmp_path / "w", sources.drawn())
    shard = shards / "train-000001.tar"
    shard.write_bytes(shard.read_bytes()[:3000])
    assert "expected: an archive that can be read to its end" in error_of(
        Given(address=str(shards), format="webdataset")
    )


def test_two_readings_are_refused_with_both_named(tmp_path: Path) -> None:
    root = sources.class_folders(tmp_path, sources.drawn())
    rows = [f"{each.label}/{each.name},{'x' if number % 2 else 'y'}" for number, each in enumerate(sources.drawn())]
    sources.put_text(root, "labels.csv", "\n".join(["path,label", *rows]))
    said = error_of(root)
    assert "found: what may be read as folders and as table, which do not agree" in said
    assert "to do: say which is meant: --format folders, or --format table" in said
    assert scan(Given(address=str(root), format="folders")).classes == ("cat", "dög")
    assert scan(Given(address=str(root), format="table")).classes == ("x", "y")
    sources.put_text(root, "more.csv", "\n".join(["path,label", *rows]))
    assert "found: labels.csv, more.csv" in error_of(Given(address=str(root), format="table"))


def test_columns_that_may_all_be_meant_are_named(tmp_path: Path) -> None:
    pictures = sources.drawn()
    for each in pictures:
        sources.put(tmp_path, each.name, each.data)
    rows = [f"{each.name},{each.label},{number % 2}" for number, each in enumerate(pictures)]
    table = sources.put_text(tmp_path, "t.csv", "\n".join(["file,species,class", *rows]))
    said = error_of(table)
    assert (
        "found: the columns class, species, which may all be meant\n   to do: say which it is: --label-column" in said
    )
    read = labels_of(Given(address=str(table), label_column="Species"))
    assert read.understood.columns == (("path", "file"), ("label", "species"))
    assert "'nothing', as --label-column says" in error_of(Given(address=str(table), label_column="nothing"))


def test_names_that_two_folders_have_are_not_guessed(tmp_path: Path) -> None:
    pictures = sources.drawn()
    for each in pictures:
        sources.put(tmp_path, f"a/{each.name}", each.data)
        sources.put(tmp_path, f"b/{each.name}", each.data + b" ")
    rows = [f"{each.name},{each.label}" for each in pictures]
    table = sources.put_text(tmp_path, "t.csv", "\n".join(["path,label", *rows]))
    assert "found: files of these names in a and in b" in error_of(table)
    table.rename(tmp_path / "b.csv")
    assert labels_of(tmp_path / "b.csv").understood.moved == (Moved("b/", 0),)
