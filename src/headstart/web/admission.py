"""How much the server has taken on: pictures and bytes of all requests under way, never more than was said."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headstart.web.refusals import busy


class Share:
    """What one request holds. To be used from one event loop."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self.pictures = self.bytes = 0

    def add(self, *, pictures: int = 0, bytes_: int = 0) -> None:
        """Hold more; raises Refusal (503) where there is no room for it."""
        admission = self._admission
        if pictures and admission.pictures + pictures > admission.most_pictures:
            raise busy(
                f"at most {admission.most_pictures} pictures under way", f"{admission.pictures} and {pictures} more"
            )
        if bytes_ and admission.bytes + bytes_ > admission.most_bytes:
            raise busy(f"at most {admission.most_bytes} bytes under way", f"{admission.bytes} and {bytes_} more")
        self.pictures, self.bytes = self.pictures + pictures, self.bytes + bytes_
        admission.pictures, admission.bytes = admission.pictures + pictures, admission.bytes + bytes_


class Admission:
    """Counts what is under way."""

    def __init__(self, *, most_pictures: int, most_bytes: int) -> None:
        self.most_pictures, self.most_bytes = most_pictures, most_bytes
        self.pictures = self.bytes = 0

    @contextmanager
    def share(self) -> Iterator[Share]:
        """What a request holds until the block is left: a picture, to begin with. Raises Refusal (503)."""
        share = Share(self)
        share.add(pictures=1)
        try:
            yield share
        finally:
            self.pictures -= share.pictures
            self.bytes -= share.bytes
