from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.deploy.model import Model
from headstart.errors import DataError
from headstart.workflows.export import export
from headstart.workflows.export_hub import read_figures
from headstart.workflows.verify import verify
from models import CLASSES


def test_a_model_folder_becomes_a_hub_folder_without_figures(small_model: Path, tmp_path: Path) -> None:
    folder = export(small_model, "hub", tmp_path / "it").path
    assert "None are known" in (folder / "README.md").read_text(encoding="utf-8")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert list(config["id2label"].values()) == list(CLASSES)
    assert Model.load(folder / "model").classes == CLASSES
    assert verify(folder / "model.onnx", folder / "model").holds


def test_figures_come_from_the_run(run_folder: Path, tmp_path: Path) -> None:
    figures = read_figures(run_folder)
    assert figures is not None
    found = json.loads((run_folder / "metrics.json").read_text(encoding="utf-8"))
    assert figures.accuracy.value == found["accuracy"]["value"]
    assert [each.name for each in figures.per_class] == found["classes"]
    del found["majority"]
    (tmp_path / "metrics.json").write_text(json.dumps(found), encoding="utf-8")
    with pytest.raises(DataError, match="the figures of a run"):
        read_figures(tmp_path)
