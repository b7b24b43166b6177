"""Where computed values are kept on this machine, and how much of them.

The folder is ``$HEADSTART_CACHE`` where that is set. Else it is ``headstart`` in the platform's cache folder: on Linux
``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``.
"""

from __future__ import annotations

import os
from pathlib import Path

from headstart.errors import OptionError, Problem

DEFAULT_LIMIT_GB = 4.0
"""Gigabytes of values that are kept unless ``$HEADSTART_CACHE_GB`` says otherwise: about 780,000 rows of 1,280."""


def cache_folder() -> Path:
    """The folder in which graphs, features and activations are kept. It may not be there yet."""
    if named := os.environ.get("HEADSTART_CACHE"):
        return Path(named).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("headstart", appauthor=False, opinion=False)


def size_limit() -> int:
    """The most bytes of values to keep, from ``$HEADSTART_CACHE_GB``. Raises OptionError if that is not above 0."""
    text = os.environ.get("HEADSTART_CACHE_GB", str(DEFAULT_LIMIT_GB))
    try:
        gigabytes = float(text)
    except ValueError:
        gigabytes = -1.0
    if not gigabytes > 0:
        todo = "set HEADSTART_CACHE_GB to, say, 4"
        problem = Problem(expected="a number of gigabytes above 0", found=repr(text), todo=todo)
        raise OptionError("HEADSTART_CACHE_GB", [problem])
    return int(gigabytes * 1e9)
