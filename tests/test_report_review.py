from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.images.folder import ImageSet, scan
from headstart.report.page import PlainPage, render
from headstart.report.review import MOST_POOR, MOST_SHOWN, lede, sections, todo
from headstart.report.section import Thumbnail
from pictures import scan_by_name, write_folder
from test_audit_findings import checked, sure
from test_report_page import JPEG


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return scan_by_name(write_folder(tmp_path_factory.mktemp("review"), {"rings": 20, "stripes": 20}))


def show(i: int, caption: str) -> Thumbnail:
    return Thumbnail(jpeg=JPEG, caption=f"{caption}\n#{i}")


def test_suspects_are_shown_with_both_labels_and_the_reason(images: ImageSet) -> None:
    proba, X = sure(images)
    proba[4] = 0.1, 0.9
    findings = checked(images, proba, X)
    section = sections(findings, show)[0]
    assert section.id == "suspicious"
    first = section.thumbnails[0].caption.split("\n")
    assert first == ["1. rings → stripes?", "looks rather like “stripes” (90.0%)", "rings/004.jpeg", "#4"]
    assert lede(findings) == (
        "Of 40 pictures, 1 is worth a look.",
        "1 picture looks like another class and is worth a look; nothing shows that labels are wrong.",
        "No fact about the files gives the class away.",
    )


def test_more_suspects_than_are_shown_are_counted(images: ImageSet) -> None:
    proba, X = sure(images)
    findings = checked(images, proba[:, ::-1], X)  # every label is doubted
    assert len(findings.suspects) == 40
    section = sections(findings, show, most=10)[0]
    assert len(section.thumbnails) == 10 < MOST_SHOWN
    assert "30 more are in review.csv." in section.sentences


def test_sound_pictures_have_a_page_that_says_so(images: ImageSet) -> None:
    findings = checked(images, *sure(images))
    assert [section.id for section in sections(findings, show)] == ["shortcuts"]
    assert lede(findings) == (
        "None of the 40 pictures looks mislabelled or out of place.",
        "No fact about the files gives the class away.",
    )


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 of 40 pictures shows little."),
        (2, "2 of 40 pictures show little."),
        (MOST_POOR + 1, "31 of 40 pictures show little; 1 is not shown."),
        (MOST_POOR + 2, "32 of 40 pictures show little; 2 are not shown."),
    ],
)
def test_pictures_that_show_little_are_counted(images: ImageSet, count: int, said: str) -> None:
    findings = replace(checked(images, *sure(images)), grey=tuple(range(count)))
    (section,) = (one for one in sections(findings, show) if one.id == "poor")
    assert section.sentences == (said,)
    assert len(section.thumbnails) == min(count, MOST_POOR)


def test_an_alarm_is_marked(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"rings": 20})
    write_folder(root, {"stripes": 20}, format="PNG")
    images = scan(root)
    findings = checked(images, *sure(images))
    assert lede(findings) == ("None of the 40 pictures looks mislabelled or out of place.",)
    section = sections(findings, show)[0]
    assert section.id == "shortcuts"
    assert section.table is not None
    assert section.table.marked[0] == 0
    assert section.table.rows[0][-1] == "alarm"
    assert all(len(row) == len(section.table.columns) for row in section.table.rows)


def test_what_the_audit_found_can_be_left_to_another_part_of_the_page(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"rings": 8, "stripes": 8})
    (root / "rings" / "broken.jpeg").write_bytes(b"no picture")
    images = scan(root)
    findings = checked(images, *sure(images))
    folder = sections(findings, show)[-1]
    assert folder.id == "folder"
    assert folder.items[0].startswith("Left out (1): rings/broken.jpeg")
    assert "folder" not in [one.id for one in sections(findings, show, folder=False)]


def test_names_with_markup_stay_text(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"rings": 8})
    (root / "rings").rename(root / "<i>rings")
    write_folder(root, {"stripes": 8})
    images = scan(root)
    proba, X = sure(images)
    proba[0] = proba[0][::-1]
    findings = checked(images, proba, X)
    page = PlainPage(
        title="t", lede=lede(findings), sections=(*sections(findings, show), todo("review.csv", "headstart check"))
    )
    html = render(page)
    assert "<i>" not in html
    assert "&lt;i&gt;rings" in html
    assert "headstart check" in html
    assert np.isfinite(findings.wrong_labels.value)
