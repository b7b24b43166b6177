from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import insisting
import sources
from headstart.errors import DataError
from headstart.images.formats.reading import labels_of


@pytest.mark.parametrize(("layout", "format"), [("coco", "coco"), ("roboflow_coco", "coco")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


@pytest.mark.parametrize(
    ("key", "record", "said"),
    [
        ("images", {"id": 7, "file_name": "0001.png"}, "0001.png: 7, as 0000.png"),
        ("categories", {"id": 1, "name": "wasp"}, "1: cat, wasp"),
        ("categories", {"id": 4, "name": ""}, "{'id': 4, 'name': ''}"),
        ("annotations", {"id": 99, "image_id": 8, "category_id": "1"}, "0001.png: '1'"),
    ],
)
def test_ids_stand_for_one_thing(key: str, record: dict[str, object], said: str, tmp_path: Path) -> None:
    root = sources.coco(tmp_path / "c", sources.drawn())
    file = root / "annotations" / "instances_train2017.json"
    document = json.loads(file.read_text(encoding="utf-8"))
    document[key].append(record)
    file.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match=re.escape(said)):
        labels_of(root)
