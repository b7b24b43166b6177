from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.audit.duplicates import CopyPair, Duplicates, deduplicate
from headstart.audit.leak import Leak
from headstart.evaluation.paired import paired_difference
from headstart.images.folder import ImageSet
from headstart.report.duplicates import duplicates
from headstart.report.page import PlainPage, render
from headstart.report.pictures import leak_sentence
from headstart.report.section import Thumbnail
from pictures import scan_by_name, write_folder
from test_report_page import JPEG

LEAK = Leak(
    split="test",
    optimism=paired_difference(np.repeat([1, 0], [11, 1]), np.repeat([1, 0], [10, 2])),
    leaky=11 / 12,
    deduplicated=10 / 12,
    copied=1,
)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    root = tmp_path_factory.mktemp("splits")
    for split, first in (("train", 0), ("test", 200)):
        write_folder(root / split, {"rings": 10, "stripes": 10}, first_seed=first)
    images = scan_by_name(root)
    return images.subset(np.argsort(images.split == "test", kind="stable"))


def found_in(images: ImageSet) -> Duplicates:
    """Train: rings 0–9, stripes 10–19. Test: rings 20–29, stripes 30–39."""
    pairs = (
        CopyPair(first=0, second=1, kind="exact", score=1.0, mirrored=False),
        CopyPair(first=2, second=3, kind="near", score=0.99, mirrored=False),
        CopyPair(first=4, second=20, kind="near", score=0.95, mirrored=True),
        CopyPair(first=10, second=30, kind="near", score=0.93, mirrored=False),
    )
    return Duplicates(images=images, pairs=pairs, clusters=((0, 1), (2, 3), (4, 20), (10, 30)), series=())


def drawn(i: int, caption: str) -> Thumbnail:
    return Thumbnail(jpeg=JPEG, caption=caption)


def test_the_most_telling_pairs_come_first_side_by_side(images: ImageSet) -> None:
    section = duplicates(deduplicate(found_in(images)), LEAK, drawn)
    assert section is not None
    captions = [one.caption for one in section.thumbnails]
    assert captions[:4] == [
        "train/rings/004.jpeg\nagrees by 0.95, mirrored, train and test",
        "test/rings/000.jpeg\nagrees by 0.95, mirrored, train and test",
        "train/stripes/000.jpeg\nagrees by 0.93, train and test",
        "test/stripes/000.jpeg\nagrees by 0.93, train and test",
    ]
    assert captions[-1] == "train/rings/001.jpeg\nthe same bytes"
    assert section.sentences[0] == (
        "4 pictures are there more than once, 8 files in all (20.0% of the pictures). 2 of them reach across splits."
    )
    assert section.sentences[1] == leak_sentence(LEAK)
    assert section.items[0].startswith("Copies across splits (2)")
    assert section.table is not None
    assert len(section.table.rows) == 4
    assert section.table.marked == (0, 1)
    assert "Bonett and Price" in section.method


def test_different_labels_are_named(images: ImageSet) -> None:
    pair = CopyPair(first=0, second=10, kind="near", score=0.9, mirrored=False)
    found = replace(found_in(images), pairs=(pair,), clusters=((0, 10),))
    section = duplicates(deduplicate(found), None, drawn)
    assert section is not None
    assert section.thumbnails[0].caption == "train/rings/000.jpeg\nagrees by 0.90, rings and stripes"
    assert section.sentences == ("One picture is there more than once, 2 files in all (5.0% of the pictures).",)
    assert "Bonett and Price" not in section.method


def test_the_section_fits_a_page(images: ImageSet) -> None:
    section = duplicates(deduplicate(found_in(images)), LEAK, drawn)
    assert section is not None
    html = render(PlainPage(title="Copies", lede=(), sections=(section,)))
    assert 'id="copies"' in html
    assert html.count("data:image/jpeg;base64,") == 8


def test_without_copies_there_is_no_section_and_a_series_is_told(images: ImageSet, tmp_path: Path) -> None:
    nothing = replace(found_in(images), pairs=(), clusters=())
    assert duplicates(deduplicate(nothing), None, drawn) is None
    section = duplicates(deduplicate(replace(nothing, series=(tuple(range(24)),))), None, drawn)
    assert section is not None
    assert section.sentences == ("No copies were found; many pictures are alike.",)
    assert section.items[0].startswith("24 pictures look alike without being copies")
    assert section.table is None
