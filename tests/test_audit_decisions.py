from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from headstart.audit.decisions import apply, write_review
from headstart.errors import DataError
from headstart.images.folder import ImageSet, scan
from headstart.report.pictures import review_reasons
from pictures import scan_by_name, write_folder
from test_audit_findings import checked, sure

HEADER = "path,label,why,suggested,decision"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return scan_by_name(write_folder(tmp_path_factory.mktemp("decide"), {"rings": 10, "stripes": 10}))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


def review(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "review.csv"
    path.write_text("\n".join([header, *lines]), encoding="utf-8")
    return path


def test_the_review_lists_the_suspects_in_order_with_an_empty_decision(images: ImageSet, tmp_path: Path) -> None:
    proba, X = sure(images)
    proba[4], proba[15] = (0.2, 0.8), (0.9, 0.1)
    findings = checked(images, proba, X)
    write_review(tmp_path / "review.csv", findings, review_reasons(findings))
    written = rows(tmp_path / "review.csv")
    assert [row["path"] for row in written[:2]] == ["stripes/005.jpeg", "rings/004.jpeg"]
    assert written[1] == {
        "path": "rings/004.jpeg",
        "label": "rings",
        "why": "looks rather like “stripes” (80.0%)",
        "suggested": "stripes",
        "decision": "",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["review.csv"]


def test_a_list_written_again_keeps_what_was_decided(images: ImageSet, tmp_path: Path) -> None:
    proba, X = sure(images)
    proba[4], proba[15] = (0.2, 0.8), (0.9, 0.1)
    findings = checked(images, proba, X)
    write_review(tmp_path / "review.csv", findings, review_reasons(findings))
    first = (tmp_path / "review.csv").read_text(encoding="utf-8-sig")
    decided = first.replace("stripes,\n", "stripes,relabel\n").replace(",", ";")  # as a spreadsheet saves it
    (tmp_path / "review.csv").write_text(decided + "rings/009.jpeg;rings;seen;;drop\n", encoding="utf-8")
    write_review(tmp_path / "review.csv", findings, review_reasons(findings))
    assert [(row["path"], row["decision"]) for row in rows(tmp_path / "review.csv") if row["decision"]] == [
        ("rings/004.jpeg", "relabel:stripes"),
        ("rings/009.jpeg", "drop"),
    ]
    assert len(rows(tmp_path / "review.csv")) == len(first.splitlines())  # the header made up for by the row added
    assert apply(images, tmp_path / "review.csv", tmp_path / "pictures.csv").pictures == len(images) - 1


def test_a_file_that_is_no_list_is_kept_beside_it(images: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "review.csv").write_text("my notes\n", encoding="utf-8")
    write_review(tmp_path / "review.csv", checked(images, *sure(images)), {})
    assert (tmp_path / "before-review.csv").read_text(encoding="utf-8") == "my notes\n"
    assert (tmp_path / "review.csv").read_text(encoding="utf-8-sig").splitlines()[0] == HEADER


def test_decisions_become_a_table_that_can_be_trained_on(images: ImageSet, tmp_path: Path) -> None:
    decided = review(
        tmp_path,
        "rings/001.jpeg,rings,odd,,drop",
        "rings/002.jpeg,rings,odd,stripes,Relabel",
        "stripes/003.jpeg,stripes,odd,,relabel: rings",
        "rings/004.jpeg,rings,odd,stripes,keep",
        "rings/005.jpeg,rings,odd,stripes,",
    )
    applied = apply(images, decided, tmp_path / "pictures.csv")
    assert (applied.pictures, applied.relabelled, applied.dropped) == (19, 2, 1)
    again = scan(applied.table)
    assert len(again) == 19
    label = {
        path.relative_to(images.root).as_posix(): again.classes[y] for path, y in zip(again.paths, again.y, strict=True)
    }
    assert "rings/001.jpeg" not in label
    changed = {name for name, new in label.items() if new != Path(name).parent.name}
    assert changed == {"rings/002.jpeg", "stripes/003.jpeg"}


def test_splits_and_groups_are_kept(tmp_path: Path) -> None:
    root = tmp_path / "photos"
    for split, first in (("train", 0), ("val", 100)):
        write_folder(root / split, {"rings": 6, "stripes": 6}, first_seed=first)
    (root / "train" / "rings" / "copy.jpeg").write_bytes((root / "train" / "rings" / "000.jpeg").read_bytes())
    images = scan(root)
    again = scan(apply(images, review(tmp_path, "val/rings/001.jpeg,rings,,,drop"), tmp_path / "table.csv").table)
    assert (again.split == "val").sum() == 11
    copies = [
        i for i, path in enumerate(again.paths) if path.name in ("copy.jpeg", "000.jpeg") and "train/rings" in str(path)
    ]
    assert len(set(again.groups[copies])) == 1
    assert len(np.unique(again.groups)) == len(again) - 1


def test_a_spreadsheets_semicolons_are_understood(images: ImageSet, tmp_path: Path) -> None:
    decided = review(tmp_path, "rings/001.jpeg;rings;odd, truly;;drop", header=HEADER.replace(",", ";"))
    assert apply(images, decided, tmp_path / "t.csv").dropped == 1


def test_every_fault_of_a_review_is_named_at_once(images: ImageSet, tmp_path: Path) -> None:
    decided = review(
        tmp_path,
        "rings/nowhere.jpeg,rings,,,drop",
        "rings/001.jpeg,rings,,,delete",
        "rings/002.jpeg,rings,,,relabel:stripe",
        "rings/003.jpeg,rings,,,relabel",
        "rings/004.jpeg,rings,,,keep",
        "rings/004.jpeg,rings,,,drop",
        "rings/005.jpeg,rings,odd, and,more,drop",
    )
    with pytest.raises(DataError) as caught:
        apply(images, decided, tmp_path / "t.csv")
    text = str(caught.value)
    assert "5 problems" in text
    assert "found: line 2: 'rings/nowhere.jpeg'" in text
    assert "expected: every decision is empty, keep, drop or relabel:NAME\n   found: line 3: 'delete'" in text
    assert "line 4: 'stripe' (did you mean 'stripes'?), line 5: no label" in text
    assert "line 7: rings/004.jpeg as in line 6" in text
    assert "line 8: 6 cells" in text
    assert not (tmp_path / "t.csv").exists()


def test_a_table_without_decisions_is_no_review(images: ImageSet, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="found: no column decision"):
        apply(images, review(tmp_path, "rings/001.jpeg,rings", header="path,label"), tmp_path / "t.csv")
