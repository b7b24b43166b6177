"""ImageClassifier: the scikit-learn estimator. Parameters in, `headstart.pipeline` called, learned names out."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from headstart.cache_folder import troubles
from headstart.deploy.model import Model
from headstart.errors import DataError, Problem
from headstart.files import some
from headstart.images.sources import Source
from headstart.options import DEFAULTS, FitOptions
from headstart.progress import Progress

if TYPE_CHECKING:
    from headstart.images.folder import ImageSet

PathLike = str | Path


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A picture classifier by transfer learning; a scikit-learn estimator whose samples are files.

    The parameters are those of `headstart.options.FitOptions`, where each is described.

    Attributes:
        classes_: the labels, (k,), sorted and of the type that they were given in, in the order of the columns of
            :meth:`predict_proba`.
        model_: the deployable :class:`headstart.deploy.model.Model`.
        evaluation_: what can be claimed, a :class:`headstart.evaluation.metrics.Evaluation`: measured on the test
            split, else on the validation split, else, where a fine-tuned network is kept, on training pictures held out
            of its training, else out of fold, by heads that the other pictures chose.
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
        until: str = DEFAULTS.until,
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
        self.until = until
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
        X: PathLike | Iterable[PathLike],
        y: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        progress: Progress | None = None,
    ) -> ImageClassifier:
        """Learn from a source of labelled pictures (``y`` left out), or from paths (n,) and labels (n,).

        Labels are text, bool or whole numbers; ``classes_`` is ``np.unique(y)``.

        ``groups`` (n,) names what must not be torn apart: pictures of one patient, one burst.

        Raises:
            DataError: with every problem of the input at once.
            OptionError: with every parameter that has no meaning.
        """
        from headstart import pipeline  # what only learning needs takes a second to import
        from headstart.report.words import cache_lines

        options = FitOptions.of(**self.get_params())
        with pipeline.workbench(options, progress) as bench:
            with bench.timed("reading the folder"):
                images = _images(X, y, groups, options.group_by)
            fitted = pipeline.fit(images, options, bench)
        for line in cache_lines(troubles()):
            warnings.warn(line, stacklevel=2)
        self.model_, self.choice_, self.selection_ = fitted.model, fitted.choice, fitted.selection
        self.classes_ = images.labels
        self.images_, self.audit_, self.timings_ = fitted.images, fitted.audit, dict(fitted.timings)
        self.evaluations_ = tuple(measured.evaluation for measured in fitted.evaluations)
        self.evaluation_ = self.evaluations_[0]
        return self

    def predict_proba(self, X: Iterable[Source]) -> NDArray[np.float64]:
        """Calibrated probabilities (n, k), a row per picture.

        Args:
            X: (n,) pictures in any form that :meth:`headstart.deploy.model.Model.predict` takes; also a series, a
                frame of one column, an array of paths, or a uint8 array (n, h, w, 3).

        Raises:
            DataError: naming every unreadable picture.
            OptionError: a single picture, or things that are no pictures.
        """
        check_is_fitted(self, "model_")
        predictions = self.model_.predict(_samples(X))
        if problems := [
            Problem(
                expected="a picture",
                found=f"{p.path or f'picture {p.position}'}: {p.reason}",
                todo="leave it out or replace it",
            )
            for p in predictions
            if p.proba is None
        ]:
            raise DataError("pictures that cannot be read", problems)
        return np.array([p.proba for p in predictions]).reshape(len(predictions), len(self.classes_))

    def predict(self, X: Iterable[Source]) -> NDArray[Any]:
        """The most probable label of each picture: (n,). ``X`` and errors as in `predict_proba`."""
        proba = self.predict_proba(X)
        return np.asarray(self.classes_[proba.argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        """Samples are files, not rows of numbers."""
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = False, True
        return tags

    def save(self, folder: PathLike) -> None:
        """Write the model directory (JSON and safetensors, self-contained)."""
        check_is_fitted(self, "model_")
        self.model_.save(Path(folder))

    @classmethod
    def load(cls, folder: PathLike) -> ImageClassifier:
        """Open a model directory for prediction; raises ModelError unless it still gives the same answers."""
        classifier = cls()
        classifier.model_ = Model.load(Path(folder))
        classifier.classes_ = classifier.model_.labels
        return classifier


def _images(X: Any, y: ArrayLike | None, groups: ArrayLike | None, group_by: str | None) -> ImageSet:
    from headstart.images.folder import from_paths
    from headstart.images.grouping import grouped_by, read
    from headstart.images.labels import is_missing

    if isinstance(X, (str, Path)) and y is None:
        return read(X, group_by)
    if isinstance(X, (str, Path)) or y is None:
        problem = Problem(
            expected="a folder or a table alone, or paths together with labels",
            found="paths and no labels" if y is None else "one path and labels",
            todo="call fit(paths, labels)" if y is None else "call fit(folder)",
        )
        raise DataError("nothing to learn from", [problem])
    paths = [*_samples(X)]
    if others := [
        f"{type(path).__name__} at {i}" for i, path in enumerate(paths) if not isinstance(path, (str, os.PathLike))
    ]:
        todo = "save the pictures as files (PNG keeps every pixel) and give their paths"
        raise DataError.of("pictures to learn from", expected="paths of files", found=some(others), todo=todo)
    together = None
    if groups is not None:
        named = np.asarray(groups)
        if named.ndim != 1 and named.shape[1:] != (1,):
            found, todo = f"an array {named.shape}", "give one column of names"
            raise DataError.of("groups", expected="one group for each path", found=found, todo=todo)
        together = [None if is_missing(group) else group for group in named.ravel().tolist()]
    images = from_paths(paths, y, together)
    return images if group_by is None else grouped_by(images, group_by)


def _samples(X: Any) -> Any:
    """The samples (n,) of a series, a frame or an array as a list; anything else as it is."""
    values = X.to_numpy() if hasattr(X, "to_numpy") else X
    if isinstance(values, (Set, Mapping)):
        found, todo = f"a {type(values).__name__}, which has no order of its own", "give a list"
        raise DataError.of("pictures", expected="pictures in an order", found=found, todo=todo)
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "OUS":
        return list(values) if isinstance(values, np.ndarray) and values.ndim == 4 else values
    if values.ndim == 2 and values.shape[1] != 1:
        names = ", ".join(str(name) for name in getattr(X, "columns", range(values.shape[1])))
        todo = "choose one: frame['path']"
        raise DataError.of("pictures", expected="a single column of paths", found=f"the columns {names}", todo=todo)
    return values.ravel().tolist()
