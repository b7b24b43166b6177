from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from headstart.deploy.onnx_nodes import IR_VERSION, OPSET, Nodes, import_onnxruntime
from headstart.deploy.onnx_resize import pillow_chooses_the_order, resized
from headstart.images.decode import resample
from headstart.images.transforms import Geometry, load

SIZES = [(1, 1), (2, 3), (20, 3000), (3000, 20), (37, 41), (64, 64), (65, 64), (301, 200), (640, 481)]
MOST_OFF = 5e-4
"""Share of values that may be off by a grey level: their sums lie at the border of two."""


def session(geometry: Geometry) -> Any:
    nodes = Nodes("picture")
    square = resized(nodes, "image", geometry)
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        nodes.nodes,
        "resize",
        [helper.make_tensor_value_info("image", kinds.UINT8, ["n", "h", "w", 3])],
        [helper.make_tensor_value_info(square, kinds.FLOAT, ["n", geometry.size, geometry.size, 3])],
        nodes.initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(model, full_check=True)
    return import_onnxruntime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "lanczos"])
@pytest.mark.parametrize(("mode", "crop_pct"), [("crop", 0.875), ("crop", 1.0), ("squash", 0.875)])
def test_the_graph_resizes_as_pillow_does_in_training(mode: Any, crop_pct: float, interpolation: str) -> None:
    geometry = Geometry(size=64, mode=mode, crop_pct=crop_pct, interpolation=interpolation)
    run, rng, shares = session(geometry), np.random.default_rng(0), []
    for height, width in SIZES:
        # black and white, so that sums beyond both are cut off after each pass, and noise
        pictures = (
            (rng.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8),
            rng.integers(0, 256, (height, width, 3)).astype(np.uint8),
        )
        expected = np.concatenate([load(picture, geometry) for picture in pictures]).astype(int)
        (found,) = run.run(None, {"image": np.stack(pictures)})
        off = np.abs(found - expected)
        assert off.max() <= 1, (height, width)
        shares.append((off[1] > 0).mean())  # of black and white, sums may all lie at the border
    assert np.mean(shares) <= MOST_OFF


def test_whether_pillow_chooses_which_pass_comes_first_is_seen_and_not_assumed() -> None:
    noise = (np.random.default_rng(1).integers(0, 2, (50, 20, 3)) * 255).astype(np.uint8)
    rows_first = resample(resample(noise, size=(10, 50)), size=(10, 10))
    assert pillow_chooses_the_order() == bool((resample(noise, size=(10, 10)) != rows_first).any())
