"""The page about new pictures: are they like the training pictures, how many answers are right, what to label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.evaluation.intervals import Estimate
from headstart.monitor.drift import ALARM_AUC, ALARM_P, LEAST, Drift
from headstart.monitor.unlabelled import Unlabelled
from headstart.report import figures
from headstart.report.page import PlainPage
from headstart.report.section import Section, Table, Thumbnail, percent, text
from headstart.report.words import counted

LEVELS = {
    "none": "They look like the training pictures: no drift was found.",
    "slight": "They differ from the training pictures, but not by much.",
    "drift": "They do not look like the training pictures: this is drift.",
}


def watch_page(
    drift: Drift,
    accuracy: Unlabelled,
    *,
    classes: Sequence[str],
    labelling_queue: Sequence[Mapping[str, Any]],
    thumbnails: Sequence[Thumbnail],
    known: Sequence[str],
    left_out: Sequence[tuple[str, str]],
    measured_on: str,
    trusted: bool,
    command: str,
) -> PlainPage:
    """The page; ``labelling_queue``: rows of `watch.Watch.rows`, ``known``: names of pictures trained on."""
    sections = [
        _estimate(accuracy, measured_on=measured_on, trusted=trusted, drift=drift),
        _drift(drift, classes),
        _to_label(labelling_queue, thumbnails),
        *([_remarks(known, left_out)] if known or left_out else []),
    ]
    return PlainPage(
        title=counted(drift.n, "new picture"),
        lede=(verdict(drift), claim(accuracy.accuracy, trusted=trusted)),
        sections=tuple(sections),
        command=command,
    )


def verdict(drift: Drift) -> str:
    """In plain words whether the pictures have drifted."""
    if drift.only_mix:
        return "The classes come in other shares than in training; pictures of each class look as they did."
    if drift.level != "too few":
        return LEVELS[drift.level]
    few = "One is too few to say whether it looks" if drift.n == 1 else "They are too few to say whether they look"
    return f"{few} like the training pictures; {LEAST} are needed."


def claim(accuracy: Estimate, *, trusted: bool) -> str:
    """In plain words what may be said about the answers."""
    between = f"between {percent(accuracy.low)} and {percent(accuracy.high)}"
    if not trusted:
        return (
            f"How sure the classifier is suggests {percent(accuracy.value)} right, {between}; with such drift that is "
            "not to be trusted. Label some of them and measure."
        )
    return f"Without any labels, about {percent(accuracy.value)} of the answers are estimated to be right, {between}."


def _estimate(accuracy: Unlabelled, *, measured_on: str, trusted: bool, drift: Drift) -> Section:
    estimated = accuracy.accuracy
    sentences = [
        f"On labelled pictures it was right for {percent(accuracy.known)} ({counted(accuracy.m, 'picture')}, "
        f"{measured_on})."
    ]
    if drift.level == "too few":
        sentences.append("Whether the pictures have drifted could not be told, so this is worth less than it looks.")
    return Section(
        id="estimate",
        title="How many answers are right?",
        aside="Estimated from how sure the classifier is.",
        sentences=tuple(sentences),
        figures=(
            figures.interval_bar(
                estimated,
                f"{percent(estimated.low)} to {percent(estimated.high)}" + ("" if trusted else ", not to be trusted"),
                accuracy.known,
                f"known pictures {percent(accuracy.known)}",
            ),
        ),
        table=Table(
            about="Three ways to estimate",
            columns=("estimate", "right", "from", "to"),
            rows=tuple(
                (name, percent(each.value), percent(each.low), percent(each.high))
                for name, each in accuracy.by_method.items()
            ),
            numbers=(1, 2, 3),
        ),
        method=text("estimate"),
    )


def _drift(drift: Drift, classes: Sequence[str]) -> Section:
    sentences = []
    if drift.level != "too few":
        sentences.append(text("told-apart", share=percent(drift.auc, 0), guessing=percent(0.5, 0)))
    if drift.unfamiliar is not None and drift.unfamiliar_before is not None:
        unfamiliar, expected = int(drift.unfamiliar.sum()), drift.unfamiliar_before
        sentences.append(
            f"{unfamiliar:,} of {drift.n:,} {'is' if unfamiliar == 1 else 'are'} "
            + text("unfamiliar-new", nearer=percent(1 - expected, 0), expected=percent(expected, 0))
        )
    within = "" if drift.p_within is None else f"; within the same answers p = {drift.p_within:.3f}"
    order = sorted(range(len(classes)), key=lambda i: -abs(drift.mix[i] - drift.mix_before[i]))
    return Section(
        id="drift",
        title="Are they like the training pictures?",
        aside="As the pretrained network sees them.",
        sentences=tuple(sentences),
        table=Table(
            about="Share of each answer",
            columns=("answer", "training", "new"),
            rows=tuple((classes[i], percent(drift.mix_before[i]), percent(drift.mix[i])) for i in order),
            numbers=(1, 2),
        ),
        method=text("drift", drift=drift, within=within, alarm_p=ALARM_P, alarm_auc=ALARM_AUC),
    )


def _to_label(labelling_queue: Sequence[Mapping[str, Any]], thumbnails: Sequence[Thumbnail]) -> Section:
    count = len(labelling_queue)
    said = f"From these {count} there is most to learn: unsure answers, no two of them alike."
    if count < 2:
        said = "From this one there is most to learn." if count else "None was asked for."
    return Section(
        id="queue",
        title="Worth a label next",
        aside="--queue writes them to a CSV file: fill in the labels, and “headstart train” reads it.",
        sentences=(said,),
        thumbnails=tuple(thumbnails),
        table=Table(
            about="The labelling queue",
            columns=("", "picture", "answer", "probability", "lead", "unfamiliar"),
            rows=tuple(
                (
                    str(place),
                    row["path"],
                    row["answer"],
                    percent(row["probability"]),
                    percent(row["margin"]),
                    "yes" if row["unfamiliar"] else "",
                )
                for place, row in enumerate(labelling_queue, start=1)
            ),
            numbers=(0, 3, 4),
        ),
        method=text("queue"),
    )


def _remarks(known: Sequence[str], left_out: Sequence[tuple[str, str]]) -> Section:
    sentences = []
    if known:
        pictures = "is byte for byte a picture" if len(known) == 1 else "are byte for byte pictures"
        sentences.append(f"{len(known):,} {pictures} it was trained on, so all of the above looks better than it is.")
    if left_out:
        are = "is" if len(left_out) == 1 else "are"
        sentences.append(f"{len(left_out):,} could not be read and {are} left out.")
    return Section(
        id="remarks",
        title="To be known",
        sentences=tuple(sentences),
        table=Table(
            about="Which ones",
            columns=("picture", "why"),
            rows=(*((name, "a training picture") for name in known), *left_out),
        ),
    )
