"""Probe or fine-tuned network: the second is used where held-out pictures show that it is better, and not otherwise.

A part of the training pictures is held out. On the rest the whole probe is chosen anew, and a network is fine-tuned
from the probe of its last layer (LP-FT, Kumar et al. 2022); both answer the held-out part. What is still to be settled
for the fine-tuned network, how far to go from the pretrained weights (WiSE-FT, Wortsman et al. 2022) and the
temperature, is settled for each half of the held-out part on the other half, and so is, for the figure that is quoted,
the choice itself: no picture has a say in its own answer. A network that is kept is trained once more on everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.catalog import Backbone
from headstart.backbones.space import Space
from headstart.backbones.weights import Weights
from headstart.evaluation.calibration import fit_temperature, softmax
from headstart.evaluation.history import History
from headstart.evaluation.losses import mean_and_error
from headstart.evaluation.paired import mcnemar_exact
from headstart.features.table import FeatureTable
from headstart.finetune.plan import Augment, Head, Optimiser, Phase, Plan, Schedule
from headstart.images.splits import folds, holdout
from headstart.probe.choice import Choice, choose, probe_with
from headstart.probe.heads import LinearHead
from headstart.probe.options import ProbeOptions
from headstart.probe.trials import Candidate

if TYPE_CHECKING:
    from headstart.finetune.result import FineTuned

Index = NDArray[np.int64]
Floats = NDArray[np.float64]

FINETUNE = ("auto", "never", "always")
LEAST_PER_CLASS = 20
"""Training pictures of the smallest class below which fine-tuning is not tried: it would be a matter of luck."""
SHARES = (0.5, 0.75, 1.0)
"""How far to go from the pretrained weights to the fine-tuned ones."""
SURE = 0.95
"""How sure a lower log-loss must be, one-sided, to be believed."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything that a fine-tuning run needs beside pictures and a plan."""

    backbone: Backbone
    weights: Weights
    cache: Path
    seed: int
    device: str
    precision: str

    def run(
        self, table: FeatureTable, train: Index, val: Index, plan: Plan, candidate: Candidate, options: ProbeOptions
    ) -> FineTuned:
        """Fine-tune on ``train`` from the probe of the last layer, going on where an earlier run was cut off."""
        from headstart.finetune.job import Job  # torch is loaded where something is trained, and not before
        from headstart.finetune.loop import finetune

        checkpoints = self.cache / "checkpoints"
        checkpoints.mkdir(parents=True, exist_ok=True)
        _keep_newest(checkpoints)
        job = Job(
            backbone=self.backbone,
            weights=self.weights,
            images=table.images,
            train=train,
            val=val,
            plan=plan,
            seed=self.seed,
            probe=probe_with(table, train, candidate, options),
            device=self.device,
            precision=self.precision,
        )
        return finetune(job, cache=self.cache, checkpoint=checkpoints, progress=table.progress)


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Both networks on the same held-out pictures."""

    plan: Plan
    index: Index
    """(n,) positions of the held-out pictures."""
    y: Index
    probe: Floats = field(repr=False)
    """(n, k) probabilities of the probe."""
    tuned: Floats = field(repr=False)
    """(n, k) of the fine-tuned network, each half settled on the other."""
    procedure: Floats = field(repr=False)
    """(n, k) of whichever of the two the other half would have chosen: the honest figure of a network that is kept."""
    share: float
    """How far to go to the fine-tuned weights, settled on all held-out pictures."""
    temperature: float
    gain: float
    """Mean log-loss of the probe less that of the fine-tuned network, in nats."""
    gain_error: float
    """Standard error of that difference, pictures of one group counting as one draw."""
    kept: bool
    reason: str
    history: History
    notes: tuple[str, ...]

    @property
    def fixed(self) -> int:
        """Pictures that only the fine-tuned network has right."""
        return int((self._right(self.tuned) & ~self._right(self.probe)).sum())

    @property
    def broken(self) -> int:
        """Pictures that only the probe has right."""
        return int((self._right(self.probe) & ~self._right(self.tuned)).sum())

    @property
    def p(self) -> float:
        """Two-sided p of McNemar's exact test on those two counts."""
        return mcnemar_exact(self.fixed, self.broken)

    def _right(self, proba: Floats) -> NDArray[np.bool_]:
        return np.asarray(proba.argmax(axis=1) == self.y)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "kept": self.kept,
            "reason": self.reason,
            "held_out": len(self.index),
            "accuracy": {
                name: float(self._right(proba).mean())
                for name, proba in (("probe", self.probe), ("fine-tuned", self.tuned))
            },
            "log_loss_gain": self.gain,
            "log_loss_gain_standard_error": self.gain_error,
            "fixed": self.fixed,
            "broken": self.broken,
            "mcnemar_p": self.p,
            "share_of_fine_tuned_weights": self.share,
            "temperature": self.temperature,
            "plan": self.plan.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is deployed: a network, the row of it that is read, the head that reads it, and how that came about."""

    space: Space
    output: str
    head: LinearHead
    trial: Trial | None = None
    """None where fine-tuning was not tried."""
    reason: str = ""
    """What came out of it, or why it was not tried; empty where it was not asked for."""

    @property
    def fine_tuned(self) -> bool:
        """Whether it is the fine-tuned network."""
        return self.trial is not None and self.trial.kept


def select(
    table: FeatureTable,
    index: Index,
    choice: Choice,
    options: ProbeOptions,
    setting: Setting,
    finetune: str,
    *,
    deadline: float | None = None,
) -> Selection:
    """Settle what is deployed for the pictures ``index``: the probe ``choice``, or a network fine-tuned on them.

    ``finetune`` is one of `FINETUNE`. With a ``deadline`` (``time.monotonic`` seconds) that it would not meet,
    ``auto`` does not try.
    """
    y = table.images.y[index]
    reason = "" if finetune != "auto" else nothing_to_win(choice, y, options)
    if finetune == "auto" and not reason and deadline is not None:
        needed = seconds_for(table, choice, len(y))
        if time.monotonic() + needed > deadline:
            reason = f"Fine-tuning was not tried: the budget does not reach to its {needed:.0f} seconds."
    trial = None
    if finetune != "never" and not reason:
        trial = attempt(table, index, choice, options, setting, always=finetune == "always")
        reason = trial.reason
    if trial is None or not trial.kept:
        space = table.space(choice.candidate.size)
        return Selection(space=space, output=choice.candidate.output, head=choice.head, trial=trial, reason=reason)
    tuned = final(table, index, trial, choice, options, setting)
    space, head = tuned.deploy(
        tuned.mixed(trial.share),
        cache=setting.cache,
        temperature=trial.temperature,
        device=setting.device,
        precision=setting.precision,
    )
    return Selection(space=space, output="tuned", head=head, trial=trial, reason=reason)


def nothing_to_win(choice: Choice, y: Index, options: ProbeOptions) -> str:
    """Why fine-tuning is not worth a try, in a sentence; empty where it is."""
    error = float((choice.proba.argmax(axis=1) != y).mean())
    if error <= options.enough:
        return f"Fine-tuning was not tried: an error of {error:.1%} leaves too little to win."
    fewest = int(np.bincount(y).min())
    if fewest < LEAST_PER_CLASS:
        return f"Fine-tuning was not tried: {fewest} pictures of a class are too few to see whether it helps."
    return ""


def plan_for(setting: Setting, choice: Choice, options: ProbeOptions) -> Plan:
    """How the upper part of a network is fine-tuned: few epochs at a low rate, on fixed views, from the probe."""
    from headstart.backbones import network

    size = choice.candidate.size
    phase = Phase(
        train_from=upper_part(network.build(setting.backbone, setting.weights, size=size)),
        epochs=6,
        optimiser=Optimiser(name="adamw", lr=3e-4, weight_decay=0.01),
        schedule=Schedule(name="cosine", warmup=0.1),
        batch_size=32,
        clip=1.0,
    )
    return Plan(
        size=size,
        head=Head(start="probe"),
        augment=Augment(kind="crop", views=2),
        phases=(phase,),
        balanced=options.balanced,
    )


def upper_part(model: Any) -> str:
    """Where training begins: after the first stage whose map has a sixteenth of the picture's side.

    What lies below sees edges and textures, costs most, and gains least (Yosinski et al. 2014). Of networks whose
    stages are all alike, transformers, the last quarter is trained.
    """
    from headstart.backbones import network

    stages = network.stages(model)
    if len({stage.reduction for stage in stages}) == 1:
        return stages[-max(len(stages) // 4, 1)].name
    deep = [stage.name for stage in stages if stage.reduction >= 16]
    return deep[1] if len(deep) > 1 else stages[-1].name


def attempt(
    table: FeatureTable, index: Index, choice: Choice, options: ProbeOptions, setting: Setting, *, always: bool = False
) -> Trial:
    """Hold a part of the pictures ``index`` out, and let probe and fine-tuned network answer it.

    A fifth is held out, or as much as makes 100 pictures, at most two fifths. ``always`` keeps the fine-tuned network
    whatever comes out.
    """
    images = table.images
    y, groups = images.y[index], images.groups[index]
    fraction = float(np.clip(100 / len(index), 0.2, 0.4))
    inner, held = holdout(y, groups, fraction=fraction, seed=setting.seed)
    train, val = index[inner], index[held]
    y, groups = y[held], groups[held]

    within = choose(table, train, options)
    X = table.rows(within.candidate.size, within.candidate.output, val)
    probe = within.head.predict_proba(X)
    plan = plan_for(setting, choice, options)
    run = setting.run(table, train, val, plan, _last_layer(choice), options)
    answers = {share: run.val_proba(run.mixed(share)) for share in SHARES}

    share, temperature, _ = _settled(answers, y)
    tuned, procedure = np.empty_like(probe), np.empty_like(probe)
    for there, here in folds(y, groups, n_splits=2, seed=setting.seed):
        with_, at, settled = _settled({share: proba[there] for share, proba in answers.items()}, y[there])
        tuned[here] = _tempered(answers[with_][here], at)
        chosen = always or _better(probe[there], settled, y[there], groups[there])
        procedure[here] = (tuned if chosen else probe)[here]
    gain, error = _gain(probe, tuned, y, groups)
    kept = always or _better(probe, tuned, y, groups)
    return Trial(
        plan=plan,
        index=val,
        y=y,
        probe=probe,
        tuned=tuned,
        procedure=procedure,
        share=share,
        temperature=temperature,
        gain=gain,
        gain_error=error,
        kept=kept,
        reason=_reason(probe, tuned, y, gain, error, kept=kept, always=always),
        history=run.history,
        notes=run.notes,
    )


def final(
    table: FeatureTable, index: Index, trial: Trial, choice: Choice, options: ProbeOptions, setting: Setting
) -> FineTuned:
    """The fine-tuned network of a trial that was kept, trained on all pictures ``index``.

    Its weights are those of the last epoch; the held-out pictures, now among those it learned from, choose nothing.
    """
    return setting.run(table, index, trial.index, trial.plan, _last_layer(choice), options)


def seconds_for(table: FeatureTable, choice: Choice, n: int) -> float:
    """About how long `attempt` and `final` take for n pictures: a step costs some three times the frozen network."""
    rate = table.rate(choice.candidate.size)
    return n * (2 / rate + 6 * 3 / rate) * 2


def _last_layer(choice: Choice) -> Candidate:
    return Candidate(size=choice.candidate.size, output="last", family="logistic regression")


def _tempered(proba: Floats, temperature: float) -> Floats:
    return softmax(np.log(np.maximum(proba, 1e-30)), temperature)


def _settled(answers: Mapping[float, Floats], y: Index) -> tuple[float, float, Floats]:
    """The share with the lowest log-loss on these pictures, its temperature, and its probabilities."""
    found = []
    for share, proba in answers.items():
        temperature = fit_temperature(np.log(np.maximum(proba, 1e-30)), y)
        tempered = _tempered(proba, temperature)
        found.append((float(_losses(tempered, y).mean()), share, temperature, tempered))
    _, share, temperature, tempered = min(found, key=lambda one: one[0])
    return share, temperature, tempered


def _losses(proba: Floats, y: Index) -> Floats:
    return np.asarray(-np.log(np.maximum(proba[np.arange(len(y)), y], 1e-15)))


def _gain(probe: Floats, tuned: Floats, y: Index, groups: Index) -> tuple[float, float]:
    return mean_and_error(_losses(probe, y) - _losses(tuned, y), groups)


def _better(probe: Floats, tuned: Floats, y: Index, groups: Index) -> bool:
    """Whether the log-loss is surely lower, and no more pictures are wrong."""
    from scipy.special import stdtrit

    gain, error = _gain(probe, tuned, y, groups)
    right: Callable[[Floats], int] = lambda proba: int((proba.argmax(axis=1) == y).sum())  # noqa: E731
    enough = float(stdtrit(max(len(np.unique(groups)) - 1, 1), SURE)) * error
    return gain > enough and right(tuned) >= right(probe)


def _reason(probe: Floats, tuned: Floats, y: Index, gain: float, error: float, *, kept: bool, always: bool) -> str:
    before, after = (float((proba.argmax(axis=1) == y).mean()) for proba in (probe, tuned))
    outcome = "It is used" if kept and not always else "It is used, as was asked for" if kept else "It is not used"
    return (
        f"On {len(y)} pictures that neither had seen, the probe has an accuracy of {before:.3f} and the fine-tuned "
        f"network {after:.3f}; its log-loss is lower by {gain:.3f} ± {error:.3f} (standard error). {outcome}."
    )


def _keep_newest(checkpoints: Path, count: int = 8) -> None:
    """Checkpoints of finished runs make a repeated run quick; old ones are given up."""
    files = sorted((file for file in checkpoints.iterdir() if file.is_file()), key=lambda file: file.stat().st_mtime)
    week = time.time() - 7 * 86_400
    for file in files[:-count]:
        if file.stat().st_mtime < week or len(files) > 4 * count:
            file.unlink(missing_ok=True)
