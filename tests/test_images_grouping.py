from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.images.folder import ImageSet, scan
from headstart.images.grouping import grouped_by
from pictures import write_folder


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of twelve pictures named burst0-000 to burst5-011: two pictures in a burst."""
    root = write_folder(tmp_path_factory.mktemp("bursts"), {"rings": 12, "stripes": 12})
    for path in sorted(root.rglob("*.jpeg")):
        path.rename(path.with_name(f"burst{int(path.stem) // 2}-{path.name}"))
    return root


def members(images: ImageSet) -> set[frozenset[str]]:
    names = np.array([path.relative_to(images.root).as_posix() for path in images.paths if images.root])
    return {frozenset(names[images.groups == group]) for group in np.unique(images.groups)}


def test_the_first_group_of_the_pattern_names_the_group(bursts: Path) -> None:
    images = grouped_by(scan(bursts), r"(burst\d+)-")
    assert len(np.unique(images.groups)) == 6
    assert frozenset({f"{kind}/burst0-00{i}.jpeg" for kind in ("rings", "stripes") for i in (0, 1)}) in members(images)


def test_the_whole_match_counts_where_the_pattern_has_no_group(bursts: Path) -> None:
    images = grouped_by(scan(bursts), r"^\w+/burst\d+")
    assert len(np.unique(images.groups)) == 12
    assert frozenset({"rings/burst0-000.jpeg", "rings/burst0-001.jpeg"}) in members(images)


def test_pictures_with_an_empty_name_stand_alone(bursts: Path) -> None:
    images = grouped_by(scan(bursts), r"(burst[01])-|$")
    assert len(np.unique(images.groups)) == 2 + 16


def test_a_pattern_that_does_not_match_everywhere_is_refused_with_examples(bursts: Path) -> None:
    with pytest.raises(DataError) as error:
        grouped_by(scan(bursts), r"patient(\d)")
    assert (
        "expected: a match of 'patient(\\\\d)' in the path of every picture\n"
        "   found: none in 24 of 24: rings/burst0-000.jpeg, rings/burst0-001.jpeg, rings/burst1-002.jpeg and 21 more\n"
        "   to do: correct it, or end it with |$ to let the pictures that do not match stand alone" in str(error.value)
    )
    with pytest.raises(DataError, match="found: an empty name for every picture"):
        grouped_by(scan(bursts), "x*")


def test_a_class_in_too_few_groups_is_refused_by_name(bursts: Path) -> None:
    with pytest.raises(DataError) as error:
        grouped_by(scan(bursts), r"^(\w+)/")
    assert "found: 'rings' falls into 1 group ('rings'), 'stripes' falls into 1 group ('stripes')" in str(error.value)
    assert "expected: at least 4 groups of each class to train on" in str(error.value)


def test_what_is_no_regular_expression_is_refused(bursts: Path) -> None:
    with pytest.raises(OptionError, match=r"--group-by: 1 problem\nexpected: a regular expression\n   found: '\('"):
        grouped_by(scan(bursts), "(")


def test_a_column_of_the_table_names_the_group(bursts: Path) -> None:
    table = bursts / "table.csv"
    lines = ["path,label,Patient"]
    for path in sorted(bursts.rglob("*.jpeg")):
        number = int(path.stem[-3:])
        patient = "" if number == 11 else f"p{number // 3}"
        lines.append(f"{path.relative_to(bursts).as_posix()},{path.parent.name},{patient}")
    table.write_text("\n".join(lines))
    try:
        images = scan(table)
        grouped = grouped_by(images, "patient")
        assert len(np.unique(grouped.groups)) == 4 + 2
        assert set(grouped.group_names) == {"", *(f"p{number}" for number in range(4))}
        assert set(images.group_names) == {""}
        assert len(np.unique(grouped_by(images, "burst([0-9])").groups)) == 6
        with pytest.raises(DataError, match="or one of the columns path, label, patient"):
            grouped_by(images, "doctor")
        assert images.columns["patient"][images.paths[0]] == f"p{int(images.paths[0].stem[-3:]) // 3}"
    finally:
        table.unlink()


def test_groups_there_already_stay_together(bursts: Path) -> None:
    images = scan(bursts).grouped([i // 12 % 2 if i < 2 else None for i in range(24)])
    joined = grouped_by(images, r"-(\d+)\.")
    assert len(np.unique(joined.groups)) == 11
