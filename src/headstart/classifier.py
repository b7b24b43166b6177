"""ImageClassifier: the scikit-learn estimator. Parameters in, `headstart.pipeline` called, learned names out."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from headstart import pipeline
from headstart.cache_folder import troubles
from headstart.deploy.model import Model
from headstart.errors import DataError, Problem
from headstart.images.folder import ImageSet, from_paths
from headstart.images.grouping import grouped_by, read
from headstart.options import DEFAULTS, FitOptions
from headstart.progress import Progress
from headstart.report.words import cache_lines

PathLike = str | Path


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A picture classifier by transfer learning; a scikit-learn estimator whose samples are files.

    The parameters are those of `headstart.options.FitOptions`, where each is described.

    Attributes:
        classes_: the labels, (k,), in the order of the columns of :meth:`predict_proba`.
        model_: the deployable :class:`headstart.deploy.model.Model`.
        evaluation_: what can be claimed, a :class:`headstart.evaluation.metrics.Evaluation`: measured on the test
            split, else on the validation split, else, where a fine-tuned network is kept, on training pictures held out
            of its training, else out of fold, every choice made again inside every fold.
        evaluations_: all evaluations there are, the one to be quoted first.
        choice_: the head that was chosen, and every candidate that was looked at.
        selection_: whether that head or a fine-tuned network is used, and why.
        audit_: what was noticed about the pictures.
        images_: the pictures used, and those left out with the reason.
        timings_: seconds by stage.
    """

    def __init__(
        self,
        backbone: str = DEFAULTS.backbone,
        *,
        weights: PathLike | None = DEFAULTS.weights,
        sizes: Sequence[int] | None = DEFAULTS.sizes,
        finetune: str = DEFAULTS.finetune,
        budget: float | None = DEFAULTS.budget,
        class_weight: str | None = DEFAULTS.class_weight,
        device: str = DEFAULTS.device,
        precision: str = DEFAULTS.precision,
        group_by: str | None = DEFAULTS.group_by,
        cost: PathLike | None = DEFAULTS.cost,
        random_state: int = DEFAULTS.random_state,
        cache: PathLike | None = DEFAULTS.cache,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.sizes = sizes
        self.finetune = finetune
        self.budget = budget
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
        self.group_by = group_by
        self.cost = cost
        self.random_state = random_state
        self.cache = cache

    def fit(
        self,
        X: PathLike | Sequence[PathLike],
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        progress: Progress | None = None,
    ) -> ImageClassifier:
        """Learn from a folder or table of pictures (``y`` left out), or from paths (n,) and labels (n,).

        ``groups`` (n,) names what must not be torn apart: pictures of one patient, one burst.

        Raises:
            DataError: with every problem of the input at once.
            OptionError: with every parameter that has no meaning.
        """
        options = FitOptions.of(**self.get_params())
        with pipeline.workbench(options, progress) as bench:
            with bench.clock.timed("reading the folder"):
                images, self.classes_ = _images(X, y, groups, options.group_by)
            fitted = pipeline.fit(images, options, bench)
        for line in cache_lines(troubles()):
            warnings.warn(line, stacklevel=2)
        self.model_, self.choice_, self.selection_ = fitted.model, fitted.choice, fitted.selection
        self.images_, self.audit_, self.timings_ = fitted.images, fitted.audit, dict(fitted.timings)
        self.evaluations_ = tuple(measured.evaluation for measured in fitted.evaluations)
        self.evaluation_ = self.evaluations_[0]
        return self

    def predict_proba(self, X: Sequence[PathLike]) -> NDArray[np.float64]:
        """Calibrated probabilities (n, k), a row per path. Raises DataError naming every unreadable picture."""
        check_is_fitted(self, "model_")
        predictions = self.model_.predict([Path(path) for path in X])
        if problems := [
            Problem(expected="a picture", found=f"{p.path}: {p.reason}", todo="leave it out or replace it")
            for p in predictions
            if p.proba is None
        ]:
            raise DataError("pictures that cannot be read", problems)
        return np.array([p.proba for p in predictions]).reshape(len(predictions), len(self.classes_))

    def predict(self, X: Sequence[PathLike]) -> NDArray[Any]:
        """The most probable label of each path: (n,)."""
        proba = self.predict_proba(X)
        return np.asarray(np.asarray(self.classes_)[proba.argmax(axis=1)])

    def save(self, folder: PathLike) -> None:
        """Write the model directory (JSON and safetensors, self-contained)."""
        check_is_fitted(self, "model_")
        self.model_.save(Path(folder))

    @classmethod
    def load(cls, folder: PathLike) -> ImageClassifier:
        """Open a model directory for prediction; raises ModelError unless it still gives the same answers."""
        classifier = cls()
        classifier.model_ = Model.load(Path(folder))
        classifier.classes_ = np.array(classifier.model_.classes)
        return classifier


def _images(
    X: PathLike | Sequence[PathLike], y: ArrayLike | None, groups: ArrayLike | None, group_by: str | None
) -> tuple[ImageSet, NDArray[Any]]:
    """The pictures, and the labels in the order of their class numbers."""
    if isinstance(X, (str, Path)) and y is None:
        images = read(Path(X), group_by)
        return images, np.array(images.classes)
    if isinstance(X, (str, Path)) or y is None:
        problem = Problem(
            expected="a folder or a table alone, or paths together with labels",
            found="paths and no labels" if y is None else "one path and labels",
            todo="call fit(paths, labels)" if y is None else "call fit(folder)",
        )
        raise DataError("nothing to learn from", [problem])
    together = None if groups is None else np.asarray(groups).tolist()
    images = from_paths([Path(path) for path in X], np.asarray(y).tolist(), together)
    labels = np.unique(np.asarray(y))
    order = np.argsort([str(label) for label in labels.tolist()], kind="stable")
    return images if group_by is None else grouped_by(images, group_by), labels[order]
