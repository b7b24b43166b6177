from __future__ import annotations

from pathlib import Path

import pytest

import insisting
import sources
from headstart.errors import DataError
from headstart.images.folder import scan
from test_images_formats_registry import trained_on


@pytest.mark.parametrize(("layout", "format"), [("parquet", "parquet")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


def test_a_frame_of_pictures_with_splits_and_groups(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    pictures = sources.drawn(splits=True)
    rows = [
        {"image": {"bytes": each.data, "path": each.name}, "label": each.label, "split": each.split, "group": each.name}
        for each in pictures
    ]
    pandas.DataFrame(rows).to_parquet(tmp_path / "all.parquet")
    images = scan(tmp_path / "all.parquet")
    assert trained_on(images) == trained_on(scan(sources.folders(tmp_path / "folders", pictures)))
    assert sorted(images.group_names) == sorted(each.name for each in pictures)
    pandas.DataFrame([{**row, "split": "later"} for row in rows]).to_parquet(tmp_path / "wrong.parquet")
    with pytest.raises(DataError, match="record 1: 'later', record 2: 'later'"):
        scan(tmp_path / "wrong.parquet")
