"""What each state of a run changed, in a sentence: said while the run goes on."""

from __future__ import annotations

from headstart.evaluation.losses import correct
from headstart.pipeline import Fitted
from headstart.probe.forecast import Forecast
from headstart.report.tuning import outcome, spared_lines
from headstart.report.words import counted, measured_on


def forecast_line(foreseen: Forecast) -> str:
    """How long a run will take."""
    more = "; more where fine-tuning is worth a try" if foreseen.may_tune else ""
    least, most = _rounded(foreseen.least), _rounded(foreseen.most)
    in_all = most if least == most else f"{least} to {most}"
    return f"about {_rounded(foreseen.first)} to the first answer, {in_all} in all{more}"


def _rounded(seconds: float) -> str:
    return f"{max(seconds, 1):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def state_line(before: Fitted | None, now: Fitted, seconds: float) -> str:
    """The first answer, ``seconds`` after the beginning; of a later state what it changed, or why nothing was tried."""
    if before is None:
        evaluation, candidate = now.evaluations[0].evaluation, now.choice.candidate
        answer = f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}"
        return f"first answer after {seconds:.1f} s: {answer}; {candidate}"
    if now.state == "finetuned":
        if before.selection.fine_tuned:
            return "The network that is used has now learned from the held-out pictures too."
        return outcome(now.selection)
    if now.choice.trails is before.choice.trails:
        return " ".join(spared_lines(now.choice.spared[len(before.choice.spared) :]))
    return _larger(before, now)


def _larger(before: Fitted, now: Fitted) -> str:
    """What a larger input size changed."""
    size = now.choice.board[-1].candidate.size
    was, is_now = before.evaluations[0], now.evaluations[0]
    y = now.images.y[is_now.index]
    right_before, right_now = correct(was.proba, y), correct(is_now.proba, y)
    better, worse = int((right_now & ~right_before).sum()), int((right_before & ~right_now).sum())
    losses = [each.evaluation.log_loss.value for each in (was, is_now)]  # by which it is chosen
    used = "used" if now.choice.candidate.size == size else "not used"
    return (
        f"{size} pixels: accuracy {was.evaluation.accuracy.value:.3f} → {is_now.evaluation.accuracy.value:.3f}, better "
        f"on {counted(better, 'picture')}, worse on {worse:,}; log-loss {losses[0]:.3f} → {losses[1]:.3f}: {used}"
    )
