from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.images.decode import decode, encode
from headstart.images.folder import ImageSet
from headstart.report import gallery
from pictures import draw, scan_by_name


@pytest.fixture
def images(photos: Path) -> ImageSet:
    return scan_by_name(photos)


def test_a_first_look_takes_the_classes_in_turn(images: ImageSet) -> None:
    nine = gallery.one_of_each(images, 9)
    assert images.y[nine].tolist() == [0, 1, 0, 1, 0, 1, 0, 1, 0]
    assert len(set(nine)) == 9


def test_thumbnails_are_small_squares_with_their_label(images: ImageSet) -> None:
    thumbnail = gallery.thumbnail(images, 0)
    assert decode(thumbnail.jpeg).shape == (gallery.THUMBNAIL_PX, gallery.THUMBNAIL_PX, 3)
    assert thumbnail.caption == "rings"
    (view,) = gallery.views([draw("rings", 1, side=64)], caption="a view")
    assert view.caption == "a view"


def test_a_whole_picture_keeps_its_proportions_and_edges(images: ImageSet, tmp_path: Path) -> None:
    wide = draw("rings", 1, side=400)[:200].copy()
    wide[:, :40] = 255, 0, 0
    (tmp_path / "wide.png").write_bytes(encode(wide, format="PNG"))
    shown = gallery.whole(replace(images, paths=(tmp_path / "wide.png",)), 0, "wide")
    assert shown.caption == "wide"
    small = decode(shown.jpeg)
    assert small.shape == (gallery.THUMBNAIL_PX // 2, gallery.THUMBNAIL_PX, 3)
    assert small[50, 5, 0] > 200 > 100 > small[50, 5, 1]


def test_the_most_confident_mistakes_come_first(images: ImageSet) -> None:
    index = np.arange(len(images))
    proba = np.where(images.y[:, None] == np.arange(2), 0.8, 0.2)
    proba[3], proba[25] = (0.4, 0.6), (0.9, 0.1)
    first, second = gallery.mistakes(images, index, proba)
    assert (first.truth, first.predicted, first.probability) == ("stripes", "rings", 0.9)
    assert second.thumbnail.caption == "rings/003.jpeg"
