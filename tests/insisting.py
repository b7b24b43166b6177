"""What each reader of labels must do where somebody insists on its format."""

from __future__ import annotations

from pathlib import Path

import pytest

import sources
from headstart.errors import DataError
from headstart.images.folder import scan
from headstart.images.formats.given import Given
from test_images_formats_registry import trained_on


def require_same_set(layout: str, format: str, folder: Path) -> None:
    """Pictures in ``layout`` of `sources` are the same set as class folders of them."""
    folders = sources.folders(folder / "folders", sources.drawn())
    source = getattr(sources, layout)(folder / "a", sources.drawn())
    assert trained_on(scan(Given(address=str(source), format=format))) == trained_on(scan(folders))


def require_refusal(format: str, folder: Path) -> None:
    """Class folders are none of ``format``, and an error says so."""
    folders = sources.folders(folder / "folders", sources.drawn())
    with pytest.raises(DataError, match=format):
        scan(Given(address=str(folders), format=format))
