from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sources
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.registry import NAMES


def trained_on(images: ImageSet) -> dict[str, Any]:
    """All of a set that training uses."""
    return {
        "classes": images.classes,
        "y": images.y.tolist(),
        "split": images.split.tolist(),
        "groups": images.groups.tolist(),
        "digests": images.digests,
        "label_dtype": images.label_dtype,
        "deep": [images.deep.get(path) for path in images.paths],
        "levels": images.levels,
        "fingerprint": images.fingerprint(),
    }


@pytest.fixture(scope="module", params=[True, False], ids=["splits", "train"])
def expected(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, dict[str, Any]]:
    pictures = sources.drawn(splits=request.param)
    return request.param, trained_on(scan(sources.folders(tmp_path_factory.mktemp("folders"), pictures)))


@pytest.mark.parametrize("name", [*sources.WITH_SPLITS, *sources.WITHOUT])
def test_the_same_pictures_through_every_format_are_the_same_set(
    name: str, expected: tuple[bool, dict[str, Any]], tmp_path: Path
) -> None:
    splits, reference = expected
    if splits and name in sources.WITHOUT:
        pytest.skip("this format says nothing of splits")
    writer = (sources.WITH_SPLITS | sources.WITHOUT)[name]
    source = writer(tmp_path / "a", sources.drawn(splits=splits))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    images = scan(source)
    assert trained_on(images) == reference
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before, "nothing of the user's is written"
    told = images.understood.format.split(", ")
    assert set(told) <= set(NAMES)
