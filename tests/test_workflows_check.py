from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from headstart.cli.classify import _checked
from headstart.errors import OptionError
from headstart.images.decode import encode
from headstart.images.folder import ImageSet, scan
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.workflows.check import Checkup, apply_review, check_pictures
from pictures import draw, write_folder


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 24, one picture of each in the folder of the other, and one that is there twice, recompressed."""
    root = write_folder(tmp_path_factory.mktemp("spoilt") / "photos", {"rings": 24, "stripes": 24})
    (root / "rings" / "x.jpeg").write_bytes(encode(draw("stripes", 900)))
    (root / "stripes" / "y.jpeg").write_bytes(encode(draw("rings", 900)))
    (root / "rings" / "again.jpeg").write_bytes(encode(draw("rings", 0), format="JPEG", quality=60))
    return root


@pytest.fixture(scope="module")
def checked(spoilt: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkup:
    return check_pictures(spoilt, tmp_path_factory.mktemp("checks") / "photos", FitOptions(sizes=(224,)))


def test_pictures_in_the_wrong_folder_come_first(checked: Checkup) -> None:
    suspects = checked.to_dict()["suspects"]
    assert {one["path"] for one in suspects[:2]} == {"rings/x.jpeg", "stripes/y.jpeg"}
    assert {(one["label"], one["suggested"]) for one in suspects[:2]} == {("rings", "stripes"), ("stripes", "rings")}
    with (checked.folder / "review.csv").open(newline="", encoding="utf-8-sig") as stream:
        listed = [row["path"] for row in csv.DictReader(stream)]
    assert listed[:2] == [one["path"] for one in suspects[:2]]


def test_the_page_shows_them_and_says_what_to_do(checked: Checkup) -> None:
    page = (checked.folder / "review.html").read_text(encoding="utf-8")
    assert "rings → stripes?" in page
    assert "What to do with it" in page
    assert checked.apply.replace("'", "&#39;") in page
    assert page.count("data:image/jpeg;base64,") >= 2


def test_near_copies_are_told_as_on_the_page(checked: Checkup) -> None:
    assert "Are there copies among the pictures?" in (checked.folder / "review.html").read_text(encoding="utf-8")
    document = checked.to_dict()
    assert document["copies"] == [["rings/000.jpeg", "rings/again.jpeg"]]
    assert document["findings"] == list(checked.lines)
    assert any(line.startswith("Near copies within a split (1): [rings/000.jpeg, ") for line in checked.lines)


def test_the_terminal_says_the_copies_too(checked: Checkup) -> None:
    lines = list(_checked(checked))
    assert lines[: len(checked.lines)] == list(checked.lines)
    nothing = replace(checked, findings=replace(checked.findings, suspects=(), poor=(), grey=(), mixed=None))
    assert "Nothing was found that is doubtful." not in list(_checked(nothing))  # there are still copies


def test_decisions_lead_to_a_table_and_leave_the_pictures_alone(checked: Checkup, spoilt: Path, tmp_path: Path) -> None:
    before = sorted(spoilt.rglob("*"))
    text = (checked.folder / "review.csv").read_text(encoding="utf-8").splitlines()
    filled = [line + "relabel" if line.startswith(("rings/x", "stripes/y")) else line for line in text]
    (tmp_path / "filled.csv").write_text("\n".join(filled), encoding="utf-8")
    applied = apply_review(spoilt, tmp_path / "filled.csv", tmp_path / "out")
    assert applied.relabelled == 2
    again = scan(applied.table)
    labels = {path.name: again.classes[y] for path, y in zip(again.paths, again.y, strict=True)}
    assert (labels["x.jpeg"], labels["y.jpeg"]) == ("stripes", "rings")
    assert sorted(spoilt.rglob("*")) == before


def test_pictures_that_are_sound_raise_no_alarm(doubted: tuple[Fitted, Doubts]) -> None:
    findings = doubted[1].findings
    assert len(findings.facts.images) == len(doubted[0].images) == 40
    assert not findings.alarms


def test_nothing_is_written_among_the_pictures(spoilt: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="expected: a folder outside the pictures"):
        check_pictures(spoilt, spoilt / "check", FitOptions())
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match="file is a file"):
        apply_review(spoilt, tmp_path / "review.csv", tmp_path / "file")


def test_the_table_that_is_read_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "pictures.csv").write_text("path,label\n")
    with pytest.raises(OptionError, match=r"expected: a pictures\.csv of its own"):
        apply_review(tmp_path / "pictures.csv", tmp_path / "review.csv", tmp_path)
    assert (tmp_path / "pictures.csv").read_text() == "path,label\n"


def test_a_table_that_something_else_wrote_is_not_replaced(checked: Checkup, spoilt: Path, tmp_path: Path) -> None:
    decided, out = checked.folder / "review.csv", tmp_path / "out"
    apply_review(spoilt, decided, out)
    apply_review(spoilt, decided, out)  # its own table is replaced
    (out / "pictures.csv").write_text("path,label\nmine.jpg,rings\n")
    with pytest.raises(OptionError, match=r"with another pictures\.csv, or one that was changed since"):
        apply_review(spoilt, decided, out)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "pictures.csv").write_text("path,label\nmine.jpg,rings\n")
    with pytest.raises(OptionError, match=r"mine with pictures\.csv of something else"):
        apply_review(spoilt, decided, tmp_path / "mine")
    assert (tmp_path / "mine" / "pictures.csv").read_text() == "path,label\nmine.jpg,rings\n"


def test_what_is_understood_is_told_before_the_work(tmp_path: Path) -> None:
    told: list[ImageSet] = []
    photos = write_folder(tmp_path / "photos", {"rings": 4, "stripes": 4})
    with pytest.raises(OptionError, match="nothing is done"):
        check_pictures(photos, tmp_path / "out", FitOptions(), tell=lambda images: told.append(images) or stop())
    assert [len(images) for images in told] == [8]
    assert not (tmp_path / "out").exists()


def stop() -> None:
    raise OptionError.of("nothing is done", expected="", found="", todo="")
