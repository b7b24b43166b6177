"""The same labelled pictures as every program that we read writes them, in its own layout."""

from __future__ import annotations

import csv
import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from PIL import Image

SPLITS = {"train": "train", "val": "valid", "test": "test"}


@dataclass(frozen=True)
class Labelled:
    """One picture."""

    name: str
    label: str
    split: str
    data: bytes


def drawn(per_class: int = 5, classes: Sequence[str] = ("cat", "dög"), *, splits: bool = False) -> list[Labelled]:
    """Small pictures, each of its own colour; with ``splits`` the last two of each class are for val and test."""
    pictures = []
    for at, label in enumerate(classes):
        for number in range(per_class + (2 if splits else 0)):
            stream = io.BytesIO()
            Image.new("RGB", (6, 5), (40 * at + 9, 20 * number, 99)).save(stream, "PNG")
            split = "train" if number < per_class else "val" if number == per_class else "test"
            pictures.append(Labelled(f"{at}{number:03d}.png", label, split, stream.getvalue()))
    return pictures


def put(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def put_text(folder: Path, name: str, text: str, encoding: str = "utf-8") -> Path:
    return put(folder, name, text.encode(encoding))


def folders(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"{SPLITS[each.split].capitalize()}/{each.label}/{each.name}", each.data)
    return root


def class_folders(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"{each.label}/{each.name}", each.data)
    return root


def zipped(root: Path, pictures: Sequence[Labelled]) -> Path:
    """As macOS makes them: one folder around, and a folder of its own beside it."""
    root.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(root / "photos.zip", "w") as archive:
        for each in pictures:
            archive.writestr(f"photos/{SPLITS[each.split]}/{each.label}/{each.name}", each.data)
            archive.writestr(f"__MACOSX/photos/{SPLITS[each.split]}/{each.label}/._{each.name}", b"x")
        archive.writestr("photos/.DS_Store", b"x")
    return root / "photos.zip"


def tarred(root: Path, pictures: Sequence[Labelled]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    with tarfile.open(root / "photos.tgz", "w:gz") as archive:
        for each in pictures:
            _add(archive, f"./{each.split}/{each.label}/{each.name}", each.data)
    return root / "photos.tgz"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))


def our_table(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"files/{each.name}", each.data)
    rows = [f"files/{each.name},{each.label},{each.split}" for each in reversed(pictures)]
    return put_text(root, "table.csv", "\n".join(["path,label,split", *rows]))


def excel(root: Path, pictures: Sequence[Labelled]) -> Path:
    """Semicolons, a byte-order mark, Windows paths and columns in other words."""
    for each in pictures:
        put(root, f"files/{each.name}", each.data)
    rows = [f"C:\\Users\\me\\files\\{each.name};note;{each.label};{each.split.title()}" for each in pictures]
    return put_text(root, "table.csv", "\r\n".join(["Image File;Remark;Species;Subset", *rows]), "utf-8-sig")


def kaggle(root: Path, pictures: Sequence[Labelled]) -> Path:
    """``labels.csv`` with id and breed beside ``train/``, names without endings, and other pictures in ``test/``."""
    for each in pictures:
        put(root, f"train/{each.name}", each.data)
        put(root, f"test/9{each.name}", each.data)
    rows = [f"{each.name.removesuffix('.png')},{each.label}" for each in pictures]
    put_text(root, "sample_submission.csv", "id,cat,dög\n" + "\n".join(f"9{row.split(',')[0]},0.5,0.5" for row in rows))
    return put_text(root, "labels.csv", "\n".join(["id,breed", *rows])).parent


def tsv(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, each.name, each.data)
    return put_text(
        root, "t.tsv", "filename\tclass\n" + "".join(f"{each.name}\t{each.label}\n" for each in pictures), "utf-16"
    )


def json_lines(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"images/{each.name}", each.data)
    lines = [{"image": each.name, "category": each.label, "split": each.split, "boxes": []} for each in pictures]
    return put_text(root, "data.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def json_list(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, each.name, each.data)
    items = [{"file": each.name, "label": [each.label], "set": each.split} for each in pictures]
    return put_text(root, "data.json", json.dumps(items))


def imagefolder(root: Path, pictures: Sequence[Labelled]) -> Path:
    """Hugging Face: ``metadata.csv`` in the folder of each split."""
    for split in dict.fromkeys(each.split for each in pictures):
        here = [each for each in pictures if each.split == split]
        for each in here:
            put(root, f"{split}/{each.name}", each.data)
        rows = "".join(f"{each.name},{each.label}\n" for each in here)
        put_text(root, f"{split}/metadata.csv", f"file_name,label\n{rows}")
    return root


def parquet(root: Path, pictures: Sequence[Labelled]) -> Path:
    """Hugging Face: ``data/train-00000-of-00002.parquet``, pictures inside, classes by number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = sorted({each.label for each in pictures})
    features = {
        "image": {"_type": "Image"},
        "label": {"names": names, "_type": "ClassLabel"},
    }
    picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    schema = pa.schema(
        [("image", picture), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    (root / "data").mkdir(parents=True)
    put_text(root, "README.md", "---\nlicense: mit\n---\n")
    for split in dict.fromkeys(each.split for each in pictures):
        here = [each for each in pictures if each.split == split]
        halves = [here[: len(here) // 2], here[len(here) // 2 :]]
        for number, half in enumerate(halves):
            rows = [
                {"image": {"bytes": each.data, "path": each.name}, "label": names.index(each.label)} for each in half
            ]
            split_name = {"val": "validation"}.get(split, split)
            file = root / "data" / f"{split_name}-{number:05d}-of-00002.parquet"
            pq.write_table(pa.Table.from_pylist(rows, schema), file)
    return root


def parquet_of_names(root: Path, pictures: Sequence[Labelled]) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    for each in pictures:
        put(root, f"images/{each.name}", each.data)
    rows = [{"file_name": f"images/{each.name}", "label": each.label} for each in pictures]
    pq.write_table(pa.Table.from_pylist(rows), root / "metadata.parquet")
    return root


def roboflow(root: Path, pictures: Sequence[Labelled]) -> Path:
    """``_classes.csv`` beside the pictures of each split, one column a class."""
    names = sorted({each.label for each in pictures})
    for split in dict.fromkeys(each.split for each in pictures):
        here = [each for each in pictures if each.split == split]
        for each in here:
            put(root, f"{SPLITS[split]}/{each.name}", each.data)
        rows = [f"{each.name}, {', '.join(str(int(each.label == name)) for name in names)}" for each in here]
        put_text(root, f"{SPLITS[split]}/_classes.csv", "\n".join([f"filename, {', '.join(names)}", *rows, ""]))
    put_text(root, "README.roboflow.txt", "photos - v1\n==============\n\nExported via roboflow.com\n")
    return root


def roboflow_coco(root: Path, pictures: Sequence[Labelled]) -> Path:
    for split in dict.fromkeys(each.split for each in pictures):
        here = [each for each in pictures if each.split == split]
        for each in here:
            put(root, f"{SPLITS[split]}/{each.name}", each.data)
        put_text(root, f"{SPLITS[split]}/_annotations.coco.json", json.dumps(_coco(here)))
    return root


def coco(root: Path, pictures: Sequence[Labelled]) -> Path:
    """``annotations/instances_train2017.json`` beside ``train2017/``."""
    for split in dict.fromkeys(each.split for each in pictures):
        here = [each for each in pictures if each.split == split]
        for each in here:
            put(root, f"{split}2017/{each.name}", each.data)
        put_text(root, f"annotations/instances_{split}2017.json", json.dumps(_coco(here)))
    return root


def _coco(pictures: Sequence[Labelled]) -> dict[str, object]:
    names = ["things", *sorted({each.label for each in pictures})]
    box = {"bbox": [0, 0, 3, 3], "area": 9, "iscrowd": 0, "segmentation": []}
    annotations = [
        {"id": 2 * at + twice, "image_id": at + 7, "category_id": names.index(each.label), **box}
        for at, each in enumerate(pictures)
        for twice in (0, 1)
    ]
    return {
        "info": {"year": "2026"},
        "licenses": [],
        "categories": [{"id": at, "name": name, "supercategory": "none"} for at, name in enumerate(names)],
        "images": [
            {"id": at + 7, "license": 1, "file_name": each.name, "height": 5, "width": 6}
            for at, each in enumerate(pictures)
        ],
        "annotations": annotations,
    }


def voc(root: Path, pictures: Sequence[Labelled]) -> Path:
    """``VOC2012`` with Annotations, JPEGImages and ImageSets/Main."""
    top = root / "VOCdevkit" / "VOC2012"
    for each in pictures:
        put(top, f"JPEGImages/{each.name}", each.data)
        box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>3</ymax></bndbox>"
        part = f"<object><name>{each.label}</name><pose>Left</pose><difficult>0</difficult>{box}</object>"
        put_text(
            top,
            f"Annotations/{each.name.removesuffix('.png')}.xml",
            f"<annotation>\n\t<folder>VOC2012</folder>\n\t<filename>{each.name}</filename>\n"
            f"\t<size><width>6</width><height>5</height><depth>3</depth></size>\n\t{part}{part}\n</annotation>\n",
        )
    for split in dict.fromkeys(each.split for each in pictures):
        names = [each.name.removesuffix(".png") for each in pictures if each.split == split]
        put_text(top, f"ImageSets/Main/{split}.txt", "\n".join(names) + "\n")
    return root


def cvat(root: Path, pictures: Sequence[Labelled]) -> Path:
    """“CVAT for images 1.1”, zipped as it is downloaded."""
    root.mkdir(parents=True, exist_ok=True)
    images = [
        f'  <image id="{at}" name={quoteattr(each.name)} subset="{ {"val": "Validation"}.get(each.split, each.split) }"'
        f' width="6" height="5">\n    <tag label={quoteattr(each.label)} source="manual">\n    </tag>\n  </image>'
        for at, each in enumerate(pictures)
    ]
    lines = ['<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>", "  <meta>"]
    lines += ["    <task><name>photos</name></task>", "  </meta>", *images, "</annotations>", ""]
    with zipfile.ZipFile(root / "task.zip", "w") as archive:
        archive.writestr("annotations.xml", "\n".join(lines))
        for each in pictures:
            archive.writestr(f"images/{each.name}", each.data)
    return root / "task.zip"


def _tasks(pictures: Sequence[Labelled]) -> list[dict[str, object]]:
    return [
        {
            "id": at,
            "annotations": [
                {
                    "id": at,
                    "completed_by": 1,
                    "was_cancelled": False,
                    "result": [
                        {
                            "value": {"choices": [each.label]},
                            "id": "x",
                            "from_name": "choice",
                            "to_name": "image",
                            "type": "choices",
                        }
                    ],
                }
            ],
            "file_upload": f"0a1b2c3d-{each.name}",
            "data": {"image": f"/data/upload/1/0a1b2c3d-{each.name}"},
            "meta": {},
            "project": 1,
        }
        for at, each in enumerate(pictures, 1)
    ]


def label_studio(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"originals/{each.name}", each.data)
    return put_text(root, "project-1-at-2026-11-27.json", json.dumps(_tasks(pictures)))


def label_studio_local(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"photos/{each.name}", each.data)
    tasks = [
        {**task, "data": {"image": f"/data/local-files/?d=photos/{each.name}"}, "file_upload": None}
        for task, each in zip(_tasks(pictures), pictures, strict=True)
    ]
    return put_text(root, "export.json", json.dumps(tasks))


def label_studio_min(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"0a1b2c3d-{each.name}", each.data)
    items = [{**row, "lead_time": 1.5} for row in _flat(pictures)]
    return put_text(root, "min.json", json.dumps(items))


def label_studio_csv(root: Path, pictures: Sequence[Labelled]) -> Path:
    for each in pictures:
        put(root, f"0a1b2c3d-{each.name}", each.data)
    text = io.StringIO()
    writer = csv.DictWriter(text, [*_flat(pictures)[0], "lead_time"])
    writer.writeheader()
    writer.writerows(_flat(pictures))
    return put_text(root, "export.csv", text.getvalue())


def _flat(pictures: Sequence[Labelled]) -> list[dict[str, object]]:
    times = {"created_at": "2026-11-27T09:00:00.1Z", "updated_at": "2026-11-27T09:00:00.1Z"}
    return [
        {
            "image": f"/data/upload/1/0a1b2c3d-{each.name}",
            "id": at,
            "choice": each.label,
            "annotator": 1,
            "annotation_id": at,
            **times,
        }
        for at, each in enumerate(pictures, 1)
    ]


def fiftyone_labels(root: Path, pictures: Sequence[Labelled]) -> Path:
    """FiftyOneImageClassificationDataset."""
    names = sorted({each.label for each in pictures})
    for each in pictures:
        put(root, f"data/{each.name}", each.data)
    labels = {each.name.removesuffix(".png"): names.index(each.label) for each in pictures}
    return put_text(root, "labels.json", json.dumps({"classes": names, "labels": labels})).parent


def fiftyone_samples(root: Path, pictures: Sequence[Labelled]) -> Path:
    """FiftyOneDataset."""
    for each in pictures:
        put(root, f"data/{each.name}", each.data)
    samples = [
        {
            "_id": {"$oid": f"{at:024x}"},
            "filepath": f"data/{each.name}",
            "tags": ["validation" if each.split == "val" else each.split],
            "_media_type": "image",
            "metadata": None,
            "ground_truth": {"_id": {"$oid": f"{at:024x}"}, "_cls": "Classification", "tags": [], "label": each.label},
            "predictions": {"_cls": "Classification", "label": "cat", "confidence": 0.4},
        }
        for at, each in enumerate(pictures)
    ]
    put_text(root, "metadata.json", json.dumps({"name": "photos", "media_type": "image", "sample_fields": {}}))
    return put_text(root, "samples.json", json.dumps({"samples": samples})).parent


def webdataset(root: Path, pictures: Sequence[Labelled]) -> Path:
    """Shards of tars, a few pictures in each, with ``.cls``."""
    root.mkdir(parents=True, exist_ok=True)
    for split in dict.fromkeys(each.split for each in pictures):
        here = [each for each in pictures if each.split == split]
        for number, shard in enumerate((here[::2], here[1::2])):
            with tarfile.open(root / f"{split}-{number:06d}.tar", "w") as archive:
                for each in shard:
                    _add(archive, each.name, each.data)
                    _add(archive, each.name.replace(".png", ".cls"), each.label.encode())
    return root


Writer = Callable[[Path, Sequence[Labelled]], Path]

WITH_SPLITS: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        *(folders, zipped, tarred, our_table, excel, json_lines, json_list, imagefolder, parquet, roboflow),
        *(roboflow_coco, coco, voc, cvat, fiftyone_samples, webdataset),
    )
}
"""Those that can say which pictures are to be tested on."""
WITHOUT: dict[str, Writer] = {
    writer.__name__: writer
    for writer in (
        *(class_folders, kaggle, tsv, parquet_of_names, label_studio, label_studio_local, label_studio_min),
        *(label_studio_csv, fiftyone_labels),
    )
}
