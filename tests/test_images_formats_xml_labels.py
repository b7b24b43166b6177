from __future__ import annotations

from pathlib import Path

import pytest

import insisting
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
