from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from command import headstart, typed
from headstart.cli import app
from headstart.cli.app import Commands, interrupted, refused, seconds
from headstart.errors import OptionError
from headstart.versions import version
from pictures import classes_in


def test_help_and_import_are_quick_and_load_no_torch() -> None:
    script = (
        "import sys, headstart, headstart.cli; print(sorted({'torch', 'numpy', 'PIL', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    help_text = headstart("--help").stdout
    for command in ("demo", "train", "predict", "evaluate", "backbones", "cache", "doctor"):
        assert command in help_text


def test_the_version_is_shown_before_anything_else_is_asked() -> None:
    done = CliRunner().invoke(app, ["--version"])
    assert (done.exit_code, done.output) == (0, f"headstart {version('headstart')}\n")


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


@pytest.mark.parametrize("verb", ["check", "compare", "demo", "recipes", "train", "replay"])
def test_what_keeps_its_work_goes_on(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert interrupted(verb) == 130
    said = capsys.readouterr().err
    assert "what was computed is kept, and the same command goes on from there" in said
    assert ("unless with --fresh" in said) == (verb == "replay")


@pytest.mark.parametrize("verb", ["predict", "evaluate", "watch", "explain", None])
def test_what_keeps_nothing_begins_anew(verb: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert interrupted(verb) == 130
    assert capsys.readouterr().err == "\ninterrupted. Nothing is broken: the same command begins anew.\n"


def test_a_path_that_leads_nowhere_is_not_said_to_be_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        (tmp_path / "nodir" / "a.csv").read_text()
    said = refused(caught.value)
    assert f"found: No such file or directory: {tmp_path / 'nodir' / 'a.csv'}" in said
    assert "to do: check the path; where something is to be written, create the folder" in said
    assert "space" not in said
    assert "free some space" in refused(OSError(28, "No space left on device", "a"))


def test_decisions_that_are_not_there_are_a_wrong_path(photos: Path, tmp_path: Path) -> None:
    done = typed("check", photos, "--apply", tmp_path / "typo.csv", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert f"No such file or directory: {tmp_path / 'typo.csv'}" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_written_is_refused_before_any_work(tmp_path: Path) -> None:
    """There is no run here: the place to write is looked at first."""
    nowhere = tmp_path / "nodir"
    for words in (
        ("predict", tmp_path, "a.jpg", "--csv", nowhere / "a.csv"),
        ("explain", tmp_path, "a.jpg", "-o", nowhere / "a.html"),
        ("watch", tmp_path, "a.jpg", "-o", nowhere / "a.html", "--queue", nowhere / "a.csv"),
    ):
        done = typed(*words)
        assert done.returncode == 2
        assert done.stderr.startswith(f"error: where to write: {2 if '--queue' in words else 1} problem")
        assert f"found: no folder {nowhere}" in done.stderr
        assert "to do: create the folder, or check the path" in done.stderr


@pytest.mark.parametrize(
    ("encoding", "shown"), [("cp1252", "\\u0141o\\u015b"), ("ascii", "\\u0141o\\u015b"), ("utf-8", "Łoś")]
)
def test_what_a_terminal_cannot_show_is_escaped(tmp_path: Path, encoding: str, shown: str) -> None:
    photos = classes_in(tmp_path / "photos", "Łoś cat")
    command = [sys.executable, "-m", "headstart", "check", str(photos), "--list"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    lines = subprocess.run(command, capture_output=True, encoding=encoding, env=environment, check=True).stdout
    assert f"\n{shown} " in lines
    document = subprocess.run(
        [*command, "--json"], capture_output=True, encoding=encoding, env=environment, check=True
    ).stdout
    assert json.loads(document)["classes"] == ["cat", "Łoś"]


def test_what_is_understood_is_shown_also_where_it_cannot_be_trained_on(tmp_path: Path) -> None:
    done = typed("check", classes_in(tmp_path / "photos", "cat dog", count=3), "--list")
    assert done.returncode == 2
    assert done.stdout.splitlines()[1:] == ["class    train", "cat          3", "dog          3", "6 pictures"]
    assert "found: 'cat' has 3, 'dog' has 3" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="its shells cannot close a stream")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(tmp_path: Path, closed: str) -> None:
    command = f"{sys.executable} -m headstart check {tmp_path} --list --json {closed}"
    done = subprocess.run(["sh", "-c", f"{command}; echo $?"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "2", "an empty folder"
    assert "Traceback" not in done.stderr


def test_an_interruption_while_what_was_typed_is_parsed_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Commands, ctx: object, args: list[str]) -> list[str]:
        args.clear()
        raise KeyboardInterrupt

    monkeypatch.setattr(Commands, "parse_args", interrupt)
    done = typed("train", "photos")
    assert (done.returncode, done.stdout) == (130, "")
    assert "what was computed is kept" in done.stderr


def test_what_is_left_in_the_end_is_not_looked_through_once_more() -> None:
    script = "import atexit, gc; atexit.register(lambda: print(gc.get_freeze_count() > 0)); import headstart.__main__"
    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("typed", [["--version"], ["check", "--help"]])
def test_what_is_shown_before_a_command_runs_meets_a_full_disk_too(typed: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "headstart", *typed], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 2
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
