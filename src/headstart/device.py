"""What torch computes on here: which accelerator, how many threads; asked without loading torch where that will do."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from headstart.errors import OptionError

Accelerator = Literal["cuda", "mps"]
MOST_THREADS = 1024
"""Chosen: more than the largest machines have cores."""


def seen() -> dict[str, bool]:
    """Which of the devices ``cpu``, ``cuda`` and ``mps`` torch sees here. Loads torch."""
    import torch

    return {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}


@cache
def accelerator() -> Accelerator | None:
    """The GPU that torch sees: ``cuda``, ``mps``, or None.

    torch takes seconds to load, so it is asked only where a driver's file or command is there.
    """
    nvidia_or_amd = any(Path(device).exists() for device in ("/dev/nvidia0", "/dev/dxg", "/dev/kfd"))
    if (nvidia_or_amd or shutil.which("nvidia-smi")) and seen()["cuda"]:
        return "cuda"
    if platform.system() == "Darwin" and platform.machine() == "arm64" and seen()["mps"]:
        return "mps"
    return None


def trains_on(device: str) -> str:
    """Where torch trains for an option ``device``: ``cpu``, ``cuda`` or ``mps``; ``auto`` takes a GPU that is there."""
    chosen = accelerator() if device == "auto" else device
    return chosen if chosen in ("cuda", "mps") else "cpu"


def threads() -> int:
    """How many threads of the CPU torch and BLAS compute with; they share out sums, which moves their last bits."""
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else os.cpu_count() or 1


@contextmanager
def computing_with(count: int) -> Iterator[None]:
    """Let torch and BLAS compute with ``count`` threads within, as on a machine of so many cores.

    Raises OptionError for a number that no machine has.
    """
    if not 1 <= count <= MOST_THREADS:
        what, found, todo = "threads", str(count), "train again"
        raise OptionError.of(what, expected=f"1 to {MOST_THREADS}", found=found, todo=todo)
    before = threads()
    if count == before:
        yield
        return
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    try:
        with threadpool_limits(count, "blas"):
            yield
    finally:
        torch.set_num_threads(before)
