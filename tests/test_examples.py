"""The clients that travel with an exported file answer its golden pictures as the model did."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headstart.deploy.portable import open_onnx

EXAMPLES = Path(__file__).parent.parent / "examples"
NODE = shutil.which("node")


@pytest.mark.parametrize("client", ["classify.py", "classify.mjs"])
def test_a_client_answers_the_golden_pictures(client: str, small_onnx: Path) -> None:
    if client.endswith(".mjs") and not (NODE and (EXAMPLES / "node_modules").is_dir()):
        assert not os.environ.get("CI"), "continuous integration has Node"
        pytest.skip("needs Node, and npm ci in examples/")
    program = sys.executable if client.endswith(".py") else str(NODE)
    command = [program, str(EXAMPLES / client), str(small_onnx)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    manifest = open_onnx(small_onnx).manifest
    for line, golden in zip(done.stdout.splitlines(), manifest.golden, strict=True):
        answer = json.loads(line)
        expected = dict(zip(manifest.classes, golden.probabilities, strict=True))
        assert answer["probabilities"] == pytest.approx(expected, abs=1e-3)
        assert answer["label"] == max(expected, key=lambda name: expected[name])
        assert answer["novelty"] == pytest.approx(golden.novelty, abs=1e-3)
        assert (answer["unsure"], answer["unfamiliar"]) == (golden.unsure, golden.unfamiliar)


@pytest.mark.parametrize("client", sorted(path.name for path in EXAMPLES.glob("classify.*")))
def test_a_client_is_short(client: str) -> None:
    assert len((EXAMPLES / client).read_text(encoding="utf-8").splitlines()) < 40
