"""Probe or fine-tuned network: the second is used where held-out pictures show that it is better, and not otherwise.

A part of the training pictures is held out. On the rest the whole probe is chosen anew, and a network is fine-tuned
from the probe of its last layer (LP-FT, Kumar et al. 2022); both answer the held-out part. How far to go from the
pretrained weights to the fine-tuned ones (WiSE-FT, Wortsman et al. 2022), whether the pretrained network answers beside
the fine-tuned one, and the temperature (Guo et al. 2017) are settled for each half of the held-out part on the other
half. A network that is kept is trained once more, on everything, where pictures are few or a budget is left: that takes
as long again, and gains less the more there are.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headstart import cache_folder
from headstart.arrays import Floats, Index
from headstart.backbones.space import NetworkSpec, Space
from headstart.evaluation.history import History
from headstart.evaluation.losses import accuracy, correct
from headstart.evaluation.paired import ALPHA, mcnemar_exact
from headstart.features.table import FeatureTable
from headstart.files import plain
from headstart.finetune.plan import Augment, Head, Optimiser, Phase, Plan, Schedule
from headstart.finetune.verdict import Mix, better, gain, joined, settle, tempered
from headstart.images.splits import folds, holdout
from headstart.probe.choice import Choice, choose, probe_with
from headstart.probe.heads import LinearHead
from headstart.probe.trials import Candidate, ProbeOptions

if TYPE_CHECKING:
    from headstart.finetune.result import FineTuned


LEAST_PER_CLASS = 20
"""Training pictures of the smallest class below which fine-tuning is not tried: at most eight of them are held out."""
HELD_OUT, LEAST_SHARE, MOST_SHARE = 100, 0.2, 0.4
"""Pictures that are held out, as long as they are between these shares of all."""
SHARES = (0.5, 0.75, 1.0)
"""Of the way from the pretrained weights to the fine-tuned ones; of Wortsman's grid in steps of 0.05, three."""

# How a trial trains. Chosen among the plans of ``benchmarks/plans.py``, which says what each gives on several kinds of
# pictures; what it leads to is measured by ``benchmarks/never_worse.py``.
EPOCHS = 6
LEARNING_RATE = 3e-4
WEIGHT_DECAY = 0.01
WARMUP = 0.1
"""Share of all steps in which the rate rises; along a cosine it then falls to 0."""
VIEWS = 4
"""Fixed random crops of each picture, of which an epoch shows one."""
AT_ONCE = 2_400_000
"""Pixels of the pictures that go through at a time: of 384 pixels a side 16, with which a run takes 2 GB of memory."""
CLIP = 1.0
"""Greatest norm of the gradient."""
STEP = 1
"""Passes of the whole network forward that a step of training costs. Fitted to the plan of `plan_for` and 1,757
pictures of 224 pixels: 63 s where the network does 240 a second from files, for which this gives 73 s."""
AGAIN_UP_TO = 500
"""Training pictures up to which a network that is kept learns from all of them without being given time for it. Chosen:
about a minute on two cores, and of so few the held-out fifth may count."""


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
    mix: Mix
    """Settled on all held-out pictures."""
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
            "share_of_fine_tuned_weights": self.mix.share,
            "beside_the_pretrained_network": self.mix.joined,
            "temperature": self.temperature,
            "plan": plain(self.plan),
        }


@dataclass(frozen=True, kw_only=True)
class Declined:
    """Why fine-tuning was not tried though it was allowed."""

    kind: Literal["little to win", "few pictures", "nothing to show", "budget"]
    value: float
    """The probe's share of wrong answers; pictures of the smallest class; wrong answers to expect among the pictures
    that would be held out, so few that no test could show a gain if all were put right; seconds that it would take."""


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


def frozen(table: FeatureTable, choice: Choice) -> Selection:
    """The probe ``choice`` as what is deployed."""
    space = table.space(choice.candidate.size)
    return Selection(space=space, output=choice.candidate.output, head=choice.head)


def selections(
    table: FeatureTable,
    index: Index,
    choice: Choice,
    options: ProbeOptions,
    network: NetworkSpec,
    finetune: str,
    *,
    deadline: float | None = None,
) -> Iterator[Selection]:
    """What is deployed for the pictures ``index``, from what is known at once to the best.

    The probe ``choice``, where that is better or fine-tuning is not tried. Else first the network that was measured on
    the held-out pictures, then, of up to `AGAIN_UP_TO` pictures or within the deadline, one that learned from all.

    Args:
        table: features of the pictures.
        index: (n,) positions of the training pictures.
        choice: the probe that was chosen on them.
        options: it was chosen with; their seed is also that of what is held out, and of training.
        network: that gives the features, and is fine-tuned.
        finetune: one of `headstart.options.FINETUNE`, but for ``never``.
        deadline: in seconds of ``time.monotonic``; ``auto`` does not try what would not meet it, and what is left is
            used.
    """
    declined = declines(table, index, choice, options, deadline=deadline) if finetune == "auto" else None
    if declined is not None:
        yield replace(frozen(table, choice), declined=declined)
        return
    trial, run = attempt(table, index, options, network, forced=finetune == "always")
    if not trial.kept:
        yield replace(frozen(table, choice), trial=trial)
        return
    yield _tuned(run, trial)
    del run
    if learns_again(len(index), table.bench.rate(trial.plan.size), deadline):
        yield _tuned(trained(table, index, trial.index, trial.plan, options, network), trial)


def learns_again(n: int, rate: float, deadline: float | None) -> bool:
    """Whether a network that is kept is trained on all n pictures, where the frozen one does ``rate`` a second."""
    return n <= AGAIN_UP_TO if deadline is None else time.monotonic() + seconds_for(n, rate) <= deadline


def _tuned(run: FineTuned, trial: Trial) -> Selection:
    space, head = run.deploy(run.mixed(trial.mix.share), temperature=trial.temperature, joined=trial.mix.joined)
    return Selection(space=space, output="tuned", head=head, trial=trial)


def declines(
    table: FeatureTable, index: Index, choice: Choice, options: ProbeOptions, *, deadline: float | None = None
) -> Declined | None:
    """Why fine-tuning is not worth a try for the pictures ``index``; None where it is."""
    y = table.images.y[index]
    errors, fewest = int((~correct(choice.score.proba, y)).sum()), int(np.bincount(y).min())
    if errors / len(y) <= options.enough:
        return Declined(kind="little to win", value=errors / len(y))
    if fewest < LEAST_PER_CLASS:
        return Declined(kind="few pictures", value=fewest)
    if mcnemar_exact(held_out := round(errors * held_out_share(len(y))), 0) > ALPHA:
        return Declined(kind="nothing to show", value=held_out)
    if deadline is not None:
        needed = seconds_for(len(y), table.bench.rate(choice.candidate.size))
        if time.monotonic() + needed > deadline:
            return Declined(kind="budget", value=needed)
    return None


def held_out_share(n: int) -> float:
    """The share of n training pictures that is held out."""
    return float(np.clip(HELD_OUT / n, LEAST_SHARE, MOST_SHARE))


def seconds_for(n: int, rate: float) -> float:
    """About how long a training of n pictures takes, where the frozen network does ``rate`` a second."""
    return n * (VIEWS + EPOCHS * STEP) / rate


def attempt(
    table: FeatureTable, index: Index, options: ProbeOptions, network: NetworkSpec, *, forced: bool = False
) -> tuple[Trial, FineTuned]:
    """Hold a part of the pictures ``index`` out, let probe and fine-tuned network answer it; that network beside it.

    The held-out pictures have no say in the network that answers them: not in the probe, the size or the plan.
    ``forced`` keeps the fine-tuned network whatever comes out.
    """
    y, groups = table.images.y[index], table.images.groups[index]
    inner, held = holdout(
        y, groups, fraction=held_out_share(len(index)), seed=options.seed, classes=table.images.classes
    )
    train, val, y, groups = index[inner], index[held], y[held], groups[held]

    within = choose(table, train, options)
    probe = within.head.predict_proba(table.rows(within.candidate.size, within.candidate.output, val))
    plan = plan_for(network, within.candidate.size, balanced=options.balanced)
    run = trained(table, train, val, plan, options, network)
    answers = answers_of(run)

    tuned, procedure = np.empty_like(probe), np.empty_like(probe)
    for there, here in folds(y, groups, n_splits=2, seed=options.seed):
        half = settle({mix: proba[there] for mix, proba in answers.items()}, y[there])
        tuned[here] = tempered(answers[half.mix][here], half.temperature)
        chosen = forced or better(probe[there], half.proba, y[there], groups[there])
        procedure[here] = (tuned if chosen else probe)[here]
    settled = settle(answers, y)
    difference, error = gain(probe, tuned, y, groups)
    trial = Trial(
        plan=plan,
        index=val,
        y=y,
        probe=probe,
        tuned=tuned,
        procedure=procedure,
        mix=settled.mix,
        temperature=settled.temperature,
        gain=difference,
        gain_error=error,
        kept=forced or better(probe, tuned, y, groups),
        forced=forced,
        history=run.history,
    )
    return trial, run


def answers_of(run: FineTuned) -> dict[Mix, Floats]:
    """What each mix answers on the held-out pictures: probabilities (n, k)."""
    before, answers = run.val_proba(run.mixed(0.0)), {}
    for share in SHARES:
        alone = run.val_proba(run.mixed(share))
        answers[Mix(share=share, joined=False)] = alone
        answers[Mix(share=share, joined=True)] = joined(before, alone)
    return answers


def plan_for(network: NetworkSpec, size: int, *, balanced: bool) -> Plan:
    """Few epochs at a low rate, on fixed views of ``size`` pixels, from the probe of the last layer."""
    phase = Phase(
        train_from=upper_part(network, size),
        epochs=EPOCHS,
        optimiser=Optimiser(name="adamw", lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY),
        schedule=Schedule(name="cosine", warmup=WARMUP),
        clip=CLIP,
        micro_batch=max(AT_ONCE // size**2, 1),
    )
    head, augment = Head(start="probe"), Augment(kind="crop", views=VIEWS)
    return Plan(size=size, head=head, augment=augment, phases=(phase,), balanced=balanced)


def upper_part(spec: NetworkSpec, size: int) -> str:
    """Where training begins: with the first of the stages whose maps are smallest.

    What lies below sees edges and textures, costs most, and gains least (Yosinski et al. 2014). Of networks whose
    stages are all alike, transformers, the last quarter is trained.
    """
    from headstart.backbones import network

    stages = network.stages(network.build(spec.backbone, spec.weights, size=size))
    if len({stage.reduction for stage in stages}) == 1:
        return stages[-max(len(stages) // 4, 1)].name
    return max(stages, key=lambda stage: stage.reduction).name  # of equal ones the first


def trained(
    table: FeatureTable, train: Index, val: Index, plan: Plan, options: ProbeOptions, network: NetworkSpec
) -> FineTuned:
    """Fine-tune on ``train`` from the probe of the last layer, going on where an earlier run was cut off."""
    from headstart.finetune.job import Job  # torch is loaded where something is trained, and not before
    from headstart.finetune.loop import finetune

    last_layer = Candidate(size=plan.size, output="last", family="logistic regression")
    probe = probe_with(table, train, last_layer, options)
    job = Job(network=network, images=table.images, train=train, val=val, plan=plan, seed=options.seed, probe=probe)
    try:
        checkpoints: Path | None = cache_folder.made(network.cache / "checkpoints")
    except OSError as error:
        cache_folder.note_unusable(network.cache, error)
        checkpoints = None
    return finetune(job, checkpoint=checkpoints, progress=table.bench.progress)
