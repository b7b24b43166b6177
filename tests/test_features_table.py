from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from headstart.backbones.runtime import Runtime
from headstart.backbones.space import NetworkSpec, Space
from headstart.cache_folder import Troubles, troubles
from headstart.errors import DataError, WeightsError
from headstart.features import table as module
from headstart.features.table import Workbench
from headstart.images.decode import encode, read_extent
from headstart.images.folder import scan
from headstart.images.grey_levels import Extent, Levels
from headstart.images.notes import Note
from headstart.images.transforms import Geometry, View
from headstart.store import FeatureStore
from pictures import draw, write_folder
from tiny import TinyNetwork, TinyRuntime, tiny_table


def test_rows_are_computed_when_asked_for_and_kept(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        X = table.rows(32, "last", np.array([7, 2]))
        assert X.shape == (2, 6)
        assert table.space(32).runtime.pictures_seen == 2  # type: ignore[attr-defined]
        np.testing.assert_array_equal(table.rows(32, "depths", np.array([2]))[0, :6], X[1])
        assert table.space(32).runtime.pictures_seen == 2  # type: ignore[attr-defined]
        both = table.rows(32, "last", np.array([7, 2]), (View.CENTRE, View.FLIP))
        np.testing.assert_array_equal(both[:2], X)
        assert both.shape == (4, 6)


def test_fill_names_what_cannot_be_read_and_rows_refuses_it(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40)
    damaged = folder / "rings" / "002.jpeg"
    damaged.write_bytes(damaged.read_bytes()[:-300])
    images = scan(folder)
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        failed = table.fill(32)
        assert [images.paths[i] for i in failed] == [damaged]
        with pytest.raises(DataError, match=r"(?s)cannot be read any more.*002\.jpeg: truncated or damaged"):
            table.rows(32, "last", np.arange(len(images)))


def test_an_estimate_grows_with_the_pixels_and_shrinks_with_what_is_there(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 8, "stripes": 8}, side=40))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        everything = np.arange(len(images))
        assert table.estimate(32, everything) == 0
        table.fill(32)
        assert table.estimate(32, everything) == 0
        small, large = table.estimate(64, everything), table.estimate(128, everything)
        assert small > 0
        assert large == pytest.approx(4 * small)


def test_the_same_pictures_can_be_sent_through_another_network(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 6, "stripes": 6}, side=40))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        other = Space(runtime=TinyRuntime(48), geometry=Geometry(size=48, mode="squash"))
        X = table.through(other, "last", np.array([1, 5]))
        assert X.shape == (2, 6)
        assert other.runtime.pictures_seen == 2  # type: ignore[attr-defined]


def test_what_is_remembered_is_computed_once_for_each_content(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40)
    (folder / "rings" / "copy.jpeg").write_bytes((folder / "rings" / "000.jpeg").read_bytes())
    images = scan(folder)
    asked: list[Path] = []

    def size(path: Path) -> bytes | None:
        asked.append(path)
        return None if path.name == "001.jpeg" else str(path.stat().st_size).encode()

    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        first = list(table.remembered("size", size, stage="sizes"))
        assert len(asked) == 10
        expected = [None if path.name == "001.jpeg" else str(path.stat().st_size).encode() for path in images.paths]
        assert first == expected
        asked.clear()
        index = np.array([3, 1])
        assert list(table.remembered("size", size, stage="sizes", index=index)) == [expected[3], expected[1]]
        assert {path.name for path in asked} <= {"001.jpeg"}  # None is asked for again
        list(table.remembered("another size", size, stage="sizes"))
        assert len(asked) >= 10


def test_notes_are_taken_in_the_pass_that_computes_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40)
    damaged = folder / "rings" / "002.jpeg"
    damaged.write_bytes(damaged.read_bytes()[:-300])
    note = Note(name="bytes1", of=lambda picture: str(picture.bytes).encode())
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(scan(folder), store).readable(32, [note])
        expected = [str(path.stat().st_size).encode() for path in table.images.paths]
        assert len(expected) == 9
        with monkeypatch.context() as patch:
            patch.setattr("headstart.images.notes._taken", None)  # nothing is decoded any more
            assert list(table.noted(note, stage="sizes")) == expected
        other = Note(name="bytes2", of=note.of)
        assert list(table.noted(other, stage="sizes", index=np.array([3, 1]))) == [expected[3], expected[1]]


def test_a_network_is_prepared_once_a_size(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        bench = Workbench(store=store, network=TinyNetwork())  # type: ignore[arg-type]
        assert not bench.is_open(32)
        assert bench.space(32) is bench.space(32)
        assert bench.is_open(32)
        other = bench.through(bench.space(32))
        assert other.space(64) is bench.space(32)
        assert other.store is store
        assert bench.with_network(TinyNetwork()).space(32) is not bench.space(32)  # type: ignore[arg-type]


def test_a_rate_grows_smaller_with_the_pixels(tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        bench = Workbench(store=store, network=TinyNetwork())  # type: ignore[arg-type]
        assert bench.measured is None
        bench.saw(1, 1.0, 32)
        assert bench.measured is None  # too few to say
        bench.saw(100, 2.0, 32)
        assert bench.rate(32) == 50
        assert bench.rate(64) == pytest.approx(12.5)


def test_the_store_is_closed_when_the_work_is_done(cache: Path) -> None:
    network = NetworkSpec.named("test_resnet.r160_in1k", "random", cache=cache)
    with Workbench.open(network, budget=60.0) as bench:
        assert bench.clock.deadline is not None
        assert network.untrained() == network
    with pytest.raises(Exception, match="closed"):
        bench.store.known("space", ["00"])


def test_a_network_that_was_begun_is_made_ready_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = NetworkSpec.named("efficientnet_lite0", cache=cache, device="openvino", precision="f32")
    threads: list[str] = []
    raw = NetworkSpec.prepare

    def preparing(self: NetworkSpec, size: int) -> Runtime:
        threads.append(threading.current_thread().name)
        return raw(self, size)

    monkeypatch.setattr(NetworkSpec, "prepare", preparing)
    with Workbench.open(network) as bench:
        bench.begin(64)
        opened = bench.space(64)
        assert bench.space(64) is opened
        other = bench.space(96)  # was not begun
    main = threading.current_thread().name
    assert (threads[0] == main, threads[1:]) == (False, [main])
    assert (opened.geometry.size, other.geometry.size) == (64, 96)
    assert opened.key(View.CENTRE, "last") == network.at(64).open().key(View.CENTRE, "last")


def test_a_network_that_torch_makes_is_not_begun(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NetworkSpec, "prepare", lambda self, size: pytest.fail("was begun"))
    with Workbench.open(NetworkSpec.named("test_resnet.r160_in1k", "random", cache=cache)) as bench:
        bench.begin(64)


def test_what_is_wrong_with_a_begun_network_is_said_where_it_is_needed(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(self: NetworkSpec, size: int) -> Runtime:
        raise WeightsError.of("weights", expected="some", found="none", todo="install them")

    monkeypatch.setattr(NetworkSpec, "prepare", refusing)
    with Workbench.open(NetworkSpec.named("efficientnet_lite0", cache=cache, device="openvino")) as bench:
        bench.begin(64)
        with pytest.raises(WeightsError, match="install them"):
            bench.space(64)


def deep_folder(root: Path, *, white: int = 4095) -> Path:
    """Five training pictures of 16 bits in each of two classes, up to ``white``, and brighter test pictures."""
    for split, brightest in (("train", white), ("test", 65535)):
        for kind in ("rings", "stripes"):
            folder = root / split / kind
            folder.mkdir(parents=True)
            for number in range(5):
                grey = draw(kind, number + len(split), side=40)[..., 0]
                values = (grey.astype(np.float64) / grey.max() * brightest).astype(np.uint16)
                (folder / f"{number}.png").write_bytes(encode(values, format="PNG"))
    return root


def test_levels_are_those_of_the_training_pictures_and_looked_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = scan(deep_folder(tmp_path / "photos"))
    assert set(images.deep) == set(images.paths)
    looked: list[Path] = []

    def looking(path: Path) -> Extent | None:
        looked.append(path)
        return read_extent(path)

    monkeypatch.setattr(module, "read_extent", looking)
    with FeatureStore(tmp_path / "cache") as store:
        for _ in range(2):
            table = tiny_table(images, store).levelled()
            assert table.images.levels == Levels(integers=(0.0, 4095.0))
            assert table.space(32).geometry.levels == table.images.levels
            assert table.readable(32).images.levels == table.images.levels
        assert sorted(looked) == sorted(images.paths[i] for i in images.in_split("train"))
        rows = table.rows(32, "last", np.arange(20))
        assert rows[:, 0].min() > 0.2
        plain = tiny_table(images, store)
        assert plain.space(32).key(View.CENTRE, "last") != table.space(32).key(View.CENTRE, "last")


def test_a_set_of_8_bits_is_not_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40))
    monkeypatch.setattr(module, "read_extent", None)
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        assert not images.deep
        assert table.levelled() is table
        assert table.space(32).geometry.levels is None


def test_deep_pictures_that_cannot_be_read_take_no_part(tmp_path: Path) -> None:
    folder = deep_folder(tmp_path / "photos")
    damaged = folder / "train" / "rings" / "0.png"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(scan(folder), store).levelled().readable(32)
        assert table.images.levels == Levels(integers=(0.0, 4095.0))
        assert [out.path for out in table.images.left_out] == [damaged]


def flip(store: FeatureStore, where: str) -> int:
    """Change a bit of the values ``where`` SQLite says, which notices nothing; how many they are."""
    rows = store._db.execute(f"SELECT rowid, value FROM features WHERE {where}").fetchall()
    for rowid, value in rows:
        store._db.execute("UPDATE features SET value = ? WHERE rowid = ?", [bytes([value[0] ^ 1]) + value[1:], rowid])
    store._db.commit()
    return len(rows)


def test_damaged_rows_are_computed_again_and_right(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40))
    every, views = np.arange(len(images)), (View.CENTRE, View.FLIP)
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        X = table.rows(32, "last", every, views)
        count = flip(store, "rowid % 3 = 1 AND space IN (SELECT id FROM spaces WHERE key LIKE '%last')")
        assert count > 2
        np.testing.assert_array_equal(tiny_table(images, store).rows(32, "last", every, views), X)
        assert troubles() == Troubles(damaged=count)
        np.testing.assert_array_equal(tiny_table(images, store).rows(32, "last", every, views), X)
        assert troubles() == Troubles()


def test_what_was_remembered_and_is_damaged_is_computed_again(tmp_path: Path) -> None:
    images = scan(write_folder(tmp_path / "photos", {"rings": 5, "stripes": 5}, side=40))

    def size(path: Path) -> bytes | None:
        return None if path.name == "001.jpeg" else str(path.stat().st_size).encode()

    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        expected = list(table.remembered("size", size, stage="sizes"))
        flip(store, "rowid % 2")
        assert list(table.remembered("size", size, stage="sizes")) == expected
        assert troubles() == Troubles(damaged=4)
        assert list(table.remembered("size", size, stage="sizes")) == expected
        assert troubles() == Troubles()
