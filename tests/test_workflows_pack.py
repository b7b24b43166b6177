"""A kit is packed from what is installed here, carried, and used where there is no network."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from headstart.deploy.kit import this_platform
from headstart.deploy.model import Model
from headstart.errors import OptionError
from headstart.images.decode import encode
from headstart.workflows import pack as workflow
from headstart.workflows.pack import Packed, PackOptions, pack
from headstart.workflows.pack_installed import wheel_of
from models import CLASSES
from pictures import scene
from wheels import write_wheel

pytestmark = pytest.mark.skipif(this_platform() is None, reason="a machine of a kind that has no name")
PARTS = {"README.md", "__main__.py", "classify.py", "manifest.json", "model.onnx", "requirements.txt", "wheels"}
_UNSHARE = ["unshare", "--map-root-user", "--net"]
ALONE = _UNSHARE if shutil.which("unshare") and not subprocess.run([*_UNSHARE, "true"], check=False).returncode else []
"""What a command begins with that is to have no network, where the system can do that."""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheels of a small kit, made of what is installed here."""
    folder = tmp_path_factory.mktemp("wheels")
    for name in ("pip", "onnxruntime", "numpy", "pillow", "flatbuffers", "protobuf", "packaging"):
        wheel_of(name, folder)
    return folder


@pytest.fixture(scope="module")
def packed(small_model: Path, wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    return pack(small_model, tmp_path_factory.mktemp("kit") / "small-kit.zip", PackOptions(wheels=wheels))


def kit(*words: str | Path, alone: bool = False) -> subprocess.CompletedProcess[str]:
    """Start a kit with the Python of the system that this environment was made from."""
    command = [*(ALONE if alone else []), sys._base_executable, *map(str, words)]  # type: ignore[attr-defined]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)


def test_a_machine_without_a_network_installs_and_answers_as_the_model(
    packed: Packed, small_model: Path, tmp_path: Path
) -> None:
    assert {name.partition("/")[0] for name in zipfile.ZipFile(packed.path).namelist()} == PARTS
    done = kit(packed.path, "install", tmp_path / "there", alone=True)
    assert done.returncode == 0, done.stderr
    assert packed.fingerprint in done.stdout
    assert "4 golden pictures are answered as the model did" in done.stdout
    new = tmp_path / "new"
    new.mkdir()
    for seed in range(3):
        (new / f"{seed}.png").write_bytes(encode(scene(seed), format="PNG"))
    command = [*ALONE, str(tmp_path / "there" / "classify"), str(new), "-o", str(tmp_path / "answers.csv")]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, "PYTHONPATH": "nowhere"})
    with (tmp_path / "answers.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, answer in zip(rows, Model.load(small_model, precision="f32").predict(sorted(new.iterdir())), strict=True):
        assert answer.proba is not None
        assert [float(row[name]) for name in CLASSES] == pytest.approx(answer.proba.tolist(), abs=1e-3)
    again = kit(packed.path, "install", tmp_path / "there")
    assert again.returncode == 2
    assert "is there and is not empty" in again.stderr


def test_a_kit_is_the_same_bytes_each_time_and_a_folder_if_asked(
    packed: Packed, small_model: Path, wheels: Path, tmp_path: Path
) -> None:
    folder = pack(small_model, tmp_path / "kit", PackOptions(wheels=wheels)).path
    assert {path.name for path in folder.iterdir()} == {*PARTS, ".headstart"}
    with zipfile.ZipFile(packed.path) as archive:
        theirs = json.loads(archive.read("manifest.json"))["files"]
    assert json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["files"] == theirs
    assert kit(folder, "check").returncode == 0
    for name, damage in (("wheels/" + next((folder / "wheels").iterdir()).name, b"other"), ("model.onnx", None)):
        (folder / name).write_bytes(damage) if damage else (folder / name).unlink()
    done = kit(folder, "install", tmp_path / "there")
    assert done.returncode == 2
    assert "the kit is damaged: 2 of 12 parts are missing or have other contents" in done.stderr
    assert "   found: model.onnx\n" in done.stderr
    assert not (tmp_path / "there").exists()
    (folder / "manifest.json").write_text("{")
    assert "manifest.json is no JSON" in kit(folder, "check").stderr


def test_a_zip_that_was_damaged_on_the_way_is_found_out(packed: Packed, tmp_path: Path) -> None:
    data = bytearray(packed.path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "kit.zip").write_bytes(data)
    done = kit(tmp_path / "kit.zip", "check")
    assert done.returncode == 2
    assert "1 of 12 parts are missing or have other contents\n   found: wheels/" in done.stderr


def test_a_kit_of_another_machine_says_so(packed: Packed, tmp_path: Path) -> None:
    with zipfile.ZipFile(packed.path) as archive:
        archive.extractall(tmp_path / "kit")
    manifest = json.loads((tmp_path / "kit" / "manifest.json").read_text(encoding="utf-8"))
    manifest["target"]["python"] = "3.7"
    (tmp_path / "kit" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    done = kit(tmp_path / "kit", "install", tmp_path / "there")
    assert done.returncode == 2
    assert "expected: Python 3.7 on " in done.stderr
    assert "or pack it again with --platform and --python" in done.stderr


def test_what_cannot_be_packed_or_written_is_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text("{}")
    (tmp_path / "mine.zip").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "README.md").write_text("mine")
    for out, options, said in (
        (tmp_path / "mine.zip", PackOptions(), "which is something else"),
        (tmp_path / "mine", PackOptions(), "of something else"),
        (tmp_path / "kit.zip", PackOptions(full=True, python="3.7"), "pack it there, or without --full"),
        (tmp_path / "kit.zip", PackOptions(wheels=tmp_path / "none"), "a folder of wheels"),
        (tmp_path / "kit.zip", PackOptions(platform="amiga"), "one of linux-x86_64"),
    ):
        with pytest.raises(OptionError, match=said):
            pack(tmp_path, out, options)
    assert (tmp_path / "mine.zip").read_text() == "mine"


def test_a_full_kit_has_the_model_folder_and_headstart_itself(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is installed for it takes minutes; that is measured in ``benchmarks/air_gap.py``."""
    asked = []
    said = "Requires-Dist: numpy; extra == 'sums'"
    wheel = tmp_path / "headstart-0-py3-none-any.whl"
    write_wheel(wheel, "headstart", "0", said)
    monkeypatch.setattr(workflow, "own_wheel", lambda folder: wheel)
    monkeypatch.setattr(workflow, "fetch", lambda needs, *_: asked.append(needs) or ())
    packed = pack(small_model, tmp_path / "kit", PackOptions(full=True))
    assert [Path(need).name for need in asked[0]] == ["headstart-0-py3-none-any.whl[sums]"]
    manifest = json.loads((packed.path / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["verify"] == ["-m", "headstart", "verify", "model"]
    assert "model/model.json" in manifest["installed"]
    assert not (packed.path / "model.onnx").exists()
