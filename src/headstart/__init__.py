"""headstart: from a folder of pictures to a classifier you can trust."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from headstart.classifier import ImageClassifier
    from headstart.deploy.model import Model, Prediction
    from headstart.errors import HeadstartError
    from headstart.evaluation.intervals import Estimate
    from headstart.evaluation.metrics import Evaluation

__all__ = ["Estimate", "Evaluation", "HeadstartError", "ImageClassifier", "Model", "Prediction"]

_HOME = {
    "Estimate": "headstart.evaluation.intervals",
    "Evaluation": "headstart.evaluation.metrics",
    "HeadstartError": "headstart.errors",
    "ImageClassifier": "headstart.classifier",
    "Model": "headstart.deploy.model",
    "Prediction": "headstart.deploy.model",
}


def __getattr__(name: str) -> Any:
    """Public names are imported when they are first used, so that ``import headstart`` costs nothing."""
    if name not in _HOME:
        raise AttributeError(f"module 'headstart' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
