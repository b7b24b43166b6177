from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from headstart.cli.runs import sentences
from headstart.errors import DataError, UserInputError
from headstart.files import plain
from headstart.options import FitOptions
from headstart.workflows.replay import replay
from headstart.workflows.train import train
from pictures import write_folder


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "photos"
    train(photos, folder, FitOptions(sizes=(224,), random_state=3))
    return folder


def test_a_run_is_repeated_to_the_byte_whatever_the_number_of_threads(run: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    try:
        found = replay(run, fresh=True)
        assert torch.get_num_threads() == before + 1
    finally:
        torch.set_num_threads(before)
    first, *others = sentences(found)
    assert found.same, others
    assert {"metrics.json", "model/head.safetensors", "model/model.json"} <= set(found.compared)
    assert (found.changed, found.different) == ((), ())
    assert not found.pictures
    assert not others
    assert first.startswith("The same: ")
    assert first.endswith("identical byte for byte (all features computed anew).")


def test_changed_pictures_are_named(run: Path, photos: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(photos, tmp_path / "moved"))
    write_folder(moved, {"rings": 21})
    (moved / "stripes" / "004.jpeg").unlink()
    found = replay(run, photos=moved)
    assert not found.same
    assert (found.pictures.missing, found.pictures.added) == (("stripes/004.jpeg",), ("rings/020.jpeg",))
    assert found.changed == ()
    assert ("file", "model/head.safetensors") in {(each.kind, each.name) for each in found.different}
    first, *others = sentences(found)
    assert first.startswith("Not the same")
    assert others[:2] == ["Changed: 1 picture missing: stripes/004.jpeg.", "Changed: 1 picture added: rings/020.jpeg."]
    document = json.loads(json.dumps(plain(found)))
    assert document["pictures"]["added"] == ["rings/020.jpeg"]


def test_other_options_and_versions_are_named(run: Path, tmp_path: Path) -> None:
    edited = Path(shutil.copytree(run, tmp_path / "edited"))
    record = json.loads((edited / "run.json").read_text(encoding="utf-8"))
    record["versions"]["numpy"] = "0.1"
    record["options"] |= {"random_state": 4, "forgotten": 1}
    record["runtime"] = "abacus f16"
    (edited / "run.json").write_text(json.dumps(record))
    found = replay(edited)
    assert not found.same
    version, option, runtime = found.changed
    assert (version.kind, version.name, version.before) == ("version", "numpy", "0.1")
    assert (option.kind, option.name) == ("option", "forgotten")
    assert (runtime.kind, runtime.before) == ("runtime", "abacus f16")
    assert plain(found)["same"] is False


def test_a_run_without_a_record_or_pictures_says_what_to_do(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)3 problems.*expected: run.json in .*found: no such file"):
        replay(tmp_path)
    with pytest.raises(DataError, match="to do: say where the pictures are now with --photos"):
        replay(run, photos=tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "fields", "said"),
    [
        ("run.json", {"source": 7}, "run.json: 1 problem\nexpected: source: text\n   found: 7"),
        ("run.json", {"choice": {"candidate": "a"}}, "expected: choice.strength: a value"),
        (
            "run.json",
            {"options": {"sizes": ["x"], "budget": True}},
            r"2 problems\nexpected: sizes\[0\]: a whole number",
        ),
        ("data.json", {"pictures": [["a", "b"]]}, r"expected: pictures\[0\]: a list of 5"),
    ],
)
def test_a_record_that_does_not_fit_is_said(run: Path, tmp_path: Path, name: str, fields: object, said: str) -> None:
    edited = Path(shutil.copytree(run, tmp_path / "edited"))
    record = json.loads((edited / name).read_text(encoding="utf-8"))
    (edited / name).write_text(json.dumps(record | fields))
    with pytest.raises(UserInputError, match=said):
        replay(edited)


def test_a_replay_writes_nothing_where_the_record_says(run: Path, tmp_path: Path) -> None:
    edited = Path(shutil.copytree(run, tmp_path / "edited"))
    record = json.loads((edited / "run.json").read_text(encoding="utf-8"))
    record["options"]["cache"] = str(tmp_path / "theirs")
    (edited / "run.json").write_text(json.dumps(record))
    assert replay(edited).same
    assert sorted(path.name for path in tmp_path.iterdir()) == ["edited"]


def test_an_archive_gives_the_same_model_and_is_found_again(run_folder: Path, photos: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "photos"), "zip", photos.parent, photos.name))
    train(archive, tmp_path / "run", FitOptions(sizes=(224,), finetune="never", until="first"))
    names = sorted(path.relative_to(run_folder) for path in (run_folder / "model").rglob("*") if path.is_file())
    assert names
    assert [(tmp_path / "run" / name).read_bytes() for name in names] == [
        (run_folder / name).read_bytes() for name in names
    ]
    recorded = json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))
    assert (recorded["source"], recorded["reading"]["format"]) == (str(archive), "")
    with (tmp_path / "run" / "predictions.csv").open(encoding="utf-8") as file:
        rows = [line.split(",")[0] for line in file][1:]
    assert rows == sorted(rows)
    assert rows[0].startswith(f"{photos.name}/rings/"), "pictures have the names that they have in the archive"
    assert replay(tmp_path / "run").same
