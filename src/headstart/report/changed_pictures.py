"""In what the pictures differ from those of a run, in words."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.files import some
from headstart.images.record import Changes


def sentences(changes: Changes) -> tuple[str, ...]:
    """A sentence for each kind of change; other groups are told where nothing else explains them."""
    told = (
        _sentence(changes.missing, "missing"),
        _sentence(changes.added, "added"),
        _sentence([f"{before} → {now}" for before, now in changes.renamed], "renamed or moved"),
        _sentence(changes.contents, "with other contents"),
        _sentence(changes.classes, "with another class"),
        _sentence(changes.splits, "in another split"),
    )
    if not any(told) and changes.grouped:
        return ("The pictures are the same, and grouped differently.",)
    return tuple(sentence for sentence in told if sentence)


def _sentence(names: Sequence[str], what: str) -> str:
    count = f"{len(names)} picture{'s' if len(names) != 1 else ''}"
    return f"{count} {what}: {some(names, 5)}." if names else ""
