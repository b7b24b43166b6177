"""The rows that prove a graph are torch's, whatever the number of its threads, and no others are taken for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from headstart.backbones import catalog, network, proof
from headstart.backbones.runtime import synthetic_images
from headstart.backbones.weights import locate
from headstart.errors import ModelError


def test_they_are_the_same_however_many_threads_torch_has(tmp_path: Path) -> None:
    backbone = catalog.get("test_resnet.r160_in1k")
    frozen = network.freeze(backbone, locate(backbone, random=True), size=64)
    before, made = torch.get_num_threads(), []
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            made.append(proof.rows(frozen, 64))
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(before)
    with torch.inference_mode():
        last, depths = frozen(torch.from_numpy(synthetic_images(64)))
    for rows in made:
        np.testing.assert_array_equal(rows["last"], made[0]["last"])
        np.testing.assert_array_equal(rows["depths"], made[0]["depths"])
        np.testing.assert_allclose(rows["last"], last.numpy(), rtol=1e-3, atol=1e-4)
        np.testing.assert_allclose(rows["depths"], depths.numpy(), rtol=1e-3, atol=1e-4)
    save_file(made[0], tmp_path / "rows.safetensors")
    assert proof.read(tmp_path, "rows.safetensors", frozen.widths).keys() == made[0].keys()
    with pytest.raises(ValueError, match="were expected"):
        proof.read(tmp_path, "rows.safetensors", {**frozen.widths, "last": 7})


def test_rows_that_lie_apart_are_of_another_network() -> None:
    reference = {"last": np.ones((2, 100), np.float32)}
    proof.require_same({"last": reference["last"] * np.float32(1 + 5e-6)}, reference)
    with pytest.raises(ModelError, match=r"graph: last.*\n.*within 1e-05.*\n   found: 2\.0e-05"):
        proof.require_same({"last": reference["last"] * np.float32(1 + 2e-5)}, reference)
    with pytest.raises(ModelError, match="found: nan"):
        proof.require_same({"last": reference["last"] * np.float32(np.nan)}, reference)
