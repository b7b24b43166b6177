from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


@pytest.mark.usefixtures("full_disk")
@pytest.mark.parametrize("cold", [True, False], ids=["in the cache", "in the run"])
def test_a_full_disk_is_a_problem_in_words(photos: Path, run_folder: Path, tmp_path: Path, *, cold: bool) -> None:
    assert run_folder.is_dir()  # so that the shared cache holds all that training needs
    environment = {"HEADSTART_CACHE": str(tmp_path / "cache")} if cold else {}
    done = headstart("train", photos, "-o", tmp_path / "run", "--finetune", "never", **environment)
    assert done.returncode == 2
    assert "error: the machine refused\nexpected: files that can be read, and a disk with room" in done.stderr
    assert "to do: free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "report.html").exists()
