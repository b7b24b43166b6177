"""The card that a model carries on a hub: Markdown under a head of YAML, all of it from what was measured."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from headstart.deploy.manifest import Manifest
from headstart.evaluation.intervals import Estimate
from headstart.report.words import counted

_MARKUP = re.compile(r"([\\`*_{}\[\]()#+!|~])")


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """Of one class, as metrics.json has them."""

    name: str
    precision: Estimate
    recall: Estimate
    support: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What was measured of a run, from its metrics.json."""

    measured_on: str
    accuracy: Estimate
    majority: str
    majority_baseline: Estimate
    log_loss: Estimate
    ece: Estimate
    per_class: tuple[ClassFigures, ...]
    sure: tuple[Estimate, Estimate] | None
    """Share of answers that are not unsure, and their accuracy."""
    unfamiliar: Estimate | None
    alarms: tuple[str, ...] = field(default=())


def model_card(name: str, manifest: Manifest, figures: Figures | None) -> str:
    """The card of a model called ``name``; without ``figures`` it says that none are known."""
    return "\n".join([*_head(name, manifest, figures), *_body(name, manifest, figures), ""])


def plain_text(text: str) -> str:
    """Text of any kind, such as the name of a class, that Markdown and HTML show as it is."""
    return _MARKUP.sub(r"\\\1", html.escape(" ".join(text.split())))


def _head(name: str, manifest: Manifest, figures: Figures | None) -> Iterator[str]:
    """The YAML; JSON's texts are YAML's."""
    quoted = json.dumps
    yield "---"
    yield "library_name: onnx"
    yield "pipeline_tag: image-classification"
    if licence := manifest.backbone.get("licence"):
        yield f"license: {quoted(licence)}"
    if architecture := manifest.backbone.get("architecture"):
        yield f"base_model: {quoted('timm/' + architecture)}"
    yield "tags: [image-classification, onnx, transfer-learning, headstart]"
    if figures is not None:
        yield "model-index:"
        yield f"- name: {quoted(name, ensure_ascii=False)}"
        yield "  results:"
        yield "  - task: {type: image-classification}"
        yield f"    dataset: {{name: {quoted(figures.measured_on)}, type: own}}"
        yield f"    metrics: [{{type: accuracy, value: {figures.accuracy.value:.4f}}}]"
    yield "---"
    yield ""


def _body(name: str, manifest: Manifest, figures: Figures | None) -> Iterator[str]:
    training, classes = manifest.training, [plain_text(each) for each in manifest.classes]
    yield f"# {plain_text(name)}"
    yield ""
    yield f"Tells {counted(len(classes), 'class', 'classes')} of pictures apart: {', '.join(classes)}."
    backbone = plain_text(str(manifest.backbone.get("architecture", manifest.backbone.get("name"))))
    tuned = "fine-tuned" if training.get("fine_tuned") else "frozen, with a linear head"
    calibrated = f"probabilities are calibrated (temperature {manifest.temperature:.3g})"
    yield f"The network is {backbone}, {tuned}; {calibrated}."
    yield ""
    yield "## Intended use"
    yield ""
    yield "Pictures like those it was trained on, each showing one of the classes. Every picture gets an answer,"
    yield "also one that shows none of them: `unsure` and `unfamiliar` say when not to rely on it. It was not"
    yield "examined for use where a wrong answer harms somebody."
    yield ""
    yield "## Figures"
    yield ""
    yield from _figures(figures)
    yield "## Data"
    yield ""
    counts = training.get("class_counts", {})
    yield f"Trained on {counted(int(training.get('pictures', sum(counts.values()))), 'picture')}."
    yield ""
    yield from _table(("class", "training pictures"), [(plain_text(each), f"{n:,}") for each, n in counts.items()])
    yield "## Limits"
    yield ""
    yield from _limits(manifest, figures)
    yield "## Files and use"
    yield ""
    yield "`model.onnx` is all that is needed: input `image`, uint8 (n, h, w, 3) of any size, outputs `probabilities`,"
    yield "`logits`, `novelty`, `unsure`, `unfamiliar`; names of classes and test pictures are in its metadata."
    yield "`config.json` says the same in short; `model/` is the model directory, with the network in safetensors."
    yield ""
    yield "```"
    yield 'pip install "headstart[onnx]"'
    yield "headstart verify model.onnx model"
    yield "headstart predict model new.jpg"
    yield "```"


def _figures(figures: Figures | None) -> Iterator[str]:
    if figures is None:
        yield "None are known: the card was made from a model folder, without its run."
        yield ""
        return
    yield f"Measured on {figures.measured_on}; 95 % intervals."
    yield ""
    rows = [
        ("accuracy", _share(figures.accuracy)),
        (f"always answering “{plain_text(figures.majority)}”", _share(figures.majority_baseline)),
        ("log-loss", _number(figures.log_loss)),
        ("calibration error", _number(figures.ece)),
    ]
    if figures.sure is not None:
        rows.append(("answers that are not unsure", _share(figures.sure[0])))
        rows.append(("accuracy of those", _share(figures.sure[1])))
    yield from _table(("", "figure"), rows)
    each = [(plain_text(c.name), _share(c.precision), _share(c.recall), f"{c.support:,}") for c in figures.per_class]
    yield from _table(("class", "precision", "recall", "pictures"), each)


def _limits(manifest: Manifest, figures: Figures | None) -> Iterator[str]:
    for alarm in figures.alarms if figures else ():
        yield f"- {plain_text(alarm)}"
    if figures and figures.unfamiliar is not None:
        yield f"- Of pictures like those of training {_share(figures.unfamiliar)} count as unfamiliar."
    if manifest.unfamiliar_above is None:
        yield "- It has not learned what is unfamiliar."
    if manifest.sure_from is None:
        yield "- It has not learned when it is unsure."
    yield "- The figures hold for pictures like those measured; cameras, places and times that differ may give others."
    yield "- It reads pixels decoded in full. headstart decodes a large JPEG at a fraction of its size, so that its"
    yield "  answer for the file may differ a little."
    yield ""


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield f"| {' | '.join(header)} |"
        yield f"|{'---|' * len(header)}"
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


def _share(estimate: Estimate) -> str:
    if not estimate.defined:
        return "undefined"
    return f"{estimate.value:.1%} [{estimate.low:.1%}, {estimate.high:.1%}] (n={estimate.n})"


def _number(estimate: Estimate) -> str:
    return str(estimate) if estimate.defined else "undefined"
