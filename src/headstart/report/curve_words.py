"""What learning curves show, in English."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.evaluation.curves import FEWEST_EPOCHS, CurveVerdict, GapChange, Reason

REASONS: dict[Reason, str] = {
    "loss has risen": "It was lowest about epoch {epoch} ({loss:z.3f}) and has risen; training loss has not.",
    "both losses rise": "Training loss rises with it: that is a learning rate too high, not over-fitting.",
    "not fitted": "Not even the training pictures are fitted: train longer, unfreeze more, change the rate.",
    "wide gap": "Validation is worse than training by more than chance explains.",
    "stopped early": "It was stopped early: more epochs, or a higher learning rate, would go on.",
    "none": "",
}


def curve_verdict(verdict: CurveVerdict) -> str:
    """The verdict with the numbers that it rests on, a paragraph."""
    reason = REASONS[verdict.reason].format(epoch=verdict.lowest_epoch, loss=verdict.lowest_loss)
    said = [f"{verdict.fit.capitalize()}, {verdict.state}.", *_about_loss(verdict), reason]
    said += [*_about_gap(verdict), *_about_changes(verdict.phase_starts[1:], verdict.gap_changes)]
    return " ".join(filter(None, said))


def _about_loss(verdict: CurveVerdict) -> list[str]:
    trend = verdict.trend
    epochs = f"{verdict.epochs} epoch{'s' if verdict.epochs > 1 else ''}"
    said = [f"Validation loss went from {verdict.initial_loss:z.3f} to {verdict.val_loss:z.3f} in {epochs}."]
    if verdict.tail < FEWEST_EPOCHS:
        said.append(f"Too few epochs to show a trend: that takes {FEWEST_EPOCHS} in the last phase.")
    elif trend.state == "flat":
        said.append(f"Over the last {trend.epochs} it hardly changed.")
    else:
        way = "fell by" if trend.change < 0 else "rose by"
        said.append(f"Over the last {trend.epochs} it {way} {abs(trend.change):z.3f}.")
    if verdict.unsteady:
        said.append(f"It jumps by about {verdict.noise:.2f} from epoch to epoch: the learning rate looks too high.")
    return said


def _about_gap(verdict: CurveVerdict) -> list[str]:
    gap = verdict.gap
    said = [
        f"Accuracy is {100 * verdict.train_accuracy:z.1f} % in training, {100 * verdict.val_accuracy:z.1f} % on "
        f"validation, where one picture is {100 / gap.n_val:.2f} points."
    ]
    if gap.loss < 0:
        said.append(
            "Validation loss is the lower one, as happens where dropout or augmentation makes training harder: "
            "no over-fitting in that."
        )
        return said
    compared = "more" if gap.loss > gap.loss_resolution else "less"
    said.append(
        f"The gap is {gap.loss:z.3f} in loss, {compared} than the {gap.loss_resolution:z.3f} within the luck of "
        f"{gap.n_val} pictures, and {100 * gap.accuracy:z.1f} points of accuracy (luck: "
        f"{100 * gap.accuracy_resolution:z.1f})."
    )
    return said


def _about_changes(starts: Sequence[int], changes: Sequence[GapChange]) -> list[str]:
    said = []
    for start, change in zip(starts, changes, strict=True):
        numbers = f"{change.before.loss:z.3f} before, {change.after.loss:z.3f} after"
        unchanged = change.direction == "unchanged"
        words = "left the gap in loss unchanged" if unchanged else f"{change.direction} the gap in loss"
        said.append(f"The phase from epoch {start} on {words} ({numbers}).")
    return said
