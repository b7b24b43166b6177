"""Explain one answer of a run: the map, its check, and the training pictures that are most like the picture."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.deploy.explain import Explainer, Explanation
from headstart.deploy.reference import Reference, find_reference
from headstart.errors import DataError, UnreadableImageError
from headstart.files import display, sha256
from headstart.images.formats.unlabelled import pictures_of
from headstart.images.grey_levels import Levels
from headstart.report import gallery
from headstart.report.explain import Neighbour, explain_page
from headstart.report.page import write_report

NEIGHBOURS = 6


@dataclass(frozen=True, kw_only=True)
class Explained:
    """An explanation and the training pictures most like the picture, most like it first."""

    explanation: Explanation
    neighbours: tuple[Neighbour, ...]
    training: int | None = field(repr=False)
    """How many training pictures the run knows; None for a model without its run."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        neighbours = [{"path": near.name, "label": near.label, "likeness": near.likeness} for near in self.neighbours]
        return {**self.explanation.to_dict(), "neighbours": neighbours}


def explain(run: Path, source: str | Path, *, class_name: str | None = None, seed: int = 0) -> Explained:
    """Explain the answer for the one picture of ``source``, see `pictures_of`.

    Raises:
        DataError: none or several pictures; and as `deploy.explain.Explainer.explain`.
    """
    found = pictures_of([source]).paths
    if len(found) != 1:
        todo = "name one of them: unpack what holds several"
        raise DataError.of(f"pictures {display(source)}", expected="one picture", found=f"{len(found):,}", todo=todo)
    picture, explainer = found[0], Explainer(run)
    explanation = explainer.explain(picture, class_name=class_name, seed=seed)
    if find_reference(run) is None:
        return Explained(explanation=explanation, neighbours=(), training=None)
    reference = Reference.load(run)
    reference.require(explanation.classes, explanation.row)
    same, levels = sha256(picture), explainer.model.space.geometry.levels
    others = [
        (i, cosine) for i, cosine in reference.nearest(explanation.row, 2 * NEIGHBOURS) if reference.digests[i] != same
    ]
    neighbours = tuple(
        Neighbour(
            label=reference.classes[reference.y[i]],
            name=display(Path(reference.names[i])),
            likeness=cosine,
            jpeg=_jpeg(reference.path(i), reference.digests[i], levels),
        )
        for i, cosine in others[:NEIGHBOURS]
    )
    return Explained(explanation=explanation, neighbours=neighbours, training=len(reference))


def write_page(path: Path, explained: Explained, command: str) -> None:
    """Write the page of an explanation; ``command`` is what makes it again."""
    page = explain_page(explained.explanation, explained.neighbours, training=explained.training, command=command)
    write_report(path, page)


def _jpeg(path: Path, digest: str, levels: Levels | None) -> bytes | None:
    """A thumbnail, if the file is still there and the same."""
    try:
        known = path.is_file() and sha256(path) == digest
        return gallery.small_jpeg(path, levels) if known else None
    except (OSError, UnreadableImageError):
        return None
