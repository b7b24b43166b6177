"""A view is a number: the same pixels every time, whatever else is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.cache_folder import Troubles, troubles
from headstart.errors import DataError
from headstart.finetune.plan import Augment
from headstart.finetune.views import PLAIN, Look, ViewFile, decoded
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


@pytest.fixture
def file(tmp_path: Path) -> ViewFile:
    return ViewFile(tmp_path / "view", (3, 2, 2), np.uint16)


SEVENS = np.full((2, 2), 7, np.uint16)


def again(file: ViewFile) -> ViewFile:
    """The same view, as another process opens it."""
    opened = ViewFile(file.folder, file.shape, file.dtype)
    opened.check()
    return opened


def test_a_row_counts_from_the_commit_on(file: ViewFile) -> None:
    file.check()
    file.write(1, SEVENS)
    assert not ViewFile(file.folder, (3, 2, 2), np.uint16).done().any()
    file.commit()
    assert again(file).done().tolist() == [False, True, False]
    rows = again(file).rows()
    assert np.stack(list(rows)).tolist() == [[[0] * 2] * 2, [[7] * 2] * 2, [[0] * 2] * 2]
    (file.folder / "maps.bin").write_bytes(b"cut off")
    with pytest.raises(OSError, match="Input/output"):
        rows[2]
    file.end()
    file.forget()
    assert not again(file).done().any()
    assert troubles() == Troubles()


def test_a_commit_without_new_rows_writes_nothing(file: ViewFile) -> None:
    file.check()
    file.commit()
    assert not (file.folder / "sums.bin").exists()
    file.write(0, SEVENS)
    file.commit()
    written = (file.folder / "sums.bin").stat().st_mtime_ns
    file.end()
    assert (file.folder / "sums.bin").stat().st_mtime_ns == written


@pytest.mark.parametrize(
    ("name", "damage", "sound", "damaged"),
    [
        ("maps.bin", lambda data: data[:9] + bytes([data[9] ^ 1]) + data[10:], [True, False], 1),
        ("maps.bin", lambda data: bytes(len(data)), [False, False], 2),
        ("maps.bin", lambda data: data[:10], [False, False], 1),
        ("sums.bin", lambda data: bytes([data[0] ^ 1]) + data[1:], [False, True], 1),
        ("sums.bin", lambda data: bytes(4) + data[4:], [False, True], 1),
        ("sums.bin", lambda data: data[:-1] + bytes([data[-1] ^ 1]), [True, True], 1),
        ("sums.bin", lambda data: data[:5], [False, False], 1),
    ],
)
def test_damaged_rows_are_forgotten_and_counted_once(
    file: ViewFile, name: str, damage: Callable[[bytes], bytes], sound: list[bool], damaged: int
) -> None:
    file.check()
    file.write(0, SEVENS)
    file.write(1, SEVENS)
    file.end()
    path = file.folder / name
    path.write_bytes(damage(path.read_bytes()))
    assert again(file).done().tolist() == [*sound, False]
    assert troubles() == Troubles(damaged=damaged)
    assert again(file).done().tolist() == [*sound, False]
    assert troubles() == Troubles()


@pytest.mark.parametrize("name", ["maps.bin", "sums.bin"])
def test_a_folder_in_place_of_a_file_is_replaced(file: ViewFile, name: str) -> None:
    (file.folder / name).mkdir(parents=True)
    file.check()
    file.write(2, SEVENS)
    file.end()
    assert again(file).done().tolist() == [False, False, True]


def test_a_view_is_not_mistaken_for_another(file: ViewFile) -> None:
    file.check()
    file.write(0, SEVENS)
    file.end()
    file.folder.rename(file.folder.with_name("other"))
    other = ViewFile(file.folder.with_name("other"), (3, 2, 2), np.uint16)
    other.check()
    assert not other.done().any()


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_raises_nothing(tmp_path: Path) -> None:
    file = ViewFile(tmp_path / "maps" / "view", (200, 1_000), np.uint8)
    file.check()
    assert not file.usable
    assert troubles() == Troubles(unusable=str(tmp_path), why="File too large")
