"""ActivationCache of a frozen prefix: kept once, the same whether kept or computed, whole after any interruption."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from headstart.backbones import catalog, network
from headstart.backbones.space import NetworkSpec
from headstart.backbones.split import FrozenPrefix, split
from headstart.backbones.weights import locate
from headstart.cache_folder import Troubles, troubles
from headstart.errors import DataError
from headstart.finetune.activations import ActivationCache, Source, sources
from headstart.finetune.notes import DiskFull, Remade, TooLarge
from headstart.finetune.plan import Augment
from headstart.finetune.views import PLAIN, Look
from headstart.images.transforms import Geometry
from headstart.store import SPARED, FeatureStore
from pictures import write_folder

SHAPE = (3, 4, 4)


class Blocks:
    """A prefix that averages blocks of pixels, and channels of those; counts what it is given."""

    name, key, size, batch, parity = "blocks", "blocks-32", 32, 4, 1.0
    notes: tuple[str, ...] = ()
    widths = {"map0": 48, "map1": 3}  # noqa: RUF012
    seen = 0

    def run(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[dict[str, NDArray[np.float32]]]:
        for pictures in batches:
            self.seen += len(pictures)
            blocks = pictures.reshape(-1, 4, 8, 4, 8, 3).mean(axis=(2, 4), dtype=np.float32)
            maps = blocks.transpose(0, 3, 1, 2)
            yield {"map0": maps.reshape(len(pictures), -1), "map1": maps.mean(axis=(2, 3))}

    def save(self, folder: Path) -> None:
        raise AssertionError("a prefix is run, never saved")


@pytest.fixture
def maps(tmp_path: Path) -> ActivationCache:
    root = write_folder(tmp_path / "photos", {"rings": 3, "stripes": 3}, side=40)
    paths = sorted(root.rglob("*.jpeg"))
    return ActivationCache(
        paths=paths,
        digests=[hashlib.sha256(path.read_bytes()).hexdigest() for path in paths],
        look=Look(geometry=Geometry(size=32), augment=Augment(kind="crop", views=2), seed=0),
        source=Source(runtime=Blocks(), shape=SHAPE),
        folder=tmp_path / "maps",
        limit=10**6,
    )


WANTED = [(i, view) for view in (PLAIN, 0, 1) for i in range(6)]


def values(maps: ActivationCache) -> torch.Tensor:
    return torch.cat(list(maps.batches(WANTED, [5, 5, 5, 3])))


def test_kept_is_what_is_computed(maps: ActivationCache) -> None:
    computed = values(maps)
    assert maps.keep(WANTED)
    kept = values(maps)
    assert torch.equal(computed, kept)
    assert kept.shape == (18, *SHAPE)
    assert torch.equal(kept, kept.bfloat16().float())
    assert len({row.numpy().tobytes() for row in kept}) == 18


def anew(maps: ActivationCache) -> tuple[ActivationCache, Blocks]:
    blocks = Blocks()
    return replace(maps, source=replace(maps.source, runtime=blocks)), blocks


def test_what_is_kept_is_not_computed_again(maps: ActivationCache) -> None:
    maps.keep(WANTED)
    again, blocks = anew(maps)
    assert again.keep(WANTED)
    assert blocks.seen == 4  # only those compared
    values(again)
    assert blocks.seen == 4


def test_a_run_cut_off_goes_on_from_what_was_said_to_be_there(maps: ActivationCache) -> None:
    maps.keep([(i, PLAIN) for i in range(4)])
    again, blocks = anew(maps)
    again.keep([(i, PLAIN) for i in range(6)])
    assert blocks.seen == 2 + 4
    for half in maps.folder.rglob("sums.bin"):  # rows were written and the word of it was not
        half.unlink()
    once_more, blocks = anew(maps)
    once_more.keep([(i, PLAIN) for i in range(6)])
    assert blocks.seen == 6 + 4


def test_two_cuts_are_kept_in_one_pass(maps: ActivationCache) -> None:
    means = replace(maps, source=Source(runtime=Blocks(), shape=(3,), name="map1"))
    together, blocks = anew(replace(maps, beside=means))
    assert together.keep(WANTED)
    assert blocks.seen == len(WANTED) + 4
    alone, blocks = anew(means)
    assert alone.keep(WANTED)
    assert blocks.seen == 4
    torch.testing.assert_close(values(alone), values(together).mean((2, 3)), atol=1, rtol=0)  # bf16, up to 255


def test_what_does_not_fit_beside_is_left_for_later(maps: ActivationCache) -> None:
    means = replace(maps, source=Source(runtime=Blocks(), shape=(3,), name="map1"))
    tight = replace(maps, limit=maps._needed([PLAIN, 0, 1]), beside=means)
    assert tight.keep(WANTED)
    alone, blocks = anew(means)
    assert alone.keep(WANTED)
    assert blocks.seen == len(WANTED) + 4


def test_views_of_a_picture_are_decoded_together(maps: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[int]] = []
    pixels = Look.pixels

    def noted(look: Look, data: bytes, digest: str, views: list[int]) -> list[NDArray[np.uint8]]:
        asked.append(views)
        return pixels(look, data, digest, views)

    monkeypatch.setattr(Look, "pixels", noted)
    wanted = [(0, PLAIN), (0, 0), (0, 1), (1, 1)]
    together = torch.cat(list(maps.batches(wanted, [4])))
    assert sorted(asked) == [[PLAIN], [0, 1], [1]]
    one_by_one = torch.cat([x for one in wanted for x in maps.batches([one], [1])])
    assert torch.equal(together, one_by_one)


def test_damaged_maps_are_noticed_and_made_again(maps: ActivationCache) -> None:
    good = values(maps)
    maps.keep(WANTED)
    for file in maps.folder.rglob("maps.bin"):
        file.write_bytes(bytes(file.stat().st_size))
    again = replace(maps, notes=[])
    assert again.keep(WANTED)
    assert torch.equal(values(again), good)
    assert again.notes == []
    assert troubles() == Troubles(damaged=len(WANTED))


def test_maps_of_another_network_are_noticed_and_made_again(maps: ActivationCache) -> None:
    """As if the key did not hold all that changes them: their checksums are right."""
    good = values(maps)
    other = replace(maps)
    computed = other._computed
    other._computed = lambda wanted, together: ((row + 1,) for (row,) in computed(wanted, [maps]))  # type: ignore
    assert other.keep(WANTED)
    again = replace(maps, notes=[])
    assert again.keep(WANTED)
    assert torch.equal(values(again), good)
    assert again.notes == [Remade()]
    assert troubles() == Troubles()


def test_rows_that_do_not_fit_are_not_taken_for_kept(maps: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some rows of a view are kept, and there is no room for the others: none may be read as zeros."""
    first, every = [(i, PLAIN) for i in range(3)], [(i, PLAIN) for i in range(6)]
    expected = torch.cat(list(maps.batches(every, [6])))
    assert maps.keep(first)
    monkeypatch.setattr(FeatureStore, "make_room", lambda *_, **__: False)
    assert not maps.keep(every)
    assert torch.equal(torch.cat(list(maps.batches(every, [6]))), expected)


def test_too_large_for_the_cache_is_said_and_changes_no_value(maps: ActivationCache) -> None:
    small = replace(maps, limit=100, notes=[])
    assert not small.keep(WANTED)
    assert [type(note) for note in small.notes] == [TooLarge]
    assert torch.equal(values(small), values(maps))


def test_a_full_disk_is_said_and_changes_no_value(maps: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rows are written to memory that stands for a file, no room left ends the process."""
    some = [(i, 0) for i in range(6)]
    missing = len(some) * maps._row_bytes
    usage = shutil.disk_usage(maps.folder.parent)
    for free, kept in ((SPARED + missing - 1, False), (SPARED + missing, True), (SPARED, True)):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder, free=free: usage._replace(free=free))
        one = replace(maps, notes=[])
        assert one.keep(some) is kept  # what is there already needs no more room
        assert one.notes == [DiskFull(folder=str(maps.folder))] * (not kept)
        assert torch.equal(values(one), values(maps))


def test_a_pass_for_two_cuts_keeps_what_the_disk_has_room_for(
    maps: ActivationCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps.beside = replace(maps, source=Source(runtime=maps.source.runtime, shape=(3,), name="map1"))
    some = [(i, 0) for i in range(6)]
    room = SPARED + len(some) * maps._row_bytes
    usage = shutil.disk_usage(maps.folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage._replace(free=room))
    assert maps.keep(some)
    assert not maps.beside._kept


def test_old_maps_make_room(maps: ActivationCache) -> None:
    """But not those that are in use, in this process or another."""
    some = [(i, 0) for i in range(6)]
    maps.keep(some)
    old = next(maps.folder.glob("*/maps.bin"))
    in_use = maps._file(0).rows()
    tight = replace(maps, look=replace(maps.look, seed=1), limit=old.stat().st_size + 100)
    assert tight.keep(some)
    assert len(list(maps.folder.glob("*/maps.bin"))) == 2
    del in_use
    assert replace(tight, look=replace(maps.look, seed=2)).keep(some)
    assert len(list(maps.folder.glob("*/maps.bin"))) == 1
    assert not old.exists()


def test_old_maps_make_room_on_a_full_disk(maps: ActivationCache, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [(i, 0) for i in range(6)]
    maps.keep(some)
    old = next(maps.folder.glob("*/maps.bin"))
    usage, size = shutil.disk_usage(maps.folder), old.stat().st_size
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _folder: usage._replace(free=SPARED + (0 if old.exists() else size))
    )
    assert not replace(maps, look=replace(maps.look, seed=1), notes=[]).keep([(i, v) for i in range(6) for v in (0, 1)])
    assert old.exists()  # it would not have helped
    assert replace(maps, look=replace(maps.look, seed=1)).keep(some)
    assert not old.exists()


def test_without_a_prefix_the_pictures_themselves(maps: ActivationCache) -> None:
    pictures = replace(maps, source=Source(runtime=None, shape=(32, 32, 3)))
    computed = values(pictures)
    assert computed.dtype == torch.uint8
    assert pictures.keep(WANTED)
    assert torch.equal(values(pictures), computed)


def test_pictures_that_cannot_be_read_are_all_named(maps: ActivationCache) -> None:
    maps.paths[1].write_bytes(b"no picture")
    maps.paths[4].unlink()
    with pytest.raises(DataError) as caught:
        maps.keep(WANTED)
    found = [problem.found for problem in caught.value.problems]
    assert [str(maps.paths[1]) in found[0], str(maps.paths[4]) in found[1]] == [True, True]
    assert len(found) == 2


def test_each_cut_of_a_pass_is_a_source_of_its_own(cache: Path) -> None:
    backbone = catalog.get("test_efficientnet.r160_in1k")
    model = network.build(backbone, locate(backbone, random=True), size=32)
    cut = split(model, "blocks.4")
    assert cut.prefix is not None
    assert cut.suffix is not None
    frozen = FrozenPrefix(backbone, cut.prefix, cut.suffix, size=32)
    weights = locate(backbone, random=True)
    spec = NetworkSpec(backbone=backbone, weights=weights, cache=cache, device="torch", precision="f32")
    first, second = sources(frozen, spec, cuts=[cut.at, -1], reads="features", size=32)
    assert (first.name, second.name) == ("map0", "map1")
    assert first.runtime is second.runtime
    assert first.key != second.key
    assert (len(first.shape), second.shape) == (3, (256,))


def test_without_a_frozen_part_the_pictures_are_the_source() -> None:
    assert Source(runtime=None, shape=(32, 32, 3)).key == "pictures"
