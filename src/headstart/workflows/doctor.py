"""What this machine has and can do: the facts behind ``headstart doctor``."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart.backbones import catalog, graph, weights
from headstart.cache_folder import cache_folder
from headstart.output_folder import nearest, obstacle
from headstart.versions import NOT_INSTALLED, version

NEEDED = ("numpy", "openvino", "pillow", "safetensors", "scikit-learn", "scipy", "timm", "torch", "torchvision")
OPTIONAL = ("pillow_heif", "conformal_clip_data")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Versions, networks and folders of this machine."""

    headstart: str
    """Its version; ``not installed`` in a source checkout."""
    python: str
    system: str
    processor: str
    cores: int | None
    packages: Mapping[str, str]
    """Those that headstart needs → version, or ``not installed``."""
    optional: Mapping[str, bool]
    """Modules that it can do without → whether they are there."""
    bf16: bool
    """Whether the CPU computes in bfloat16 itself, else in float32."""
    backbones: tuple[str, ...]
    """Those that work offline, now."""
    cache: Path
    """The folder of features and converted networks, which may not be there yet."""
    disk_free: int
    """Bytes, where the cache is or will be."""
    cache_writable: bool


def examine() -> Machine:
    """Look at this machine. Reads only, makes no folder, imports no torch."""
    packages = {package: version(package) for package in NEEDED}
    cache = cache_folder()
    there = nearest(cache)
    return Machine(
        headstart=version("headstart"),
        python=platform.python_version(),
        system=platform.system(),
        processor=platform.machine(),
        cores=os.cpu_count(),
        packages=packages,
        optional={module: importlib.util.find_spec(module) is not None for module in OPTIONAL},
        bf16=packages["openvino"] != NOT_INSTALLED and graph.computes_in_bf16(),
        backbones=tuple(backbone.name for backbone in catalog.all() if weights.is_ready(backbone)),
        cache=cache,
        disk_free=shutil.disk_usage(there).free,
        cache_writable=not obstacle(there),
    )
