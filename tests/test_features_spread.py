from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart import device
from headstart.features import spread
from headstart.features.cluster import connected
from headstart.features.pool import Place, none_start
from headstart.features.spread import SHARE, AmongWorkers, in_threads
from headstart.probe import heads
from headstart.probe.heads import fit_path, principal_axes


def scaled(item: int, X: np.ndarray) -> list[float]:
    return [float(value) for value in X[0] * item]


X = np.arange(6.0, dtype=np.float32).reshape(2, 3)
EXPECTED = [[0.0, 1.0 * item, 2.0 * item] for item in range(5)]


def test_parts_done_by_threads_come_in_order() -> None:
    assert list(in_threads(scaled, range(5), X)) == EXPECTED


# ── workers without Ray ─────────────────────────────────────────────────────────────────────────────────────────────


class LostError(Exception):
    """What Ray raises for a worker that has ended."""


class FailedError(LostError):
    """What Ray raises for a call that has raised an error."""


class Call:
    """A method of a worker that is somewhere else: arguments get there as bytes, what is sent as it is."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method = method

    def remote(self, *given: Any) -> Any:
        there = [each[0] if isinstance(each, tuple) else pickle.loads(pickle.dumps(each)) for each in given]
        return lambda: self.method(*there)


class FakeWorker(SimpleNamespace):
    __hash__ = object.__hash__  # type: ignore[assignment]


class FakeRay:
    """So many workers of one processor each, one of which may compute otherwise, and one be lost."""

    exceptions = SimpleNamespace(RayError=LostError, RayTaskError=FailedError)

    def __init__(self, count: int, *, other: int = -1, ends: int = -1, memory: int = 10**6, come: bool = True) -> None:
        self.memory, self.come, self.ends = memory, come, ends
        self.did: list[int] = []
        self.lost_ones: list[int] = []
        self.puts = 0
        self.all = []
        for number in range(count):
            sums = Call(lambda number=number: "others" if number == other else device.sums())
            work = Call(lambda *given, number=number: self._work(number, *given))
            place = Place(node=f"{number}", host="host", number=0, cpus=1, gpus=0)
            self.all.append(FakeWorker(place=place, actor=SimpleNamespace(sums=sums, work=work), number=number))

    def _work(self, number: int, call: Callable[..., Any], item: Any, sent: Any) -> Any:
        if number == self.ends:
            raise LostError
        self.did.append(number)
        return call(item, sent)

    def nodes(self) -> list[dict[str, Any]]:
        small, gone = {"object_store_memory": self.memory}, {"object_store_memory": 0}
        return [{"Alive": True, "Resources": small}, {"Alive": False, "Resources": gone}]

    def wait(self, tasks: list[Any], **_: Any) -> tuple[list[Any], list[Any]]:
        return (tasks, []) if self.come else ([], tasks)

    def get(self, task: Any) -> Any:
        return task()

    def put(self, value: Any) -> Any:
        self.puts += 1
        return (value.copy(),)

    def workers(self) -> list[Any]:
        if not self.all:
            raise none_start("none", gpu=False)
        return self.all

    def lost(self, worker: Any, error: BaseException) -> bool:
        self.lost_ones.append(worker.number)
        return False


def among(ray: FakeRay) -> AmongWorkers:
    return AmongWorkers(ray, lambda: ray)  # type: ignore[arg-type, return-value]


def test_parts_go_to_all_workers_and_the_matrix_once() -> None:
    ray = FakeRay(2)
    share = among(ray)
    for _ in range(2):
        assert list(share(scaled, range(5), X)) == EXPECTED
    assert sorted(set(ray.did)) == [0, 1]
    assert ray.puts == 1
    own = X.copy()
    list(share(scaled, range(1), own))
    assert len(share._sent) == 2
    del own
    gc.collect()
    assert len(share._sent) == 1  # nobody uses it any more


def test_a_worker_that_computes_otherwise_is_given_no_part() -> None:
    ray = FakeRay(2, other=0)
    assert list(among(ray)(scaled, range(5), X)) == EXPECTED
    assert ray.did == [1] * 5


def test_parts_of_a_worker_that_is_lost_are_done_here() -> None:
    ray = FakeRay(2, ends=0)
    assert list(among(ray)(scaled, range(5), X)) == EXPECTED
    assert ray.lost_ones == [0]
    assert set(ray.did) == {1}


@pytest.mark.parametrize("ray", [FakeRay(0), FakeRay(2, come=False), FakeRay(2, memory=X.nbytes * SHARE - 1)])
def test_without_workers_or_room_for_the_matrix_all_is_done_here(ray: FakeRay) -> None:
    assert list(among(ray)(scaled, range(5), X)) == EXPECTED
    assert not ray.did
    assert not ray.puts


def test_what_a_part_raises_ends_the_run() -> None:
    ray = FakeRay(1)

    def get(task: Any) -> Any:
        try:
            return task()
        except TypeError as error:
            raise FailedError from error

    ray.get = get  # type: ignore[method-assign]
    with pytest.raises(FailedError):
        list(among(ray)(scaled, [None], X))  # type: ignore[list-item]


# ── workers of Ray ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        pytest.importorskip("ray")
        with device.single_blas(), connected("ray") as engine:
            yield engine


@pytest.mark.slow  # Ray is started
def test_heads_from_workers_are_those_of_this_process_byte_for_byte(
    engine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 12, 700)
    axes = principal_axes((rng.normal(size=(12, 90))[y] + rng.normal(0, 2, (700, 90))).astype(np.float32))
    rows = np.arange(700) % 10 != np.arange(10)[:, None]

    def fitted(share: spread.Spread) -> list[tuple[float, bytes, bytes]]:
        fits = fit_path(axes, y, rows, (1e-3, 1e-2, 1e-1), 12, spread=share)
        return [(C, W.tobytes(), b.tobytes()) for C, W, b in fits]

    monkeypatch.setattr(heads, "WORTH_SENDING", 0)
    here, there = fitted(in_threads), fitted(engine.spread)
    assert here == there
    assert engine.spread._sent  # and not by falling back
    (worker,) = engine.spread._proofs
    engine._ray.kill(worker.actor)
    assert fitted(engine.spread) == here  # by this process, and by the worker that takes its place
