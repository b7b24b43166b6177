"""ImageClassifier: the main path, from a folder of pictures to a model and an honest number. Read this first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from headstart.backbones import catalog
from headstart.backbones.catalog import Backbone
from headstart.backbones.runtime import prepare
from headstart.backbones.weights import Weights, locate
from headstart.deploy.artifact import Model
from headstart.deploy.reference import Reference, relative_names, sample, unit
from headstart.errors import DataError, OptionError, Problem
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.extract import Progress, Space
from headstart.features.store import cache_folder, open_store
from headstart.features.table import FeatureTable
from headstart.images.audit import Audit, audit
from headstart.images.folder import ImageSet, from_paths, scan
from headstart.images.transforms import Geometry
from headstart.training.heads import LinearHead
from headstart.training.probe import Choice, ProbeOptions, choose, nested_proba, repeats_for

if TYPE_CHECKING:
    from headstart.training.selection import Setting, Trial

FINETUNE = ("auto", "never", "always")
PathLike = str | Path


@dataclass(frozen=True, kw_only=True)
class Measured:
    """An evaluation together with what it was computed from."""

    evaluation: Evaluation
    index: NDArray[np.int64]
    """(n,) positions in the image set."""
    proba: NDArray[np.float64]
    """(n, k) probabilities; the mean over repeats where there were several."""


class ImageClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A picture classifier by transfer learning; a scikit-learn estimator whose samples are files.

    Args:
        backbone: a name from ``headstart backbones list``, or any timm name with its tag.
        weights: a ``.pth`` or ``.safetensors`` file instead of the backbone's own weights, or ``"random"``.
        sizes: input sizes in pixels that may be tried; by default the backbone's own, and one 12/7 as large.
        finetune: ``"auto"`` trains the upper part of the network too where there is something to win, and keeps it if
            it is better on held-out pictures; ``"never"``; ``"always"`` keeps it whatever comes out.
        budget: seconds after which nothing dearer is begun; by default no decision depends on the clock.
        class_weight: ``"balanced"`` lets every class count the same in the loss.
        device: ``"auto"``, ``"openvino"``, ``"torch"`` (CPU), ``"cuda"`` or ``"mps"``.
        precision: ``"auto"``, ``"f32"`` or ``"bf16"``.
        random_state: seed of folds, samples and resampling.
        cache: folder of the feature store; by default the platform's cache folder.

    Attributes:
        classes_: the labels, (k,), in the order of the columns of :meth:`predict_proba`.
        model_: the deployable :class:`headstart.deploy.artifact.Model`.
        choice_: the head that was chosen, and every candidate that was looked at.
        trial_: how the fine-tuned network did against it; None where it was not tried.
        audit_: what was noticed about the pictures.
        images_: the pictures used, and those left out with the reason.
        timings_: seconds by stage.
    """

    def __init__(
        self,
        backbone: str = "efficientnet_lite0",
        *,
        weights: str | Path | None = None,
        sizes: Sequence[int] | None = None,
        finetune: str = "auto",
        budget: float | None = None,
        class_weight: str | None = None,
        device: str = "auto",
        precision: str = "auto",
        random_state: int = 0,
        cache: PathLike | None = None,
    ) -> None:
        self.backbone = backbone
        self.weights = weights
        self.sizes = sizes
        self.finetune = finetune
        self.budget = budget
        self.class_weight = class_weight
        self.device = device
        self.precision = precision
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

        ``groups`` (n,) names what must not be torn apart: pictures of one patient, one burst. Raises DataError with
        every problem of the input at once.
        """
        began = time.monotonic()
        deadline = None if self.budget is None else began + self.budget
        options = self._options()
        self._spaces: dict[int, Space] = {}  # networks that are ready to run, by input size
        self.__dict__.pop("_measured", None)

        # ── pictures ────────────────────────────────────────────────────────────────────────────────────────────
        images, self.classes_ = _images(X, y, groups)
        self.timings_ = {"reading the folder": time.monotonic() - began}

        with self._table(images, progress) as table:
            # ── features at the base size; what cannot be decoded is listed and left out ────────────────────────
            failed = table.fill(options.sizes[0])
            table.images = self.images_ = images.without({images.paths[i]: why for i, why in failed.items()})
            self.audit_: Audit = audit(self.images_)
            self.timings_["features"] = table.seconds

            # ── a head, chosen by cross-validation inside the training pictures ─────────────────────────────────
            start = time.monotonic()
            with table.progress.stage("choosing the head", 1):
                self.choice_: Choice = choose(table, self._train, options, deadline=deadline)
            self.timings_["choosing the head"] = time.monotonic() - start

            # ── a fine-tuned network instead, if it is better on pictures held out of the training pictures ─────
            start = time.monotonic()
            self.trial_, self.trial_reason_ = self._trial(table, options, deadline)
            space, output, head = self._served(table, options)
            if self.trial_:
                self.timings_["fine-tuning"] = time.monotonic() - start

        self.model_ = Model(
            classes=self.images_.classes,
            space=space,
            output=output,
            head=head,
            backbone=self._backbone_facts,
            training=self._training_facts(),
            notes=space.runtime.notes,
        )
        return self

    @property
    def evaluation_(self) -> Evaluation:
        """What can be claimed: measured on the test split, else on the validation split, else out of fold.

        Out of fold, the whole procedure with all its choices is repeated inside every outer fold.
        """
        return self.measure()[0].evaluation

    def measure(self, progress: Progress | None = None) -> tuple[Measured, ...]:
        """All evaluations there are, the one to be quoted first. Computed at the first call."""
        check_is_fitted(self, "choice_")
        if not hasattr(self, "_measured"):
            start = time.monotonic()
            with self._table(self.images_, progress) as table:
                held_out = [split for split in ("test", "val") if (self.images_.split == split).any()]
                if held_out:
                    parts = [self._on_split(table, split) for split in held_out]
                elif self.trial_ and self.trial_.kept:
                    parts = self._on_trial(self.trial_)
                else:
                    parts = [self._out_of_fold(table)]
            self._measured: tuple[Measured, ...] = tuple(parts)
            self.timings_["evaluation"] = time.monotonic() - start
        return self._measured

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

    def reference(self, progress: Progress | None = None) -> Reference:
        """What is worth remembering of the training pictures: `explain` and `watch` hold new ones against it."""
        first = self.measure(progress)[0]
        kept = sample(len(self._train), seed=self.random_state)
        index, size = self._train[kept], self.model_.space.geometry.size
        with self._table(self.images_, progress) as table:
            rows = self._served_table(table).rows(size, "last", index)
        tuned = self.trial_ is not None and self.trial_.kept
        return Reference(
            classes=self.images_.classes,
            root=None if self.images_.root is None else self.images_.root.absolute(),
            names=relative_names([self.images_.paths[i] for i in index], self.images_.root),
            digests=tuple(self.images_.digests[i] for i in index),
            rows=unit(rows),
            y=self.images_.y[index],
            proba=None if tuned else self.choice_.proba[kept].astype(np.float32),
            judged_proba=first.proba.astype(np.float32),
            judged_y=self.images_.y[first.index],
            judged_on=first.evaluation.measured_on,
        )

    @classmethod
    def load(cls, folder: PathLike) -> ImageClassifier:
        """Open a model directory for prediction; raises ModelError unless it still gives the same answers."""
        classifier = cls()
        classifier.model_ = Model.load(Path(folder))
        classifier.classes_ = np.array(classifier.model_.classes)
        return classifier

    # ── the parts of the path ───────────────────────────────────────────────────────────────────────────────────

    @property
    def _train(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.images_.split == "train")

    def _options(self) -> ProbeOptions:
        sizes = tuple(sorted(self.sizes)) if self.sizes else default_sizes(catalog.get(self.backbone).input_size)
        problems = []
        if sizes[0] < 32:
            problems.append(Problem(expected="sizes of 32 pixels or more", found=str(sizes[0]), todo="raise it"))
        if self.finetune not in FINETUNE:
            found = repr(self.finetune)
            problems.append(Problem(expected=f"finetune {', '.join(FINETUNE)}", found=found, todo="use one of them"))
        if self.class_weight not in (None, "balanced"):
            found = repr(self.class_weight)
            problems.append(Problem(expected='class_weight None or "balanced"', found=found, todo="use one of them"))
        if self.budget is not None and not self.budget > 0:
            found = str(self.budget)
            problems.append(Problem(expected="a budget above 0 seconds", found=found, todo="leave it out, or raise it"))
        if problems:
            raise OptionError("options of ImageClassifier", problems)
        return ProbeOptions(sizes=sizes, seed=self.random_state, balanced=self.class_weight == "balanced")

    @contextmanager
    def _table(self, images: ImageSet, progress: Progress | None) -> Iterator[FeatureTable]:
        record, weights, cache = self._network()
        self._backbone_facts = {
            "name": record.name,
            "architecture": record.architecture,
            "licence": record.licence if weights.origin in ("bundled", "hub") else "that of the weights given",
            "weights": weights.origin,
            "sha256": weights.sha256,
        }

        def space_at(size: int) -> Space:
            runtime = prepare(record, weights, size=size, cache=cache, device=self.device, precision=self.precision)
            geometry = Geometry(size=size, crop_pct=record.crop_pct, interpolation=record.interpolation)
            return Space(runtime=runtime, geometry=geometry)

        with open_store(cache) as store:
            yield FeatureTable(images, space_at, store, spaces=self._spaces, progress=progress)

    def _network(self) -> tuple[Backbone, Weights, Path]:
        record = catalog.get(self.backbone)
        random = self.weights == "random"
        file = None if random or self.weights is None else Path(self.weights)
        cache = Path(self.cache) if self.cache else cache_folder()
        return record, locate(record, file=file, random=random), cache

    def _trial(self, table: FeatureTable, options: ProbeOptions, deadline: float | None) -> tuple[Trial | None, str]:
        """The fine-tuned network against the probe, and in words what came out, or why it was not tried."""
        from headstart.training import selection

        if self.finetune == "never":
            return None, ""
        always = self.finetune == "always"
        y = self.images_.y[self._train]
        if not always and (reason := selection.nothing_to_win(self.choice_, y, options)):
            return None, reason
        if deadline is not None and not always:
            needed = selection.seconds_for(table, self.choice_, len(y))
            if time.monotonic() + needed > deadline:
                return None, f"Fine-tuning was not tried: the budget does not reach to its {needed:.0f} seconds."
        trial = selection.attempt(table, self._train, self.choice_, options, self._setting(), always=always)
        return trial, trial.reason

    def _served(self, table: FeatureTable, options: ProbeOptions) -> tuple[Space, str, LinearHead]:
        """The network, the row of it that is read, and the head that reads it."""
        candidate, trial = self.choice_.candidate, self.trial_
        if trial is None or not trial.kept:
            return table.space(candidate.size), candidate.output, self.choice_.head
        from headstart.training import selection

        tuned = selection.final(table, self._train, trial, self.choice_, options, self._setting())
        space, head = tuned.deploy(
            tuned.mixed(trial.share),
            cache=self._setting().cache,
            temperature=trial.temperature,
            device=self.device,
            precision=self.precision,
        )
        return space, "tuned", head

    def _setting(self) -> Setting:
        from headstart.training.selection import Setting

        record, weights, cache = self._network()
        return Setting(
            backbone=record,
            weights=weights,
            cache=cache,
            seed=self.random_state,
            device=self.device,
            precision=self.precision,
        )

    def _training_facts(self) -> Mapping[str, Any]:
        counts = np.bincount(self.images_.y[self._train], minlength=len(self.images_.classes))
        return {
            "pictures": int(counts.sum()),
            "class_counts": dict(zip(self.images_.classes, counts.tolist(), strict=True)),
            "fingerprint": self.images_.fingerprint(),
            "random_state": self.random_state,
            "head": str(self.choice_.candidate),
            "strength": self.choice_.strength,
            "fine_tuned": bool(self.trial_ and self.trial_.kept),
        }

    def _on_split(self, table: FeatureTable, split: str) -> Measured:
        index = np.flatnonzero(self.images_.split == split)
        model, size = self.model_, self.model_.space.geometry.size
        X = self._served_table(table).rows(size, model.output, index)
        name = {"test": "the test split", "val": "the validation split"}[split]
        return self._measure(model.head.predict_proba(X)[None], index, measured_on=name)

    def _served_table(self, table: FeatureTable) -> FeatureTable:
        """The same pictures through the network that is served, which may be a fine-tuned one."""
        space = self.model_.space
        spaces = {space.geometry.size: space}
        return FeatureTable(table.images, lambda size: space, table.store, spaces=spaces, progress=table.progress)

    def _on_trial(self, trial: Trial) -> list[Measured]:
        """What is used, on the pictures that were held out to settle it; beside it both networks as they are."""
        part = "training pictures held out"
        return [
            self._measure(trial.procedure[None], trial.index, measured_on=f"{part}, choice included"),
            self._measure(trial.tuned[None], trial.index, measured_on=f"{part}, fine-tuned network"),
            self._measure(trial.probe[None], trial.index, measured_on=f"{part}, frozen network"),
        ]

    def _out_of_fold(self, table: FeatureTable) -> Measured:
        options = self._options()
        within = tuple(size for size in options.sizes if size not in self.choice_.beyond_budget)
        repeats = repeats_for(len(self._train))
        proba = nested_proba(table, self._train, replace(options, sizes=within), repeats=repeats)
        name = f"{options.n_splits}-fold nested cross-validation"
        return self._measure(proba, self._train, measured_on=f"{name}, {repeats} times" if repeats > 1 else name)

    def _measure(self, proba: NDArray[np.float64], index: NDArray[np.int64], *, measured_on: str) -> Measured:
        y = self.images_.y
        evaluation = evaluate(
            proba,
            y[index],
            self.images_.classes,
            measured_on=measured_on,
            majority=int(np.bincount(y[self._train]).argmax()),
            groups=self.images_.groups[index],
            seed=self.random_state,
        )
        return Measured(evaluation=evaluation, index=index, proba=proba.mean(axis=0))


def default_sizes(input_size: int) -> tuple[int, ...]:
    """The backbone's own input size and, unless that is large already, one about 12/7 as large: 224 and 384."""
    larger = round(input_size * 12 / 7 / 32) * 32
    return (input_size,) if input_size > 288 else (input_size, larger)


def _images(
    X: PathLike | Sequence[PathLike], y: ArrayLike | None, groups: ArrayLike | None
) -> tuple[ImageSet, NDArray[Any]]:
    """The pictures, and the labels in the order of their class numbers."""
    if isinstance(X, (str, Path)) and y is None:
        images = scan(Path(X))
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
    return images, labels[order]
