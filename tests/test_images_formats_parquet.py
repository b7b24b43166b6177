from __future__ import annotations

from pathlib import Path

import pytest

import insisting
import sources
from headstart.errors import DataError
from headstart.images.formats.reading import labels_of


@pytest.mark.parametrize(("layout", "format"), [("parquet", "parquet")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


def test_a_damaged_page_is_no_fault_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    source = sources.parquet(tmp_path / "one", sources.drawn())
    file = source if source.is_file() else next(source.rglob("*.parquet"))
    data = bytearray(file.read_bytes())
    data[4:60] = bytes(56)
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"(?s)Parquet that can be read to its end.*fetch or write the file again"):
        labels_of(source)
