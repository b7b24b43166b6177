from __future__ import annotations

import copy
import hashlib
import os
import pickle
import signal
import time
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_score, cross_validate

from headstart import ImageClassifier
from headstart import classifier as module
from headstart.errors import DataError, ForkedError, OptionError
from headstart.evaluation.measured_on import MeasuredOn
from headstart.images.decode import decode, encode
from pictures import draw, write_folder


def contents(folder: Path) -> dict[str, str]:
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*") if p.is_file()}


def test_a_folder_becomes_a_classifier_with_an_honest_number(fitted: ImageClassifier, photos: Path) -> None:
    assert fitted.classes_.tolist() == ["rings", "stripes"]
    evaluation = fitted.evaluation_
    assert evaluation.measured_on == MeasuredOn(kind="cross-validation", folds=10, repeats=5)
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


def test_labels_keep_their_type_and_order(photos: Path, tmp_path: Path) -> None:
    paths = sorted(photos.rglob("*.jpeg"))
    labels = np.array([9 if path.parent.name == "rings" else 10 for path in paths])
    classifier = ImageClassifier(sizes=[224]).fit(pd.DataFrame({"path": paths}), pd.Series(labels))
    assert classifier.classes_.tolist() == np.unique(labels).tolist()
    assert classifier.score(paths, labels) > 0.95
    assert classifier.predict(paths[:1]).dtype == labels.dtype
    classifier.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model")
    assert loaded.classes_.tolist() == [9, 10]
    assert loaded.model_.classes == ("9", "10")
    assert loaded.predict(paths).tolist() == classifier.predict(paths).tolist()


def test_scikit_learns_scorers_agree_with_direct_computation(tmp_path: Path) -> None:
    """Of the labels 9, 10, 100, which as text are in another order."""
    folder = write_folder(tmp_path, {"rings": 12, "stripes": 12, "blobs": 12})
    paths = sorted(folder.rglob("*.jpeg"), key=lambda path: path.name)
    labels = np.array([{"rings": 100, "stripes": 9, "blobs": 10}[path.parent.name] for path in paths])
    held_out = np.arange(len(paths)) >= 18
    scores = cross_validate(
        ImageClassifier(sizes=[64], finetune="never"),
        paths,
        labels,
        cv=[(np.flatnonzero(~held_out), np.flatnonzero(held_out))],
        scoring=["neg_log_loss", "roc_auc_ovr", "accuracy"],
        return_estimator=True,
    )
    fitted, y = scores["estimator"][0], labels[held_out]
    proba = fitted.predict_proba(np.array(paths)[held_out])
    assert fitted.classes_.tolist() == [9, 10, 100]
    truth = y[:, None] == [9, 10, 100]
    assert scores["test_accuracy"][0] == (proba.argmax(axis=1) == truth.argmax(axis=1)).mean() > 0.6
    surprise = -np.log(np.clip(proba[truth], np.finfo(np.float64).eps, 1))
    assert scores["test_neg_log_loss"][0] == pytest.approx(-surprise.mean())
    areas = [roc_auc_score(truth[:, i], proba[:, i]) for i in range(3)]
    assert scores["test_roc_auc_ovr"][0] == pytest.approx(np.mean(areas))


def test_a_pickled_classifier_gives_the_same_bits(fitted: ImageClassifier, photos: Path, tmp_path: Path) -> None:
    paths = sorted(photos.rglob("*.jpeg"))[:20]
    few, many = fitted.predict_proba(paths[:1]), fitted.predict_proba(paths)
    joblib.dump(fitted, tmp_path / "classifier")
    fitted.save(tmp_path / "model")
    loaded = ImageClassifier.load(tmp_path / "model")
    for again in (pickle.loads(pickle.dumps(fitted)), joblib.load(tmp_path / "classifier"), copy.deepcopy(fitted)):
        np.testing.assert_array_equal(again.predict_proba(paths[:1]), few)
        np.testing.assert_array_equal(again.predict_proba(paths), many)
        assert again.evaluation_.to_dict() == fitted.evaluation_.to_dict()
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(loaded))))
    np.testing.assert_array_equal(again.predict_proba(paths), loaded.predict_proba(paths))
    again.save(tmp_path / "again")
    np.testing.assert_array_equal(ImageClassifier.load(tmp_path / "again").predict_proba(paths[:1]), few)


def test_pictures_come_in_every_form(fitted: ImageClassifier, photos: Path) -> None:
    paths = sorted(photos.rglob("*.jpeg"))[:3]
    expected, pixels = fitted.predict_proba(paths), [decode(path) for path in paths]
    forms = [
        pd.Series(paths),
        pd.DataFrame({"p": paths}),
        np.array(paths, object)[:, None],
        np.array([*map(str, paths)]),
    ]
    for form in [*forms, [*map(Image.fromarray, pixels)], pixels, np.stack(pixels)]:
        np.testing.assert_array_equal(fitted.predict_proba(form), expected)


def test_a_single_picture_is_refused(fitted: ImageClassifier, photos: Path) -> None:
    path = next(photos.rglob("*.jpeg"))
    for single in (str(path), path, path.read_bytes(), decode(path), Image.fromarray(decode(path))):
        with pytest.raises(
            OptionError, match=r"found: a single .*\n   to do: put it in a list: predict\(\[picture\]\)"
        ):
            fitted.predict(single)
    with pytest.raises(DataError, match=r"found: the columns a, b\n   to do: choose one: frame\['path'\]"):
        fitted.predict(pd.DataFrame({"a": [path], "b": [path]}))


def test_only_files_are_learned_from(photos: Path) -> None:
    with pytest.raises(DataError, match="found: ndarray at 1\n   to do: save the pictures as files"):
        ImageClassifier().fit([*photos.rglob("*.jpeg"), np.zeros((8, 8, 3), np.uint8)][-2:], ["a", "b"])


def test_every_problem_of_paths_and_labels_is_told_at_once() -> None:
    with pytest.raises(DataError, match=r"2 problems\n.*\n   found: none at 1\n(.*\n)*   found: not found: gone\.png"):
        ImageClassifier().fit(["gone.png", "gone.png"], ["a", None])
    with pytest.raises(DataError, match="to do: give labels of two classes or more"):
        ImageClassifier().fit([], [])


def test_a_notebook_shows_the_parameters(fitted: ImageClassifier) -> None:
    assert "random_state" in fitted._repr_html_()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only POSIX forks")
@pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")
def test_a_forked_process_says_what_to_do(fitted: ImageClassifier, photos: Path, tmp_path: Path) -> None:
    """Without a check at its beginning it would wait for ever for threads that were not copied."""
    path = next(photos.rglob("*.jpeg"))
    fitted.predict([path])
    fitted.save(tmp_path / "model")
    tasks = [lambda: fitted.predict([path]), lambda: ImageClassifier.load(tmp_path / "model")]
    for i, task in enumerate(tasks):
        said = tmp_path / f"said {i}"
        if (child := os.fork()) == 0:
            try:
                task()
            except ForkedError as error:
                said.write_text(str(error))
            finally:
                os._exit(0)
        deadline = time.monotonic() + 30
        while not os.waitpid(child, os.WNOHANG)[0]:
            if time.monotonic() > deadline:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.01)
        assert 'start processes with multiprocessing.get_context("spawn")' in said.read_text()


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
    groups = pd.Series([pd.NA, pd.NA, *(i // 4 for i in range(2, len(paths)))])  # without a group each stands alone
    classifier = ImageClassifier(sizes=[224]).fit((path for path in paths), labels, groups=groups)
    assert len(np.unique(classifier.images_.groups)) == 10 + 2


def test_group_by_names_what_belongs_together(photos: Path) -> None:
    classifier = ImageClassifier(sizes=[224], finetune="never", group_by=r"(\d)\.jpeg$").fit(photos)
    assert len(np.unique(classifier.images_.groups)) == 10


def test_groups_are_a_column_and_paths_have_an_order(photos: Path) -> None:
    paths = sorted(path for path in photos.rglob("*") if path.is_file())
    y = [path.parent.name for path in paths]
    column = np.arange(len(paths))[:, None]
    classifier = ImageClassifier(finetune="never")
    images = module._images(paths, y, column, None)
    assert images.groups.tolist() == list(range(len(paths)))
    with pytest.raises(DataError, match="one group for each path"):
        classifier.fit(paths, y, groups=np.hstack([column, column]))
    with pytest.raises(DataError, match="found: a set, which has no order"):
        classifier.fit(set(paths), y)
