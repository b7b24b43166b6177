from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from headstart.errors import OptionError
from headstart.features.part import Part
from headstart.features.pool import MOST_FAILS, Place, Pool, PooledWorker, last_line, places


@pytest.mark.parametrize(
    ("cpus", "gpus", "on_gpu", "expected"),
    [
        (2, 0, False, [2]),
        (4, 0, False, [4]),
        (6, 0, False, [3, 3]),
        (64, 8, False, [4] * 16),
        (16, 2, True, [8, 8]),
        (16, 0, True, []),
        (0, 0, False, []),
    ],
)
def test_a_worker_for_every_few_processors_or_for_each_gpu(
    cpus: int, gpus: int, on_gpu: bool, expected: list[int]
) -> None:
    node = {"NodeID": "a", "NodeManagerHostname": "here", "Resources": {"CPU": float(cpus), "GPU": float(gpus)}}
    found = places(node, gpu=on_gpu)
    assert [place.cpus for place in found] == expected
    assert len(set(found)) == len(found)
    assert {place.gpus for place in found} <= {int(on_gpu)}


def test_nothing_is_given_beside_a_part_that_is_tried_alone() -> None:
    worker = PooledWorker(Place(node="a", host="here", number=0, cpus=2, gpus=0), None)
    assert worker.has_room(2, alone=True)
    worker.running["task"] = Part(start=0, stop=64)
    assert worker.has_room(2, alone=False)
    assert not worker.has_room(2, alone=True)
    worker.running["other"] = Part(start=64, stop=128)
    assert not worker.has_room(2, alone=False)
    worker.running = {"task": Part(start=0, stop=64, alone=True)}
    assert not worker.has_room(2, alone=False)


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    ray = pytest.importorskip("ray")
    ray.init(address="local", num_cpus=2, include_dashboard=False, object_store_memory=10**8, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.slow
def test_a_worker_that_ends_is_started_again_and_given_up_in_the_end(ray: Any) -> None:
    pool = Pool(ray, gpu=False)
    for number in range(MOST_FAILS):
        (worker,) = pool.workers()
        assert (worker.place.cpus, worker.fails) == (2, number)
        os.kill(ray.get(worker.actor.__ray_call__.remote(lambda worker: os.getpid())), signal.SIGKILL)
        task = worker.actor.__ray_call__.remote(lambda worker: None)
        worker.running[task] = Part(start=0, stop=64)
        ((same, (lost, value, error)),) = pool.next_answers([worker])
        assert (same, lost, value) == (worker, task, None)
        assert error is not None
        assert pool.lost(worker, error) is False  # the machine is still there
    with pytest.raises(OptionError, match="expected: workers that start") as caught:
        pool.workers()
    assert "ray status" in caught.value.problems[0].todo
    pool.close()


def test_the_last_line_that_says_anything_is_shown() -> None:
    assert last_line(RuntimeError("<Rendezvous of RPC:\n  details = 'gone'\n>")) == "details = 'gone'"
    assert last_line(RuntimeError(" \n>\n")) == "RuntimeError"
