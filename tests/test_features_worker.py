from __future__ import annotations

import hashlib
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart import device
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import Weights
from headstart.errors import OptionError, WeightsError
from headstart.features.extract import Misses, here
from headstart.features.worker import Worker
from headstart.images.transforms import View
from pictures import write_folder


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    """A worker in this process, which has all processors again afterwards."""
    monkeypatch.setattr(device, "_share", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(device, "_tell_torch", lambda count: None)
    return Worker(1)


def network(cache: Path) -> NetworkSpec:
    return NetworkSpec.named("efficientnet_lite0", cache=cache)


def test_a_worker_computes_with_its_share_what_a_whole_machine_does(worker: Worker, cache: Path, photos: Path) -> None:
    assert device.share() == 1
    paths = [*sorted(photos.rglob("*.jpeg"))[:20], photos / "not there.jpeg"]
    space = network(cache).at(224).open()
    key = space.key(View.CENTRE, "last")
    assert worker.open(key, pickle.dumps(space.spec), space.runtime.name) is None
    found = worker.compute(key, paths, None, (View.CENTRE, View.FLIP), ())
    expected = list(here(Misses(sources=paths, space=space, views=(View.CENTRE, View.FLIP))))
    assert found[-1] == expected[-1] == "no such file"
    for (rows, _), (same, _) in zip(found[:-1], expected[:-1], strict=True):
        for view in same:
            np.testing.assert_array_equal(rows[view]["last"], same[view]["last"])


def test_a_network_without_a_spec_travels_as_its_files(worker: Worker, cache: Path) -> None:
    space = network(cache).at(224).open().single()
    assert space.spec is None
    sent = pickle.dumps(space)
    key = pickle.loads(sent).key(View.CENTRE, "last")
    assert worker.open(key, sent, space.runtime.name) is None


def test_other_rows_than_those_asked_for_are_refused(worker: Worker, cache: Path) -> None:
    error = worker.open("another key", pickle.dumps(network(cache).at(224)), "openvino bf16")
    assert isinstance(error, OptionError)
    problem = error.problems[0]
    assert problem.expected.startswith("openvino bf16 and the same versions")
    assert problem.found.startswith(("openvino", "torch"))
    assert "--precision f32" in problem.todo


def test_weights_that_only_the_other_machine_has_are_named(worker: Worker, tmp_path: Path) -> None:
    given = Weights(path=tmp_path / "mine.pth", sha256="0" * 64, origin="file")
    spec = replace(network(tmp_path / "its cache"), weights=given).at(224)
    error = worker.open("key", pickle.dumps(spec), "openvino f32")
    assert isinstance(error, WeightsError)
    assert str(tmp_path / "mine.pth") in error.what
    assert error.problems[0].todo == "put it on storage that all share, at the same path"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.problems) == (WeightsError, str(error), error.problems)


def test_bundled_weights_and_the_cache_are_those_of_the_machine_itself(
    worker: Worker, cache: Path, tmp_path: Path
) -> None:
    there = network(tmp_path / "no such cache")
    there = replace(there, weights=replace(there.weights, path=tmp_path / "elsewhere.pth"))
    space = network(cache).at(224).open()
    assert worker.open(space.key(View.CENTRE, "last"), pickle.dumps(there.at(224)), space.runtime.name) is None
    assert not (tmp_path / "no such cache").exists()


def test_what_ends_the_run_is_an_answer(worker: Worker, cache: Path, tmp_path: Path) -> None:
    path = write_folder(tmp_path, {"rings": 1}) / "rings" / "000.jpeg"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    space = network(cache).at(224)
    worker.open(key := space.open().key(View.CENTRE, "last"), pickle.dumps(space), "")
    path.unlink()
    path.parent.rmdir()
    error = worker.compute(key, [path], [digest], (View.CENTRE,), ())
    assert "has vanished" in str(error)
