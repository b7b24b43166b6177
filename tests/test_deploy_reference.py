from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy import reference as module
from headstart.deploy.reference import Reference, find_reference, sample
from headstart.errors import ModelError


@pytest.fixture(scope="module")
def kept(run_folder: Path) -> Reference:
    return Reference.load(run_folder)


def test_what_is_remembered_is_found_again(kept: Reference, photos: Path, tmp_path: Path) -> None:
    kept.save(tmp_path / "training")
    found = Reference.load(tmp_path)
    assert found.names == kept.names
    assert found.path(0).is_file()
    assert found.root == photos.absolute()
    np.testing.assert_array_equal(found.y, kept.y)
    np.testing.assert_allclose(found.rows, kept.rows, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.rows, axis=1), 1.0, atol=1e-5)
    assert found.proba is not None
    assert found.proba.shape == (40, 2)
    assert len(found.held_out_proba) == len(found.held_out_y) == 40
    assert found.measured_on.kind == "cross-validation"


def test_the_nearest_picture_to_itself_is_itself(kept: Reference) -> None:
    (first, cosine), (second, _) = kept.nearest(7.0 * kept.rows[5], 2)
    assert first == 5
    assert cosine == pytest.approx(1.0, abs=1e-5)
    assert kept.y[second] == kept.y[5]


def test_strange_names_survive(kept: Reference, tmp_path: Path) -> None:
    names = ("\udcff\udcfe.jpeg", "圆 环.png", *kept.names[2:])
    replace(kept, names=names, root=None).save(tmp_path / "training")
    assert Reference.load(tmp_path).names == names


def test_a_model_can_be_passed_on_without_it(run_folder: Path, tmp_path: Path) -> None:
    assert find_reference(run_folder) == find_reference(run_folder / "model") == run_folder / "training"
    alone = shutil.copytree(run_folder / "model", tmp_path / "alone")
    assert find_reference(alone) is None
    with pytest.raises(ModelError, match="does not remember its training pictures"):
        Reference.load(alone)
    told = [path for path in alone.rglob("*") if path.is_file() and b"000.jpeg" in path.read_bytes()]
    assert told == []


def test_damage_and_other_formats_are_named(kept: Reference, tmp_path: Path) -> None:
    kept.save(tmp_path / "training")
    names = tmp_path / "training" / "pictures.json"
    names.write_text(json.dumps({**json.loads(names.read_text()), "format": 99}))
    with pytest.raises(ModelError, match="another version"):
        Reference.load(tmp_path)
    names.write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        Reference.load(tmp_path)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"names": ["a"]}, "expected: a hash of every name\n   found: 40 of 1"),
        ({"classes": ["a"]}, r"expected: y \(40,\) from 0 to 0\n   found: int64 \(40,\)"),
        ({"digests": [7]}, r"expected: digests\[0\]: text"),
        ({"measured_on": {"kind": "luck"}}, "expected: measured_on.kind: 'split' or"),
    ],
)
def test_names_that_do_not_fit_are_an_error(
    kept: Reference, tmp_path: Path, fields: dict[str, object], said: str
) -> None:
    kept.save(tmp_path / "training")
    names = tmp_path / "training" / "pictures.json"
    names.write_text(json.dumps({**json.loads(names.read_text()), **fields}))
    with pytest.raises(ModelError, match=said):
        Reference.load(tmp_path)


def test_rows_that_do_not_fit_are_an_error(kept: Reference, tmp_path: Path) -> None:
    replace(kept, y=kept.y + 1, held_out_proba=kept.held_out_proba[:, :1]).save(tmp_path / "training")
    with pytest.raises(ModelError) as caught:
        Reference.load(tmp_path)
    assert [problem.expected for problem in caught.value.problems] == [
        "y (40,) from 0 to 1",
        "held_out_proba (40, 2) from 0 to 1",
    ]


def test_it_belongs_to_one_model(kept: Reference) -> None:
    kept.require(kept.classes, kept.rows[0])
    with pytest.raises(ModelError, match="expected: rings, in rows of 7\n   found: rings, stripes, in rows of 1280"):
        kept.require(["rings"], np.zeros(7, np.float32))


def test_of_very_many_pictures_a_sample_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 10)
    few = sample(25, seed=1)
    assert len(set(few.tolist())) == 10
    assert (np.diff(few) > 0).all()
    assert sample(10).tolist() == list(range(10))
