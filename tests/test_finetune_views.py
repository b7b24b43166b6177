"""A view is a number: the same pixels every time, whatever else is asked for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.finetune.plan import Augment
from headstart.finetune.views import PLAIN, Look, decoded
from headstart.images.transforms import Geometry
from pictures import write_folder

LOOK = Look(geometry=Geometry(size=32), augment=Augment(kind="crop", views=2), seed=0)


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    return sorted(write_folder(tmp_path / "photos", {"rings": 2, "stripes": 2}, side=40).rglob("*.jpeg"))


def digests_of(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_views_are_the_same_alone_and_together(paths: list[Path]) -> None:
    wanted = [(0, PLAIN), (0, 0), (0, 1), (1, 1)]
    together = list(decoded(paths, digests_of(paths), LOOK, wanted))
    alone = [next(decoded(paths, digests_of(paths), LOOK, [pair])) for pair in wanted]
    assert [pixels.shape for pixels in together] == [(32, 32, 3)] * 4
    assert all(np.array_equal(a, b) for a, b in zip(together, alone, strict=True))
    assert len({pixels.tobytes() for pixels in together}) == 4


def test_a_view_has_a_key_of_everything_that_decides_it() -> None:
    keys = {LOOK.key(0), LOOK.key(1), LOOK.key(PLAIN), replace(LOOK, seed=1).key(0)}
    assert len(keys) == 4
    assert replace(LOOK, augment=Augment(kind="none")).key(0) == LOOK.key(PLAIN) == replace(LOOK, seed=1).key(PLAIN)


def test_a_picture_that_changed_is_not_used(paths: list[Path]) -> None:
    digests = digests_of(paths)
    paths[1].write_bytes(paths[0].read_bytes())
    with pytest.raises(DataError, match="changed while it was being used"):
        list(decoded(paths, digests, LOOK, [(i, PLAIN) for i in range(4)]))
