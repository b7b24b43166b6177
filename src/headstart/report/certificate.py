"""Does transfer help here? The transfer certificate, and the verdict on a recipe, in words and as a section."""

from __future__ import annotations

from typing import Any

from headstart.claims.certificate import Certificate
from headstart.claims.colour_baseline import Transfer
from headstart.files import plain
from headstart.report.drawing import ACCENT, CHARACTER, INK, LINE, MUTED, as_svg, drawn, percent_axis, plot
from headstart.report.section import THIN, Section, Table, p_value, percent, text, with_interval
from headstart.report.words import counted, magnitude, points

ROW = 30
"""Height of a bar and the space about it, in pixels."""

NAMES = {"majority": "the most frequent class", "colour": "colours alone", "random": "random weights"}
"""Of the rivals, in a list."""
_SUBJECTS = {
    "majority": "always answering the most frequent class",
    "colour": "the colours of the pictures alone",
    "random": "the same network with random weights",
}


def certificate_section(certificate: Certificate) -> Section:
    """Whether pretraining helps here."""
    times = f", {certificate.repeats} times" if certificate.repeats > 1 else ""
    return Section(
        id="certificate",
        title="Does transfer help here?",
        aside="The pretrained network against what needs no pretraining. Bars that reach further are better.",
        sentences=certificate_sentences(certificate),
        figures=(certificate_figure(certificate),),
        table=Table(
            about="Depth by depth",
            columns=("depth", "pretrained", "random weights", "points", "p"),
            rows=tuple(
                (
                    depth.name,
                    with_interval(depth.pretrained),
                    with_interval(depth.untrained),
                    points(depth.difference.value, "+"),
                    p_value(depth.difference.p).removeprefix("p ").removeprefix("= "),
                )
                for depth in certificate.depths
            ),
            numbers=(1, 2, 3, 4),
            marked=tuple(i for i, depth in enumerate(certificate.depths) if depth is certificate.best_depth),
        ),
        method=text("certificate", certificate=certificate, times=times, features=_features(certificate)),
    )


@drawn
def certificate_figure(certificate: Certificate) -> str:
    """Accuracy of the pretrained features and of their rivals as bars, with 95 % intervals."""
    rows = [("pretrained", certificate.chosen, True)]
    rivals = sorted(certificate.rivals, key=lambda rival: -rival.accuracy.value)
    rows += [(NAMES[rival.kind], rival.accuracy, False) for rival in rivals]
    left = 14 + max(len(name) for name, *_ in rows) * CHARACTER
    figure, axes = plot(ROW * len(rows) + 54, left=left, top=4, right=54, bottom=50)
    axes.set(xlim=(0, 1), ylim=(len(rows) - 0.5, -0.5))
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows], color=INK)
    percent_axis(axes.xaxis)
    for y, (_, accuracy, own) in enumerate(rows):
        axes.barh(y, accuracy.value, height=0.52, color=ACCENT if own else LINE)
        axes.plot([accuracy.low, accuracy.high], [y, y], color=INK, linewidth=1.8, solid_capstyle="butt")
        value = percent(accuracy.value)
        axes.text(
            1.02, y, value, transform=axes.get_yaxis_transform(), va="center", color=INK if own else MUTED,
            weight="bold" if own else "normal",
        )  # fmt: skip
    axes.set_xlabel(f"accuracy on {certificate.n:,} pictures, 95{THIN}% interval", labelpad=8)
    words = ", ".join(f"{name} {accuracy.value:.1%}" for name, accuracy, _ in rows)
    return as_svg(figure, "certificate", f"Accuracy of pretrained features and of their rivals: {words}")


def certificate_document(certificate: Certificate) -> dict[str, Any]:
    """The certificate in plain JSON types, with its sentences and the names of what was compared."""
    return {
        "verdict": certificate.verdict,
        "sentences": list(certificate_sentences(certificate)),
        **plain(certificate, "n", "folds", "repeats"),
        "pretrained": {"features": _features(certificate), **certificate.chosen.to_dict()},
        "rivals": [{"kind": rival.kind, "name": NAMES[rival.kind], **rival.to_dict()} for rival in certificate.rivals],
        **plain(certificate, "depths"),
    }


def _features(certificate: Certificate) -> str:
    return f"{'last layer' if certificate.output == 'last' else 'all depths'} at {certificate.size} pixels"


def certificate_sentences(certificate: Certificate) -> tuple[str, ...]:
    """The verdict, the evidence, and what it means."""
    best, gap = certificate.best_rival, certificate.best_rival.difference
    against, plural = _SUBJECTS[best.kind], best.kind == "colour"
    value, low, high = magnitude(gap.value, gap.low, gap.high)
    amount = f"{value} points (95 % interval {low} to {high})"
    if certificate.verdict == "helps":
        said = f"Pretraining helps here: {amount} more accurate than {against}, the best of three rivals."
        return (said, *_depth_sentences(certificate))
    if certificate.verdict == "hurts":
        said = f"Pretraining hurts here: {against} {'are' if plural else 'is'} {amount} more accurate."
        return (f"{said} Train the whole network, or begin with another one.", *_depth_sentences(certificate))
    if gap.worse:
        give = "give" if plural else "gives"
        said = f"Pretraining does not help here: {against} {give} an accuracy higher by {amount}."
        simple = "" if best.kind == "random" else " No network is needed for these labels."
        return (said + simple, *_untrained_sentence(certificate))
    unbeaten = " or ".join(NAMES[rival.kind] for rival in certificate.rivals if not rival.difference.better)
    return (
        f"Pretraining does not help here, as far as {counted(certificate.n, 'picture')} can show: it cannot be told "
        f"from {unbeaten}.",
        f"Against {against} the difference is {points(gap.value, '+')} points (95 % interval {points(gap.low, '+')} to "
        f"{points(gap.high, '+')}).",
        *_untrained_sentence(certificate),
    )


def _untrained_sentence(certificate: Certificate) -> tuple[str, ...]:
    untrained = next(rival for rival in certificate.rivals if rival.kind == "random")
    if untrained.difference.worse:
        return ("Even random weights do better: what was learned on other pictures throws away what counts here.",)
    return ()


def _depth_sentences(certificate: Certificate) -> tuple[str, ...]:
    best = certificate.best_depth
    if best is None or len(certificate.depths) < 2:
        return ()
    last = certificate.depths[-1]
    if best is last:
        return (f"The deeper the better: the last depth, {last.name}, knows most ({best.pretrained.value:.1%}).",)
    return (
        f"Of single depths, {best.name} knows most ({best.pretrained.value:.1%}); the last, {last.name}, "
        f"{last.pretrained.value:.1%}.",
    )


def transfer_sentence(transfer: Transfer) -> str:
    """Whether a recipe's network beat colours and the most frequent class, with the numbers."""
    said = {
        "helps": "The pretrained network helps here.",
        "no sign that it helps": "There is no sign that the pretrained network helps here: possibly negative transfer.",
        "hurts": "Negative transfer: the pretrained network does worse than what needs no network.",
    }[transfer.verdict]
    return (
        f"{said} It is right on {transfer.accuracy:.1%} of {counted(transfer.n, 'picture')}, colours alone on "
        f"{transfer.colours:.1%}, the most frequent class on {transfer.majority:.1%}; paired test against the better: "
        f"p = {transfer.p:.2g}."
    )
