from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headstart.errors import OptionError
from headstart.images.decode import encode
from headstart.workflows.verify import verify
from pictures import scene


def test_without_a_run_the_golden_pictures_decide(small_onnx: Path) -> None:
    verified = verify(small_onnx)
    assert verified.holds
    assert verified.golden is not None
    assert (verified.model, verified.as_files) == (None, None)


def test_of_a_folder_that_was_exported_the_file_in_it_is_held_against_the_model(
    small_onnx: Path, small_model: Path, tmp_path: Path
) -> None:
    shutil.copyfile(small_onnx, tmp_path / "model.onnx")
    verified = verify(tmp_path, small_model)
    assert verified.holds
    assert verified.runtime.startswith("onnxruntime ")
    assert verified.golden is not None


def test_a_model_folder_agrees_with_itself(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(scene(0), format="PNG"))
    verified = verify(small_model, small_model, [tmp_path])
    assert verified.holds
    assert verified.golden is None
    assert verified.model is not None
    assert verified.model.n == 1
    verified = verify(small_model, small_model, [shutil.make_archive(str(tmp_path / "a"), "tar", tmp_path)])
    assert verified.model is not None
    assert verified.model.n == 1


def test_a_large_jpeg_as_a_file_differs_and_is_no_part_of_the_verdict(
    small_onnx: Path, small_model: Path, tmp_path: Path
) -> None:
    (tmp_path / "large.jpg").write_bytes(encode(scene(0, size=(700, 900))))
    verified = verify(small_onnx, small_model, [tmp_path])
    assert verified.model is not None
    assert verified.as_files is not None
    assert verified.model.largest < 1e-3 < verified.as_files.largest
    assert verified.holds


def test_another_model_and_pictures_without_a_run_are_refused(
    small_onnx: Path, run_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(OptionError, match="is of another model"):
        verify(small_onnx, run_folder)
    with pytest.raises(OptionError, match=r"or the address of a server\n.*no such file or folder\n.*check the path"):
        verify(tmp_path / "missing.onnx", run_folder)
    with pytest.raises(OptionError, match="pictures and no run"):
        verify(small_onnx, None, [tmp_path])
