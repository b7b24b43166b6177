from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

import sources
from headstart.cli.app import app
from headstart.images.folder import scan
from test_images_formats_registry import trained_on


def test_a_source_is_written_in_another_format_and_says_so(tmp_path: Path) -> None:
    source = sources.zipped(tmp_path / "a", sources.drawn())
    done = CliRunner().invoke(app, ["convert", str(source), str(tmp_path / "b"), "--to", "folders", "--json"])
    assert (done.exit_code, json.loads(done.stdout)["pictures"]) == (0, len(sources.drawn()))
    assert trained_on(scan(tmp_path / "b")) == trained_on(scan(source))


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    source = sources.folders(tmp_path / "a", sources.drawn())
    done = CliRunner().invoke(app, ["convert", str(source), str(tmp_path / "b"), "--to", "floppy"])
    assert done.exit_code != 0
    assert not (tmp_path / "b").exists()
