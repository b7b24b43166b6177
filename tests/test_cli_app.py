from __future__ import annotations

import subprocess
import sys

import pytest

from command import headstart
from headstart.cli.app import seconds
from headstart.errors import OptionError


def test_help_and_import_are_quick_and_load_no_torch() -> None:
    script = (
        "import sys, headstart, headstart.cli; print(sorted({'torch', 'numpy', 'PIL', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    help_text = headstart("--help").stdout
    for command in ("demo", "train", "predict", "evaluate", "backbones", "cache", "doctor"):
        assert command in help_text


@pytest.mark.parametrize(("text", "expected"), [("90", 90), ("90s", 90), ("5m", 300), ("1h", 3600), (None, None)])
def test_durations(text: str | None, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "soon", "-1m", "nan", "inf"])
def test_a_duration_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="expected: a time such as 90s, 5m or 1h"):
        seconds(text)
