"""Which accelerator torch can use here; asked once, and without loading torch where there can be none."""

from __future__ import annotations

import platform
import shutil
from functools import cache
from pathlib import Path
from typing import Literal

Accelerator = Literal["cuda", "mps"]


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
