"""Runs the command line as a user does: a real process, real files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def headstart(*words: str | Path, stdin: str | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "headstart", *map(str, words)]
    return subprocess.run(
        command, input=stdin, capture_output=True, text=True, check=False, env={**os.environ, **env}, timeout=300
    )
