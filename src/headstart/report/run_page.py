"""The page of a training run: the answer first, then everything it rests on and everything that may be doubted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from headstart.claims.alarms import alarms_of_figures, alarms_of_pictures, alarms_of_splits
from headstart.deploy.model import versions
from headstart.files import below, plain
from headstart.images.transforms import augmented
from headstart.pipeline import Doubts, Fitted
from headstart.report import gallery, review
from headstart.report.abstention import abstention_section
from headstart.report.alarms import alarm_lines
from headstart.report.by_group import by_group_section
from headstart.report.certificate import certificate_document, certificate_section
from headstart.report.duplicates import duplicates
from headstart.report.more_pictures import learning_curve_section
from headstart.report.page import ReportContent
from headstart.report.pictures import copy_lines, finding_lines, leak_sentence
from headstart.report.section import Section, Thumbnail
from headstart.report.tuning import choice_reason, tuning
from headstart.report.words import rounding_line, runtime_note

MOST_SUSPECTS = 12
"""Suspicious pictures shown; `headstart check` shows them all."""
SHORTEST_STAGE = 0.05
"""Seconds below which a stage is not listed: it was not gone into."""


def content(
    title: str,
    fitted: Fitted,
    doubts: Doubts | None,
    said: Sequence[str],
    *,
    seconds: Mapping[str, float],
    command: str,
) -> ReportContent:
    """Everything the page shows of a state of a run.

    ``doubts`` are None before the last; ``said`` is by `lines`, ``seconds`` by stage; ``command`` repeats the run.
    """
    images, choice, first = fitted.images, fitted.choice, fitted.evaluations[0]
    nine = gallery.one_of_each(images, 9)
    return ReportContent(
        title=title,
        evaluation=first.evaluation,
        alarms=alarms_beside(fitted, doubts),
        other_evaluations=tuple(part.evaluation for part in fitted.evaluations[1:]),
        audit_lines=tuple(said),
        notes=tuple(map(runtime_note, fitted.model.notes)),
        class_counts=images.counts,
        samples=tuple(gallery.thumbnail(images, i) for i in nine),
        augmented=_augmented(fitted, nine[0]),
        mistakes=gallery.mistakes(images, first.index, first.proba),
        candidates=choice.board,
        chosen=choice.score,
        choice_reason=choice_reason(choice),
        sections=_sections(fitted, doubts),
        left_out=tuple((below(images.root, out.path), out.reason) for out in images.left_out),
        made=_made(fitted),
        timings={stage: taken for stage, taken in seconds.items() if taken >= SHORTEST_STAGE},
        command=command,
    )


def alarms_beside(fitted: Fitted, doubts: Doubts | None) -> tuple[str, ...]:
    """What changes the meaning of the accuracy, a sentence each."""
    pictures = alarms_of_splits(fitted.audit) if doubts is None else alarms_of_pictures(doubts.findings, doubts.leak)
    figures = alarms_of_figures(fitted.evaluations[0].evaluation)
    return (*alarm_lines(pictures, fitted.images.classes), *alarm_lines(figures, fitted.images.classes))


def lines(fitted: Fitted, doubts: Doubts | None) -> list[str]:
    """Plain sentences about the pictures, but for the alarms, the most serious first."""
    found = finding_lines(doubts.findings) if doubts else ["The pictures have not been checked yet."]
    return [*found, *copy_lines(fitted.deduplicated)]


def doubts_document(doubts: Doubts, said: Sequence[str]) -> dict[str, Any]:
    """What was doubted, in plain JSON types, and beside the facts what is said about them."""
    worth, leak = doubts.worth, doubts.leak
    return {
        "findings": {**doubts.findings.to_dict(), "sentences": list(said)},
        "leak": plain(leak, sentence=leak_sentence(leak)) if leak else None,
        "certificate": certificate_document(worth.certificate) if worth.certificate else None,
        "learning_curve": worth.curve.to_dict(),
        "by_group": plain(worth.groups) if worth.groups else None,
    }


def _made(fitted: Fitted) -> dict[str, str]:
    """What the model is made of."""
    model, choice, runtime = fitted.model, fitted.choice, fitted.model.space.runtime
    return {
        "Pretrained network": "{name}, {licence}, {weights} weights".format_map(model.backbone),
        "Network": "fine-tuned" if fitted.selection.fine_tuned else "frozen",
        "Head": f"{choice.candidate}, C = {choice.strength:g}" if choice.strength else str(choice.candidate),
        "Calibration": f"temperature {model.head.temperature:.3f}, fitted on pictures the head had not seen",
        "Ran with": f"{runtime.name}, cosine to float32 PyTorch {runtime.parity:.5f}",
        **({"8 bits": rounding_line(fitted.rounding)} if fitted.rounding else {}),
        "Pictures": f"{len(fitted.images)}, fingerprint {fitted.images.fingerprint()[:16]}",
        "Seed": str(fitted.options.random_state),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }


def _augmented(fitted: Fitted, i: int) -> tuple[Thumbnail, ...]:
    """Nine augmented views of a picture, where a network was trained on such views."""
    if fitted.selection.trial is None:
        return ()
    images = fitted.images
    views = augmented(images.paths[i], fitted.model.space.geometry, range(9))
    return gallery.views(views, caption=images.classes[images.y[i]])


def _sections(fitted: Fitted, doubts: Doubts | None) -> tuple[Section, ...]:
    """In the order in which people ask: when to believe it, what would improve it, are the pictures sound."""
    deduplicated = fitted.deduplicated
    abstention = abstention_section(fitted.model.abstention, fitted.evaluations[0].abstention)
    parts: list[Section | None] = [tuning(fitted.selection), abstention]
    if doubts is not None:
        worth, picture = doubts.worth, partial(gallery.whole, fitted.images)
        parts += [
            learning_curve_section(worth.curve),
            by_group_section(worth.groups) if worth.groups else None,
            certificate_section(worth.certificate) if worth.certificate else None,
            *review.sections(doubts.findings, picture, most=MOST_SUSPECTS, folder=False),
        ]
    leak, thumbnail = doubts.leak if doubts else None, partial(gallery.thumbnail, deduplicated.copies.images)
    parts.append(duplicates(deduplicated, leak, thumbnail))
    return tuple(part for part in parts if part)
