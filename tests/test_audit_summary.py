from pathlib import Path

import numpy as np

from headstart.audit.summary import audit
from headstart.images.folder import ImageSet
from headstart.images.walk import LeftOut

ROOT = Path("photos")


def images(rows: str, left_out: tuple[LeftOut, ...] = ()) -> ImageSet:
    """Rows of ``path label split digest [group]``."""
    table = [row.split() for row in rows.strip().splitlines()]
    digests = tuple(row[3] for row in table)
    groups = [row[4] if len(row) > 4 else row[3] for row in table]
    classes = tuple(sorted({row[1] for row in table}))
    return ImageSet(
        root=ROOT,
        classes=classes,
        paths=tuple(ROOT / row[0] for row in table),
        y=np.array([classes.index(row[1]) for row in table]),
        split=np.array([row[2] for row in table]),
        groups=np.unique(groups, return_inverse=True)[1].astype(np.int64),
        group_names=("",) * len(table),
        digests=digests,
        left_out=left_out,
        layout="table",
    )


def test_nothing_to_say() -> None:
    found = audit(images("1 a train p\n2 b train q\n3 a test r\n4 b test s"))
    assert not found.uneven
    assert found.counts == {"train": {"a": 1, "b": 1}, "test": {"a": 1, "b": 1}}
    assert found.imbalance == 1.0


def test_copies_across_splits_and_within() -> None:
    found = audit(images("1 a train p\n2 b train q\n3 a train p\n4 a test p\n5 b test s"))
    assert found.duplicates_within == ((ROOT / "1", ROOT / "3"),)
    assert found.duplicates_across == ((ROOT / "1", ROOT / "3", ROOT / "4"),)
    assert found.conflicting == found.groups_across == ()


def test_conflicting_labels() -> None:
    found = audit(images("1 a train p\n2 b train p\n3 b train q"))
    assert found.conflicting == ((ROOT / "1", ROOT / "2"),)


def test_groups_across_splits() -> None:
    found = audit(images("1 a train p g\n2 b train q\n3 a test r g\n4 b test s"))
    assert found.groups_across == ((ROOT / "1", ROOT / "3"),)
    assert found.groups_across == ((ROOT / "1", ROOT / "3"),)


def test_left_out_is_named_with_reasons() -> None:
    left = tuple(LeftOut(ROOT / f"{n}.jpg", "empty file") for n in range(5))
    assert audit(images("1 a train p\n2 b train q", left)).left_out == left


def test_uneven_classes() -> None:
    rows = "\n".join(f"{n} {'a' if n < 9 else 'b'} train d{n}" for n in range(12))
    found = audit(images(rows))
    assert found.imbalance == 3.0
    assert found.uneven
