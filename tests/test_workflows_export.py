from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.workflows.export import ENDINGS, export


def test_what_is_written_is_named_after_the_run(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(small_model, tmp_path / "leaves" / "model")
    monkeypatch.chdir(tmp_path)
    exported = export(Path("leaves"), "onnx")
    assert exported.path == Path("leaves.onnx")
    assert exported.files == {"leaves.onnx": Path("leaves.onnx").stat().st_size}
    assert exported.to_dict()["golden"]["holds"]
    before = Path("leaves.onnx").read_bytes()
    assert export(Path("leaves/model"), "onnx").path == exported.path
    assert Path("leaves.onnx").read_bytes() == before


def test_another_format_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    with pytest.raises(OptionError, match="one of onnx, openvino, web, hub"):
        export(tmp_path, "pickle")


@pytest.mark.parametrize("to", ["onnx", "openvino"])
def test_a_file_of_somebody_else_is_never_replaced(to: str, small_model: Path, tmp_path: Path) -> None:
    mine = tmp_path / f"mine{ENDINGS[to]}"
    mine.write_text("mine")
    with pytest.raises(OptionError, match="which is something else"):
        export(small_model, to, mine)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(("to", "ending"), [("onnx", ".onnx"), ("openvino", ".xml")])
def test_a_name_by_which_no_runtime_knows_the_file_is_refused(
    to: str, ending: str, small_model: Path, tmp_path: Path
) -> None:
    said = rf"whose name ends in \{ending}\n.*found: -o .*/m\.bin\n.*-o .*/m\.bin\{ending}"
    with pytest.raises(OptionError, match=said):
        export(small_model, to, tmp_path / "m.bin")
    assert not [*tmp_path.iterdir()]


def test_numbers_that_stand_alone_are_not_written_over(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "m.bin").write_bytes(b"mine")
    with pytest.raises(OptionError, match="may be something else"):
        export(small_model, "openvino", tmp_path / "m.xml")
    assert [path.name for path in tmp_path.iterdir()] == ["m.bin"]
    assert (tmp_path / "m.bin").read_bytes() == b"mine"
