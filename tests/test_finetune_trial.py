"""Probe or fine-tuned: tried where it may help, kept where held-out pictures show it, deployed as it was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.classifier import ImageClassifier
from headstart.errors import OptionError
from headstart.evaluation.measured_on import MeasuredOn
from headstart.finetune import trial
from headstart.finetune.trial import Declined
from headstart.probe.choice import Choice
from headstart.probe.heads import LinearHead
from headstart.probe.trials import Candidate, ProbeOptions
from test_finetune_settling import proba

TINY = "test_efficientnet.r160_in1k"
OPTIONS = ProbeOptions(sizes=(64,))


def choice(P: np.ndarray) -> Choice:
    candidate = Candidate(size=64, output="last", family="logistic regression")
    head = LinearHead(weight=np.zeros((2, 2), np.float32), bias=np.zeros(2, np.float32), temperature=1.0)
    return Choice(candidate=candidate, strength=1.0, head=head, board=(), reason="", proba=P)


def test_it_is_not_tried_where_there_is_nothing_to_win_or_to_see() -> None:
    y = np.arange(400) % 2
    declined = trial.nothing_to_win(choice(proba(y, 0.99, 0.9)), y, OPTIONS)
    assert declined == Declined(kind="little to win", value=pytest.approx(0.01))
    assert trial.nothing_to_win(choice(proba(y, 0.9, 0.9)), y, OPTIONS) is None
    few = np.arange(30) % 2
    declined = trial.nothing_to_win(choice(proba(few, 0.8, 0.9)), few, OPTIONS)
    assert declined == Declined(kind="few pictures", value=15)


def test_held_out_pictures_have_no_say_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is that of the probe which was chosen on the other pictures."""
    y, seen = np.arange(60) % 2, {}
    table = SimpleNamespace(images=SimpleNamespace(y=y, groups=np.arange(60)), rows=lambda *rest: rest[-1])

    def chosen(_table: object, train: np.ndarray, _options: object) -> SimpleNamespace:
        seen["train"] = train
        head = SimpleNamespace(predict_proba=lambda val: seen.setdefault("val", val))
        return SimpleNamespace(candidate=Candidate(size=96, output="last", family="logistic regression"), head=head)

    def planned(_network: object, size: int, *, balanced: bool) -> None:
        seen["size"] = size
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "choose", chosen)
    monkeypatch.setattr(trial, "plan_for", planned)
    with pytest.raises(KeyboardInterrupt):
        trial.attempt(table, np.arange(60), OPTIONS, None, seed=0)  # type: ignore[arg-type]
    assert seen["size"] == 96
    assert not set(seen["train"]) & set(seen["val"])
    assert len(seen["train"]) + len(seen["val"]) == 60


@pytest.fixture(scope="module")
def tuned(photos: Path) -> ImageClassifier:
    return ImageClassifier(TINY, weights="random", sizes=[64], finetune="always").fit(photos)


def test_a_kept_network_is_served_as_it_was_measured(tuned: ImageClassifier, photos: Path, tmp_path: Path) -> None:
    assert tuned.selection_.trial is not None
    assert tuned.selection_.trial.kept
    assert tuned.model_.output == "tuned"
    first, *others = tuned.measure()
    assert first.evaluation.measured_on == MeasuredOn(kind="held out")
    assert [part.evaluation.n for part in others] == [first.evaluation.n] * 2
    assert first.evaluation.n == len(tuned.selection_.trial.index) < len(tuned.images_)
    tuned.save(tmp_path / "model")
    paths = sorted(photos.rglob("*.jpeg"))
    again = ImageClassifier.load(tmp_path / "model").predict_proba(paths)
    np.testing.assert_allclose(again, tuned.predict_proba(paths), atol=1e-6)
    assert tuned.score(paths, [path.parent.name for path in paths]) > 0.6


def test_the_same_input_gives_the_same_fine_tuned_model(tuned: ImageClassifier, photos: Path, tmp_path: Path) -> None:
    """With a cache of its own: nothing of the first run is there to be found."""
    again = ImageClassifier(TINY, weights="random", sizes=[64], finetune="always", cache=tmp_path / "cache").fit(photos)
    assert again.selection_.trial is not None
    assert tuned.selection_.trial is not None
    assert again.selection_.trial.to_dict() == tuned.selection_.trial.to_dict()
    assert np.array_equal(again.model_.head.weight, tuned.model_.head.weight)
    assert again.model_.space.runtime.key == tuned.model_.space.runtime.key


def test_held_out_pictures_are_no_training_pictures_of_the_trial(tuned: ImageClassifier) -> None:
    trial = tuned.selection_.trial
    assert trial is not None
    assert len(set(trial.index.tolist())) == len(trial.index)
    np.testing.assert_array_equal(trial.y, tuned.images_.y[trial.index])
    assert (
        trial.fixed - trial.broken
        == (trial.tuned.argmax(1) == trial.y).sum() - (trial.probe.argmax(1) == trial.y).sum()
    )
    assert replace(trial, tuned=trial.probe).p == 1.0


def test_an_unknown_word_is_refused() -> None:
    with pytest.raises(OptionError, match="expected: finetune auto, never, always"):
        ImageClassifier(finetune="maybe").fit("nowhere")
