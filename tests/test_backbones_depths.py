from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.backbones import catalog
from headstart.backbones.depths import by_depth, depth_channels


def test_the_layout_of_the_default_network_and_its_second_reading(tmp_path: Path) -> None:
    backbone = catalog.get("efficientnet_lite0")
    found = depth_channels(backbone, cache=tmp_path)
    assert found == (
        ("blocks.0", 16), ("blocks.1", 24), ("blocks.2", 40), ("blocks.3", 80), ("blocks.4", 112), ("blocks.5", 192),
        ("blocks.6", 320), ("final map", 1280),
    )  # fmt: skip
    (file,) = (tmp_path / "layouts").iterdir()
    written = file.stat().st_mtime_ns
    assert depth_channels(backbone, cache=tmp_path) == found
    assert file.stat().st_mtime_ns == written
    file.write_text("{")
    assert depth_channels(backbone, cache=tmp_path) == found
    assert file.stat().st_mtime_ns != written


def test_rows_are_cut_where_the_layout_says() -> None:
    rows = np.arange(2 * 15, dtype=np.float32).reshape(2, 15)
    parts = by_depth(rows, (("shallow", 2), ("deep", 3)))
    assert list(parts) == ["shallow", "deep"]
    assert parts["shallow"].tolist() == rows[:, :6].tolist()
    assert parts["deep"].tolist() == rows[:, 6:].tolist()
    with pytest.raises(ValueError, match="rows of 15 numbers do not fit a layout of 12"):
        by_depth(rows, (("shallow", 4),))
