from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from headstart.deploy import export
from headstart.deploy.portable import open_onnx
from headstart.deploy.verify import golden_agreement
from headstart.errors import ModelError


def test_what_does_not_answer_as_the_model_is_not_kept(
    small_model: Path, small_onnx: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wrong = replace(golden_agreement(open_onnx(small_onnx)), largest=0.5)
    monkeypatch.setattr(export, "golden_agreement", lambda _: wrong)
    with pytest.raises(ModelError, match="does not answer as the model does: 1 problem"):
        export.to_onnx(small_model)
    exported = export.Exported(content=small_onnx.read_bytes(), manifest=open_onnx(small_onnx).manifest, golden=wrong)
    with pytest.raises(ModelError, match="does not answer as the model does"):
        export.write_openvino(exported, tmp_path / "it.xml")
    assert list(tmp_path.iterdir()) == []
