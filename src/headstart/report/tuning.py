"""How the head was chosen, and what came of fine-tuning: both networks on the same held-out pictures, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from headstart.evaluation.intervals import wilson
from headstart.evaluation.losses import accuracy, correct, log_losses
from headstart.report.curves import learning_curves
from headstart.report.section import Section, Table, text
from headstart.report.words import counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from headstart.finetune.trial import Declined, Selection, Trial
    from headstart.finetune.verdict import Mix
    from headstart.probe.choice import Choice, Spared


def outcome(selection: Selection) -> str:
    """What came out of fine-tuning, or why it was not tried, in sentences; empty where it was not asked for."""
    if selection.trial is not None:
        return compared(selection.trial)
    return "" if selection.declined is None else f"Fine-tuning was not tried: {why_not(selection.declined)}."


def why_not(declined: Declined) -> str:
    """Why fine-tuning was not tried, to go on a sentence."""
    if declined.kind == "little to win":
        return f"an error of {declined.value:.1%} leaves too little to win"
    number = round(declined.value)
    if declined.kind == "few pictures":
        are = "is" if number == 1 else "are"
        return f"{counted(number, 'picture')} of a class {are} too few to see whether it helps"
    if declined.kind == "nothing to show":
        return (
            f"with about {counted(number, 'error')} among the pictures that would be held out, no gain could be shown"
        )
    return f"the budget does not reach to its {counted(number, 'second')}"


def compared(trial: Trial) -> str:
    """Both networks' figures on the held-out pictures, and which of them is used."""
    n, gain = len(trial.y), round(trial.gain, 3)
    used = "It is not used" if not trial.kept else "It is used, as was asked for" if trial.forced else "It is used"
    return (
        f"On {counted(n, 'picture')} that neither had seen, the probe has an accuracy of "
        f"{accuracy(trial.probe, trial.y):.3f} and the fine-tuned network {accuracy(trial.tuned, trial.y):.3f}; its "
        f"log-loss is {'higher' if gain < 0 else 'lower'} by {abs(gain):.3f} ± {trial.gain_error:.3f} (standard "
        f"error). {used}."
    )


def document(selection: Selection) -> dict[str, Any]:
    """What came of fine-tuning, in plain JSON types."""
    rest = {} if selection.trial is None else selection.trial.to_dict()
    return {"kept": selection.fine_tuned, "reason": outcome(selection), **rest}


def tuning(selection: Selection) -> Section | None:
    """The section; None where fine-tuning was not asked for."""
    trial, said = selection.trial, outcome(selection)
    if trial is None:
        return Section(id="tuning", title="Frozen or fine-tuned?", sentences=(said,)) if said else None
    changed = f"Fine-tuning put {trial.fixed} of these pictures right and {trial.broken} wrong"
    rows = tuple(
        (name, *_figures(proba, trial))
        for name, proba in (("frozen network, best head", trial.probe), ("fine-tuned network", trial.tuned))
    )
    return Section(
        id="tuning",
        title="Frozen or fine-tuned?",
        aside="Both networks answered the same pictures, which neither had seen.",
        sentences=(
            said,
            f"{changed} (McNemar's exact test, p = {trial.p:.2g}).",
            _used(trial.mix) if trial.kept else "Frozen features are what this classifier uses.",
        ),
        figures=(learning_curves(trial.history),),
        table=Table(
            about="Both networks on the held-out pictures",
            columns=(f"{len(trial.y):,} held-out pictures", "accuracy", "95 % interval", "log-loss"),
            rows=rows,
            numbers=(1, 2, 3),
            marked=(int(trial.kept),),
        ),
        method=text("tuning"),
    )


def _used(mix: Mix) -> str:
    lies = f"lies {mix.share:.0%} of the way from the pretrained to the fine-tuned weights"
    if mix.joined:
        tuned = "the fine-tuned one" if mix.share == 1 else f"one that {lies}"
        return f"What is used is the mean of the logits of two networks: the pretrained one, and {tuned}."
    return f"What is used {lies}."


def _figures(proba: NDArray[np.float64], trial: Trial) -> tuple[str, str, str]:
    right = int(correct(proba, trial.y).sum())
    low, high = wilson(right, len(trial.y))
    loss = log_losses(proba, trial.y).mean()
    return f"{right / len(trial.y):.3f}", f"{low:.3f} – {high:.3f}", f"{loss:.3f}"


def choice_reason(choice: Choice) -> str:
    """Why this candidate, and what was not tried."""
    best, tried = choice.score, len({score.candidate for score in choice.board})
    lower = [score for score in choice.board if not score.screened and score.log_loss < best.log_loss]
    of = f"Of {counted(tried, 'candidate')}, {best.candidate}"
    said = f"{of} has the lowest out-of-fold log-loss ({best.log_loss:.3f})."
    if lower:
        closest = min(lower, key=lambda score: score.log_loss)
        said = (
            f"{of} is the simplest within one standard error of the lowest "
            f"out-of-fold log-loss ({best.log_loss:.3f}; {closest.candidate}: {closest.log_loss:.3f})."
        )
    return " ".join([said, *spared_lines(choice.spared)])


def spared_lines(spared: Sequence[Spared]) -> Iterator[str]:
    """What was not looked at, and why: a sentence for each reason."""
    for kind in dict.fromkeys(one.kind for one in spared):
        alike = [one for one in spared if one.kind == kind]
        sizes, last = ", ".join(str(one.size) for one in alike), alike[-1]
        if kind == "little to win":
            share = last.errors / last.pictures
            yield f"Nothing dearer was tried: an error of {share:.1%} leaves too little to win."
        elif kind == "nothing to show":
            errors = f"{counted(last.errors, 'error')} in {counted(last.pictures, 'picture')}"
            yield f"{sizes} pixels were not tried: with {errors} no gain could be shown."
        elif kind == "memory":
            taken = f"{last.memory / 1e9:.1f} GB"
            yield f"All depths were not tried: of {last.pictures:,} pictures they would take {taken}."
        else:
            yield f"The budget did not reach to {sizes} pixels."
