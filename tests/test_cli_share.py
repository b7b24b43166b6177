from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from command import typed
from headstart.cli import share
from headstart.deploy.kit import MOST_RUN, Target, Wheel
from headstart.deploy.model import Prediction
from headstart.deploy.verify import agreement
from headstart.images.decode import encode
from headstart.workflows.pack import Packed
from headstart.workflows.verify import Verified
from pictures import scene


def test_a_model_leaves_and_is_verified(small_model: Path, tmp_path: Path) -> None:
    file, photos = tmp_path / "it.onnx", tmp_path / "new"
    photos.mkdir()
    for seed in range(3):
        (photos / f"{seed}.png").write_bytes(encode(scene(seed), format="PNG"))
    (photos / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    done = typed("export", small_model, "-o", file)
    assert done.returncode == 0, done.stderr
    assert f"\t{file}" in done.stdout
    done = typed("verify", file, small_model, photos, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["holds"]
    assert document["golden"]["n"] == 4
    assert (document["model"]["n"], document["model"]["share"]) == (3, 1.0)
    model = onnx.load(file)
    bias = next(each for each in model.graph.initializer if list(each.dims) == [3])
    bias.raw_data = b"\0\0\x80\x40" + bias.raw_data[4:]
    file.write_bytes(model.SerializeToString())
    done = typed("verify", file)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1].startswith("does not hold (onnxruntime ")
    file.write_bytes(b"mine")
    done = typed("export", small_model, "-o", file)
    assert done.returncode == 2
    assert "which is something else" in done.stderr
    assert file.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("n", "said"), [(0, "0 pictures, 100.0% with"), (1, "1 picture, 100.0% with"), (2, "2 pictures")]
)
def test_what_was_compared_is_said(n: int, said: str) -> None:
    same = [Prediction(proba=np.array([0.25, 0.75]))] * n
    part = agreement(["a"] * n, same, same, tolerance=0.01)
    verified = Verified(file="it.onnx", runtime="onnxruntime 1", golden=None, model=part, as_files=None)
    first, last = share._verified(verified)
    assert first.startswith(f"against the model: {said}")
    assert last == "holds (onnxruntime 1)"
    exported = [*share._verified(replace(verified, golden=part, as_files=part))]
    assert exported[1].startswith(f"against the model, same pixels: {said}")
    assert exported[2].startswith(f"against the model, given the files: {said}")
    assert [*share._verified(replace(verified, as_files=part))] == [first, last]
    unlike = replace(verified, model=replace(part, unlike=("b",)))
    first, last = share._verified(unlike)
    assert "1 that only one of the two can read" in first
    assert last.startswith("does not hold")


@pytest.mark.parametrize(("size", "said"), [(0, "0.0 kB"), (2_171, "2.2 kB"), (15_076_245, "15.1 MB")])
def test_small_files_are_no_files_of_zero(size: int, said: str) -> None:
    assert share._size(size) == said


@pytest.mark.parametrize(
    ("name", "size", "said"),
    [
        ("kit.zip", MOST_RUN, ["there: python3.12 kit.zip install FOLDER"]),
        ("kit", MOST_RUN + 1, ["there: python3.12 kit install FOLDER"]),
        (
            "kit.zip",
            MOST_RUN + 1,
            [
                "there: python3.12 -m zipfile -e kit.zip kit, for Python runs no zip of more than 2 GB; then",
                "there: python3.12 kit install FOLDER",
            ],
        ),
    ],
)
def test_how_a_kit_is_installed_is_said(name: str, size: int, said: list[str]) -> None:
    wheel = Wheel(name="a", version="1", file="a-1-py3-none-any.whl", licence="MIT", sha256="", bytes=size)
    target = Target.named("linux-x86_64", "3.12")
    packed = Packed(path=Path("out") / name, bytes=size, target=target, full=True, wheels=(wheel,), fingerprint="f")
    assert [*share._packed(packed)][3:] == said
