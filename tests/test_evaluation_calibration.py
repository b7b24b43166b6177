import numpy as np
import pytest

from headstart.evaluation import calibration
from headstart.evaluation.calibration import fit_temperature, fit_temperatures, softmax


def drawn(n, k, *, temperature, seed=0):
    """Logits that are ``temperature`` times too sure, and labels drawn from the true probabilities."""
    rng = np.random.default_rng(seed)
    Z = 2 * rng.normal(size=(n, k))
    y = (softmax(Z).cumsum(axis=1) < rng.random((n, 1))).sum(axis=1)
    return Z * temperature, y


@pytest.mark.parametrize(("k", "temperature"), [(2, 0.5), (2, 3.0), (10, 1.0), (10, 4.0)])
def test_a_known_temperature_is_found(k, temperature):
    assert fit_temperature(*drawn(20_000, k, temperature=temperature)) == pytest.approx(temperature, rel=0.05)


def test_it_is_where_the_log_loss_is_least():
    Z, y = drawn(200, 3, temperature=2.0)
    best = fit_temperature(Z, y)

    def loss(temperature):
        """Of 200 pictures, and of one like them on average that may be of any class."""
        surprise = -np.log(softmax(Z, temperature))
        return surprise[np.arange(200), y].sum() + surprise.mean()

    assert loss(best) < min(loss(best * 1.02), loss(best / 1.02), loss(1.0))


def test_a_weight_of_two_is_a_picture_twice():
    Z, y = drawn(100, 3, temperature=2.0)
    weights = np.r_[np.full(50, 2.0), np.ones(50)]
    twice = fit_temperature(np.r_[Z, Z[:50]], np.r_[y, y[:50]])
    assert fit_temperature(Z, y, sample_weight=weights) == pytest.approx(twice, rel=1e-4)


def test_answers_that_are_nearly_certain_leave_a_temperature_within_its_bounds():
    assert 0.05 <= fit_temperature([[0.0, -14585.68805746]], [0]) <= 20
    assert 0.05 <= fit_temperature([[-1208.27019994, -722.28363622, 0.0]], [2]) <= 20


@pytest.mark.parametrize("together", [1, 1 << 17])
def test_several_are_found_at_once_and_none_depends_on_another(monkeypatch, together):
    monkeypatch.setattr(calibration, "MOST_TOGETHER", together)
    Z, y = drawn(100, 3, temperature=2.0)
    weights = np.random.default_rng(0).random((7, 100))
    weights[3] = 0
    weights[3, 5] = 1
    assert fit_temperatures(Z, y, weights).tolist() == [fit_temperature(Z, y, sample_weight=w) for w in weights]


def test_it_stays_within_its_bounds_where_nothing_is_right():
    assert 19.9 < fit_temperature(np.eye(3) * 2, [1, 2, 0]) <= 20


@pytest.mark.parametrize("n", [20, 200, 2_000])
@pytest.mark.parametrize("k", [2, 5])
def test_n_right_answers_make_it_as_sure_as_n_right_answers_allow(n, k):
    """Where no mistake was seen, one is expected in about n pictures, however far apart the logits lie."""
    y = np.arange(n) % k
    Z = np.eye(k)[y] * 9.0
    wrong = 1 - softmax(Z, fit_temperature(Z, y))[np.arange(n), y].mean()
    assert 0.4 / n < wrong < 1.1 / n


def test_softmax_of_any_shape_and_size_of_logits():
    Z = np.array([[[1000.0, 1000.0, -1000.0]], [[0.0, 0.0, 0.0]]], dtype=np.float32)
    assert softmax(Z).tolist() == [[[0.5, 0.5, 0.0]], [[1 / 3] * 3]]
    assert softmax([2.0, 0.0], temperature=2.0) == pytest.approx(softmax([1.0, 0.0]))
