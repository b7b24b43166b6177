from __future__ import annotations

import numpy as np

from headstart.probe.lbfgs import minimise


def test_minimise_finds_the_minimum_of_a_bad_quadratic() -> None:
    scales = np.logspace(0, 3, 30)
    target = np.linspace(-1, 1, 30)

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        return float(0.5 * (scales * (x - target) ** 2).sum()), scales * (x - target)

    found = minimise(objective, np.zeros(30), gradient_tolerance=1e-8, max_iter=500)
    np.testing.assert_allclose(found, target, atol=1e-8)
