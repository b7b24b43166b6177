import dataclasses
import json
import time

import numpy as np
import pytest
from sklearn import metrics as reference

from headstart.errors import DataError
from headstart.evaluation.calibration import softmax
from headstart.evaluation.intervals import wilson
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import evaluate

TEST = MeasuredOn(kind="split", split="test")

NAMES = ("accuracy", "balanced_accuracy", "macro_f1", "log_loss", "ece", "roc_auc", "majority_baseline")


def predictions(n, k, *, skill=2.0, seed=0, prior=None, size=1):
    """Probabilities (n, k) and labels; ``size`` neighbours share label and most of their noise."""
    rng = np.random.default_rng(seed)
    y = np.repeat(rng.choice(k, size=n // size, p=prior), size)
    noise = rng.normal(size=(n, k))
    if size > 1:
        noise = np.sqrt(0.2) * noise + np.sqrt(0.8) * np.repeat(rng.normal(size=(n // size, k)), size, axis=0)
    return softmax(noise + skill * np.eye(k)[y]), y


def measure(proba, y, **options):
    classes = [f"class {c}" for c in range(np.shape(proba)[-1])]
    return evaluate(
        proba,
        y,
        classes,
        **{"measured_on": TEST, "majority": 0, "resamples": 200} | options,
    )


@pytest.mark.parametrize("k", [2, 4])
def test_values_are_those_of_scikit_learn(k):
    proba, y = predictions(300, k, prior=[0.4] + [0.6 / (k - 1)] * (k - 1))
    found, guess = measure(proba, y), proba.argmax(1)
    precision, recall, f1, support = reference.precision_recall_fscore_support(y, guess)
    assert found.accuracy.value == pytest.approx(reference.accuracy_score(y, guess))
    assert found.balanced_accuracy.value == pytest.approx(reference.balanced_accuracy_score(y, guess))
    assert found.macro_f1.value == pytest.approx(reference.f1_score(y, guess, average="macro"))
    assert found.log_loss.value == pytest.approx(reference.log_loss(y, proba))
    scores = proba[:, 1] if k == 2 else proba
    assert found.roc_auc.value == pytest.approx(reference.roc_auc_score(y, scores, multi_class="ovr"))
    assert found.confusion == tuple(map(tuple, reference.confusion_matrix(y, guess).tolist()))
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert [getattr(one, name).value for one in found.per_class] == pytest.approx(list(expected))
    assert [one.support for one in found.per_class] == support.tolist()
    assert found.majority_baseline.value == pytest.approx(np.mean(y == 0))


def test_calibration_error_by_hand():
    confidence = np.r_[np.full(20, 0.6), np.full(20, 0.9)]
    proba = np.c_[confidence, 1 - confidence]
    y = np.r_[np.zeros(18), np.ones(2), np.zeros(10), np.ones(10)].astype(int)
    found = measure(proba, y)
    assert found.ece_bins == 2
    assert found.ece.value == pytest.approx((abs(0.6 - 0.9) + abs(0.9 - 0.5)) / 2)
    assert found.ece.low > 0.1  # nobody would call this calibrated
    assert [bin.accuracy for bin in found.reliability] == pytest.approx([0.9, 0.5])
    assert [(bin.low, bin.high) for bin in found.reliability] == [wilson(18, 20), wilson(10, 20)]


def test_calibration_error_of_a_calibrated_model_reaches_down_to_zero():
    rng = np.random.default_rng(0)
    positive = rng.random(400)
    y = (rng.random(400) < positive).astype(int)
    found = measure(np.c_[1 - positive, positive], y)
    assert found.ece_bins == 15
    assert found.ece.low == 0 < found.ece.value < found.ece.high


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    """200 sets of 50–200 pictures; a right method fails these bounds less than once in 10⁴ seeds."""
    prior = [0.75, 0.25]
    truth = measure(*predictions(400_000, 2, skill=2.5, seed=1, prior=prior), resamples=1)
    rng = np.random.default_rng(2)
    held = dict.fromkeys(NAMES, 0)
    for seed in range(200):
        proba, y = predictions(int(rng.integers(50, 200)), 2, skill=2.5, seed=10 + seed, prior=prior)
        found = measure(proba, y, resamples=50)
        for name in NAMES:
            one = getattr(found, name)
            held[name] += one.low <= getattr(truth, name).value <= one.high
    assert truth.accuracy.value == pytest.approx(0.97, abs=0.02)
    assert 182 <= held["accuracy"] <= 198
    assert 182 <= held["balanced_accuracy"] <= 199
    assert all(held[name] >= 175 for name in NAMES), held


def test_a_perfect_score_still_has_an_interval():
    y = np.r_[np.zeros(55), np.ones(5)].astype(int)
    found = measure(np.eye(2)[y] * 0.98 + 0.01, y)
    assert found.accuracy.low == pytest.approx(wilson(60, 60)[0])
    # The rare class has 5 pictures, and the averages over classes must not hide it.
    assert found.balanced_accuracy.low < found.accuracy.low - 0.1
    assert found.macro_f1.low < found.accuracy.low - 0.1
    assert found.roc_auc.value == 1
    assert found.roc_auc.low < 0.6
    assert found.per_class[1].recall.low == pytest.approx(wilson(5, 5)[0])


def test_repeats_are_averaged_and_are_not_more_pictures():
    proba, y = predictions(120, 3)
    other, _ = predictions(120, 3, seed=0, skill=2.2)
    once, same, mixed = measure(proba, y), measure(np.stack([proba] * 5), y), measure(np.stack([proba, other]), y)
    for name in NAMES:
        left, right = getattr(once, name), getattr(same, name)
        assert (left.value, left.low, left.high, left.n) == pytest.approx(
            (right.value, right.low, right.high, right.n)
        ), name
    assert same.n == 120
    assert once.confusion == same.confusion
    assert mixed.accuracy.value == pytest.approx((once.accuracy.value + measure(other, y).accuracy.value) / 2)
    assert mixed.log_loss.value == pytest.approx((once.log_loss.value + measure(other, y).log_loss.value) / 2)
    assert sum(map(sum, mixed.confusion)) == pytest.approx(120)
    assert sum(bin.count for bin in mixed.reliability) == pytest.approx(120)


def test_correlated_groups_widen_every_interval():
    proba, y = predictions(400, 3, size=8)
    alone, together = measure(proba, y), measure(proba, y, groups=np.arange(400) // 8)
    for name in NAMES:
        one, other = getattr(alone, name), getattr(together, name)
        assert one.value == pytest.approx(other.value)
        assert other.high - other.low > 1.3 * (one.high - one.low), name


def test_a_class_without_pictures_is_undefined_and_says_so():
    proba, y = predictions(90, 3, prior=[0.5, 0.5, 0.0], skill=9.0)
    found = measure(proba, y)
    gone = found.per_class[2]
    assert gone.recall.method == "undefined: no picture of it"
    assert gone.precision.method == "undefined: never predicted"
    assert gone.support == 0
    assert found.balanced_accuracy.value == pytest.approx(1.0)
    assert found.roc_auc.defined
    plain = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert plain["per_class"][2]["recall"]["value"] is None
    assert plain["per_class"][2]["recall"]["method"] == "undefined: no picture of it"


def test_one_class_alone_has_no_roc_curve():
    found = measure([[0.9, 0.1], [0.4, 0.6]], [0, 0])
    assert found.roc_auc.method == "undefined: only one class"
    assert found.accuracy.value == 0.5


def test_dict_is_plain_and_says_where_each_number_comes_from():
    proba, y = predictions(60, 2)
    found = measure(np.stack([proba, proba]), y, majority=1).to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert set(found["accuracy"]) == {"value", "low", "high", "n", "method"}
    assert found["measurement"]["split"] == "test"
    assert found["majority"] == "class 1"


def test_the_same_numbers_every_time_and_the_seed_matters_only_to_calibration():
    proba, y = predictions(80, 3)
    first = measure(proba, y, seed=1)
    assert first == measure(proba.copy(), y.astype(np.int32), seed=1)
    other = measure(proba, y, seed=2)
    assert other.ece != first.ece
    assert dataclasses.replace(other, ece=first.ece) == first


def test_two_thousand_pictures_take_less_than_two_seconds():
    proba, y = predictions(2000, 10)
    start = time.process_time()
    measure(np.stack([proba] * 5), y, resamples=2000)
    assert time.process_time() - start < 2


def test_everything_wrong_is_said_at_once():
    with pytest.raises(DataError) as caught:
        evaluate(
            [[0.5, 0.4], [2.0, np.nan]],
            [0, 2],
            ["a", "b"],
            measured_on=TEST,
            majority=2,
            groups=[1, 1, 1],
        )
    assert str(caught.value).startswith("These predictions cannot be evaluated: 4 problems")
    expected = [problem.expected for problem in caught.value.problems]
    assert expected == [
        "probabilities that are finite, not negative, and sum to 1 in each row",
        "labels that are whole numbers from 0 to 1",
        "majority from 0 to 1",
        "groups of shape (2,), one per label",
    ]


@pytest.mark.parametrize("shape", [(3, 2), (2, 3), (0, 2, 2), (2,)])
def test_probabilities_must_fit_the_labels(shape):
    with pytest.raises(DataError, match=r"expected: probabilities of shape \(2, 2\) or \(repeats, 2, 2\)"):
        evaluate(np.full(shape, 0.5), [0, 1], ["a", "b"], measured_on=TEST, majority=0)


def test_the_log_loss_of_a_few_right_answers_has_an_upper_limit_that_probabilities_allow():
    proba = np.tile([[0.995, 0.005]], (8, 1)) + np.linspace(-0.004, 0.004, 8)[:, None] * [1, -1]
    loss = evaluate(proba, np.zeros(8, int), ("ants", "bees"), measured_on=TEST, majority=0, resamples=10).log_loss
    assert 0 <= loss.low < loss.value < loss.high <= -np.log(1e-15)
    assert loss.high == pytest.approx(34.54, abs=0.01)
