from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from headstart.errors import DataError
from headstart.images.decode import encode
from headstart.workflows.explain import NEIGHBOURS, Explained, explain, write_page
from pictures import draw


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("new") / "new one.png"
    path.write_bytes(encode(draw("rings", 700), format="PNG"))
    return path


@pytest.fixture(scope="module")
def found(run_folder: Path, picture: Path) -> Explained:
    return explain(run_folder, picture)


def test_neighbours_come_with_their_labels_and_thumbnails(found: Explained) -> None:
    assert len(found.neighbours) == NEIGHBOURS
    assert found.training == 40
    likeness = [one.likeness for one in found.neighbours]
    assert likeness == sorted(likeness, reverse=True)
    assert sum(one.label == "rings" for one in found.neighbours) >= 4
    assert all(one.jpeg for one in found.neighbours)


def test_the_page_shows_the_map_and_its_check(found: Explained, tmp_path: Path) -> None:
    write_page(tmp_path / "why.html", found, "headstart explain run new")
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    for words in ("new one.png", "Does hiding it change the answer?", "elsewhere", "Training pictures like it"):
        assert words in page
    assert page.count("data:image/jpeg") == 4 + NEIGHBOURS
    json.dumps(found.to_dict())


def test_a_training_picture_is_not_its_own_neighbour(run_folder: Path, photos: Path) -> None:
    found = explain(run_folder, photos / "rings" / "003.jpeg")
    assert "rings/003.jpeg" not in [one.name for one in found.neighbours]


def test_thumbnails_only_while_the_files_are_there_and_the_same(
    run_folder: Path, picture: Path, tmp_path: Path
) -> None:
    moved = shutil.copytree(run_folder, tmp_path / "run")
    names = moved / "training" / "pictures.json"
    document = json.loads(names.read_text(encoding="utf-8"))
    names.write_text(json.dumps({**document, "root": str(tmp_path / "gone")}), encoding="utf-8")
    found = explain(moved, picture)
    assert [one.jpeg for one in found.neighbours] == [None] * NEIGHBOURS
    write_page(tmp_path / "why.html", found, "")
    page = (tmp_path / "why.html").read_text(encoding="utf-8")
    assert "only their names are shown" in page
    assert found.neighbours[0].name in page


def test_a_model_without_its_run_has_no_neighbours(run_folder: Path, picture: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(run_folder / "model", tmp_path / "alone")
    found = explain(alone, picture)
    assert (found.neighbours, found.training) == ((), None)
    write_page(tmp_path / "why.html", found, "")
    assert "does not know its training pictures" in (tmp_path / "why.html").read_text(encoding="utf-8")


def test_the_picture_may_lie_in_an_archive_alone_and_several_are_refused(
    run_folder: Path, picture: Path, found: Explained, tmp_path: Path
) -> None:
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.write(picture, "new/one.png")
    again = explain(run_folder, tmp_path / "one.zip")
    assert (again.explanation.proba == found.explanation.proba).all()
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(picture, "a.png")
        archive.write(picture, "b.png")
    with pytest.raises(DataError, match="expected: one picture") as caught:
        explain(run_folder, tmp_path / "two.zip")
    assert caught.value.problems[0].found == "2"
