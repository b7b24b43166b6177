"""What running a published recipe showed, in English: lines for a terminal, metrics.json, and the page of the run."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from headstart.abstain.abstention import Abstention, AbstentionReport
from headstart.arrays import Floats
from headstart.backbones import catalog
from headstart.claims.colour_baseline import Transfer
from headstart.deploy.model import Prediction, versions
from headstart.deploy.predictions import row
from headstart.evaluation.curves import verdict
from headstart.evaluation.held_out import AnsweredPart
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.metrics import Evaluation
from headstart.files import plain, some
from headstart.finetune.plan import Procedure
from headstart.images.folder import ImageSet
from headstart.images.grey_levels import Levels
from headstart.report import gallery
from headstart.report.abstention import abstention_lines, abstention_section
from headstart.report.certificate import transfer_sentence
from headstart.report.curves import curve_verdict
from headstart.report.departures import departure, departure_documents, departures_in_short
from headstart.report.finetuning_notes import in_words
from headstart.report.first_look import FirstLook
from headstart.report.page import ReportContent
from headstart.report.section import Section, Table, Thumbnail, text
from headstart.report.words import counted, evaluation_document, level_lines, measured_on, points

if TYPE_CHECKING:
    from headstart.finetune.notes import Note
    from headstart.finetune.trainable import Summary


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """What `headstart.recipes.runner.run` measured."""

    recipe: Procedure
    folder: Path
    classes: tuple[str, ...]
    history: History
    n_val: int
    """Validation pictures."""
    kept_epoch: int
    """Epoch whose weights are saved."""
    kept_as: Literal["last", "best"]
    """Why that: it is the last one, or it has the lowest validation loss of its phase."""
    summaries: tuple[Summary, ...]
    """Counts of parameters, a phase each."""
    notes: tuple[Note, ...]
    """What was decided on the way."""
    runtime: str
    """What ran the frozen part."""
    prepared: float
    """Seconds spent on the outputs of what is frozen, and on getting ready; almost none where the cache has them."""
    evaluation: Evaluation
    """Of the saved weights: on the test split if there is one, else on the validation split."""
    others: tuple[Evaluation, ...]
    """Shown beside it."""
    transfer: Transfer | None
    """None for random weights: there is nothing to transfer."""
    elsewhere: tuple[Prediction, ...] = field(repr=False)
    """Of pictures of the user's."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of every file that was not used."""
    finished_before: int = 0
    """Epochs that an earlier call had finished, whose preparation is not in ``prepared``."""
    abstention: Abstention = field(default_factory=Abstention)
    """When the saved model should not be relied on."""
    abstention_report: AbstentionReport | None = None
    """How that fared on the pictures of ``evaluation``."""

    @property
    def seconds(self) -> float:
        """All that the run took, what is frozen included."""
        return self.prepared + self.history.seconds

    @property
    def shares(self) -> tuple[tuple[Path, Floats], ...]:
        """Of the pictures elsewhere: path and probabilities (k,)."""
        return tuple((each.path, each.proba) for each in self.elsewhere if each.path and each.proba is not None)

    @property
    def answers(self) -> tuple[dict[str, Any], ...]:
        """Of the pictures elsewhere: path, label, probability, and whether that is unsure or unfamiliar."""
        names = ("path", "label", "probability", "unsure", "unfamiliar")
        rows = (row(prediction, self.classes) for prediction in self.elsewhere)
        return tuple({name: answer[name] for name in names} for answer in rows)


def lines(ran: Reproduction) -> Iterator[str]:
    """What people read after a run, line by line; `headstart.recipes.runner.run` tells what comes before."""
    yield took(ran)
    for evaluation in (ran.evaluation, *ran.others):
        yield f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}"
    if ran.abstention_report is not None:
        yield from abstention_lines(ran.abstention_report)
    yield best_epoch(ran.history, ran.n_val)
    yield from kept(ran)
    *phases, whole = verdicts(ran)
    for number, said in enumerate(phases, start=1):
        yield f"after phase {number}: {said}"
    yield whole
    if ran.transfer is not None:
        yield transfer_sentence(ran.transfer)
    for answer in ran.answers:
        yield f"{answer['path']}: {' · '.join(_answer_words(answer))}"


def took(ran: Reproduction) -> str:
    """How long all of it took, and what of that."""
    before = ", not counting what came before the " + counted(ran.finished_before, "epoch") + " of an earlier run"
    return (
        f"trained in {ran.seconds:.1f} s{before if ran.finished_before else ''}: {ran.history.seconds:.1f} s for "
        f"{counted(len(ran.history.epochs), 'epoch')}, {ran.prepared:.1f} s for what is frozen and all else"
    )


def _answer_words(answer: dict[str, Any]) -> list[str]:
    """The answer for a picture from elsewhere, and what is to be said of it."""
    doubts = [doubt for doubt in ("unsure", "unfamiliar") if answer[doubt]]
    return [f"{answer['label']} {answer['probability']:.1%}", *doubts]


def document(ran: Reproduction) -> dict[str, Any]:
    """Plain JSON types."""
    *phases, whole = verdicts(ran)
    return {
        "run": str(ran.folder),
        **evaluation_document(ran.evaluation),
        "others": [evaluation_document(evaluation) for evaluation in ran.others],
        "recipe": ran.recipe.name,
        "departures": departure_documents(ran.recipe),
        "initial": before_training(ran.history, len(ran.classes)),
        "best_epoch": best_epoch(ran.history, ran.n_val),
        "kept_epoch": ran.kept_epoch,
        "kept_as": ran.kept_as,
        "phase_verdicts": list(phases),
        "verdict": whole,
        "transfer": plain(ran.transfer, text=transfer_sentence(ran.transfer)) if ran.transfer else None,
        "elsewhere": list(ran.answers),
        "notes": list(in_words(ran.notes)),
        "left_out": [{"path": path, "reason": reason} for path, reason in ran.left_out],
        "summaries": [vars(summary) for summary in ran.summaries],
        "seconds": round(ran.seconds, 2),
        "training_seconds": round(ran.history.seconds, 2),
        "prepared_seconds": round(ran.prepared, 2),
        "abstention": ran.abstention_report.to_dict() if ran.abstention_report else None,
    }


def content(
    ran: Reproduction, images: ImageSet, part: AnsweredPart, *, look: FirstLook, origin: str, seed: int, command: str
) -> ReportContent:
    """The page, with the honest figure first.

    Args:
        ran: what was measured.
        images: with their splits.
        part: the pictures that the honest figure was measured on.
        look: at the pictures, from before training.
        origin: of the weights.
        seed: of everything that was drawn.
        command: that repeats it.
    """
    return ReportContent(
        title=ran.recipe.name,
        evaluation=ran.evaluation,
        other_evaluations=ran.others,
        notes=(*_notes(ran), *level_lines(images)),
        class_counts=look.class_counts,
        samples=look.samples,
        augmented=look.augmented,
        mistakes=gallery.mistakes(images, part.index, part.proba),
        history=ran.history,
        verdict=paragraphs(verdicts(ran)),
        predictions=_answers(images, part),
        sections=tuple(_sections(ran, images.levels)),
        left_out=look.left_out,
        made=_made(ran, origin, seed),
        timings={"what is frozen, and all else": ran.prepared, "epochs": ran.history.seconds},
        command=command,
    )


def _made(ran: Reproduction, origin: str, seed: int) -> dict[str, str]:
    """How a run was made: label → value."""
    recipe = ran.recipe
    return {
        "Recipe": f"{recipe.name}: {recipe.about}",
        "Published": recipe.published or "no figure",
        "Saved weights": saved(ran),
        "Backbone": f"{catalog.get(recipe.backbone).name}, {origin} weights",
        "Frozen part ran with": ran.runtime,
        "Seed": str(seed),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        **{f"Phase {number}": parameters(summary) for number, summary in enumerate(ran.summaries, start=1)},
    }


def _notes(ran: Reproduction) -> tuple[str, ...]:
    transfer = ran.transfer
    return (
        before_training(ran.history, len(ran.classes)),
        sentence(best_epoch(ran.history, ran.n_val)),
        *kept(ran),
        *([transfer_sentence(transfer)] if transfer is not None and transfer.verdict != "helps" else []),
        *departures_in_short(ran.recipe),
        *map(sentence, in_words(ran.notes)),
    )


def _answers(images: ImageSet, answered: AnsweredPart) -> tuple[Thumbnail, ...]:
    """Nine of the pictures, evenly spaced, each with the answer and its probability."""
    n = len(answered.index)
    places = np.linspace(0, n - 1, min(9, n)).round().astype(int)
    return tuple(
        gallery.thumbnail(images, int(i), caption=f"{images.classes[int(proba.argmax())]} {proba.max():.0%}")
        for i, proba in zip(answered.index[places], answered.proba[places], strict=True)
    )


def _sections(ran: Reproduction, levels: Levels | None) -> Iterator[Section]:
    departures = tuple(sentence(departure(fact)) for fact in ran.recipe.departures)
    yield Section(
        id="departures",
        title="What is not as published",
        sentences=() if departures else ("Nothing that is known: this is the write-up's procedure.",),
        items=departures,
    )
    if ran.abstention_report is not None:
        yield abstention_section(ran.abstention, ran.abstention_report)
    if ran.transfer is not None:
        said = transfer_sentence(ran.transfer)
        yield Section(id="transfer", title="Did pretraining help?", sentences=(said,), method=text("transfer"))
    if ran.elsewhere:
        yield _elsewhere(ran, levels)


def epoch_line(epoch: Epoch) -> str:
    """One epoch in a line."""
    return (
        f"epoch {epoch.epoch:>3}  phase {epoch.phase}  train {epoch.train_loss:.4f} {epoch.train_accuracy:.4f}  "
        f"val {epoch.val_loss:.4f} {epoch.val_accuracy:.4f}  {epoch.seconds:.1f} s"
    )


def parameters(summary: Summary) -> str:
    """How many parameters a phase trains."""
    of_backbone = summary.trainable - summary.head
    parts = f" ({of_backbone:,} of the backbone, {summary.head:,} of the head)" if of_backbone else ""
    counts = [f"backbone {summary.base:,}"]
    if summary.batch_norm_statistics:
        counts = [f"{summary.total_with_statistics:,} with batch-norm statistics"]
        counts += [f"backbone {summary.base:,}, {summary.base_with_statistics:,} with them"]
    counts += [f"{summary.adapters:,} in adapters"] if summary.adapters else []
    return (
        f"from {summary.train_from}: {summary.trainable:,} parameters in {summary.trainable_tensors} tensors learn"
        f"{parts}, of {summary.total:,} ({'; '.join(counts)})"
    )


def left_out_lines(ran: Reproduction) -> list[str]:
    """How many files were not used, and which."""
    if not ran.left_out:
        return []
    number = len(ran.left_out)
    which = some([f"{path} ({reason})" for path, reason in ran.left_out], 5)
    return [f"{counted(number, 'file')} left out: {which}"]


def before_training(history: History, num_classes: int) -> str:
    """Loss and accuracy of the untrained head, beside those of guessing evenly."""
    return (
        f"Before training: validation loss {history.initial_loss:.4f}, accuracy {history.initial_accuracy:.4f} "
        f"(guessing evenly: {math.log(num_classes):.4f}, {1 / num_classes:.4f})."
    )


def best_epoch(history: History, n_val: int) -> str:
    """The figure that write-ups quote, why it is too optimistic, and by how much it is above the last epoch's."""
    best, last = history.best_accuracy.val_accuracy, history.last.val_accuracy
    less = f"{last:.4f}, {points(best - last)} points less" if best > last else "the same"
    chosen = "this picture" if n_val == 1 else f"these {n_val:,} pictures"
    return (
        f"best validation accuracy {best:.4f}, in epoch {history.best_accuracy.epoch} of {len(history.epochs)}: too "
        f"optimistic, because the epoch was chosen on {chosen}; the last epoch has {less}"
    )


def saved(ran: Reproduction) -> str:
    """Which epoch's weights are saved."""
    of = f"of epoch {ran.kept_epoch} of {len(ran.history.epochs)}"
    which = "the last" if ran.kept_as == "last" else "the lowest validation loss of its phase"
    return f"{of}, {which}"


def kept(ran: Reproduction) -> tuple[str, ...]:
    """Which epoch's weights are saved, if not the last but those with the lowest validation loss."""
    if ran.kept_as == "last":
        return ()
    epoch, count = ran.kept_epoch, len(ran.history.epochs)
    of_phase = " of its phase" if len(ran.history.phases) > 1 else ""
    return (f"The weights of epoch {epoch} of {count} are kept, which has the lowest validation loss{of_phase}.",)


def verdicts(ran: Reproduction) -> tuple[str, ...]:
    """What the curves showed after each phase, in words; the last is of the whole run."""
    ends = (phase[-1].epoch for phase in ran.history.phases)
    runs = (replace(ran.history, epochs=ran.history.epochs[:end]) for end in ends)
    return tuple(curve_verdict(verdict(run, n_val=ran.n_val)) for run in runs)


def paragraphs(said: Sequence[str]) -> tuple[str, ...]:
    """The verdicts after each phase and of the whole run, each with its name where there are several."""
    *phases, whole = said
    after = [f"After phase {i}: {phase}" for i, phase in enumerate(phases, start=1)]
    return (*after, f"At the end: {whole}" if after else whole)


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def _elsewhere(ran: Reproduction, levels: Levels | None) -> Section:
    """Pictures of the user's and what the network answered."""
    said = [_answer_words(answer) for answer in ran.answers]
    rows, thumbnails = [], []
    for (path, proba), answer, words in zip(ran.shares, ran.answers, said, strict=True):
        rows.append((answer["path"], ", ".join([answer["label"], *words[1:]]), *(f"{p:.1%}" for p in proba)))
        thumbnails.append(gallery.picture(path, caption="\n".join(words), levels=levels))
    table = Table(
        about="Probabilities of every class",
        columns=("picture", "answer", *ran.classes),
        rows=tuple(rows),
        numbers=tuple(range(2, 2 + len(ran.classes))),
    )
    return Section(id="elsewhere", title="Pictures from elsewhere", thumbnails=tuple(thumbnails), table=table)
