"""What is wrong with a model directory is said in a ModelError, whatever it is."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.deploy import directory
from headstart.deploy.model import Model
from headstart.errors import ModelError
from tampering import change


@pytest.fixture
def copy(run_folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run_folder / "model", tmp_path / "model"))


FIELDS = {
    "classes": list, "backbone": dict, "geometry": dict, "output": str, "temperature": float, "abstention": dict,
    "runtime": str, "training": dict, "golden": dict, "golden_f32": dict, "files": dict,
}  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_missing_or_of_another_type_is_named(copy: Path, field: str) -> None:
    for value in (None, True, "", 7.0, [], {}):
        change(copy, lambda document, value=value: document.update({field: value}))
        if type(value) is not FIELDS[field]:
            with pytest.raises(ModelError, match=f"expected: {field}: "):
                directory.read(copy)
    change(copy, lambda document: document.pop(field))
    with pytest.raises(ModelError, match=f"expected: {field}: "):
        Model.load(copy)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d.update(classes=d["classes"][::-1]),
        lambda d: d.update(temperature=d["temperature"] * 2),
        lambda d: d.update(checksum="0" * 32),
        lambda d: d["training"].update(seed=99),
    ],
)
def test_a_document_that_was_changed_is_refused_with_what_to_do(
    copy: Path, edit: Callable[[dict[str, Any]], object]
) -> None:
    document = json.loads((copy / "model.json").read_text(encoding="utf-8"))
    edit(document)
    (copy / "model.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(ModelError, match=r"expected: model\.json as it was written") as caught:
        Model.load(copy)
    assert caught.value.problems == (directory._CHANGED,)


def test_all_fields_that_are_wrong_are_named_at_once(copy: Path) -> None:
    change(copy, lambda document: document.update(classes=7, temperature="warm"))
    with pytest.raises(ModelError) as caught:
        directory.read(copy)
    assert [problem.found for problem in caught.value.problems] == ["7", "'warm'"]


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda d: d.update(classes=["a", "a"]), "expected: classes: different names"),
        (lambda d: d.update(classes=["a", 1]), r"expected: classes\[1\]: text\n   found: 1"),
        (lambda d: d.update(temperature=-1.0), "expected: a temperature above 0"),
        (lambda d: d["geometry"].update(size=0), "expected: geometry.size: from 1 to 2048\n   found: 0"),
        (
            lambda d: d["geometry"].update(colour="red"),
            r"expected: geometry: nothing but size, .*\n   found: \['colour'",
        ),
        (lambda d: d["geometry"].update(size=96), "expected: a network for pictures of 96 pixels"),
        (lambda d: d.update(output="sideways"), r"expected: a weight \(None, 2\)"),
        (lambda d: d["golden"].update({"../../photo.jpg": [0.5, 0.5]}), r"a picture of the model"),
        (lambda d: d.update(golden={}, golden_f32={}), "the same pictures"),
        (lambda d: d["golden"].update({"rings.png": [0.5]}), "golden: a picture of the model and 2 probabilities"),
        (lambda d: d["golden_f32"].update({"rings.png": "x"}), r"expected: golden_f32.rings\.png: a list"),
        (lambda d: d["files"].update({"../secret.txt": "0"}), "expected: files inside the directory\n   found: ../sec"),
        (lambda d: d["files"].update({"/etc/passwd": "0"}), "expected: files inside the directory\n   found: /etc/pas"),
        (
            lambda d: d["files"].pop("head.safetensors"),
            "expected: the hash of head.safetensors in files\n   found: none",
        ),
        (lambda d: d["abstention"].pop("sure_from"), "expected: abstention.sure_from: a value\n   found: None"),
        (lambda d: d["abstention"].update(novelty=7), "expected: abstention.novelty: values by name\n   found: 7"),
        (lambda d: d["training"].update(class_counts={"rings": 20}), "training.class_counts: how many pictures each"),
        (lambda d: d["abstention"].update(sure_from=2.0), "a probability of 2.0 from which answers are sure"),
        (lambda d: d["abstention"].update(costs={"rings": {"a": 1}}), "what each answer costs for each class"),
        (lambda d: d["abstention"]["novelty"].update(limit=0), "abstention.novelty.ridge and limit above 0"),
        (lambda d: d.update(schema="3"), "train again with this version"),
        (lambda d: d.update(schema=2), "found: schema 2\n   to do: train again with this version"),
    ],
)
def test_a_document_that_does_not_fit_is_an_error_and_no_traceback(
    copy: Path, edit: Callable[[dict[str, Any]], object], said: str
) -> None:
    change(copy, edit)
    with pytest.raises(ModelError, match=said):
        Model.load(copy)


@pytest.mark.parametrize("text", ["[1]", "7", "{}", '{"schema": 4}', "\udc80".encode("utf-8", "surrogateescape")])
def test_a_document_that_is_none_is_an_error(copy: Path, text: str | bytes) -> None:
    (copy / "model.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ModelError, match="damaged"):
        Model.load(copy)


@pytest.mark.parametrize("tensors", [{}, {"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(2, np.float32)}])
def test_a_head_that_does_not_fit_is_an_error(copy: Path, tensors: dict[str, Any]) -> None:
    directory.write_tensors(copy / "head.safetensors", tensors)
    changed = {"head.safetensors": directory.sha256(copy / "head.safetensors")}
    change(copy, lambda document: document["files"].update(changed))
    with pytest.raises(ModelError, match="expected: a weight"):
        Model.load(copy)


def test_tensors_that_are_none_are_an_error(copy: Path) -> None:
    (copy / "head.safetensors").write_bytes(b"no tensors")
    changed = {"head.safetensors": directory.sha256(copy / "head.safetensors")}
    change(copy, lambda document: document["files"].update(changed))
    with pytest.raises(ModelError, match=r"expected: tensors in head\.safetensors"):
        Model.load(copy)


def anew(folder: Path, *names: str) -> None:
    """The hashes of these files in all documents, as somebody writes them who knows the format."""
    graph = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
    graph["sha256"] = {name: directory.sha256(folder / name) for name in graph["sha256"]}
    (folder / "graph.json").write_text(json.dumps(graph))
    hashes = {name: directory.sha256(folder / name) for name in ("graph.json", *names)}
    change(folder, lambda document: document["files"].update(hashes))


def rewrite(folder: Path, name: str, **arrays: Any) -> None:
    kept = {**directory.read_tensors(folder, name), **arrays}
    directory.write_tensors(folder / name, kept)
    anew(folder, name)


@pytest.mark.parametrize(
    ("name", "arrays", "said"),
    [
        ("head.safetensors", {"bias": [0.0, np.nan]}, "numbers that are not finite in bias"),
        ("abstention.safetensors", {"novelty.axes": np.zeros((3, 7))}, r"means \(2, 1280\) and axes \(3, 7\)"),
        ("abstention.safetensors", {"novelty.means": np.zeros((3, 1280))}, r"means \(3, 1280\) and axes"),
        ("abstention.safetensors", {"conformal.counts": [1e30, 1.0]}, r"probabilities of \(2,\) classes"),
        ("abstention.safetensors", {"conformal.counts": [20.0, 21.0]}, "40 probabilities, where 41 pictures"),
        ("abstention.safetensors", {"conformal.scores": np.linspace(1, 0, 40)}, "do not ascend from 0 to 1"),
    ],
)
def test_arrays_that_do_not_fit_are_an_error_whatever_the_hashes(
    copy: Path, name: str, arrays: dict[str, Any], said: str
) -> None:
    rewrite(copy, name, **{key: np.asarray(value, np.float32) for key, value in arrays.items()})
    with pytest.raises(ModelError, match=said):
        Model.load(copy)


def test_a_graph_with_another_operation_is_an_error_whatever_the_hashes(copy: Path) -> None:
    text = (copy / "graph.xml").read_text(encoding="utf-8")
    (copy / "graph.xml").write_text(text.replace('version="opset1"', 'version="extension"', 1), encoding="utf-8")
    anew(copy, "graph.xml")
    with pytest.raises(ModelError, match="found: the operation Parameter of extension"):
        Model.load(copy)


@pytest.mark.skipif(os.name != "posix", reason="links are POSIX's")
def test_a_link_that_leads_out_is_not_followed(copy: Path, tmp_path: Path) -> None:
    (copy / "golden").rename(tmp_path / "golden")
    (copy / "golden").symlink_to(tmp_path / "golden")
    (copy / "head.safetensors").rename(tmp_path / "head.safetensors")
    (copy / "head.safetensors").symlink_to(tmp_path / "head.safetensors")
    with pytest.raises(ModelError) as caught:
        Model.load(copy)
    assert {problem.found for problem in caught.value.problems} == {"a path that leads out of the folder"}
    assert len(caught.value.problems) == 5
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "model").symlink_to(copy)
    with pytest.raises(ModelError, match=r"is not a model[\s\S]*a path that leads out of the folder"):
        Model.load(tmp_path / "run")


def test_more_golden_pictures_than_are_ever_written_are_refused(copy: Path) -> None:
    answers = {f"{number}.png": [0.5, 0.5] for number in range(directory.MOST_GOLDEN + 1)}
    change(copy, lambda document: document.update(golden=answers, golden_f32=answers))
    with pytest.raises(ModelError, match="the same pictures, 1 to 16"):
        Model.load(copy)


def test_a_graph_may_be_missing_whole_but_not_in_part(copy: Path) -> None:
    for name in directory.DERIVED[1:]:
        (copy / name).unlink()
    with pytest.raises(ModelError) as caught:
        directory.read(copy)
    assert [problem.found for problem in caught.value.problems] == ["no such file", "no such file"]
    (copy / directory.DERIVED[0]).unlink()
    directory.read(copy)


def test_the_network_may_not_be_missing(copy: Path) -> None:
    (copy / "network.safetensors").unlink()
    with pytest.raises(ModelError, match=r"expected: network\.safetensors with SHA-256"):
        Model.load(copy)


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_everybody_may_read_a_model_whom_the_umask_lets(run_folder: Path, tmp_path: Path) -> None:
    model = Model.load(run_folder)
    before = os.umask(0o022)
    try:
        model.save(tmp_path / "model")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "model", *(tmp_path / "model").rglob("*")]}
    assert {mode for name, mode in modes.items() if name in ("model", "golden")} == {0o755}
    assert {mode for name, mode in modes.items() if name not in ("model", "golden")} == {0o644}


def test_a_model_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    def interrupted() -> None:
        with directory.replacing_model(tmp_path / "model") as new:
            (new / "model.json").write_text("{}")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
