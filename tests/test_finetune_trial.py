"""Probe or fine-tuned: tried where it may help, kept where held-out pictures show it, deployed as it was measured."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from headstart.backbones.space import NetworkSpec
from headstart.classifier import ImageClassifier
from headstart.errors import OptionError
from headstart.evaluation.measured_on import MeasuredOn
from headstart.finetune import trial
from headstart.finetune.trial import (
    EPOCHS,
    Declined,
    plan_for,
    seconds_for,
    upper_part,
)
from headstart.probe.trials import Candidate, ProbeOptions

TINY = "test_efficientnet.r160_in1k"
OPTIONS = ProbeOptions(sizes=(64,))


def declined(y: np.ndarray, P: np.ndarray, *, deadline: float | None = None) -> Declined | None:
    """Why fine-tuning is not tried where the probe's answers are ``P`` and 100 pictures go through in a second."""
    table = SimpleNamespace(images=SimpleNamespace(y=y), bench=SimpleNamespace(rate=lambda size: 100.0))
    choice = SimpleNamespace(score=SimpleNamespace(proba=P), candidate=SimpleNamespace(size=64))
    return trial.declines(table, np.arange(len(y)), choice, OPTIONS, deadline=deadline)  # type: ignore[arg-type]


def test_it_is_not_tried_where_there_is_nothing_to_win_or_to_see() -> None:
    y, few = np.arange(400) % 2, np.arange(30) % 2
    assert declined(y, proba(y, 0.99, 0.9)) == Declined(kind="little to win", value=pytest.approx(0.01))
    assert declined(y, proba(y, 0.9, 0.9)) is None
    assert declined(few, proba(few, 0.8, 0.9)) == Declined(kind="few pictures", value=15)


def test_it_is_not_tried_where_so_few_errors_are_left_that_no_gain_could_be_shown() -> None:
    """A quarter of 400 is held out: with five errors there, McNemar's p of putting all right is 0.06, with six 0.03."""
    y = np.arange(400) % 2
    assert declined(y, proba(y, 0.95, 0.9)) == Declined(kind="nothing to show", value=5)
    assert declined(y, proba(y, 0.94, 0.9)) is None


def test_it_is_not_tried_where_the_time_does_not_suffice() -> None:
    y, needed = np.arange(400) % 2, trial.seconds_for(400, 100.0)
    P = proba(y, 0.9, 0.9)
    assert declined(y, P, deadline=time.monotonic() + needed + 60) is None
    assert declined(y, P, deadline=time.monotonic() + needed - 1) == Declined(kind="budget", value=needed)


def test_held_out_pictures_have_no_say_in_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """The size is that of the probe which was chosen on the other pictures."""
    y, seen = np.arange(60) % 2, {}
    table = SimpleNamespace(
        images=SimpleNamespace(y=y, groups=np.arange(60), classes=("a", "b")), rows=lambda *rest: rest[-1]
    )

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
        trial.attempt(table, np.arange(60), OPTIONS, None)  # type: ignore[arg-type]
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
    first, *others = tuned.evaluations_
    assert first.measured_on == MeasuredOn(kind="difference", n=first.n)
    assert first.accuracy.n == len(tuned.images_)
    assert [evaluation.n for evaluation in others] == [first.n] * 2
    assert first.n == len(tuned.selection_.trial.index) < len(tuned.images_)
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
    with pytest.raises(OptionError, match="expected: finetune 'auto' or 'never' or 'always'"):
        ImageClassifier(finetune="maybe").fit("nowhere")


def proba(y: np.ndarray, right: float, sure: float, seed: int = 0) -> np.ndarray:
    """Two classes, ``right`` of the answers correct, each with probability about ``sure``."""
    rng = np.random.default_rng(seed)
    answer = np.where(rng.permutation(len(y)) < right * len(y), y, 1 - y)
    p = np.clip(sure + rng.normal(0, 0.02, len(y)), 0.5, 0.999)
    return np.where(np.arange(2) == answer[:, None], p[:, None], 1 - p[:, None])


@pytest.mark.parametrize(
    ("name", "expected"), [("efficientnet_lite0", "blocks.5"), ("resnet18", "layer4"), ("test_vit", "blocks.")]
)
def test_the_upper_part_of_a_network(name: str, expected: str, tmp_path: Path) -> None:
    spec = NetworkSpec.named(name, "random", cache=tmp_path)
    assert upper_part(spec, spec.backbone.sizes[0]).startswith(expected)


def test_the_plan_begins_with_the_probe_above_the_frozen_part(tmp_path: Path) -> None:
    spec = NetworkSpec.named("test_efficientnet", "random", cache=tmp_path)
    plan = plan_for(spec, 64, balanced=True)
    (phase,) = plan.phases
    assert (plan.size, plan.balanced, plan.head.start) == (64, True, "probe")
    assert (phase.epochs, phase.train_from.startswith("blocks.")) == (EPOCHS, True)


def test_seconds_grow_with_pictures_and_fall_with_the_rate() -> None:
    assert seconds_for(100, 40.0) == 100 * (4 / 40 + 6 / 40)
    assert seconds_for(200, 80.0) == seconds_for(100, 40.0)


def test_a_network_learns_from_all_where_pictures_are_few_or_time_is_left() -> None:
    assert trial.learns_again(trial.AGAIN_UP_TO, 1e-9, None)
    assert not trial.learns_again(trial.AGAIN_UP_TO + 1, 1e9, None)
    needed = seconds_for(1_000, 100.0)
    assert trial.learns_again(1_000, 100.0, time.monotonic() + needed + 60)
    assert not trial.learns_again(10, 1e-3, time.monotonic() + 1)
