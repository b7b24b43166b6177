from __future__ import annotations

import builtins
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from headstart.deploy.onnx_nodes import Nodes, import_onnx
from headstart.errors import MissingPackageError

ROOT = Path(__file__).parents[1]
KIT = ROOT / "src" / "headstart" / "report" / "kit" / "classify.py"
NARROW = "from headstart.deploy import export, smaller; import sys; import numpy as np; from pathlib import Path; \
smaller.int8(export.to_onnx(Path(sys.argv[1])), [np.zeros((40, 40, 3), np.uint8)])"
OPENING = {
    "export": ["-m", "headstart", "export", "MODEL", "-o", "new.onnx"],
    "int8": ["-c", NARROW, "MODEL"],
    "verify": ["-m", "headstart", "verify", "FILE"],
    "a kit": ["classify.py", "--verify"],
    "the example": [str(ROOT / "examples" / "classify.py"), "FILE"],
    "the example in Node": [str(ROOT / "examples" / "classify.mjs"), "FILE"],
}


@pytest.mark.parametrize("what", OPENING)
def test_nobody_is_told_what_onnx_runtime_runs(what: str, small_model: Path, small_onnx: Path, tmp_path: Path) -> None:
    program = sys.executable
    if what.endswith("Node"):
        program = shutil.which("node") or ""
        if not (program and (ROOT / "examples" / "node_modules").is_dir()):
            pytest.skip("needs Node, and npm ci in examples/")
    shutil.copyfile(KIT, tmp_path / "classify.py")
    shutil.copyfile(small_onnx, tmp_path / "model.onnx")
    words = [{"MODEL": str(small_model), "FILE": str(small_onnx)}.get(word, word) for word in OPENING[what]]
    kept = {name: value for name, value in os.environ.items() if name not in ("CI", "ORT_DISABLE_TELEMETRY")}
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):  # where it would keep what it sends, and who sends it
        (tmp_path / name).mkdir()
        kept[name] = str(tmp_path / name)
    done = subprocess.run([program, *words], cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.name in (".ses", "deviceid", "onnxruntime.db")]


def test_values_have_names_of_their_own_and_constants_keep_type_and_rank() -> None:
    nodes = Nodes("part")
    total = nodes.add("Add", nodes.number(1.5), nodes.number(2.0))
    nodes.add("Neg", total, output="result")
    assert [node.output[0] for node in nodes.nodes] == ["part/add_0", "result"]
    values = [onnx.numpy_helper.to_array(each) for each in nodes.initializers]
    assert [value.item() for value in values] == [1.5, 2.0]
    assert {(value.dtype, value.ndim) for value in values} == {(np.dtype(np.float64), 0)}


def test_without_onnx_the_error_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **named: Any) -> Any:
        if name.partition(".")[0] == "onnx":
            raise ImportError(name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingPackageError, match=r'pip install "headstart\[onnx\]"'):
        import_onnx()
