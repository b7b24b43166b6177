"""Labels with faults of every kind, in the layout of every format: what is said of each picture is given row by row."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import sources

CLASSES = ("cat", "dog")


@dataclass(frozen=True)
class Row:
    """What is said of one picture."""

    name: str
    labels: tuple[str, ...]


Writer = Callable[[Path, Sequence[Row]], Path]


def good() -> list[Row]:
    return [Row(each.name, (each.label,)) for each in sources.drawn(classes=CLASSES)]


def pictures(folder: Path) -> dict[str, bytes]:
    """The pictures themselves, and one that lies outside of the source."""
    drawn = {each.name: each.data for each in sources.drawn(classes=CLASSES)}
    for name, data in drawn.items():
        sources.put(folder, name, data)
    sources.put(folder.parent, "outside.png", drawn["0000.png"])
    return drawn


def separated(root: Path, rows: Sequence[Row], sign: str, name: str, header: tuple[str, str]) -> Path:
    pictures(root)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sign)
    writer.writerows([header, *((row.name, "|".join(row.labels)) for row in rows)])
    return sources.put_text(root, name, text.getvalue())


def comma(root: Path, rows: Sequence[Row]) -> Path:
    return separated(root, rows, ",", "t.csv", ("path", "label"))


def tab(root: Path, rows: Sequence[Row]) -> Path:
    return separated(root, rows, "\t", "t.tsv", ("filename", "class"))


def _records(rows: Sequence[Row], name: str = "file_name") -> list[dict[str, object]]:
    return [{name: row.name, "label": row.labels[0] if len(row.labels) == 1 else [*row.labels]} for row in rows]


def lines(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    return sources.put_text(root, "t.jsonl", "".join(json.dumps(row) + "\n" for row in _records(rows, "image")))


def imagefolder_csv(root: Path, rows: Sequence[Row]) -> Path:
    return separated(root, rows, ",", "metadata.csv", ("file_name", "label")).parent


def imagefolder_jsonl(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    text = "".join(json.dumps(row) + "\n" for row in _records(rows))
    return sources.put_text(root, "metadata.jsonl", text).parent


def imagefolder_parquet(root: Path, rows: Sequence[Row]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pictures(root)
    records = [{"file_name": row.name, "label": list(row.labels)} for row in rows]
    pq.write_table(pa.Table.from_pylist(records), root / "metadata.parquet")
    return root


def parquet(root: Path, rows: Sequence[Row]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    drawn = pictures(root.parent / "drawn")
    schema = pa.schema(
        [
            ("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
            ("label", pa.list_(pa.string())),
        ]
    )
    records = [{"image": {"bytes": drawn.get(row.name), "path": row.name}, "label": list(row.labels)} for row in rows]
    root.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records, schema), root / "train.parquet")
    return root / "train.parquet"


def one_hot(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    marked = [", ".join([row.name, *(str(int(name in row.labels)) for name in CLASSES)]) for row in rows]
    return sources.put_text(root, "_classes.csv", "\n".join([", ".join(("filename", *CLASSES)), *marked, ""]))


def label_studio(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    tasks = [
        {
            "id": at,
            "data": {"image": f"/data/local-files/?d={row.name}"},
            "annotations": [{"result": [{"from_name": "choice", "value": {"choices": [*row.labels]}}]}],
        }
        for at, row in enumerate(rows, 1)
    ]
    return sources.put_text(root, "export.json", json.dumps(tasks))


def label_studio_csv(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["annotation_id", "annotator", "choice", "image", "lead_time"])
    for at, row in enumerate(rows, 1):
        several = row.labels[0] if len(row.labels) == 1 else json.dumps({"choices": row.labels}) if row.labels else ""
        writer.writerow([at, 1, several, f"/data/local-files/?d={row.name}", 1.5])
    return sources.put_text(root, "export.csv", text.getvalue())


def cvat(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    images = [
        f'<image id="{at}" name={quoteattr(row.name)} width="6" height="5">'
        + "".join(f"<tag label={quoteattr(label)}></tag>" for label in row.labels)
        + "</image>"
        for at, row in enumerate(rows)
    ]
    labels = "".join(f"<label><name>{name}</name></label>" for name in CLASSES)
    meta = f"<version>1.1</version>\n<meta><task><labels>{labels}</labels></task></meta>"
    return sources.put_text(root, "annotations.xml", "\n".join(["<annotations>", meta, *images, "</annotations>"]))


def voc(root: Path, rows: Sequence[Row]) -> Path:
    for name, data in pictures(root.parent / "drawn").items():
        sources.put(root, f"JPEGImages/{name}", data)
    sources.put(root, "outside.png", b"")
    for at, row in enumerate(rows):
        objects = "".join(f"<object><name>{escape(label)}</name></object>" for label in row.labels)
        text = f"<annotation><filename>{escape(row.name)}</filename>{objects}</annotation>"
        sources.put_text(root, f"Annotations/x{at:04d}.xml", text)
    return root


def coco(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    numbers = {name: at for at, name in enumerate(CLASSES, 1)}
    said = [(at, label) for at, row in enumerate(rows) for label in row.labels]
    document = {
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
        "images": [{"id": at, "file_name": row.name} for at, row in enumerate(rows)],
        "annotations": [{"id": 1, "image_id": at, "category_id": numbers.get(name, 99)} for at, name in said],
    }
    return sources.put_text(root, "labels.json", json.dumps(document))


def fiftyone(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    numbers = {name: at for at, name in enumerate(CLASSES)}
    said = []  # as text, in which a name may be twice
    for row in rows:
        found = [numbers.get(label, 99) for label in row.labels]
        label = json.dumps(found[0] if len(found) == 1 else found or None)
        said.append(f"{json.dumps(row.name.removesuffix('.png'))}: {label}")
    text = f'{{"classes": {json.dumps(CLASSES)}, "labels": {{{", ".join(said)}}}}}'
    return sources.put_text(root, "labels.json", text)


def fiftyone_samples(root: Path, rows: Sequence[Row]) -> Path:
    pictures(root)
    samples = []
    for row in rows:
        each = [{"_cls": "Classification", "label": label} for label in row.labels]
        several = {"_cls": "Classifications", "classifications": each}
        samples.append(
            {"filepath": row.name, "ground_truth": (each[0] if len(each) == 1 else several) if each else None}
        )
    return sources.put_text(root, "samples.json", json.dumps({"samples": samples}))


def webdataset(root: Path, rows: Sequence[Row]) -> Path:
    drawn = pictures(root.parent / "drawn")
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "train-000000.tar", "w") as archive:
        for row in rows:
            says = json.dumps({"label": [*row.labels]}).encode()
            for name, data in ((row.name, drawn.get(row.name, b"")), (row.name.replace(".png", ".json"), says)):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return root / "train-000000.tar"


FORMATS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        *(comma, tab, lines, imagefolder_csv, imagefolder_jsonl, imagefolder_parquet, parquet, one_hot, label_studio),
        *(label_studio_csv, cvat, voc, coco, fiftyone, fiftyone_samples, webdataset),
    )
}
