from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score

from headstart import ImageClassifier
from headstart.errors import DataError, OptionError
from headstart.evaluation.measured_on import MeasuredOn
from headstart.images.decode import encode
from pictures import draw, write_folder


def contents(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_becomes_a_classifier_with_an_honest_number(fitted: ImageClassifier, photos: Path) -> None:
    assert fitted.classes_.tolist() == ["rings", "stripes"]
    evaluation = fitted.evaluation_
    assert evaluation.measured_on == MeasuredOn(kind="cross-validation", folds=5, repeats=5)
    assert evaluation.accuracy.n == 40
    assert evaluation.accuracy.low <= evaluation.accuracy.value <= evaluation.accuracy.high
    assert evaluation.accuracy.value > 0.9
    assert evaluation.majority_baseline.value == 0.5
    new = photos.parent / "new.png"
    new.write_bytes(encode(draw("stripes", 777), format="PNG"))
    assert fitted.predict([new]).tolist() == ["stripes"]
    np.testing.assert_allclose(fitted.predict_proba([new]).sum(axis=1), 1)


def test_the_pictures_are_only_read(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "photos", {"rings": 8, "stripes": 8})
    before = contents(folder)
    ImageClassifier(sizes=[224]).fit(folder)
    assert contents(folder) == before


def test_it_obeys_scikit_learns_contract(photos: Path) -> None:
    classifier = ImageClassifier(sizes=[224], random_state=3)
    assert is_classifier(classifier)
    assert clone(classifier).get_params() == classifier.get_params()
    with pytest.raises(NotFittedError):
        classifier.predict([])
    paths = sorted(str(path) for path in photos.rglob("*.jpeg"))
    labels = [Path(path).parent.name for path in paths]
    scores = cross_val_score(classifier, paths, labels, cv=3)
    assert scores.shape == (3,)
    assert scores.min() > 0.8


def test_labels_keep_their_type_and_order(photos: Path) -> None:
    paths = sorted(photos.rglob("*.jpeg"))
    labels = np.array([10 if path.parent.name == "rings" else 9 for path in paths])
    classifier = ImageClassifier(sizes=[224]).fit(paths, labels)
    assert set(classifier.classes_.tolist()) == {9, 10}
    assert classifier.score(paths, labels) > 0.95
    assert classifier.predict(paths[:1]).dtype == labels.dtype


def test_a_held_out_split_is_what_is_quoted(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        write_folder(tmp_path / split, {"rings": 10, "stripes": 10}, first_seed=first)
    classifier = ImageClassifier(sizes=[224]).fit(tmp_path)
    test, val = classifier.evaluations_
    assert (test.measured_on.split, val.measured_on.split) == ("test", "val")
    assert classifier.evaluation_ is test
    assert classifier.model_.training["pictures"] == 20


def test_the_same_input_gives_the_same_bytes(photos: Path, fitted: ImageClassifier) -> None:
    again = ImageClassifier(sizes=[224]).fit(photos)
    assert again.choice_.head.weight.tobytes() == fitted.choice_.head.weight.tobytes()
    assert again.evaluation_.to_dict() == fitted.evaluation_.to_dict()


def test_fitting_again_forgets_the_old_evaluation(photos: Path) -> None:
    paths = sorted(photos.rglob("*.jpeg"))
    labels = [path.parent.name for path in paths]
    classifier = ImageClassifier(sizes=[224]).fit(paths, labels)
    before = classifier.evaluation_
    assert classifier.fit(paths[5:], labels[5:]).evaluation_.n == before.n - 5


def test_every_wrong_option_is_named_at_once(photos: Path) -> None:
    with pytest.raises(OptionError) as error:
        ImageClassifier(sizes=[16], class_weight="some", budget=-1).fit(photos)
    assert len(error.value.problems) == 3
    assert "expected: sizes of 32 pixels or more\n   found: 16" in str(error.value)


def test_paths_without_labels_are_refused(photos: Path) -> None:
    with pytest.raises(DataError, match=r"to do: call fit\(paths, labels\)"):
        ImageClassifier().fit(sorted(photos.rglob("*.jpeg")))
    with pytest.raises(DataError, match=r"found: one path and labels"):
        ImageClassifier().fit(photos, ["rings"])


def test_predicting_an_unreadable_picture_names_it(fitted: ImageClassifier, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"")
    with pytest.raises(DataError, match=r"bad\.jpg: empty file"):
        fitted.predict([bad])


def test_saved_and_loaded_it_predicts_the_same(fitted: ImageClassifier, photos: Path, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    paths = sorted(photos.rglob("*.jpeg"))[:5]
    loaded = ImageClassifier.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.predict_proba(paths), fitted.predict_proba(paths), atol=1e-6)
    assert loaded.predict(paths).tolist() == fitted.predict(paths).tolist()


def test_groups_never_cross_a_fold(photos: Path) -> None:
    paths = sorted(photos.rglob("*.jpeg"))
    labels = [path.parent.name for path in paths]
    groups = [i // 4 for i in range(len(paths))]
    classifier = ImageClassifier(sizes=[224]).fit(paths, labels, groups=groups)
    assert len(np.unique(classifier.images_.groups)) == 10


def test_group_by_names_what_belongs_together(photos: Path) -> None:
    classifier = ImageClassifier(sizes=[224], finetune="never", group_by=r"(\d)\.jpeg$").fit(photos)
    assert len(np.unique(classifier.images_.groups)) == 10
