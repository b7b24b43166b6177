from __future__ import annotations

from pathlib import Path

import pytest

from headstart.images.formats.glance import Glance


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_text_is_read_in_its_encoding(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("path,label\nx.png,hund\n", encoding=encoding)
    rows = Glance(tmp_path / "a").rows
    assert [cell.lstrip("\ufeff") for cell in rows[0]] == ["path", "label"]
    assert rows[1] == ["x.png", "hund"]


def test_what_is_no_text_and_no_document_is_neither(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ab\0\1\2\0\0\0")
    (tmp_path / "b").write_text('{"images": [', encoding="utf-8")
    (tmp_path / "c").write_text('{"images": [], "annotations": []}', encoding="utf-8")
    assert (Glance(tmp_path / "a").text, Glance(tmp_path / "b").document) == ("", None)
    whole = Glance(tmp_path / "c")
    assert whole.has("images", "annotations")
    assert not whole.has("images", "samples")
    assert whole.is_one_line
    assert Glance(tmp_path).head == b"", "a folder is no file"
