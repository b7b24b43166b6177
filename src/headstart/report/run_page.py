"""The page of a training run: the answer first, then everything it rests on and everything that may be doubted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from headstart.classifier import ImageClassifier, Measurement
from headstart.deploy.model import versions
from headstart.images.transforms import augmented
from headstart.report import gallery, review
from headstart.report.abstention import abstention_section
from headstart.report.duplicates import duplicates
from headstart.report.page import CandidateRow, ReportContent
from headstart.report.section import Section
from headstart.report.tuning import tuning
from headstart.workflows.doubts import Doubts

MOST_SUSPECTS = 12
"""Suspicious pictures shown; `headstart check` shows them all."""


def content(
    title: str, classifier: ImageClassifier, measured: Sequence[Measurement], doubts: Doubts, *, command: str
) -> ReportContent:
    """Everything the page shows. ``measured``: all evaluations, the one to be quoted first."""
    images, choice, model = classifier.images_, classifier.choice_, classifier.model_
    geometry = model.space.geometry
    nine = gallery.one_of_each(images, 9)
    runtime = model.space.runtime
    made = {
        "Pretrained network": "{name}, {licence}, {weights} weights".format_map(model.backbone),
        "Network": "fine-tuned" if classifier.selection_.fine_tuned else "frozen",
        "Head": f"{choice.candidate}, C = {choice.strength:g}" if choice.strength else str(choice.candidate),
        "Calibration": f"temperature {model.head.temperature:.3f}, fitted on pictures the head had not seen",
        "Ran with": f"{runtime.name}, cosine to float32 PyTorch {runtime.parity:.5f}",
        "Pictures": f"{len(images)}, fingerprint {images.fingerprint()[:16]}",
        "Seed": str(classifier.random_state),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }
    return ReportContent(
        title=title,
        evaluation=measured[0].evaluation,
        other_evaluations=tuple(part.evaluation for part in measured[1:]),
        audit_lines=tuple(doubts.lines()),
        notes=model.notes,
        class_counts=gallery.class_counts(images),
        samples=tuple(gallery.thumbnail(images, i) for i in nine),
        augmented=gallery.views(
            augmented(images.paths[nine[0]], geometry, range(9)),
            caption=images.classes[images.y[nine[0]]],
        ),
        mistakes=gallery.mistakes(images, measured[0].index, measured[0].proba),
        candidates=tuple(
            CandidateRow(
                name=str(score.candidate),
                log_loss=score.log_loss,
                standard_error=score.standard_error,
                accuracy=score.accuracy,
                n=len(score.losses),
                chosen=score.candidate == choice.candidate and not score.screened,
                screened=score.screened,
            )
            for score in choice.board
        ),
        choice_reason=choice.reason,
        sections=_sections(classifier, measured[0], doubts),
        left_out=tuple((gallery.name_of(images, out.path), out.reason) for out in images.left_out),
        made=made,
        timings=classifier.timings_,
        command=command,
    )


def _sections(classifier: ImageClassifier, first: Measurement, doubts: Doubts) -> tuple[Section, ...]:
    """In the order in which people ask: when to believe it, what would improve it, are the pictures sound."""
    found, chosen = classifier.deduplicated_, classifier.selection_
    parts = (
        tuning(chosen),
        abstention_section(classifier.model_.abstention, first.abstention),
        *doubts.worth.sections(),
        *review.sections(doubts.findings, partial(gallery.whole, classifier.images_), most=MOST_SUSPECTS, folder=False),
        duplicates(found, doubts.leak, partial(gallery.captioned, found.found.images)),
    )
    return tuple(part for part in parts if part)
