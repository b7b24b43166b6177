from __future__ import annotations

from pathlib import Path

import pytest

import insisting


@pytest.mark.parametrize(("layout", "format"), [("label_studio", "label-studio"), ("label_studio_min", "label-studio")])
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")
