from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.abstain.abstention import Abstention
from headstart.classifier import ImageClassifier
from headstart.deploy import model as module
from headstart.deploy.directory import find_model
from headstart.deploy.golden import pictures as golden_pictures
from headstart.deploy.model import FAMILIAR, Model
from headstart.errors import ModelError, OptionError
from headstart.images.decode import decode, encode
from pictures import draw


@pytest.fixture(scope="module")
def saved(fitted: ImageClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(folder)
    return folder


@pytest.fixture
def copy(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "model"))


FORMATS = ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "AVIF"]


def test_what_is_loaded_answers_as_what_was_trained(fitted: ImageClassifier, saved: Path, tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(FORMATS):
        paths.append(tmp_path / f"{name}.{name.lower()}")
        paths[-1].write_bytes(encode(draw("rings", 900 + number, side=300), format=name))
    trained = fitted.predict_proba(paths)
    loaded = np.array([prediction.proba for prediction in Model.load(saved).predict(paths)])
    one_by_one = np.concatenate([[p.proba for p in Model.load(saved).predict([path])] for path in paths])
    np.testing.assert_allclose(loaded, trained, atol=1e-6)
    np.testing.assert_allclose(one_by_one, trained, atol=1e-3)


def test_predictions_equal_what_training_computed_for_the_same_pictures(fitted: ImageClassifier, saved: Path) -> None:
    images, choice = fitted.images_, fitted.choice_
    with fitted.table(images) as table:
        X = table.rows(choice.candidate.size, choice.candidate.output, np.arange(len(images)))
    in_training = choice.head.predict_proba(X)
    served = np.array([prediction.proba for prediction in Model.load(saved).predict(images.paths)])
    np.testing.assert_allclose(served, in_training, atol=1e-3)


def test_what_is_said_about_an_answer_is_what_training_would_say(fitted: ImageClassifier, saved: Path) -> None:
    images, choice, abstention = fitted.images_, fitted.choice_, fitted.model_.abstention
    with fitted.table(images) as table:
        everything = np.arange(len(images))
        X = table.rows(choice.candidate.size, choice.candidate.output, everything)
        rows = table.rows(choice.candidate.size, FAMILIAR, everything)
    in_training = abstention.judge(choice.head.predict_proba(X), rows, coverage=0.95)
    served = Model.load(saved).predict(images.paths, coverage=0.95)
    for expected, found in zip(in_training, served, strict=True):
        assert found.novelty == pytest.approx(expected.novelty, abs=1e-3)
        assert (found.unsure, found.prediction_set) == (expected.unsure, expected.prediction_set)
        assert found.unfamiliar == expected.unfamiliar or abs((found.novelty or 0) - 1) < 1e-3
    unsaved = fitted.model_.predict(images.paths, coverage=0.95)
    for one, other in zip(unsaved, served, strict=True):
        assert (one.unsure, one.unfamiliar, one.prediction_set) == (
            other.unsure,
            other.unfamiliar,
            other.prediction_set,
        )
        assert one.novelty == pytest.approx(other.novelty, abs=1e-6)


def test_pictures_of_a_third_kind_are_unfamiliar_and_new_ones_of_the_first_two_are_not(
    saved: Path, tmp_path: Path
) -> None:
    paths: dict[str, list[Path]] = {"rings": [], "stripes": [], "blobs": []}
    for kind, of_kind in paths.items():
        for number in range(15):
            of_kind.append(tmp_path / f"{kind}{number}.jpg")
            of_kind[-1].write_bytes(encode(draw(kind, 500 + number), format="JPEG"))
    model = Model.load(saved)
    assert all(one.unfamiliar for one in model.predict(paths["blobs"]))
    assert sum(bool(one.unfamiliar) for one in model.predict(paths["rings"] + paths["stripes"])) <= 3


def test_a_model_without_caution_still_answers(fitted: ImageClassifier, tmp_path: Path, photos: Path) -> None:
    replace(fitted.model_, abstention=Abstention()).save(tmp_path / "bare")
    assert not (tmp_path / "bare" / "abstention.safetensors").exists()
    model = Model.load(tmp_path / "bare")
    (one,) = model.predict([next(photos.rglob("*.jpeg"))])
    assert one.proba is not None
    assert one.unsure is one.unfamiliar is one.novelty is one.prediction_set is one.answer is None
    with pytest.raises(OptionError, match="this model keeps none"):
        model.predict([], coverage=0.9)


def test_costs_may_be_given_when_predicting(saved: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("truth,rings,ask\nrings,0,1\nstripes,1000000,1\n")
    model = Model.load(saved).with_costs(tmp_path / "costs.csv")
    answers = {one.path.parent.name: one.answer for one in model.predict(sorted(photos.rglob("000.jpeg")))}
    assert answers["stripes"] == "ask"
    (tmp_path / "costs.csv").write_text("truth,rings,ask\nrings,0,1\n")
    with pytest.raises(OptionError, match="none for stripes"):
        model.with_costs(tmp_path / "costs.csv")


def test_many_pictures_are_judged_as_one_by_one(saved: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.load(saved)
    paths = [*sorted(photos.rglob("*.jpeg"))[:9], photos / "gone.jpg"]
    together = model.predict(paths)
    monkeypatch.setattr(module, "ANSWERED_TOGETHER", 2)
    apart = model.predict(paths)
    assert [one.path for one in apart] == [one.path for one in together] == paths
    assert [one.unfamiliar for one in apart] == [one.unfamiliar for one in together]
    assert apart[-1].reason == "no such file"


def test_loading_and_predicting_needs_no_torch(saved: Path, photos: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from headstart.deploy.model import Model\n"
        "(answer,) = Model.load(Path(sys.argv[1])).predict([Path(sys.argv[2])])\n"
        "assert answer.proba is not None\n"
        "assert answer.novelty is not None\n"
        "print(sorted({'torch', 'timm', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script, str(saved), str(next(photos.rglob("*.jpeg")))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_holds_no_pickle_and_no_picture_of_the_user(saved: Path) -> None:
    suffixes = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".xml", ".bin", ".jpg", ".png"}
    assert {path.name for path in (saved / "golden").iterdir()} == set(golden_pictures())
    for name, data in golden_pictures().items():
        assert (saved / "golden" / name).read_bytes() == data


def test_golden_pictures_differ_and_can_be_decoded() -> None:
    pictures = [decode(data) for data in golden_pictures().values()]
    assert len({picture.shape for picture in pictures}) == 3
    assert all(picture.std() > 20 for picture in pictures)


@pytest.mark.parametrize("name", ["head.safetensors", "abstention.safetensors", "graph.bin", "golden/tall.jpg"])
def test_a_changed_or_missing_file_is_named(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(ModelError, match=f"expected: {name} with SHA-256"):
        Model.load(copy)
    (copy / name).unlink()
    with pytest.raises(ModelError, match="found: no such file"):
        Model.load(copy)


def test_every_damaged_file_is_named_at_once(copy: Path) -> None:
    (copy / "head.safetensors").unlink()
    (copy / "graph.xml").unlink()
    with pytest.raises(ModelError) as error:
        Model.load(copy)
    assert len(error.value.problems) == 2


def test_a_model_that_answers_differently_does_not_load(copy: Path) -> None:
    document = json.loads((copy / "model.json").read_text())
    document["golden"]["rings.png"] = document["golden_f32"]["rings.png"] = [0.5, 0.5]
    (copy / "model.json").write_text(json.dumps(document))
    with pytest.raises(ModelError, match=r"expected: golden/rings.png gives \[0.5, 0.5\] within 0.001"):
        Model.load(copy)


def test_another_schema_is_refused_with_what_to_do(copy: Path) -> None:
    document = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**document, "schema": 99}))
    with pytest.raises(ModelError, match="found: schema 99\n   to do: upgrade headstart"):
        Model.load(copy)
    (copy / "model.json").write_text(json.dumps({**document, "schema": 1}))
    with pytest.raises(ModelError, match="found: schema 1\n   to do: train again with this version"):
        Model.load(copy)
    (copy / "model.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        Model.load(copy)


def test_what_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"found: no model\.json in"):
        find_model(tmp_path)
    with pytest.raises(ModelError, match="found: no such folder"):
        find_model(tmp_path / "nowhere")


def test_saving_replaces_a_model_whole(fitted: ImageClassifier, copy: Path) -> None:
    (copy / "leftover.txt").write_text("of an older model")
    fitted.save(copy)
    assert not (copy / "leftover.txt").exists()
    assert [path.name for path in copy.parent.iterdir()] == ["model"]
    Model.load(copy)


def test_saving_never_replaces_what_is_no_model(fitted: ImageClassifier, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(ModelError, match="expected: a new folder, or that of a model"):
        fitted.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_unreadable_pictures_keep_their_row(saved: Path, photos: Path, tmp_path: Path) -> None:
    good = next(photos.rglob("*.jpeg"))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    answers = Model.load(saved).predict([bad, good, tmp_path / "gone.jpg"])
    assert [answer.path.name for answer in answers] == ["bad.jpg", good.name, "gone.jpg"]
    assert [answer.proba is None for answer in answers] == [True, False, True]
    assert answers[0].reason == "not a picture"
    assert answers[2].reason == "no such file"
