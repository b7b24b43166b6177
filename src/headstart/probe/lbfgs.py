"""L-BFGS for smooth convex functions of many well scaled numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from headstart.arrays import Reals

MEMORY = 10
"""The last steps of L-BFGS from which it estimates the curvature."""


def minimise(
    objective: Callable[[Reals], tuple[float, Reals]], x: Reals, *, gradient_tolerance: float, max_iter: int
) -> Reals:
    """Minimise a smooth convex function by L-BFGS (Nocedal and Wright, "Numerical Optimization", algorithm 7.5).

    ``objective`` gives value and gradient. It is assumed well scaled, so that a step of one is nearly always right:
    a halving line search on the Armijo condition is then enough. SciPy's L-BFGS-B spends three times as long on its
    bookkeeping for bounds as these objectives take to evaluate.
    """
    value, gradient = objective(x)
    steps = _Steps(len(x))
    for _ in range(max_iter):
        if np.abs(gradient).max() <= gradient_tolerance:
            break
        direction = steps.direction(gradient)
        slope, step = float(gradient @ direction), 1.0
        while True:
            new_x = x + step * direction
            new_value, new_gradient = objective(new_x)
            if new_value <= value + 1e-4 * step * slope or step < 1e-6:
                break
            step /= 2
        dx, dg = new_x - x, new_gradient - gradient
        curvature = float(dx @ dg)
        if new_value >= value or curvature <= 0:  # float32 products have nothing more to give
            break
        steps.add(dx, dg, curvature)
        x, value, gradient = new_x, new_value, new_gradient
    return x


class _Steps:
    """The last `MEMORY` steps of L-BFGS, and how the gradient changed over each.

    The direction is a sum of these vectors and the gradient, whose factors follow from products of pairs of them (Chen,
    Wang and Zhou, "Large-scale L-BFGS using MapReduce", 2014). So long vectors are read twice for a direction, as
    matrices, and not forty times one by one, which for 40 folds of 12 classes took four times as long as the objective.
    """

    def __init__(self, width: int) -> None:
        self._vectors = np.empty((2 * MEMORY, width), np.float32)  # a step, the change over it, the next step, …
        self._products = np.empty((2 * MEMORY, 2 * MEMORY))
        self._curvatures: deque[tuple[int, float]] = deque(maxlen=MEMORY)  # row of the step, step · change

    def add(self, dx: Reals, dg: Reals, curvature: float) -> None:
        """Keep one more step in place of the oldest."""
        full = len(self._curvatures) == MEMORY
        row = self._curvatures[0][0] if full else 2 * len(self._curvatures)
        self._curvatures.append((row, curvature))
        used = 2 * len(self._curvatures)
        self._vectors[row], self._vectors[row + 1] = dx, dg
        both = self._vectors[:used] @ self._vectors[row : row + 2].T
        self._products[:used, row : row + 2], self._products[row : row + 2, :used] = both, both.T

    def direction(self, gradient: Reals) -> Reals:
        """Where to go from a point with this gradient."""
        used = 2 * len(self._curvatures)
        if not used:
            return -gradient
        vectors, products = self._vectors[:used], self._products[:used, :used]
        along = (vectors @ gradient.astype(np.float32)).astype(np.float64)
        factors, of_gradient, projections = np.zeros(used), -1.0, {}
        for row, curvature in reversed(self._curvatures):
            projections[row] = (of_gradient * along[row] + products[row] @ factors) / curvature
            factors[row + 1] -= projections[row]
        row, curvature = self._curvatures[-1]
        scale = curvature / products[row + 1, row + 1]
        factors, of_gradient = factors * scale, of_gradient * scale
        for row, curvature in self._curvatures:
            back = (of_gradient * along[row + 1] + products[row + 1] @ factors) / curvature
            factors[row] += projections[row] - back
        return np.asarray(of_gradient * gradient + factors.astype(np.float32) @ vectors)
