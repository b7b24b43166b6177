from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from headstart.backbones import catalog, network, saved, weights
from headstart.backbones.exported import IMAGES, network_to_onnx
from headstart.backbones.runtime import synthetic_images
from headstart.deploy.onnx_nodes import OPSET, import_onnxruntime
from headstart.errors import ModelError

SIZE = 160


@pytest.mark.parametrize("name", ["test_efficientnet.r160_in1k", "test_vit.r160_in1k"])
def test_any_number_of_images_gives_the_rows_of_torch(name: str, tmp_path: Path) -> None:
    backbone = catalog.get(name)
    frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=SIZE)
    saved.write(frozen, {"size": SIZE}, tmp_path)
    content = network_to_onnx(tmp_path, ["depths", "last"], opset=OPSET)
    session = import_onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
    images = synthetic_images(SIZE, 3)
    with torch.inference_mode():
        expected = dict(zip(frozen.widths, frozen(torch.from_numpy(images)), strict=True))
    for count in (1, 3):
        for rows, kind in zip(
            session.run(None, {IMAGES: images[:count].astype(np.float32)}), ("depths", "last"), strict=True
        ):
            apart = np.linalg.norm(rows - expected[kind][:count].numpy()) / np.linalg.norm(rows)
            assert apart < 1e-5


def test_what_onnx_cannot_express_is_said(tmp_path: Path) -> None:
    backbone = catalog.get("test_vit.r160_in1k")
    frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=SIZE)
    saved.write(frozen, {"size": SIZE}, tmp_path)
    with pytest.raises(ModelError, match="a network that can be written as ONNX 6"):
        network_to_onnx(tmp_path, ["last"], opset=6)
