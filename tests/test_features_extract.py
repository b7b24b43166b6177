from __future__ import annotations

import errno
import hashlib
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from headstart.backbones.space import Space
from headstart.errors import DiskError
from headstart.features.extract import LEAST_WAITING, extract, extract_to_store
from headstart.images import reading
from headstart.images.transforms import Geometry, View
from headstart.store import FeatureStore
from pictures import write_folder
from tiny import TinyRuntime


def space(batch: int = 4) -> Space:
    return Space(runtime=TinyRuntime(32, batch), geometry=Geometry(size=32))


def files(folder: Path, count: int = 7) -> list[Path]:
    return sorted(write_folder(folder, {"rings": count}).rglob("*.jpeg"))


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def test_a_row_per_picture_in_order_whatever_the_batch(tmp_path: Path) -> None:
    paths = files(tmp_path)
    one = [rows[View.CENTRE]["depths"] for rows in extract(paths, space(batch=1))]
    many = [rows[View.CENTRE]["depths"] for rows in extract(paths, space(batch=5))]
    assert len(list(extract(paths, space()))) == 7
    np.testing.assert_array_equal(one, many)
    assert len({row.tobytes() for row in one}) == 7


def test_unreadable_pictures_keep_their_place_and_say_why(tmp_path: Path) -> None:
    paths = files(tmp_path)
    paths[0].write_bytes(b"")
    paths[3].write_bytes(paths[3].read_bytes()[:200])
    paths.append(tmp_path / "not there.jpg")
    outcome = list(extract(paths, space()))
    assert len(outcome) == 8
    reasons = {i: rows for i, rows in enumerate(outcome) if isinstance(rows, str)}
    assert sorted(reasons) == [0, 3, 7]
    assert reasons[0] == "empty file: fetch it again"
    assert "damaged" in reasons[3]
    assert reasons[7] == "no such file"


def test_views_of_one_picture_come_together(tmp_path: Path) -> None:
    paths = files(tmp_path, 3)
    views = (View.CENTRE, View.FLIP, View.TOP_LEFT)
    outcome = list(extract(paths, space(batch=2), views=views))
    assert all(tuple(rows) == views for rows in outcome)
    centre = [rows[View.CENTRE]["last"] for rows in extract(paths, space())]
    np.testing.assert_array_equal([rows[View.CENTRE]["last"] for rows in outcome], centre)
    # A mirror image has the same mean colour and contrast; another crop has not.
    np.testing.assert_allclose([rows[View.FLIP]["last"] for rows in outcome], centre, atol=1e-5)
    assert np.abs(np.array([rows[View.TOP_LEFT]["last"] for rows in outcome]) - centre).max() > 1e-3


def test_only_what_is_missing_is_computed(tmp_path: Path) -> None:
    paths = files(tmp_path / "photos")
    with FeatureStore(tmp_path / "cache") as store:
        first = space()
        assert extract_to_store(paths[:5], digests(paths[:5]), first, store) == {}
        assert first.runtime.pictures_seen == 5
        second = space()
        extract_to_store(paths, digests(paths), second, store)
        assert second.runtime.pictures_seen == 2
        third = space()
        extract_to_store(paths, digests(paths), third, store, views=(View.CENTRE, View.FLIP))
        assert third.runtime.pictures_seen == 14


def test_pictures_with_the_same_bytes_are_computed_once(tmp_path: Path) -> None:
    paths = files(tmp_path / "photos", 2)
    with FeatureStore(tmp_path / "cache") as store:
        here = space()
        extract_to_store(paths * 3, digests(paths) * 3, here, store)
        assert here.runtime.pictures_seen == 2


def test_a_change_of_size_or_geometry_is_another_space() -> None:
    keys = {
        Space(runtime=TinyRuntime(size), geometry=Geometry(size=size, mode=mode, crop_pct=pct)).key(view, output)
        for size in (32, 64)
        for mode, pct in (("crop", 0.875), ("crop", 1.0), ("squash", 1.0))
        for view in (View.CENTRE, View.FLIP)
        for output in ("last", "depths")
    }
    assert len(keys) == 24


def test_a_file_that_changes_between_hash_and_decoding_is_left_out(tmp_path: Path) -> None:
    paths = files(tmp_path / "photos", 3)
    known = digests(paths)
    paths[1].write_bytes(paths[2].read_bytes())
    with FeatureStore(tmp_path / "cache") as store:
        assert extract_to_store(paths, known, space(), store) == {1: "changed while it was being read"}
        with pytest.raises(KeyError):
            store.read(space().key(View.CENTRE, "last"), [known[1]], 6)


def test_what_was_computed_before_an_interruption_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headstart.features.extract.COMMIT_EVERY_S", 0.0)
    paths = files(tmp_path / "photos", 12)

    class Interrupting:
        def stage(self, name: str, total: int):  # type: ignore[no-untyped-def]
            from contextlib import nullcontext

            def advance(done: int) -> None:
                if done == 6:
                    raise KeyboardInterrupt

            return nullcontext(advance)

    with FeatureStore(tmp_path / "cache") as store:
        with pytest.raises(KeyboardInterrupt):
            extract_to_store(paths, digests(paths), space(), store, progress=Interrupting())
        again = space()
        extract_to_store(paths, digests(paths), again, store)
        assert again.runtime.pictures_seen == 6


def test_a_picture_that_vanishes_alone_is_named_and_what_to_do(tmp_path: Path) -> None:
    paths = files(tmp_path)
    known = digests(paths)
    paths[2].unlink()
    outcome = list(extract(paths, space(), digests=known))
    assert outcome[2] == "vanished after it was listed: put it back and start again"
    assert sum(isinstance(rows, str) for rows in outcome) == 1


def test_a_folder_that_vanishes_ends_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    paths = files(tmp_path / "photos", 3 * LEAST_WAITING)  # more than can be decoded before the third batch
    known, away = digests(paths), tmp_path / "away"
    with FeatureStore(tmp_path / "cache") as store:

        class Unplugging(TinyRuntime):
            """Takes the folder away after the third batch."""

            def run(self, batches):
                for number, outputs in enumerate(super().run(batches)):
                    if number == 2:
                        shutil.move(paths[0].parent, away)
                    yield outputs

        unplugging = Space(runtime=Unplugging(32, 2), geometry=Geometry(size=32))
        with pytest.raises(DiskError) as caught:
            extract_to_store(paths, known, unplugging, store)
        assert caught.value.problems[0].found == f"{paths[0].parent}: the folder, or all that was in it, has vanished"
        kept = store.known(unplugging.key(View.CENTRE, "last"), known)
        assert len(kept) >= 4, "rows computed before are kept"
        shutil.move(away, paths[0].parent)
        assert extract_to_store(paths, known, space(2), store) == {}
        assert store.known(unplugging.key(View.CENTRE, "last"), known) == set(known)


def test_a_disk_that_does_not_answer_ends_a_prediction_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = files(tmp_path)

    def failing(path: Path) -> None:
        raise reading.refused(path, OSError(errno.EIO, os.strerror(errno.EIO)))

    monkeypatch.setattr("headstart.images.sources.contents", failing)
    with pytest.raises(DiskError, match=r"rings/000\.jpeg: Input/output error"):
        list(extract(paths, space()))
