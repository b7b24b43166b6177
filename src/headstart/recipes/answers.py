"""The network that a recipe trained, as it is saved: its answers, when not to rely on them, and what they show."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from headstart.abstain.abstention import Abstention, AbstentionReport, measure_abstention
from headstart.abstain.conformal import PredictionSets, TooFewPictures, learn_prediction_sets
from headstart.abstain.novelty import FAMILIAR, learn_novelty
from headstart.arrays import Floats, Singles
from headstart.deploy.fitted import assemble
from headstart.deploy.model import Model
from headstart.errors import DataError, Problem
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.risk_coverage import sure_enough
from headstart.files import display
from headstart.finetune.trial import Selection
from headstart.progress import Progress

if TYPE_CHECKING:
    from headstart.finetune.job import Job
    from headstart.finetune.result import FineTuned


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What the saved model says of all pictures of a run. Every figure of a recipe is made of these."""

    job: Job
    model: Model
    proba: Floats = field(repr=False)
    """(n, k), a row for each picture of the job's images."""
    novelty: Floats = field(repr=False)
    """(n,) how unlike the training pictures each is; above 1 it is unfamiliar."""

    def part(self, measured_on: MeasuredOn) -> AnsweredPart:
        """The answers on the pictures that ``measured_on`` names."""
        split = self.job.images.split
        index = np.flatnonzero(split == measured_on.split) if measured_on.split else np.flatnonzero(split != "train")
        return AnsweredPart(index=index, proba=self.proba[index], measured_on=measured_on)

    def abstention(self, part: AnsweredPart) -> AbstentionReport:
        """How often the model is right on a part where it is sure, and what else it says of it."""
        images, counts = self.job.images, self.job.images.train_counts
        return measure_abstention(
            self.model.abstention,
            part.proba[None],
            images.y[part.index],
            measured_on=part.measured_on,
            prior=counts / counts.sum(),
            new=part.measured_on.split == "test",  # when not to answer is learned from the validation pictures
            novelty=self.novelty[part.index],
            groups=images.groups[part.index],
        )


def answer(tuned: FineTuned, *, recipe: str, progress: Progress | None = None) -> Answers:
    """Put together the model that is saved, let it answer all pictures, and teach it when not to answer.

    What is familiar is learned from the training pictures, how sure is sure enough from the validation pictures.

    Raises:
        DataError: naming every picture that could be read before and cannot be now.
    """
    job = tuned.activations.job
    images = job.images
    space, head = tuned.deploy()
    selection = Selection(space=space, output="tuned", head=head)
    model = assemble(images, job.network, selection, {"recipe": recipe}, None)
    probas: list[Floats] = []
    familiar: list[Singles] = []
    problems = []
    for prediction, outputs in model.answers(images.paths, stage="answering", progress=progress):
        if prediction.proba is None:
            found = f"{display(images.paths[prediction.position])}: {prediction.reason}"
            todo = "mend it; the same command goes on from there"
            problems.append(Problem(expected="a picture that can still be read", found=found, todo=todo))
        else:
            probas.append(prediction.proba)
            familiar.append(outputs[FAMILIAR])
    if problems:
        raise DataError("pictures of a run", problems)
    proba, rows = np.stack(probas), np.stack(familiar)
    sets = learn_prediction_sets(proba[job.val], images.y[job.val], images.classes, images.groups[job.val])
    novelty, _ = learn_novelty(rows[job.train], images.y[job.train], images.groups[job.train], seed=job.seed)
    abstention = Abstention(
        classes=images.classes,
        sure_from=sure_enough(proba[job.val], images.y[job.val]),
        sets=sets if isinstance(sets, PredictionSets) else None,
        no_sets=sets if isinstance(sets, TooFewPictures) else None,
        novelty=novelty,
    )
    return Answers(job=job, model=replace(model, abstention=abstention), proba=proba, novelty=novelty.measure(rows))
