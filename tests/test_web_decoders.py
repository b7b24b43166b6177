from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable

import numpy as np
import pytest

from headstart.errors import UnreadableImageError
from headstart.images.decode import encode
from headstart.images.grey_levels import Levels
from headstart.images.transforms import Geometry, load
from headstart.web import decoders as module
from headstart.web.decoders import Decoder, Decoders
from pictures import draw

GEOMETRY = Geometry(size=64)
MEMORY = 200 << 20


def picture(seed: int) -> bytes:
    return encode(draw("stripes", seed, side=200), format="JPEG")


def carried_out(work: Callable[[Decoders], Awaitable[None]], *, count: int = 1, seconds: float = 20) -> None:
    async def all_of_it() -> None:
        decoders = Decoders(count, memory=MEMORY, seconds=seconds)
        await decoders.start()
        try:
            await work(decoders)
        finally:
            decoders.close()

    asyncio.run(all_of_it())


def process_of(decoders: Decoders) -> int:
    (decoder,) = decoders._all
    assert decoder._process is not None
    return decoder._process.pid or 0


def test_pixels_are_those_of_training_in_whatever_order_they_are_asked_for() -> None:
    async def work(decoders: Decoders) -> None:
        pictures = [picture(seed) for seed in range(12)]
        found = await asyncio.gather(*(decoders.decode(one, GEOMETRY) for one in pictures))
        for pixels, one in zip(found, pictures, strict=True):
            np.testing.assert_array_equal(pixels, load(one, GEOMETRY)[0])
        with pytest.raises(UnreadableImageError, match="text, not a picture"):
            await decoders.decode(b"no picture", GEOMETRY)

    carried_out(work, count=2)


def test_one_process_decodes_for_several_geometries_in_turn() -> None:
    geometries = [Geometry(size=size, levels=Levels(integers=(0, top))) for size in (32, 64) for top in (255, 4095)]

    async def work(decoders: Decoders) -> None:
        for geometry in 2 * geometries:
            data = encode(np.arange(10_000, dtype=np.uint16).reshape(100, 100) % 4096, format="PNG")
            np.testing.assert_array_equal(await decoders.decode(data, geometry), load(data, geometry)[0])

    carried_out(work)


def test_a_process_that_was_killed_is_replaced_and_no_picture_is_blamed_that_came_later() -> None:
    async def work(decoders: Decoders) -> None:
        await decoders.decode(picture(1), GEOMETRY)
        before = process_of(decoders)
        os.kill(before, signal.SIGSTOP)  # it does not answer until it is killed
        waiting = asyncio.create_task(decoders.decode(picture(1), GEOMETRY))
        await asyncio.sleep(0.1)
        os.kill(before, signal.SIGKILL)
        with pytest.raises(UnreadableImageError, match="ended the process that decoded it"):
            await waiting
        assert (await decoders.decode(picture(1), GEOMETRY)).shape == (64, 64, 3)
        os.kill(process_of(decoders), signal.SIGKILL)
        await asyncio.sleep(0.2)
        assert (await decoders.decode(picture(1), GEOMETRY)).shape == (64, 64, 3)
        assert process_of(decoders) != before

    carried_out(work)


def test_a_picture_that_takes_too_long_is_given_up_and_the_next_is_decoded() -> None:
    async def work(decoders: Decoders) -> None:
        os.kill(process_of(decoders), signal.SIGSTOP)
        with pytest.raises(UnreadableImageError, match=r"took longer than 0\.5 s to decode"):
            await decoders.decode(picture(1), GEOMETRY)
        assert (await decoders.decode(picture(2), GEOMETRY)).shape == (64, 64, 3)

    carried_out(work, seconds=0.5)


def test_a_process_that_promises_more_than_pixels_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_ANSWERED", 100)

    async def work() -> None:
        decoder = Decoder(memory=MEMORY, seconds=20)
        with pytest.raises(UnreadableImageError, match="ended the process"):
            await decoder.decode(picture(1), GEOMETRY)
        decoder.close()

    asyncio.run(work())
