from __future__ import annotations

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
