from __future__ import annotations

import asyncio
from collections.abc import Sequence
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.deploy.model import Model
from headstart.images.transforms import load
from headstart.web.batches import Batches
from server import Served, drawn


class Paced:
    """Stands for a model: it answers when it is told to, and notes what it was given together."""

    def __init__(self, batch: int = 4) -> None:
        self.space = SimpleNamespace(runtime=SimpleNamespace(batch=batch))
        self.go = Event()
        self.together: list[list[Any]] = []

    def answers_of_pixels(self, pixels: Sequence[Any], *, coverage: float | None) -> list[Any]:
        self.together.append([*pixels])
        assert self.go.wait(20)
        if "bad" in pixels:
            raise ArithmeticError("bad")
        return [(pixel, coverage) for pixel in pixels]


async def asked(batches: Batches, model: Any, pixels: Any, coverage: float | None = None) -> Any:
    return await batches.answer(model, pixels, coverage=coverage)


async def later() -> None:
    """Let what was asked for begin."""
    for _ in range(5):
        await asyncio.sleep(0.01)


def test_what_waits_while_the_network_computes_is_computed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        model, sizes = Paced(), []
        batches = Batches(sizes.append)
        batches._most = 2
        first = asyncio.create_task(asked(batches, model, 0))
        await later()
        assert model.together == [[0]]  # a single picture waits for nothing
        rest = [asyncio.create_task(asked(batches, model, number)) for number in range(1, 8)]
        await later()
        assert model.together == [[0], [1, 2, 3, 4]]  # a full batch beside it, and the rest collects
        model.go.set()
        assert await asyncio.gather(first, *rest) == [(number, None) for number in range(8)]
        assert (model.together[2:], sizes) == ([[5, 6, 7]], [1, 4, 3])
        batches.close()

    asyncio.run(work())


def test_few_pictures_wait_a_moment_for_one_that_is_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def work() -> None:
        model, batches = Paced(), Batches()
        model.go.set()
        monkeypatch.setattr("headstart.web.batches.MOST_WAIT_S", 60.0)
        with batches.expecting():
            first = asyncio.create_task(asked(batches, model, 0))
            await later()
            assert model.together == []
        second = asyncio.create_task(asked(batches, model, 1))
        await asyncio.gather(first, second)
        assert sorted(one for together in model.together for one in together) == [0, 1]
        monkeypatch.setattr("headstart.web.batches.MOST_WAIT_S", 0.05)
        with batches.expecting():  # however long that takes
            assert await asked(batches, model, 2) == (2, None)
        batches.close()

    asyncio.run(work())


def test_other_models_and_coverages_are_computed_apart_and_an_error_stays_where_it_is() -> None:
    async def work() -> None:
        one, other = Paced(), Paced()
        batches = Batches()
        one.go.set()
        other.go.set()
        answers = await asyncio.gather(
            asked(batches, one, "a"),
            asked(batches, one, "b", 0.5),
            asked(batches, other, "bad"),
            asked(batches, one, "c"),
            return_exceptions=True,
        )
        assert answers[:2] + answers[3:] == [("a", None), ("b", 0.5), ("c", None)]
        assert isinstance(answers[2], ArithmeticError)
        batches.close()

    asyncio.run(work())


def test_who_has_gone_is_passed_over() -> None:
    async def work() -> None:
        model, batches = Paced(), Batches()
        gone, stays = (asyncio.create_task(asked(batches, model, name)) for name in "gs")
        await later()
        gone.cancel()
        model.go.set()
        assert await stays == ("s", None)
        batches.close()

    asyncio.run(work())


def test_answers_are_those_of_the_model_however_many_are_asked_together(served: Served) -> None:
    model: Model = served.service.live.current.model
    files = [drawn(seed) for seed in range(20)]
    pixels = [load(file, model.space.geometry)[0] for file in files]

    async def work() -> list[Any]:
        batches = Batches()
        found = await asyncio.gather(*(batches.answer(model, one) for one in pixels))
        batches.close()
        return found

    for found, expected in zip(asyncio.run(work()), model.predict(files), strict=True):
        np.testing.assert_allclose(found.proba, expected.proba, atol=1e-3)
        assert (found.unsure, found.prediction_set) == (expected.unsure, expected.prediction_set)
