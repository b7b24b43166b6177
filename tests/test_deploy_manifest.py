from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy.manifest import GoldenPicture, Manifest
from headstart.deploy.portable import open_onnx
from headstart.errors import ModelError, OptionError
from headstart.images.grey_levels import Levels


@pytest.fixture(scope="module")
def manifest(small_onnx: Path) -> Manifest:
    return open_onnx(small_onnx).manifest


def test_it_comes_back_from_json(manifest: Manifest) -> None:
    assert Manifest.from_json(manifest.to_json(), "it") == manifest


def test_one_of_pictures_of_more_than_8_bits_comes_back_too(manifest: Manifest) -> None:
    levels = Levels(integers=(100.0, 4000.0))
    deep = replace(manifest, geometry=replace(manifest.geometry, levels=levels))
    assert Manifest.from_json(deep.to_json(), "it").geometry.levels == levels


def test_golden_pictures_are_files(manifest: Manifest) -> None:
    pictures = manifest.pictures()
    assert pictures["colour.jpg"].startswith(b"\xff\xd8")
    assert pictures["rings.png"].startswith(b"\x89PNG")


def test_fields_must_fit_each_other(manifest: Manifest) -> None:
    short = replace(manifest.golden[0], probabilities=(1.0,))
    for changed in ({"classes": ("a", "a", "b")}, {"golden": ()}, {"golden": (short,)}, {"format": 2}):
        with pytest.raises(OptionError, match="manifest: 1 problem"):
            replace(manifest, **changed)


def test_what_is_no_base64_is_refused(manifest: Manifest) -> None:
    bad: GoldenPicture = replace(manifest.golden[0], data="?")
    with pytest.raises(ModelError, match="base64"):
        replace(manifest, golden=(bad,)).pictures()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"a": NaN}'])
def test_other_documents_are_refused(text: str) -> None:
    with pytest.raises(ModelError):
        Manifest.from_json(text, "it")
