"""A server that answers pictures as `headstart serve` does, asked over HTTP."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np

from headstart.deploy.model import Prediction
from headstart.errors import ModelError, UnreadableImageError
from headstart.images.reading import contents

SECONDS = 60.0
"""To wait for an answer. Chosen: a server gives a picture ten seconds, and a request thirty to arrive."""
MOST_ANSWERED = 16 << 20
"""Bytes of an answer: a thousand classes take 50 kB."""
MOST_BUSY = 20
"""Times to ask again a server that is busy, a second after each."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """Where a server is, and the token that it asks for."""

    address: str
    token: str | None = None

    def classes(self) -> tuple[str, ...]:
        """What it tells apart. Raises ModelError where no such server answers."""
        return tuple(map(str, self._ask("/classes")["classes"]))

    def answer(self, picture: Path | bytes) -> Prediction:
        """Its answer for a file, or the reason why there is none.

        Raises:
            ModelError: no such server answers, or it answers something else.
        """
        try:
            if isinstance(picture, Path):
                with contents(picture) as data:
                    return self._answer(bytes(data))
            return self._answer(picture)
        except UnreadableImageError as error:
            return Prediction(proba=None, reason=error.reason)

    def _answer(self, data: bytes) -> Prediction:
        document = self._ask("/predict", data)
        if "predictions" not in document:
            return Prediction(proba=None, reason=str(document.get("error", "")))
        try:
            (row,) = document["predictions"]
            by_class = dict(row["top"])
            proba = np.array([by_class[name] for name in document["classes"]], np.float64)
            return Prediction(proba=proba, novelty=row["novelty"], unsure=row["unsure"], unfamiliar=row["unfamiliar"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._other(f"an answer without {error}") from error

    def _ask(self, path: str, body: bytes | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/octet-stream"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        for _ in range(MOST_BUSY):
            try:
                with urlopen(Request(self.address.rstrip("/") + path, body, headers), timeout=SECONDS) as response:
                    return self._read(response.read(MOST_ANSWERED))
            except HTTPError as error:
                if error.code == 422 and body is not None:  # the picture cannot be read
                    return self._read(error.read(MOST_ANSWERED))
                if error.code == 401:
                    raise self._other(
                        "one that asks for a token, or for another", "name the file that holds it: --token-file"
                    ) from error
                if error.code != 503:
                    raise self._other(f"HTTP {error.code} for {path}") from error
            except (OSError, HTTPException, ValueError) as error:
                raise self._other(str(error)) from error
            time.sleep(1)
        raise self._other("a server that is busy all the time")

    def _read(self, content: bytes) -> dict[str, Any]:
        document = json.loads(content)  # ValueError is taken for another server
        if not isinstance(document, dict):
            raise ValueError("an answer that is no JSON object")
        return document

    def _other(self, found: str, todo: str = "start it, or check the address") -> ModelError:
        expected = "a server of `headstart serve` that answers"
        return ModelError.of(f"server {self.address}", expected=expected, found=found, todo=todo)
