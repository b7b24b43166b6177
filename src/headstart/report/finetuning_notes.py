"""What was decided during a fine-tuning run, in words."""

from __future__ import annotations

from collections.abc import Iterable

from headstart.finetune import notes
from headstart.report.words import runtime_note


def in_words(taken: Iterable[notes.Note]) -> tuple[str, ...]:
    """Each of the notes ``taken`` in words, to go on a sentence."""
    return tuple(map(_words, taken))


def _words(note: notes.Note) -> str:
    match note:
        case notes.Diverged():
            return _diverged(note)
        case notes.MicroBatch():
            large = f"{note.batch} pictures together did not fit in memory"
            return f"{large}: gradients are summed over {note.micro} at a time"
        case notes.ArithmeticMeasured():
            ratio = max(note.f32, note.bf16) / min(note.f32, note.bf16)
            return (
                f"phase {note.phase} trained in {note.choice}: measured on this CPU, bf16 is {ratio:.1f} times "
                f"{'faster' if note.bf16 < note.f32 else 'slower'} here, cosine of its gradient to that in f32 "
                f"{note.cosine:.4f}"
            )
        case notes.TooLarge():
            return (
                f"{note.needed / 1e9:.1f} GB of maps do not fit in the {note.limit / 1e9:.1f} GB of the cache: they "
                "are computed again in every epoch; a later cut, fewer views or HEADSTART_CACHE_GB would help"
            )
        case notes.DiskFull():
            return (
                "the maps do not fit on the disk: they are computed again in every epoch; room for "
                f"{note.folder} would help"
            )
        case notes.Remade():
            return "kept maps were not what the network computes: they were thrown away and made again"
        case notes.NotRepeatable():
            return "this machine does not compute the same maps twice: none are kept"
        case _:
            return runtime_note(note)


def _diverged(note: notes.Diverged) -> str:
    if note.val_loss is None:
        said = f"the loss became {note.train_loss} in epoch {note.epoch}"
    else:
        said = f"the loss grew to {note.train_loss:.3g} in epoch {note.epoch}, validation {note.val_loss:.3g}"
    if note.lowered is None:
        return f"{said} again: training stopped at the last sound weights"
    return f"{said}: back to the weights before, on at {note.lowered:g} of the rate"
