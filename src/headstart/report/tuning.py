"""What came of fine-tuning, as a section: both networks on the same held-out pictures, and why one of them is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headstart.evaluation.intervals import wilson
from headstart.report.curves import learning_curves
from headstart.report.section import Section, Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from headstart.finetune.trial import Trial

METHOD = (
    "The held-out pictures were taken from the training pictures before anything was chosen; test and validation "
    "pictures had no part in it. Fine-tuning began with the weights of the best linear head (LP-FT). How far to go "
    "from the pretrained weights to the fine-tuned ones (WiSE-FT) and the temperature were settled for each half of "
    "the held-out pictures on the other half. The fine-tuned network is used if its log-loss is surely lower "
    "(paired t-test, one-sided, 5 %) and no more pictures are wrong; it is then trained once more on all "
    "training pictures."
)


def tuning(trial: Trial | None, reason: str) -> Section | None:
    """The section; None where fine-tuning was not asked for."""
    if trial is None:
        return Section(id="tuning", title="Frozen or fine-tuned?", sentences=(reason,)) if reason else None
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
            trial.reason,
            f"{changed} (McNemar's exact test, p = {trial.p:.2g}).",
            f"What is used lies {trial.share:.0%} of the way from the pretrained to the fine-tuned weights."
            if trial.kept
            else "Frozen features are what this classifier uses.",
        ),
        figures=(learning_curves(trial.history),),
        table=Table(
            about="Both networks on the held-out pictures",
            columns=(f"{len(trial.y):,} held-out pictures", "accuracy", "95 % interval", "log-loss"),
            rows=rows,
            numbers=(1, 2, 3),
            marked=(int(trial.kept),),
        ),
        method=METHOD,
    )


def _figures(proba: NDArray[np.float64], trial: Trial) -> tuple[str, str, str]:
    right = int((proba.argmax(axis=1) == trial.y).sum())
    low, high = wilson(right, len(trial.y))
    loss = -np.log(np.maximum(proba[np.arange(len(trial.y)), trial.y], 1e-15)).mean()
    return f"{right / len(trial.y):.3f}", f"{low:.3f} – {high:.3f}", f"{loss:.3f}"
