from __future__ import annotations

from pathlib import Path

import pytest

import sources
from headstart.errors import DataError
from headstart.images.folder import scan
from headstart.images.formats.given import Given
from test_images_formats_registry import trained_on

LAYOUTS = {"label_studio": "label-studio", "label_studio_min": "label-studio"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_insisting_on_the_format_gives_the_set_of_the_folders(layout: str, tmp_path: Path) -> None:
    folders = sources.folders(tmp_path / "folders", sources.drawn())
    source = getattr(sources, layout)(tmp_path / "a", sources.drawn())
    images = scan(Given(address=str(source), format=LAYOUTS[layout]))
    assert trained_on(images) == trained_on(scan(folders))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_class_folders_are_refused_as_this_format(layout: str, tmp_path: Path) -> None:
    folders = sources.folders(tmp_path / "folders", sources.drawn())
    with pytest.raises(DataError, match=LAYOUTS[layout]):
        scan(Given(address=str(folders), format=LAYOUTS[layout]))
