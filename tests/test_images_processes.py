"""Processes do what threads do, in order, and outlive an item that takes one of them down."""

import os
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from headstart import pipeline
from headstart.backbones.space import NetworkSpec
from headstart.errors import DiskError
from headstart.features.extract import Misses, here
from headstart.images import processes
from headstart.images.decode import encode
from headstart.images.processes import ENDED, shared_out

DEADLY, FAULTY = 13, 21
EXECUTABLE = sys.executable


@pytest.fixture(autouse=True)
def _on_many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "CORES", 1)
    monkeypatch.setattr(processes, "ITEMS", 1)


def squares(number: int) -> tuple[int, np.ndarray]:
    print("what a library prints")
    if number == DEADLY:
        os._exit(1)
    if number == FAULTY:
        raise DiskError.of("pictures", expected="a disk", found="none", todo="connect it")
    return os.getpid(), np.full((number, 3), number**2)


def lost(number: int) -> tuple[int, np.ndarray]:
    return 0, np.array([number])


def test_results_come_in_order_from_other_processes_but_for_what_ends_them() -> None:
    found = list(shared_out(squares, range(FAULTY), lost=lost))
    assert [len(array) for _, array in found] == [1 if i == DEADLY else i for i in range(FAULTY)]
    assert all((array == (DEADLY if i == DEADLY else i**2)).all() for i, (_, array) in enumerate(found))
    assert os.getpid() not in {process for process, _ in found}


def test_what_the_work_raises_is_raised_here() -> None:
    with pytest.raises(DiskError) as caught:
        list(shared_out(squares, range(FAULTY - 4, FAULTY + 4), lost=lost))
    assert caught.value.problems[0].todo == "connect it"


def test_the_processes_end_with_the_iterator() -> None:
    found = shared_out(squares, range(DEADLY), lost=lost)
    ran = {process for process, _ in islice(found, 9)}
    found.close()
    for process in ran:
        for _ in range(100):
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                break
            time.sleep(0.05)
        else:
            pytest.fail("a process goes on")


def test_where_no_process_can_do_the_work_threads_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(processes.sys, "executable", str(tmp_path / "none"))
    assert {process for process, _ in shared_out(squares, range(3), lost=lost)} == {os.getpid()}
    monkeypatch.setattr(processes, "_START", "raise SystemExit")
    monkeypatch.setattr(processes.sys, "executable", EXECUTABLE)
    assert {process for process, _ in shared_out(squares, range(3), lost=lost)} == {os.getpid()}


def test_few_items_start_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ITEMS", 4)
    assert {process for process, _ in shared_out(squares, range(3), lost=lost)} == {os.getpid()}


def test_pictures_give_the_same_rows_and_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(10)]
    for i, path in enumerate(paths):
        path.write_bytes(encode(rng.integers(0, 256, (80, 60 + i, 3), np.uint8), format="PNG"))
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much of a picture")
    paths.insert(4, tmp_path / "broken.jpg")
    space = NetworkSpec.named("efficientnet_lite0", "random", cache=tmp_path / "cache").at(32).open()
    misses = Misses(sources=[*paths, tmp_path / "none.png"], space=space, notes=pipeline.NOTES)
    apart = list(here(misses))
    monkeypatch.setattr(processes, "ITEMS", 1000)
    for one, other in zip(apart, here(misses), strict=True):
        if isinstance(one, str) or isinstance(other, str):
            assert one == other != ENDED
            continue
        assert one[1] == other[1]
        for view, rows in one[0].items():
            assert all((rows[name] == other[0][view][name]).all() for name in rows)
