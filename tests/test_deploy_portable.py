from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.model import Model
from headstart.deploy.portable import Portable, open_onnx, open_openvino
from headstart.errors import ModelError
from headstart.workflows.export import export
from pictures import scene


@pytest.fixture(scope="module")
def small_xml(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export(small_model, "openvino", tmp_path_factory.mktemp("openvino") / "small.xml").path


def test_both_runtimes_answer_as_the_model_does(small_model: Path, small_onnx: Path, small_xml: Path) -> None:
    pictures = [scene(seed, size=size) for seed, size in enumerate([(64, 64), (300, 40), (1, 1), (90, 410)])]
    model = Model.load(small_model, precision="f32").predict(pictures)
    for portable in (open_onnx(small_onnx), open_openvino(small_xml)):
        for place, (ours, theirs) in enumerate(zip(model, portable.answers(pictures), strict=True)):
            assert theirs.position == place
            np.testing.assert_allclose(theirs.proba, ours.proba, atol=5e-3)  # type: ignore[arg-type]
            assert theirs.novelty == pytest.approx(ours.novelty, abs=5e-3)
            assert (theirs.unsure, theirs.unfamiliar) == (ours.unsure, ours.unfamiliar)


def test_the_manifest_is_the_same_in_both(small_onnx: Path, small_xml: Path) -> None:
    assert open_openvino(small_xml).manifest == open_onnx(small_onnx).manifest


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('version="opset1"', 'version="extension"'),
        ("<net ", '<!DOCTYPE net SYSTEM "/etc/passwd"><net '),
        ("headstart", "another"),
        ("</layers>", ""),
    ],
)
def test_a_changed_graph_of_openvino_is_refused(old: str, new: str, small_xml: Path, tmp_path: Path) -> None:
    for file in (small_xml, small_xml.with_suffix(".bin")):
        shutil.copy(file, tmp_path)
    text = (tmp_path / small_xml.name).read_text(encoding="utf-8")
    assert old in text
    (tmp_path / small_xml.name).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ModelError, match="no model that headstart exported, or is damaged"):
        open_openvino(tmp_path / small_xml.name)


def test_one_without_its_numbers_is_refused(small_xml: Path, tmp_path: Path) -> None:
    shutil.copy(small_xml, tmp_path)
    with pytest.raises(ModelError, match="no such file"):
        open_openvino(tmp_path / small_xml.name)


def test_outputs_of_other_shapes_are_refused(small_onnx: Path) -> None:
    portable = open_onnx(small_onnx)
    fewer = {**{name: np.zeros(1) for name in ("novelty", "unsure", "unfamiliar")}, "probabilities": np.zeros((1, 2))}
    broken = Portable(runtime="", manifest=portable.manifest, bytes=0, run=lambda _: fewer)
    with pytest.raises(ModelError, match="gives other outputs than a model"):
        list(broken.answers([scene(0)]))
