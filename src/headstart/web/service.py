"""What answers: a model, processes that decode, batches, and how much is taken on. Knows nothing of routes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from headstart.deploy.model import Prediction
from headstart.errors import OptionError, UnreadableImageError
from headstart.images.sniff import without_folder
from headstart.web.admission import Admission
from headstart.web.batches import Batches
from headstart.web.body import Upload
from headstart.web.decoders import Decoders
from headstart.web.metrics import Metrics
from headstart.web.refusals import Refusal
from headstart.workflows.serve import LiveModel, Served, ServeOptions


class Service:
    """Everything that lives as long as the server does."""

    def __init__(self, live: LiveModel, options: ServeOptions) -> None:
        self.live, self.options = live, options
        self.metrics = Metrics()
        self.metrics.uses(live.current.fingerprint)
        self.admission = Admission(most_pictures=options.most_waiting, most_bytes=options.most_held)
        self.metrics.under_way.set_function(lambda: self.admission.pictures)
        self.metrics.bytes_held.set_function(lambda: self.admission.bytes)
        self.batches = Batches(self.metrics.batch.observe)
        self.decoders = Decoders(options.decoders, memory=options.decoder_memory, seconds=options.decode_seconds)
        self.stopping = False
        """Whether no further requests are wanted."""

    async def predict(
        self, served: Served, uploads: Sequence[Upload], *, coverage: float | None = None
    ) -> list[Prediction]:
        """An answer for each picture, in the order sent, or the reason why there is none.

        Raises:
            Refusal: 400 where the model cannot have this coverage.
        """
        try:
            served.model.abstention.require(coverage)
        except OptionError as error:
            raise Refusal.of_input(error) from error
        answers = [self._answer(served, one.data, coverage) for one in uploads]
        answered = await asyncio.gather(*answers) if answers[1:] else [await answers[0]]  # one needs no task of its own
        predictions = [replace(one, position=i) for i, one in enumerate(answered)]
        self.metrics.answered(predictions)
        return predictions

    async def _answer(self, served: Served, data: bytes, coverage: float | None) -> Prediction:
        try:
            with self.batches.expecting():
                pixels = await self.decoders.decode(data, served.model.space.geometry)
        except UnreadableImageError as error:
            return Prediction(proba=None, reason=without_folder(error.reason))
        return await self.batches.answer(served.model, pixels, coverage=coverage)

    async def reload(self) -> bool:
        """Take the model that is there now; whether it is another. Raises as `LiveModel.reload`."""
        try:
            is_other = await asyncio.to_thread(self.live.reload)
        except Exception:
            self.metrics.reloads.labels("refused").inc()
            raise
        self.metrics.reloads.labels("another" if is_other else "same").inc()
        self.metrics.uses(self.live.current.fingerprint)
        return is_other

    async def start(self) -> None:
        """Start what takes a moment."""
        await self.decoders.start()

    def close(self) -> None:
        """End what was started."""
        self.decoders.close()
        self.batches.close()
