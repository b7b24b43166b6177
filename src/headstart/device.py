"""What torch computes on here: which accelerator, how many threads; asked without loading torch where that will do."""

from __future__ import annotations

import gc
import hashlib
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
WHOLE_UP_TO = 8
"""Processors of a machine that are counted whether or not this process may use them. Chosen: threads that wait for each
other on fewer processors cost time, and on larger machines shares of few are usual."""
_THREADS = "OMP_NUM_THREADS"


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


_share: int | None = None


def take_share(count: int) -> None:
    """Let this process decode and run networks with ``count`` processors, as where several share a machine.

    It is to be said before a network is opened.
    """
    global _share
    _share = count
    os.environ[_THREADS] = str(count)
    _tell_torch(count)


def keep() -> None:
    """Let Python's collector pass over all that is there now, from now on and at the end.

    Not where torch is loaded, whose compiler then tells at the end what it takes for leaks.
    """
    if "torch" not in sys.modules:
        gc.freeze()


def share() -> int | None:
    """How many processors `take_share` left to this process; None where it has all."""
    return _share


def threads() -> int:
    """How many threads of the CPU torch computes with in a run; they share out sums, which moves the last bits.

    As many as torch was told or ``OMP_NUM_THREADS`` says. Else one for each processor of the machine, however few of
    them this process may use, so that a run gives the same bytes on a part of it; of a machine of more than
    `WHOLE_UP_TO` one for each that it may use.
    """
    if "torch" in sys.modules:
        return int(sys.modules["torch"].get_num_threads())
    wanted = os.environ.get(_THREADS, "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    count = os.cpu_count() or 1
    return len(os.sched_getaffinity(0)) if count > WHOLE_UP_TO and hasattr(os, "sched_getaffinity") else count


@contextmanager
def computing_with(count: int) -> Iterator[None]:
    """Let torch compute with ``count`` threads within, as on a machine of so many cores, if it is or will be loaded.

    Raises OptionError for a number that no machine has.
    """
    if not 1 <= count <= MOST_THREADS:
        what, found, todo = "threads", str(count), "train again"
        raise OptionError.of(what, expected=f"1 to {MOST_THREADS}", found=found, todo=todo)
    before, said = threads(), os.environ.get(_THREADS)
    os.environ[_THREADS] = str(count)  # which torch reads when it is loaded
    _tell_torch(count)
    try:
        yield
    finally:
        _tell_torch(before)
        os.environ.pop(_THREADS)
        if said is not None:
            os.environ[_THREADS] = said


def _tell_torch(count: int) -> None:
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)


@contextmanager
def single_blas() -> Iterator[None]:
    """Let BLAS compute with one thread within, so that its sums do not depend on how many cores there are.

    Heads and their checks take as long with one as with two (measured on 2,282 rows of 6,192 numbers), and a third less
    of the processors' time.
    """
    import scipy.linalg  # noqa: F401  which has a BLAS of its own: only one that is loaded can be told
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):
        yield


@cache
def sums() -> str:
    """A hash of sums, exponentials and logarithms of fixed numbers, which is the same where heads come out the same.

    Processors of another kind and other libraries round otherwise. To be asked for within `single_blas`.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    X, W = (rng.normal(size=size).astype(np.float32) for size in ((301, 457), (457, 67)))
    logits = X @ W
    P = np.exp(logits - logits.max(axis=1, keepdims=True))
    found = [P, X.T @ P, np.log(P.sum(axis=1, dtype=np.float64)), P.astype(np.float64).T @ P, X.sum(axis=0)]
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in found)).hexdigest()
