"""One self-contained HTML page: the answer first, then everything it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.evaluation.history import History
from headstart.evaluation.metrics import Evaluation
from headstart.files import write_text
from headstart.report import curves, drawing, figures
from headstart.report.section import Section, Thumbnail, percent
from headstart.report.words import counted, measured_on

if TYPE_CHECKING:
    from jinja2 import Environment

    from headstart.probe.trials import Score

MOST_LEFT_OUT = 1_000
"""Files left out that are named; all are in data.json."""


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A picture the classifier got wrong; ``probability`` (0 to 1) is what it gave the wrong class."""

    thumbnail: Thumbnail
    truth: str
    predicted: str
    probability: float


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """What the page shows. All text is shown as it is: markup in a class or file name stays text."""

    title: str
    evaluation: Evaluation
    """The honest figure: measured on a test split or out of fold. It is shown first."""
    alarms: tuple[str, ...] = ()
    """What changes the meaning of that figure, a sentence each; shown beside it."""
    other_evaluations: tuple[Evaluation, ...] = ()
    """Shown beside it, for instance the validation split."""
    audit_lines: tuple[str, ...] = ()
    """What checking the folder found, a sentence each."""
    notes: tuple[str, ...] = ()
    """What the reader must know before using the number, a sentence each."""
    class_counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Split → class → number of pictures."""
    samples: tuple[Thumbnail, ...] = ()
    augmented: tuple[Thumbnail, ...] = ()
    mistakes: tuple[Mistake, ...] = ()
    """Most confident first."""
    candidates: tuple[Score, ...] = ()
    """Heads that were tried."""
    chosen: Score | None = None
    """Of the candidates."""
    choice_reason: str = ""
    history: History | None = None
    """Of gradient training, where there was any."""
    verdict: tuple[str, ...] = ()
    """What the learning curves say, in paragraphs."""
    predictions: tuple[Thumbnail, ...] = ()
    """Pictures the classifier had not seen, with what it answered."""
    sections: tuple[Section, ...] = ()
    """What else is to be said, in this order, after the mistakes."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of every picture that was not used."""
    made: Mapping[str, str] = field(default_factory=dict)
    """Options, versions and fingerprints: label → value."""
    timings: Mapping[str, float] = field(default_factory=dict)
    """Stage → seconds."""
    command: str = ""
    """What to type to make this again."""


@dataclass(frozen=True, kw_only=True)
class PlainPage:
    """A page that is not about one accuracy: a review of pictures, a comparison, an explanation."""

    title: str
    lede: tuple[str, ...]
    """The answer in plain sentences, large, a paragraph each."""
    sections: tuple[Section, ...]
    command: str = ""
    """What to type to make this again."""


def write_report(path: Path, content: ReportContent | PlainPage) -> None:
    """Write the page to ``path``, whole or not at all. The same content gives the same bytes."""
    write_text(path, render(content))


def render(content: ReportContent | PlainPage) -> str:
    """The page as HTML."""
    from markupsafe import Markup

    pages = _templates()
    if isinstance(content, PlainPage):
        return pages.get_template("plain.html.j2").render(page=content)
    drawn = {name: Markup(svg) for name, svg in _figures(content).items()}
    return pages.get_template("template.html.j2").render(
        page=content,
        evaluation=content.evaluation,
        figures=drawn,
        answer=_answer(content.evaluation),
        most_left_out=MOST_LEFT_OUT,
    )


@cache
def _templates() -> Environment:
    """The templates of the pages, read once in a process."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    def presentable(value: Any) -> Any:  # the last thing done to every expression before it is escaped
        return drawing.printable(value) if type(value) is str else value

    pages = Environment(
        loader=PackageLoader("headstart", "report"),
        autoescape=True,
        finalize=presentable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters.update(
        percent=percent,
        data=lambda thumbnail: drawing.data_uri(thumbnail.jpeg),
        svg=Markup,
        strip=lambda estimate: Markup(figures.interval_strip(estimate)),
        measured_on=measured_on,
        counted=counted,
    )
    return pages


def _answer(evaluation: Evaluation) -> str:
    """The result in plain sentences."""
    accuracy, baseline = evaluation.accuracy, evaluation.majority_baseline
    right = accuracy.value * evaluation.n
    whole = abs(right - round(right)) < 1e-6
    majority = evaluation.classes[evaluation.majority]
    between = f"between {percent(accuracy.low)} and {percent(accuracy.high)}"
    were = (
        f"{right:,.0f} {'was' if round(right) == 1 else 'were'} right"
        if whole
        else f"{right:,.1f} were right on average"
    )
    judged, less = f"judged by a model that had never seen {'it' if evaluation.n == 1 else 'them'}", ""
    if evaluation.measured_on.epoch == "best":
        judged, less = "not trained on", ", and less, because the epoch was chosen on these pictures"
    answered = f"Of {counted(evaluation.n, 'picture')} {judged}, {were}."
    if evaluation.measured_on.kind == "difference":
        answered = (
            f"The frozen network answered {counted(accuracy.n, 'picture')} it had never seen, and what fine-tuning "
            f"gained on {counted(evaluation.n, 'picture')} held out of them is added."
        )
    sentences = [
        answered,
        f"On new pictures like these expect {between}{less}.",
        f"Always answering “{majority}” would be right for {percent(baseline.value)}.",
    ]
    if accuracy.low <= baseline.value:
        sentences.append("The interval reaches down to that: this does not show that anything was learned.")
    return " ".join(sentences)


def _figures(content: ReportContent) -> dict[str, str]:
    evaluation = content.evaluation
    accuracy, baseline = evaluation.accuracy, evaluation.majority_baseline
    drawn = {
        "interval": figures.interval_bar(
            accuracy,
            f"{percent(accuracy.low)} to {percent(accuracy.high)}",
            baseline.value,
            f"always “{drawing.short(evaluation.classes[evaluation.majority], 20)}” {percent(baseline.value)}",
        ),
        "confusion": figures.confusion(evaluation.confusion, evaluation.classes),
        "reliability": figures.reliability(evaluation.reliability),
    }
    if content.class_counts:
        drawn["class_counts"] = figures.class_counts(content.class_counts)
    if content.chosen is not None:
        drawn["candidates"] = figures.candidates(content.candidates, content.chosen)
    if content.history is not None:
        drawn["curves"] = curves.learning_curves(content.history)
    return drawn
