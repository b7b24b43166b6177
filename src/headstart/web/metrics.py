"""What the server counts, in the words of Prometheus."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from headstart.deploy.model import Prediction

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 15, 16)


class Metrics:
    """The counters of one server; each server of a process has its own."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self.requests = Counter("headstart_requests", "Requests answered.", ["path", "status"], registry=registry)
        self.seconds = Histogram(
            "headstart_request_seconds",
            "From the first byte to the answer.",
            ["path"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.pictures = Counter(
            "headstart_pictures", "Pictures by outcome: answered, or unreadable.", ["outcome"], registry=registry
        )
        self.doubts = Counter("headstart_doubts", "Answers marked unsure or unfamiliar.", ["kind"], registry=registry)
        self.batch = Histogram(
            "headstart_batch_pictures", "Pictures computed together.", buckets=_SIZES, registry=registry
        )
        self.under_way = Gauge(
            "headstart_pictures_under_way", "Pictures taken on and not answered yet.", registry=registry
        )
        self.bytes_held = Gauge("headstart_bytes_held", "Bytes of requests under way.", registry=registry)
        self.reloads = Counter(
            "headstart_reloads",
            "Looks at a changed model: another, the same, or refused.",
            ["outcome"],
            registry=registry,
        )
        self.model = Gauge("headstart_model_info", "The model in use.", ["fingerprint"], registry=registry)

    def answered(self, predictions: Iterable[Prediction]) -> None:
        """Count the pictures of a request."""
        for prediction in predictions:
            self.pictures.labels("unreadable" if prediction.proba is None else "answered").inc()
            for kind in ("unsure", "unfamiliar"):
                if getattr(prediction, kind):
                    self.doubts.labels(kind).inc()

    def uses(self, fingerprint: str) -> None:
        """Say which model is in use."""
        self.model.clear()
        self.model.labels(fingerprint).set(1)

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
