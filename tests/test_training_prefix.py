"""Maps of a frozen prefix: kept once, the same whether kept or computed, whole after any interruption."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headstart.errors import DataError
from headstart.images.transforms import Geometry
from headstart.training.plan import Augment
from headstart.training.prefix import PLAIN, Look, Maps
from pictures import write_folder

SHAPE = (3, 4, 4)


class Blocks:
    """A prefix that averages blocks of pixels; counts what it is given."""

    name, key, size, batch, parity = "blocks", "blocks-32", 32, 4, 1.0
    notes: tuple[str, ...] = ()
    widths = {"map": 48}  # noqa: RUF012
    seen = 0

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[dict[str, NDArray[np.float32]]]:
        for pictures in batches:
            self.seen += len(pictures)
            blocks = pictures.reshape(-1, 4, 8, 4, 8, 3).mean(axis=(2, 4), dtype=np.float32)
            yield {"map": blocks.transpose(0, 3, 1, 2).reshape(len(pictures), -1)}

    def save(self, folder: Path) -> None:
        raise NotImplementedError


@pytest.fixture
def maps(tmp_path: Path) -> Maps:
    root = write_folder(tmp_path / "photos", {"rings": 3, "stripes": 3}, side=40)
    paths = sorted(root.rglob("*.jpeg"))
    return Maps(
        paths=paths,
        digests=[hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
        look=Look(geometry=Geometry(size=32), augment=Augment(kind="crop", views=2), seed=0),
        runtime=Blocks(),
        shape=SHAPE,
        folder=tmp_path / "maps",
        limit=10**6,
    )


WANTED = [(i, view) for view in (PLAIN, 0, 1) for i in range(6)]


def values(maps: Maps) -> torch.Tensor:
    return torch.cat(list(maps.batches(WANTED, [5, 5, 5, 3])))


def test_kept_is_what_is_computed(maps: Maps) -> None:
    computed = values(maps)
    assert maps.keep(WANTED)
    kept = values(maps)
    assert torch.equal(computed, kept)
    assert kept.shape == (18, *SHAPE)
    assert torch.equal(kept, kept.bfloat16().float())
    assert len({row.numpy().tobytes() for row in kept}) == 18


def test_what_is_kept_is_not_computed_again(maps: Maps) -> None:
    maps.keep(WANTED)
    again = replace(maps, runtime=Blocks())
    assert again.keep(WANTED)
    assert again.runtime is not None
    assert again.runtime.seen == 4  # type: ignore[attr-defined]  # only those compared
    values(again)
    assert again.runtime.seen == 4  # type: ignore[attr-defined]


def test_a_run_cut_off_goes_on_from_what_was_said_to_be_there(maps: Maps) -> None:
    maps.keep([(i, PLAIN) for i in range(4)])
    again = replace(maps, runtime=Blocks())
    again.keep([(i, PLAIN) for i in range(6)])
    assert again.runtime.seen == 2 + 4  # type: ignore[union-attr]
    for half in maps.folder.rglob("done.bin"):  # rows were written and the word of it was not
        half.unlink()
    once_more = replace(maps, runtime=Blocks())
    once_more.keep([(i, PLAIN) for i in range(6)])
    assert once_more.runtime.seen == 6 + 4  # type: ignore[union-attr]


def test_damaged_maps_are_noticed_and_made_again(maps: Maps) -> None:
    good = values(maps)
    maps.keep(WANTED)
    for file in maps.folder.rglob("maps.bin"):
        file.write_bytes(bytes(file.stat().st_size))
    again = replace(maps, notes=[])
    assert again.keep(WANTED)
    assert torch.equal(values(again), good)
    assert "made again" in again.notes[0]


def test_too_large_for_the_cache_is_said_and_changes_no_value(maps: Maps) -> None:
    small = replace(maps, limit=100, notes=[])
    assert not small.keep(WANTED)
    assert "do not fit" in small.notes[0]
    assert torch.equal(values(small), values(maps))


def test_old_maps_make_room(maps: Maps) -> None:
    maps.keep([(i, 0) for i in range(6)])
    one = next(maps.folder.glob("*/maps.bin")).stat().st_size
    tight = replace(maps, look=replace(maps.look, seed=1), limit=one + 10)
    assert tight.keep([(i, 0) for i in range(6)])
    assert len(list(maps.folder.glob("*/maps.bin"))) == 1


def test_without_a_prefix_the_pictures_themselves(maps: Maps) -> None:
    pictures = replace(maps, runtime=None, shape=(32, 32, 3))
    computed = values(pictures)
    assert computed.dtype == torch.uint8
    assert pictures.keep(WANTED)
    assert torch.equal(values(pictures), computed)


def test_pictures_that_cannot_be_read_are_all_named(maps: Maps) -> None:
    maps.paths[1].write_bytes(b"no picture")
    maps.paths[4].unlink()
    with pytest.raises(DataError) as caught:
        maps.keep(WANTED)
    found = [problem.found for problem in caught.value.problems]
    assert [str(maps.paths[1]) in found[0], str(maps.paths[4]) in found[1]] == [True, True]
    assert len(found) == 2
