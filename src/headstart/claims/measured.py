"""What can honestly be claimed of a model: on a split it never saw, or of the procedure that made it, out of fold."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from headstart.abstain.abstention import Abstention, AbstentionReport, measure_abstention
from headstart.abstain.novelty import FAMILIAR
from headstart.arrays import Floats, Index, Labels
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.intervals import Estimate, Units, added, t_quantile
from headstart.evaluation.losses import LARGEST_LOSS, correct, log_losses, mean_and_error
from headstart.evaluation.measured_on import SPLITS, MeasuredOn, Split
from headstart.evaluation.metrics import Evaluation
from headstart.evaluation.paired import paired_difference
from headstart.features.table import FeatureTable
from headstart.finetune.trial import Selection, Trial
from headstart.images.folder import ImageSet
from headstart.probe.choice import Choice, honest_proba
from headstart.probe.trials import ProbeOptions


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An evaluation, what abstaining would give on the same pictures, and what both were computed from."""

    evaluation: Evaluation
    abstention: AbstentionReport
    index: Index = field(repr=False)
    """(n,) positions in the image set."""
    proba: Floats = field(repr=False)
    """(n, k) probabilities; the mean over repeats where there were several."""


def measure(
    part: AnsweredPart,
    images: ImageSet,
    abstention: Abstention,
    counts: Labels,
    *,
    seed: int = 0,
    new: bool,
    novelty: Floats | None = None,
) -> Measurement:
    """Measure answers on labelled pictures that the model, or each of the models, had not seen.

    Args:
        part: the pictures that were answered, with calibrated probabilities (repeats, n, k).
        images: that they are some of, labelled by the classes of the model.
        abstention: what the deployed model says about its answers.
        counts: (k,) pictures of each class that it was trained on.
        seed: of resampling.
        new: whether it was trained on none of these pictures; else each is answered out of fold.
        novelty: (n,) of new pictures, as the model measures it; None where it does not.
    """
    y, groups, prior = images.y[part.index], images.groups[part.index], counts / counts.sum()
    report = measure_abstention(
        abstention, part.proba, y, measured_on=part.measured_on, prior=prior, new=new, novelty=novelty, groups=groups
    )
    evaluation = part.evaluation(images, counts, seed=seed)
    return Measurement(evaluation=evaluation, abstention=report, index=part.index, proba=part.proba.mean(axis=0))


def measure_fit(
    table: FeatureTable, choice: Choice, selection: Selection, abstention: Abstention, options: ProbeOptions
) -> tuple[Measurement, ...]:
    """Everything that can be claimed of what was just fitted, the measurement to be quoted first.

    On the test split, then on the validation split, if there are any. Else out of fold, each picture by the head that
    the others would have chosen (`headstart.probe.choice.honest_proba`); for a fine-tuned network, plus what it gains
    on the training pictures that were held out to choose it, and beside that both networks on these pictures.
    """
    images, seed, counts = table.images, options.seed, table.images.train_counts
    if held_out := [split for split in SPLITS if (images.split == split).any()]:
        return tuple(_on_split(table, selection, abstention, split, seed) for split in held_out)
    index = images.in_split("train")
    proba = honest_proba(choice, table, index, options)
    on = MeasuredOn(kind="cross-validation", folds=choice.folds, repeats=len(proba))
    of_frozen = AnsweredPart(index=index, proba=proba, measured_on=on)
    if selection.trial is None or not selection.fine_tuned:
        return (measure(of_frozen, images, abstention, counts, seed=seed, new=False),)
    trial, on = selection.trial, MeasuredOn(kind="held out")
    answers = {
        on: trial.procedure[None],
        replace(on, answers="fine-tuned"): trial.tuned[None],
        replace(on, answers="frozen"): trial.probe[None],
    }
    parts = [AnsweredPart(index=trial.index, proba=proba, measured_on=on) for on, proba in answers.items()]
    used, *others = (measure(part, images, abstention, counts, seed=seed, new=False) for part in parts)
    evaluation = _with_gain(of_frozen.evaluation(images, counts, seed=seed), used.evaluation, trial, images)
    return (replace(used, evaluation=evaluation), *others)


def _with_gain(frozen: Evaluation, held_out: Evaluation, trial: Trial, images: ImageSet) -> Evaluation:
    """The evaluation of what is used on the held-out pictures, with an accuracy and a log-loss that rest on all.

    They are those of the frozen network, out of fold, plus what is gained on the held-out pictures: its own answers
    there take away how much easier or harder these happen to be than the others (a control variate).
    """
    y, groups = trial.y, images.groups[trial.index]
    units, n = Units.of(len(y), groups), len(y)
    accuracy = paired_difference(correct(trial.procedure, y), correct(trial.probe, y), units)
    mean, error = mean_and_error(log_losses(trial.procedure, y) - log_losses(trial.probe, y), groups)
    reach = t_quantile(units.count - 1) * error
    return replace(
        held_out,
        measured_on=MeasuredOn(kind="difference", n=n),
        accuracy=added(frozen.accuracy, accuracy, least=0.0, most=1.0),
        log_loss=added(
            frozen.log_loss, Estimate(mean, mean - reach, mean + reach, n, "paired t"), least=0.0, most=LARGEST_LOSS
        ),
    )


def _on_split(
    table: FeatureTable, selection: Selection, abstention: Abstention, split: Split, seed: int
) -> Measurement:
    images = table.images
    index = images.in_split(split)
    X, familiar = (table.through(selection.space, output, index) for output in (selection.output, FAMILIAR))
    novelty = abstention.novelty.measure(familiar) if abstention.novelty else None
    proba = selection.head.predict_proba(X)[None]
    part = AnsweredPart(index=index, proba=proba, measured_on=MeasuredOn(kind="split", split=split))
    return measure(part, images, abstention, images.train_counts, seed=seed, new=True, novelty=novelty)
