from __future__ import annotations

from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.formats.asked import Asked, Part, document_of
from headstart.images.formats.given import Given


def test_a_document_that_is_none_or_another_is_refused(tmp_path: Path) -> None:
    part = Part(file=tmp_path / "labels.json")
    asked = Asked(given=Given(address=str(tmp_path)), root=tmp_path, parts=(part,))
    assert asked.label_files == ("labels.json",)
    part.file.write_text('{"images": [', encoding="utf-8")
    with pytest.raises(DataError, match=r"labels\.json: JSON that is cut off or damaged: Expecting value"):
        document_of(part, asked, "images")
    part.file.write_text('{"images": []}', encoding="utf-8")
    assert document_of(part, asked, "images") == {"images": []}
    with pytest.raises(DataError, match="a document with images and labels"):
        document_of(part, asked, "images", "labels")
