from __future__ import annotations

import numpy as np
import pytest

from headstart.evaluation.losses import accuracy, correct, log_losses, mean_and_error, surprise

PROBA = np.array([[0.9, 0.1], [0.5, 0.5], [0.2, 0.8], [1.0, 0.0]])
Y = np.array([0, 1, 1, 1])


def test_losses_are_nats_of_the_true_class_and_finite() -> None:
    assert log_losses(PROBA, Y) == pytest.approx([-np.log(0.9), -np.log(0.5), -np.log(0.8), -np.log(1e-15)])
    assert log_losses(np.stack([PROBA, PROBA]), Y).shape == (2, 4)
    assert np.isnan(log_losses(np.full((1, 2), np.nan), np.array([0]))).all()


def test_the_most_probable_class_is_the_answer_the_first_of_equals() -> None:
    assert correct(PROBA, Y).tolist() == [True, False, True, False]
    assert accuracy(PROBA, Y) == 0.5


def test_pictures_of_one_group_count_as_one_draw() -> None:
    values = np.array([1.0, 1.0, 0.0, 0.0])
    mean, alone = mean_and_error(values, np.arange(4))
    assert (mean, alone) == (0.5, pytest.approx(0.25))
    assert mean_and_error(values, np.array([0, 0, 1, 1]))[1] == pytest.approx(alone * np.sqrt(2))


def test_every_probability_has_a_surprise_and_none_is_infinite() -> None:
    assert surprise(np.array([[1.0, 0.5], [0.0, 1.0]])) == pytest.approx(-np.log([[1.0, 0.5], [1e-15, 1.0]]))
    assert np.isnan(surprise(np.array([np.nan]))).all()
