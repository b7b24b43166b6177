"""Files, folders and patterns that somebody named become the files to predict."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from headstart.images.walk import files_below, is_junk


def find_images(inputs: Sequence[str | Path]) -> list[Path]:
    """Files to predict, in the order given: files as they are, folders with all below them, glob patterns.

    Nothing is opened here: a file that is missing or no picture is kept, for the caller to report.
    """
    paths: list[Path] = []
    for item in (os.fspath(item) for item in inputs):
        if os.path.lexists(item) or not glob.has_magic(item):
            paths += _expanded(Path(item))
        else:
            matches = [Path(match) for match in sorted(glob.glob(item, recursive=True))]  # noqa: PTH207, may be absolute
            below = [file for match in matches if not is_junk(match.name) for file in _expanded(match)]
            paths += dict.fromkeys(below) or [Path(item)]
    return paths


def _expanded(path: Path) -> list[Path]:
    if not os.path.isdir(path):  # noqa: PTH112, an impossible name is no folder
        return [path]
    files, unreadable = files_below(path)
    return files + [left_out.path for left_out in unreadable]
