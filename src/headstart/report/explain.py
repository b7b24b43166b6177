"""The page of one explanation: what the answer rests on, whether that holds up, training pictures that are like it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from headstart.deploy.explain import HALVES, Explanation
from headstart.files import display
from headstart.images.decode import encode, resample
from headstart.report.drawing import ACCENT, MUTED, as_svg, data_uri, page_style, plot
from headstart.report.page import PlainPage
from headstart.report.section import THIN, Section, Table, Thumbnail, percent, text
from headstart.report.words import counted

SHOWN = 320
"""Side of the picture and of its map on the page, in pixels."""
APART = 16
"""Space between the two, in pixels."""
WHY_NOT_EXACT = {
    "": "",
    "not pooled": "something other than pooling stands between the last map and the head",
    "more than pooled": "the head reads more than was pooled from maps",
    "parts miss": "the parts of the map miss the score by {miss:.3g}",
}
LITTLE = 0.05
"""A fall of the probability below which the answer hardly changes. Chosen, not measured; it only adds a sentence."""
FOR = np.array([226.0, 84.0, 18.0])
AGAINST = np.array([38.0, 98.0, 214.0])


@dataclass(frozen=True, kw_only=True)
class Neighbour:
    """A training picture that is like the picture explained."""

    label: str
    name: str
    likeness: float
    """Cosine between the two rows ``last``."""
    jpeg: bytes | None
    """A thumbnail; None if the file is gone or has changed."""


def explain_page(
    explanation: Explanation, neighbours: Sequence[Neighbour], *, training: int | None, command: str
) -> PlainPage:
    """The page.

    Args:
        explanation: of one answer.
        neighbours: the training pictures most like it, most like it first.
        training: how many training pictures the run knows; None for a model without its run.
        command: what to type to make the page again.
    """
    answer = explanation.classes[int(explanation.proba.argmax())]
    target, rival = explanation.classes[explanation.target], explanation.classes[explanation.rival]
    name, probability = display(explanation.path.name), percent(float(explanation.proba.max()))
    miss, side = abs(explanation.miss), len(explanation.evidence)
    why = WHY_NOT_EXACT[explanation.why_not_exact].format(miss=explanation.miss)
    method = text(f"map-{explanation.method}", of=explanation, why=why, miss=miss, side=side, pictures=2 * HALVES)
    return PlainPage(
        title="What the answer rests on",
        lede=(f"{name} is “{answer}”, says the model: {probability}.", verdict(explanation)),
        sections=(
            Section(
                id="map",
                title=f"What speaks for “{target}”",
                aside=f"Orange speaks for “{target}”, blue for “{rival}”; the paler, the less.",
                figures=(_side_by_side(explanation),),
                method=method,
            ),
            _check(explanation),
            _neighbours(explanation, neighbours, training),
            _answers(explanation),
        ),
        command=command,
    )


def verdict(explanation: Explanation) -> str:
    """In plain words whether the map can be believed."""
    check, target = explanation.check, explanation.classes[explanation.target]
    what = (
        f"hiding the {percent(check.share, 0)} of the picture it points at takes “{target}” from "
        f"{percent(check.before)} to {percent(check.after)}"
    )
    regions = f"{len(check.elsewhere)} regions of that size and shape placed elsewhere"
    if not check.holds:
        alone = " alone" if check.after < check.before else ", without which it is surer"
        return (
            f"Read the map with care: {what}, and {check.rank} of {regions} matter as much or more. "
            f"The answer does not rest on that place{alone}."
        )
    as_much = (
        f"{f'only {check.rank}' if check.rank else 'none'} of {regions} {'do' if check.rank > 1 else 'does'} as much"
    )
    more = " Still, the answer hardly changes: it rests on more than that place."
    return f"The map holds up: {what}, and {as_much}." + (more if check.before - check.after < LITTLE else "")


def _check(explanation: Explanation) -> Section:
    check, target = explanation.check, explanation.classes[explanation.target]
    elsewhere = float(check.elsewhere.mean())
    return Section(
        id="check",
        title="Does hiding it change the answer?",
        aside="A map persuades whether it is right or not. This is the test.",
        sentences=(
            f"With nothing hidden “{target}” has {percent(check.before)}. With the place hidden that the map points at "
            f"it has {percent(check.after)}; with as much hidden elsewhere {percent(elsewhere)} on average, "
            f"{percent(float(check.elsewhere.min()))} at the least.",
        ),
        figures=(_curve(explanation),),
        thumbnails=(
            Thumbnail(
                jpeg=_jpeg(check.hidden), caption=f"hidden where the map points\n{percent(check.after)} “{target}”"
            ),
            Thumbnail(jpeg=_jpeg(check.hidden_elsewhere), caption="hidden elsewhere, a typical one"),
        ),
        table=Table(
            about="Probability by how much is hidden",
            columns=("hidden", "where the map points", "elsewhere, mean"),
            rows=tuple((percent(s, 0), percent(a), percent(b)) for s, a, b in check.curve),
            numbers=(0, 1, 2),
        ),
        method=text("check", check=check, places=len(check.elsewhere), share=percent(check.share, 0)),
    )


def _neighbours(explanation: Explanation, neighbours: Sequence[Neighbour], training: int | None) -> Section:
    answer = explanation.classes[int(explanation.proba.argmax())]
    if training is None:
        said = "This is a model without its run directory: it does not know its training pictures, by design."
        return Section(id="neighbours", title="Training pictures like it", sentences=(said,))
    same = sum(neighbour.label == answer for neighbour in neighbours)
    gone = sum(neighbour.jpeg is None for neighbour in neighbours)
    pictures = counted(len(neighbours), "training picture")
    sentences = [f"Of the {pictures} most like it, {same} {'is' if same == 1 else 'are'} “{answer}”."]
    if gone:
        away = "is not where it was, or has" if gone == 1 else "are not where they were, or have"
        names = "its name is" if gone == 1 else "their names are"
        sentences.append(f"{gone} of them {away} changed: only {names} shown.")
    return Section(
        id="neighbours",
        title="Training pictures like it",
        aside="Most alike first, as the pretrained network sees them.",
        sentences=tuple(sentences),
        thumbnails=tuple(
            Thumbnail(jpeg=near.jpeg, caption=f"{near.label}\n{near.name}\nlikeness {near.likeness:.2f}")
            for near in neighbours
            if near.jpeg is not None
        ),
        table=Table(
            about="Names",
            columns=("label", "picture", "likeness"),
            rows=tuple((near.label, near.name, f"{near.likeness:.3f}") for near in neighbours),
            numbers=(2,),
        )
        if gone
        else None,
        method=text("neighbours", training=training),
    )


def _answers(explanation: Explanation) -> Section:
    order = np.argsort(-explanation.proba, kind="stable")[:10]
    return Section(
        id="answers",
        title="All answers",
        table=Table(
            about="Probabilities of the classes",
            columns=("class", "probability"),
            rows=tuple((explanation.classes[i], percent(float(explanation.proba[i]))) for i in order),
            numbers=(1,),
        ),
    )


# ── drawing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def heat(picture: NDArray[np.uint8], evidence: NDArray[np.float64]) -> NDArray[np.uint8]:
    """The picture (s, s, 3) in grey, under its evidence (g, g): orange for, blue against."""
    most = float(np.abs(evidence).max()) or 1.0
    grid = np.rint(127.5 * (1 + evidence / most)).astype(np.uint8)
    smooth = resample(np.repeat(grid[..., None], 3, axis=2), size=(len(picture),) * 2, interpolation="bilinear")
    strength = smooth[..., :1].astype(np.float64) / 127.5 - 1
    grey = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) * 0.75 + 50
    cover = 0.85 * np.abs(strength) ** 0.7
    return np.clip(grey * (1 - cover) + np.where(strength > 0, FOR, AGAINST) * cover, 0, 255).astype(np.uint8)


def _jpeg(picture: NDArray[np.uint8], side: int = 240) -> bytes:
    return encode(resample(picture, size=(side, side), interpolation="bicubic"), format="JPEG", quality=85)


def _side_by_side(explanation: Explanation) -> str:
    width = 2 * SHOWN + APART

    def image(picture: NDArray[np.uint8], left: int) -> str:
        return f'<image x="{left}" width="{SHOWN}" height="{SHOWN}" href="{data_uri(_jpeg(picture, 2 * SHOWN))}"/>'

    return (
        f'<svg role="img" viewBox="0 0 {width} {SHOWN}" width="{width}" height="{SHOWN}">'
        "<title>The picture as the network sees it, and the same with what speaks for and against</title>"
        f"{image(explanation.picture, 0)}{image(heat(explanation.picture, explanation.evidence), SHOWN + APART)}</svg>"
    )


@page_style()
def _curve(explanation: Explanation) -> str:
    """Probability over the share hidden, where the map points and elsewhere."""
    from matplotlib.ticker import FuncFormatter

    check = explanation.check
    figure, axes = plot(190, left=46, top=14, right=118, bottom=46)
    shares, own, others = zip((0.0, check.before, check.before), *check.curve, strict=True)
    axes.plot(shares, others, color=MUTED, linewidth=1.5, marker="o", markersize=4)
    axes.plot(shares, own, color=ACCENT, linewidth=2, marker="o", markersize=5)
    axes.set(ylim=(0, 1.03), yticks=[0, 0.5, 1], xticks=[0, 0.1, 0.2, 0.3, 0.4, 0.5])
    for axis in (axes.yaxis, axes.xaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}{THIN}%"))
    axes.set_xlabel("of the picture hidden", labelpad=6)
    low, high = own[-1], others[-1]
    if abs(low - high) <= 0.12:  # the two labels would touch
        middle, apart = (low + high) / 2, 0.06 if high >= low else -0.06
        low, high = middle - apart, middle + apart
    axes.annotate("where it points", (shares[-1], low), (8, 0), textcoords="offset points", va="center", color=ACCENT)
    axes.annotate("elsewhere", (shares[-1], high), (8, 0), textcoords="offset points", va="center", color=MUTED)
    return as_svg(figure, "hiding", "Probability when parts of the picture are hidden")
