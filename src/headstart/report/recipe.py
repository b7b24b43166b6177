"""What running a published recipe showed, in English: lines for a terminal, sentences and sections for its page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from headstart.claims.colour_baseline import Transfer
from headstart.evaluation.history import Epoch, History
from headstart.files import display
from headstart.report import gallery
from headstart.report.certificate import transfer_sentence
from headstart.report.section import Section, Table, text
from headstart.report.words import points

if TYPE_CHECKING:
    from headstart.finetune.trainable import Summary


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
    adapters = f"; {summary.adapters:,} in adapters" if summary.adapters else ""
    return (
        f"from {summary.train_from}: {summary.trainable:,} parameters in {summary.trainable_tensors} tensors learn"
        f"{parts}, of {summary.total:,} ({summary.total_with_statistics:,} with batch-norm statistics; "
        f"backbone {summary.base:,}, {summary.base_with_statistics:,} with them{adapters})"
    )


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


def kept_epoch(epoch: int, history: History) -> str:
    """Which weights are saved, where the recipe keeps those with the lowest validation loss."""
    return f"The weights of epoch {epoch} of {len(history.epochs)} are kept, which has the lowest validation loss."


def took(seconds: float, prepared: float) -> str:
    """How long the epochs took, and what came before them."""
    return f"trained in {seconds:.1f} s; {prepared:.1f} s more for what is frozen and for getting ready"


def verdicts(said: Sequence[str]) -> str:
    """What the curves showed after each phase, the whole run last, as a paragraph."""
    *phases, whole = said
    if not phases:
        return whole
    return " ".join([*(f"After phase {i}: {phase}" for i, phase in enumerate(phases, start=1)), f"At the end: {whole}"])


def sentence(text: str) -> str:
    """The text with a capital and a full stop."""
    return f"{text[0].upper()}{text[1:].rstrip('.')}."


def transfer_section(transfer: Transfer) -> Section:
    """Whether pretraining helped."""
    return Section(
        id="transfer", title="Did pretraining help?", sentences=(transfer_sentence(transfer),), method=text("transfer")
    )  # fmt: skip


def elsewhere_section(pictures: Sequence[tuple[Path, NDArray[np.float64]]], classes: Sequence[str]) -> Section:
    """Pictures of the user's and what the network answered: each with its probabilities (k,)."""
    answers = [(path, classes[int(proba.argmax())], proba) for path, proba in pictures]
    table = Table(
        about="Probabilities of every class",
        columns=("picture", "answer", *classes),
        rows=tuple((display(path), answer, *(f"{p:.1%}" for p in proba)) for path, answer, proba in answers),
        numbers=tuple(range(2, 2 + len(classes))),
    )
    thumbnails = tuple(gallery.picture(path, caption=f"{answer} {proba.max():.1%}") for path, answer, proba in answers)
    return Section(id="elsewhere", title="Pictures from elsewhere", thumbnails=thumbnails, table=table)
