from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from headstart import device


@pytest.mark.parametrize(
    ("option", "seen", "trains_on"),
    [
        ("auto", None, "cpu"), ("auto", "cuda", "cuda"), ("auto", "mps", "mps"), ("openvino", "cuda", "cpu"),
        ("torch", "cuda", "cpu"), ("cuda", None, "cuda"), ("mps", None, "mps"),
    ],
)  # fmt: skip
def test_where_torch_trains(monkeypatch: pytest.MonkeyPatch, option: str, seen: str | None, trains_on: str) -> None:
    monkeypatch.setattr(device, "accelerator", lambda: seen)
    assert device.trains_on(option) == trains_on


def test_torch_sees_the_cpu_and_the_accelerator_that_is_named() -> None:
    devices = device.seen()
    assert devices.keys() == {"cpu", "cuda", "mps"}
    assert devices["cpu"]
    assert device.accelerator() is None or devices[device.accelerator()]


def test_torch_is_not_loaded_where_there_is_no_driver() -> None:
    script = (
        "import shutil, pathlib, platform, sys; shutil.which = lambda name: None\n"
        "pathlib.Path.exists = lambda self: False; platform.system = lambda: 'Linux'\n"
        "from headstart.device import accelerator\n"
        "assert accelerator() is None and 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("processors", "usable", "said", "threads"),
    [(4, 1, None, 4), (4, 1, "3", 3), (4, 1, "0", 4), (64, 6, None, 6), (64, 6, "64", 64)],
)
def test_a_run_computes_alike_on_a_part_of_a_small_machine(
    monkeypatch: pytest.MonkeyPatch, processors: int, usable: int, said: str | None, threads: int
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(device.os, "cpu_count", lambda: processors)
    monkeypatch.setattr(device.os, "sched_getaffinity", lambda pid: set(range(usable)), raising=False)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if said is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert device.threads() == threads
    with device.computing_with(5):
        assert device.threads() == 5
    assert device.os.environ.get("OMP_NUM_THREADS") == said


def test_products_have_one_thread_and_afterwards_as_many_as_before() -> None:
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info

    def of_blas() -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    before = of_blas()
    with device.single_blas():
        assert of_blas() == [1] * len(before)
    assert of_blas() == before


def test_sums_are_the_same_each_time_and_change_with_the_kernels() -> None:
    script = "from headstart.device import single_blas, sums\nwith single_blas(): print(sums())"
    command = [sys.executable, "-c", script]
    found = [
        subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **more}).stdout
        for more in ({}, {}, {"OPENBLAS_CORETYPE": "Nehalem"})
    ]
    assert len(found[0]) == 65
    assert found[0] == found[1]
    if platform.machine() == "x86_64":
        assert found[2] != found[0]


def test_what_is_kept_is_not_looked_through_again_unless_torch_is_loaded() -> None:
    script = "import gc, sys; from headstart.device import keep; keep(); print(gc.get_freeze_count() > 0)"
    for first, kept in (("", "True"), ("import torch; ", "False")):
        done = subprocess.run([sys.executable, "-c", first + script], capture_output=True, text=True, check=True)
        assert (done.stdout.strip(), done.stderr) == (kept, "")
