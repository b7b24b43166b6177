"""ImageClassifier: the main path, from a folder of pictures to a model and an honest number. Read this first."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from headstart.abstain.abstention import Abstention, AbstentionReport, learn_abstention, measure_abstention
from headstart.abstain.costs import Costs, read_costs
from headstart.audit.deduplication import deduplicate
from headstart.audit.duplicates import find_duplicates
from headstart.audit.summary import Audit, audit
from headstart.backbones import catalog
from headstart.backbones.catalog import Backbone
from headstart.backbones.runtime import prepare
from headstart.backbones.space import NetworkSpec, Space
from headstart.backbones.weights import Weights, locate, origin_of
from headstart.deploy.model import FAMILIAR, Model
from headstart.errors import DataError, OptionError, Problem
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import Evaluation, evaluate
from headstart.features.cache import cache_folder
from headstart.features.store import open_store
from headstart.features.table import FeatureTable
from headstart.finetune.trial import FINETUNE, Selection, Trial, select
from headstart.images.folder import ImageSet, from_paths, scan
from headstart.images.grouping import grouped_by
from headstart.images.transforms import Geometry
from headstart.probe.choice import Choice, ProbeOptions, choose, nested_proba, repeats_for
from headstart.progress import Progress

PathLike = str | Path


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An evaluation together with what it was computed from."""

    evaluation: Evaluation
    index: NDArray[np.int64]
    """(n,) positions in the image set."""
    proba: NDArray[np.float64]
    """(n, k) probabilities; the mean over repeats where there were several."""
    abstention: AbstentionReport
    """What leaving doubtful answers out would give, on the same pictures."""


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
        group_by: what names the pictures that belong together (one patient, one burst) and so never cross a fold: a
            column of the table, or a regular expression on the path below the folder, whose first group counts.
        cost: a CSV or JSON file with what each answer costs for each truth, see :mod:`headstart.abstain.costs`.
        random_state: seed of folds, samples and resampling.
        cache: folder of the feature store; by default the platform's cache folder.

    Attributes:
        classes_: the labels, (k,), in the order of the columns of :meth:`predict_proba`.
        model_: the deployable :class:`headstart.deploy.model.Model`.
        choice_: the head that was chosen, and every candidate that was looked at.
        selection_: whether that head or a fine-tuned network is used, and why.
        audit_: what was noticed about the pictures.
        deduplicated_: the copies that were found, and what was done so that they flatter no number.
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
        group_by: str | None = None,
        cost: PathLike | None = None,
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

        ``groups`` (n,) names what must not be torn apart: pictures of one patient, one burst. Raises DataError with
        every problem of the input at once.
        """
        began = time.monotonic()
        deadline = None if self.budget is None else began + self.budget
        options = self.options()
        self._spaces: dict[int, Space] = {}  # networks that are ready to run, by input size
        self.__dict__.pop("_measured", None)

        # ── pictures ────────────────────────────────────────────────────────────────────────────────────────────
        images, self.classes_ = _images(X, y, groups)
        if self.group_by is not None:
            table_file = Path(X) if isinstance(X, (str, Path)) and Path(X).is_file() else None
            images = grouped_by(images, self.group_by, table_file)
        costs = None if self.cost is None else read_costs(Path(self.cost), images.classes)
        self.timings_ = {"reading the folder": time.monotonic() - began}

        with self.table(images, progress) as table:
            # ── features at the base size; what cannot be decoded is listed and left out ────────────────────────
            failed = table.fill(options.sizes[0])
            table.images = images.without({images.paths[i]: why for i, why in failed.items()})
            self.timings_["features"] = table.seconds

            # ── copies: no fold tears them apart, and none is trained on of what is tested on ───────────────────
            with self._timed("looking for copies"):
                self.deduplicated_ = deduplicate(find_duplicates(table, options.sizes[0]))
                table.images = self.images_ = self.deduplicated_.images
                self.audit_: Audit = audit(self.images_)

            # ── a head, chosen by cross-validation inside the training pictures ─────────────────────────────────
            with self._timed("choosing the head"), table.progress.stage("choosing the head", 1):
                self.choice_: Choice = choose(table, self._train, options, deadline=deadline)

            # ── a fine-tuned network instead, if it is better on pictures held out of the training pictures ─────
            with self._timed("fine-tuning"):
                self.selection_: Selection = select(
                    table,
                    self._train,
                    self.choice_,
                    options,
                    self._spec(),
                    self.finetune,
                    seed=self.random_state,
                    deadline=deadline,
                )
            if self.selection_.trial is None:
                del self.timings_["fine-tuning"]

            # ── when not to answer ──────────────────────────────────────────────────────────────────────────────
            with self._timed("learning when not to answer"):
                abstention = self._abstention(table, costs)

        self.model_ = Model(
            classes=self.images_.classes,
            space=self.selection_.space,
            output=self.selection_.output,
            head=self.selection_.head,
            backbone=self._origin,
            training=self._training_facts(),
            notes=self.selection_.space.runtime.notes,
            abstention=abstention,
        )
        return self

    @property
    def evaluation_(self) -> Evaluation:
        """What can be claimed: measured on the test split, else on the validation split, else out of fold.

        Out of fold, the whole procedure with all its choices is repeated inside every outer fold.
        """
        return self.measure()[0].evaluation

    def measure(self, progress: Progress | None = None) -> tuple[Measurement, ...]:
        """All evaluations there are, the one to be quoted first. Computed at the first call."""
        check_is_fitted(self, "choice_")
        if not hasattr(self, "_measured"):
            with self._timed("evaluation"), self.table(progress=progress) as table:
                splits: tuple[Literal["test", "val"], ...] = ("test", "val")
                held_out = [split for split in splits if (self.images_.split == split).any()]
                if held_out:
                    parts = [self._on_split(table, split) for split in held_out]
                elif self.selection_.trial and self.selection_.fine_tuned:
                    parts = self._on_trial(self.selection_.trial)
                else:
                    parts = [self._out_of_fold(table)]
            self._measured: tuple[Measurement, ...] = tuple(parts)
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

    @classmethod
    def load(cls, folder: PathLike) -> ImageClassifier:
        """Open a model directory for prediction; raises ModelError unless it still gives the same answers."""
        classifier = cls()
        classifier.model_ = Model.load(Path(folder))
        classifier.classes_ = np.array(classifier.model_.classes)
        return classifier

    # ── the parts of the path ───────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.timings_[stage] = time.monotonic() - start

    @property
    def _train(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.images_.split == "train")

    def options(self) -> ProbeOptions:
        """What may be tried. Raises OptionError with everything that is wrong with the parameters."""
        sizes = tuple(sorted(self.sizes)) if self.sizes else catalog.get(self.backbone).sizes
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
    def table(self, images: ImageSet | None = None, progress: Progress | None = None) -> Iterator[FeatureTable]:
        """Features at any size, of the pictures it was fitted on or of others; from the store where they are there."""
        self.__dict__.setdefault("_spaces", {})
        record, weights, cache = self._network()
        self._origin = origin_of(record, weights)

        def space_at(size: int) -> Space:
            runtime = prepare(record, weights, size=size, cache=cache, device=self.device, precision=self.precision)
            geometry = Geometry(size=size, crop_pct=record.crop_pct, interpolation=record.interpolation)
            return Space(runtime=runtime, geometry=geometry)

        with open_store(cache) as store:
            yield FeatureTable(images or self.images_, space_at, store, spaces=self._spaces, progress=progress)

    def _network(self) -> tuple[Backbone, Weights, Path]:
        record = catalog.get(self.backbone)
        random = self.weights == "random"
        file = None if random or self.weights is None else Path(self.weights)
        cache = Path(self.cache) if self.cache else cache_folder()
        return record, locate(record, file=file, random=random), cache

    def _abstention(self, table: FeatureTable, costs: Costs | None) -> Abstention:
        """When not to answer, from training pictures that the network or the head judged without knowing them."""
        train, chosen = self._train, self.selection_
        kept = chosen.trial if chosen.fine_tuned else None
        return learn_abstention(
            table.through(chosen.space).rows(chosen.space.geometry.size, FAMILIAR, train),
            self.images_.y[train],
            self.images_.classes,
            proba=kept.tuned if kept else self.choice_.proba,
            held_out=np.searchsorted(train, kept.index) if kept else None,
            groups=self.images_.groups[train],
            costs=costs,
            seed=self.random_state,
        )

    def _spec(self) -> NetworkSpec:
        record, weights, cache = self._network()
        return NetworkSpec(backbone=record, weights=weights, cache=cache, device=self.device, precision=self.precision)

    def _training_facts(self) -> Mapping[str, Any]:
        counts = np.bincount(self.images_.y[self._train], minlength=len(self.images_.classes))
        return {
            "pictures": int(counts.sum()),
            "class_counts": dict(zip(self.images_.classes, counts.tolist(), strict=True)),
            "fingerprint": self.images_.fingerprint(),
            "random_state": self.random_state,
            "head": str(self.choice_.candidate),
            "strength": self.choice_.strength,
            "fine_tuned": self.selection_.fine_tuned,
        }

    def _on_split(self, table: FeatureTable, split: Literal["test", "val"]) -> Measurement:
        index = np.flatnonzero(self.images_.split == split)
        model, size = self.model_, self.model_.space.geometry.size
        served = table.through(model.space)
        X, familiar = (served.rows(size, output, index) for output in (model.output, FAMILIAR))
        novelty = model.abstention.novelty.measure(familiar) if model.abstention.novelty else None
        return self._measure(
            model.head.predict_proba(X)[None], index, measured_on=MeasuredOn(kind="split", split=split), novelty=novelty
        )

    def _on_trial(self, trial: Trial) -> list[Measurement]:
        """What is used, on the pictures that were held out to settle it; beside it both networks as they are."""
        return [
            self._measure(trial.procedure[None], trial.index, measured_on=MeasuredOn(kind="held out")),
            self._measure(
                trial.tuned[None], trial.index, measured_on=MeasuredOn(kind="held out", answers="fine-tuned")
            ),
            self._measure(trial.probe[None], trial.index, measured_on=MeasuredOn(kind="held out", answers="frozen")),
        ]

    def _out_of_fold(self, table: FeatureTable) -> Measurement:
        options = self.options()
        within = tuple(size for size in options.sizes if size not in self.choice_.beyond_budget)
        repeats = repeats_for(len(self._train))
        proba = nested_proba(table, self._train, replace(options, sizes=within), repeats=repeats)
        return self._measure(
            proba, self._train, measured_on=MeasuredOn(kind="cross-validation", folds=options.n_splits, repeats=repeats)
        )

    def _measure(
        self,
        proba: NDArray[np.float64],
        index: NDArray[np.int64],
        *,
        measured_on: MeasuredOn,
        novelty: NDArray[np.float64] | None = None,
    ) -> Measurement:
        y, groups = self.images_.y, self.images_.groups[index]
        counts = np.bincount(y[self._train], minlength=len(self.images_.classes))
        evaluation = evaluate(
            proba,
            y[index],
            self.images_.classes,
            measured_on=measured_on,
            majority=int(counts.argmax()),
            groups=groups,
            seed=self.random_state,
        )
        abstention = measure_abstention(
            self.model_.abstention,
            proba,
            y[index],
            measured_on=measured_on,
            prior=counts / counts.sum(),
            new=novelty is not None,
            novelty=novelty,
            groups=groups,
        )
        return Measurement(evaluation=evaluation, index=index, proba=proba.mean(axis=0), abstention=abstention)


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
