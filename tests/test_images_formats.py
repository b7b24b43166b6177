"""Broken sources in every format: everything that is wrong is said at once, and nothing is lost or written."""

from __future__ import annotations

import copy
import io
import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import broken
import sources
from broken import FORMATS, Row, good
from headstart.errors import DataError
from headstart.images.formats.reading import labels_of
from headstart.images.labelled import Entries

EMBEDDED = ("parquet", "webdataset")
"""Formats in which the pictures lie, so that none can be missing, or lead anywhere."""
LABELLED = ("comma", "tab", "lines", "imagefolder_csv", "imagefolder_jsonl", "imagefolder_parquet")
"""Those in which a picture without a class is a fault; in others it is left out."""
LINES = ("comma", "tab", "imagefolder_csv", "one_hot")
DOCUMENTS = ("label_studio", "coco", "fiftyone", "fiftyone_samples")
RECORDS = ("lines", "imagefolder_jsonl")


def place(name: str, record: int) -> str:
    if name in LINES:
        return f"line {record + 1}: "
    return f"picture {record}: " if name in ("cvat", "voc") else f"record {record}: "


def error_of(source: Path) -> str:
    with pytest.raises(DataError) as caught:
        labels_of(source)
    assert all(problem.found and problem.todo for problem in caught.value.problems)
    return str(caught.value)


def read(source: Path) -> Entries | None:
    """What is read of a source; None where it is refused."""
    with suppress(DataError):
        return labels_of(source)
    return None


def told(source: Path) -> str:
    """The error of a source, or what of it was left out; whatever else it may raise is a fault of ours."""
    try:
        entries = labels_of(source)
    except DataError as error:
        return str(error)
    assert all(entry.label and entry.path for entry in entries.entries)
    return "; ".join(f"left out {out.path.name}: {out.reason}" for out in entries.left_out)


def label_file(source: Path) -> Path:
    return source if source.is_file() else next(path for path in sorted(source.rglob("*")) if path.suffix in ENDINGS)


ENDINGS = (".csv", ".jsonl", ".parquet", ".xml")


@pytest.mark.parametrize("name", FORMATS)
def test_all_that_is_wrong_with_rows_is_said_at_once(name: str, tmp_path: Path) -> None:
    rows = [
        *good(),
        Row("gone.png", ("cat",)),
        Row("0000.png", ("dog",)),
        Row("0001.png", ("cat", "dog")),
        Row("0002.png", ("cat",)),
        Row("extra.png", ()),
    ]
    if name == "webdataset":  # a tar in which two files have one name is refused as that
        assert "found: 0000.png, 0000.json, 0001.png, 0001.json, 0002" in error_of(FORMATS[name](tmp_path / "a", rows))
        rows = [row for row in rows if row not in good()]
    said = error_of(FORMATS[name](tmp_path / "a", rows))
    if name in EMBEDDED:
        assert re.search(r"record \d+: 0001(-2)?\.png: cat, dog", said)
        return
    found = [place(name, 11) + "gone.png", place(name, 13) + "0001.png: cat, dog"]
    found += [place(name, 12) + "0000.png as in ", "there 'cat', here 'dog'"]
    if name == "fiftyone":
        found = [text.replace(" 0", " data/0").replace(" gone.png", " data/gone").replace(".png", "") for text in found]
    found += [place(name, 15) + "no label"] if name in LABELLED else []
    for text in found:
        assert text in said
    assert place(name, 14) not in said, "a row that agrees is no fault"


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "voc"])  # of which each picture has a file
def test_rows_are_told_of_beside_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    rows = [good()[0], Row("gone.png", ("cat",)), Row("0001.png", ("cat", "dog")), *good()[2:]]
    for split, of_split in (("train", rows), ("test", good()), ("val", good())):
        FORMATS[name](tmp_path / "a" / split, of_split)
    for split in ("test", "val"):
        endings = (*ENDINGS, ".json", ".tsv", ".tar")
        (file,) = (path for path in (tmp_path / "a" / split).iterdir() if path.suffix in endings)
        data = file.read_bytes()
        file.write_bytes(data + b'"open' if file.suffix in (".csv", ".tsv") else data[: len(data) * 2 // 3])
    said = error_of(tmp_path / "a")
    for split in ("test", "val"):
        assert f"{split}/{file.name}: " in said
    assert re.search(rf"train/{file.name}: .*0001(\.png)?: cat, dog", said)
    assert name in EMBEDDED or re.search(rf"train/{file.name}: (data/)?gone", said)


@pytest.mark.parametrize("name", ["comma", "lines", "imagefolder_parquet", "voc", "coco", "fiftyone"])
def test_a_thousand_faults_are_counted(name: str, tmp_path: Path) -> None:
    rows = [Row(f"gone{number}.png", ("cat",)) for number in range(500)]
    rows += [Row(f"many{number}.png", ("cat", "dog")) for number in range(500)]
    said = error_of(FORMATS[name](tmp_path / "a", [*good(), *rows]))
    assert "and 490 more\n" in said, "those of several classes"
    assert "and 990 more\n" in said, "those that are missing"
    assert len(said) < 3000


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_outside_of_an_archive_is_opened_or_written(name: str, tmp_path: Path) -> None:
    outside = sources.put(tmp_path, "secret/outside.png", sources.drawn()[0].data)
    rows = [*good(), Row(str(outside), ("cat",)), Row("../outside.png", ("cat",)), Row("/../../etc/hostname", ("dog",))]
    source = FORMATS[name](tmp_path / "a" / "b", rows)
    folder = source if source.is_dir() else source.parent
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    said = told(tmp_path / "all.zip")
    if name == "webdataset":
        assert "no entry that is of an absolute path" in said
        assert "no entry that is of a path with .. in it" in said
    elif name != "parquet":  # of whose names nothing is opened
        assert said.count("leads out of the source") == 3 or name == "fiftyone"
        assert all(place(name, at) in said for at in (11, 12, 13))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("damage", ["cut", "empty", "binary", "zeros", "latin"])
def test_a_damaged_label_file_is_named(name: str, damage: str, tmp_path: Path) -> None:
    source = FORMATS[name](tmp_path / "a", good())
    file = label_file(source)
    data = file.read_bytes()
    change: dict[str, Callable[[], bytes]] = {
        "cut": lambda: data[: len(data) * 2 // 3],
        "empty": lambda: b"",
        "binary": lambda: random.Random(0).randbytes(5000),
        "zeros": lambda: bytes(len(data)),
        "latin": lambda: data.replace(b"cat", b"c\xe4t").replace(b"0001", b"00\xf61"),
    }
    file.write_bytes(change[damage]())
    said = told(source)
    in_words = said.partition("\n")[2] or said
    if (name in LINES and damage == "cut") or (name in LABELLED and name in LINES and damage == "latin"):
        assert "line " in in_words, "a table may be in any encoding"
    elif name == "voc" and damage == "latin":
        assert "not well-formed" in in_words
    else:
        assert re.search(rf"{re.escape(file.name)}|record 7|an empty file|archive", in_words), said


@pytest.mark.parametrize("name", FORMATS)
def test_a_source_without_a_row_has_no_picture(name: str, tmp_path: Path) -> None:
    entries = read(FORMATS[name](tmp_path / "a", []))
    assert entries is None or not entries.entries or name == "voc"


WRONG: tuple[Any, ...] = (None, 1, -1, 1.5, float("nan"), True, "", [], {}, [None], {"a": 1}, 10**30, "a\0b", "../../x")


@pytest.mark.parametrize("name", [*DOCUMENTS, *RECORDS])
def test_values_of_the_wrong_kind_are_faults_and_never_errors_of_ours(name: str, tmp_path: Path) -> None:
    source = FORMATS[name](tmp_path / "a", good())
    file = label_file(source) if name in RECORDS else source
    text = file.read_text(encoding="utf-8")
    document = [json.loads(line) for line in text.splitlines()] if name in RECORDS else json.loads(text)
    for place_ in [where for where in places(document) if not {*where} & {*range(1, 10)} and where]:
        for value in WRONG:
            changed = replaced(document, place_, value)
            lines = "\n".join(map(json.dumps, changed)) if name in RECORDS else json.dumps(changed)
            file.write_text(lines, encoding="utf-8")
            require_complete(file)


def require_complete(source: Path) -> None:
    """A source is refused, or every one of its ten pictures is taken or left out with a reason."""
    entries = read(source)
    assert entries is None or not entries.entries or len(entries.entries) + len(entries.left_out) >= 10


def places(document: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document if isinstance(document, list) else ())
    )
    for key, value in inner:
        yield from places(value, (*above, key))


def replaced(document: Any, where: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    inner = changed
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = value
    return changed


def test_a_damaged_part_of_a_source_is_never_passed_over(tmp_path: Path) -> None:
    root = sources.roboflow_coco(tmp_path / "coco", sources.drawn(splits=True))
    (root / "valid" / "_annotations.coco.json").write_text('{"images": [', encoding="utf-8")
    (root / "test" / "_annotations.coco.json").write_bytes(b"")
    said = error_of(root)
    assert "valid/_annotations.coco.json: JSON that is cut off or damaged" in said
    assert "test/_annotations.coco.json: empty" in said
    root = sources.parquet(tmp_path / "parquet", sources.drawn(splits=True))
    (root / "data" / "train-00001-of-00002.parquet").write_bytes(bytes(100))
    (root / "data" / "test-00000-of-00002.parquet").write_bytes(b"PAR1")
    said = error_of(root)
    assert "train-00001-of-00002.parquet: " in said
    assert "test-00000-of-00002.parquet: " in said
    root = sources.webdataset(tmp_path / "tars", sources.drawn(splits=True))
    (root / "train-000001.tar").write_bytes(b"")
    assert "train-000001.tar" in error_of(root)
    root = sources.imagefolder(tmp_path / "images", sources.drawn(splits=True))
    (root / "test" / "metadata.csv").write_bytes(b"")
    assert "test" in error_of(root)


def test_a_damaged_label_file_beside_class_folders_is_left_out_with_the_reason(tmp_path: Path) -> None:
    root = sources.class_folders(tmp_path, sources.drawn())
    sources.put(root, "labels.json", b'{"images": [')
    assert "left out labels.json: labels that cannot be read: JSON that is cut off" in told(root)


def test_classes_that_a_source_does_not_declare(tmp_path: Path) -> None:
    rows = [*good()[:9], Row("1004.png", ("zebra",))]
    assert "record 10: 1004.png: 99\n" in error_of(broken.coco(tmp_path / "coco", rows))
    assert "record 10: number 99 of 2\n" in error_of(broken.fiftyone(tmp_path / "fiftyone", rows))
    assert 'record 2: 0001.png: {"number": 7, "of": 2}\n' in error_of(
        numbered(tmp_path / "parquet", [0, 7, 1, -1, None])
    )


def numbered(root: Path, labels: list[int | None]) -> Path:
    """Parquet as Hugging Face writes it, with two classes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"names": ["cat", "dog"], "_type": "ClassLabel"}}
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema([("image", picture), ("label", pa.int64())], metadata=metadata)
    rows = [
        {"image": {"bytes": each.data, "path": each.name}, "label": label}
        for each, label in zip(sources.drawn(), labels, strict=False)
    ]
    root.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows, schema), root / "train.parquet")
    return root / "train.parquet"


def test_a_label_that_is_no_number_is_none(tmp_path: Path) -> None:
    file = broken.lines(tmp_path, good())
    text = file.read_text(encoding="utf-8").replace('"cat"', "NaN", 1).replace('"cat"', "null", 1)
    file.write_text(text.replace('"cat"', '{"a": 1}', 1), encoding="utf-8")
    said = error_of(file)
    assert "record 1: no label, record 2: no label\n" in said
    assert 'record 3: 0002.png: {"a": 1}\n' in said


def test_names_that_are_twice_in_a_document(tmp_path: Path) -> None:
    file = broken.fiftyone(tmp_path, [Row("0000.png", ("dog",)), Row("0001.png", ("cat",)), *good()])
    assert "record 3: data/0000 as in record 1, there 'dog', here 'cat'\n" in error_of(file)


def test_what_says_the_class_in_a_tar_is_damaged(tmp_path: Path) -> None:
    says = [("cls", b"d\xf6g"), ("json", b"{"), ("json", b'{"a": 1}'), ("cls", b"cat")]
    with tarfile.open(tmp_path / "t.tar", "w") as archive:
        for at, (ending, data) in enumerate(says):
            for name, content in ((f"{at}.png", sources.drawn()[at].data), (f"{at}.{ending}", data)):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    said = error_of(tmp_path / "t.tar")
    assert [f"record {at}: {at - 1}.png: " in said for at in (1, 2, 3, 4)] == [True, True, True, False]
