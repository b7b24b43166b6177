"""Probe or fine-tuned network: the second is used where held-out pictures show that it is better, and not otherwise.

A part of the training pictures is held out. On the rest the whole probe is chosen anew, and a network is fine-tuned
from the probe of its last layer (LP-FT, Kumar et al. 2022); both answer the held-out part. Share and temperature of the
fine-tuned network (`headstart.finetune.settling`) are settled for each half of the held-out part on the other half. A
network that is kept is trained once more on everything.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.space import NetworkSpec, Space
from headstart.evaluation.history import History
from headstart.evaluation.losses import accuracy, correct
from headstart.evaluation.paired import mcnemar_exact
from headstart.features.table import FeatureTable
from headstart.finetune.plan import Plan
from headstart.finetune.settling import SHARES, better, gain, settle, tempered
from headstart.finetune.trial_plan import plan_for, seconds_for
from headstart.images.splits import folds, holdout
from headstart.probe.choice import Choice, choose, probe_with
from headstart.probe.heads import LinearHead
from headstart.probe.trials import Candidate, ProbeOptions

if TYPE_CHECKING:
    from headstart.finetune.result import FineTuned

Index = NDArray[np.int64]
Floats = NDArray[np.float64]

FINETUNE = ("auto", "never", "always")
LEAST_PER_CLASS = 20
"""Training pictures of the smallest class below which fine-tuning is not tried: at most eight of them are held out."""
HELD_OUT, LEAST_SHARE, MOST_SHARE = 100, 0.2, 0.4
"""Pictures that are held out, as long as they are between these shares of all."""


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
    """(n, k) of whichever of the two the other half would have chosen: no picture has a say in its own answer. It is
    quoted where the network is kept, which all held-out pictures decide. That makes it at most a point too good, unless
    a worse network is kept by luck, in half a percent of trials or less: ``benchmarks/quoted_figure.py``."""
    share: float
    """How far to go to the fine-tuned weights, settled on all held-out pictures."""
    temperature: float
    gain: float
    """Mean log-loss of the probe less that of the fine-tuned network, in nats."""
    gain_error: float
    """Standard error of that difference, pictures of one group counting as one draw."""
    kept: bool
    """Whether the fine-tuned network is used."""
    forced: bool
    """Whether that was asked for, whatever came out."""
    history: History

    @property
    def fixed(self) -> int:
        """Pictures that only the fine-tuned network has right."""
        return int((correct(self.tuned, self.y) & ~correct(self.probe, self.y)).sum())

    @property
    def broken(self) -> int:
        """Pictures that only the probe has right."""
        return int((correct(self.probe, self.y) & ~correct(self.tuned, self.y)).sum())

    @property
    def p(self) -> float:
        """Two-sided p of McNemar's exact test on those two counts."""
        return mcnemar_exact(self.fixed, self.broken)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "held_out": len(self.index),
            "accuracy": {"probe": accuracy(self.probe, self.y), "fine-tuned": accuracy(self.tuned, self.y)},
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
class Declined:
    """Why fine-tuning was not tried though it was allowed."""

    kind: Literal["little to win", "few pictures", "budget"]
    value: float
    """The probe's share of wrong answers; pictures of the smallest class; seconds that it would take."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is deployed: a network, the row of it that is read, the head that reads it, and how that came about."""

    space: Space
    output: str
    head: LinearHead
    trial: Trial | None = None
    """None where fine-tuning was not tried."""
    declined: Declined | None = None
    """None where it was tried, or not asked for."""

    @property
    def fine_tuned(self) -> bool:
        """Whether it is the fine-tuned network."""
        return self.trial is not None and self.trial.kept


def select(
    table: FeatureTable,
    index: Index,
    choice: Choice,
    options: ProbeOptions,
    network: NetworkSpec,
    finetune: str,
    *,
    seed: int,
    deadline: float | None = None,
) -> Selection:
    """Settle what is deployed for the pictures ``index``: the probe ``choice``, or a network fine-tuned on them.

    Args:
        table: features of the pictures.
        index: (n,) positions of the training pictures.
        choice: the probe that was chosen on them.
        options: it was chosen with.
        network: that gives the features, and is fine-tuned.
        finetune: one of `FINETUNE`.
        seed: of what is held out, and of training.
        deadline: in seconds of ``time.monotonic``; ``auto`` does not try what would not meet it.
    """
    declined = declines(table, index, choice, options, deadline=deadline) if finetune == "auto" else None
    trial = None
    if finetune != "never" and declined is None:
        trial = attempt(table, index, options, network, seed=seed, forced=finetune == "always")
    if trial is None or not trial.kept:
        space = table.space(choice.candidate.size)
        return Selection(space=space, output=choice.candidate.output, head=choice.head, trial=trial, declined=declined)
    tuned = final(table, index, trial, options, network, seed=seed)
    space, head = tuned.deploy(
        tuned.mixed(trial.share),
        cache=network.cache,
        temperature=trial.temperature,
        device=network.device,
        precision=network.precision,
    )
    return Selection(space=space, output="tuned", head=head, trial=trial)


def declines(
    table: FeatureTable, index: Index, choice: Choice, options: ProbeOptions, *, deadline: float | None
) -> Declined | None:
    """Why fine-tuning is not worth a try for the pictures ``index``; None where it is."""
    y = table.images.y[index]
    if declined := nothing_to_win(choice, y, options):
        return declined
    if deadline is not None:
        needed = seconds_for(len(y), table.bench.rate(choice.candidate.size))
        if time.monotonic() + needed > deadline:
            return Declined(kind="budget", value=needed)
    return None


def nothing_to_win(choice: Choice, y: Index, options: ProbeOptions) -> Declined | None:
    """Why the answers of the probe to its training pictures ``y`` (n,) leave no room for a better network, if so."""
    error = float((~correct(choice.proba, y)).mean())
    if error <= options.enough:
        return Declined(kind="little to win", value=error)
    fewest = int(np.bincount(y).min())
    return Declined(kind="few pictures", value=fewest) if fewest < LEAST_PER_CLASS else None


def attempt(
    table: FeatureTable, index: Index, options: ProbeOptions, network: NetworkSpec, *, seed: int, forced: bool = False
) -> Trial:
    """Hold a part of the pictures ``index`` out, and let probe and fine-tuned network answer it.

    The held-out pictures have no say in the network that answers them: not in the probe, the size or the plan.
    ``forced`` keeps the fine-tuned network whatever comes out.
    """
    y, groups = table.images.y[index], table.images.groups[index]
    fraction = float(np.clip(HELD_OUT / len(index), LEAST_SHARE, MOST_SHARE))
    inner, held = holdout(y, groups, fraction=fraction, seed=seed)
    train, val, y, groups = index[inner], index[held], y[held], groups[held]

    within = choose(table, train, options)
    probe = within.head.predict_proba(table.rows(within.candidate.size, within.candidate.output, val))
    plan = plan_for(network, within.candidate.size, balanced=options.balanced)
    run = _trained(table, train, val, plan, options, network, seed=seed)
    answers = {share: run.val_proba(run.mixed(share)) for share in SHARES}

    tuned, procedure = np.empty_like(probe), np.empty_like(probe)
    for there, here in folds(y, groups, n_splits=2, seed=seed):
        half = settle({share: proba[there] for share, proba in answers.items()}, y[there])
        tuned[here] = tempered(answers[half.share][here], half.temperature)
        chosen = forced or better(probe[there], half.proba, y[there], groups[there])
        procedure[here] = (tuned if chosen else probe)[here]
    settled = settle(answers, y)
    difference, error = gain(probe, tuned, y, groups)
    return Trial(
        plan=plan,
        index=val,
        y=y,
        probe=probe,
        tuned=tuned,
        procedure=procedure,
        share=settled.share,
        temperature=settled.temperature,
        gain=difference,
        gain_error=error,
        kept=forced or better(probe, tuned, y, groups),
        forced=forced,
        history=run.history,
    )


def final(
    table: FeatureTable, index: Index, trial: Trial, options: ProbeOptions, network: NetworkSpec, *, seed: int
) -> FineTuned:
    """The fine-tuned network of a trial that was kept, trained by the same plan on all pictures ``index``.

    Its weights are those of the last epoch; the held-out pictures, now among those it learned from, choose nothing.
    """
    return _trained(table, index, trial.index, trial.plan, options, network, seed=seed)


def _trained(
    table: FeatureTable, train: Index, val: Index, plan: Plan, options: ProbeOptions, network: NetworkSpec, *, seed: int
) -> FineTuned:
    """Fine-tune on ``train`` from the probe of the last layer, going on where an earlier run was cut off."""
    from headstart.finetune import checkpoint  # torch is loaded where something is trained, and not before
    from headstart.finetune.job import Job
    from headstart.finetune.loop import finetune

    last_layer = Candidate(size=plan.size, output="last", family="logistic regression")
    job = Job(
        backbone=network.backbone,
        weights=network.weights,
        images=table.images,
        train=train,
        val=val,
        plan=plan,
        seed=seed,
        probe=probe_with(table, train, last_layer, options),
        device=network.device,
        precision=network.precision,
    )
    folder = network.cache / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint.keep_newest(folder)
    return finetune(job, cache=network.cache, checkpoint=folder, progress=table.bench.progress)
