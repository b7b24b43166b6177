"""Every benchmark imports what there is, parses its arguments, and says what to type and what to expect."""

from __future__ import annotations

import ast
import re
import runpy
import sys
from pathlib import Path

import pytest

FILES = sorted((Path(__file__).parent.parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_header_states_command_and_result(file: Path) -> None:
    header = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    assert re.search(rf"^    .*python benchmarks/{file.name}", header, re.MULTILINE)
    assert re.search(r"\b(Expected|Measured)\b.*\d", header, re.DOTALL)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_imports_and_parses_its_arguments(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(file), "--help"])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(file), run_name="__main__")
    assert end.value.code == 0
    assert f"usage: {file.name}" in capsys.readouterr().out
