"""The page of a recipe that was run: what its write-up shows, with the honest figure first."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.catalog import Backbone
from headstart.deploy.model import versions
from headstart.images.folder import ImageSet
from headstart.images.transforms import Geometry, vary
from headstart.recipes.records import Recipe
from headstart.recipes.reproduction import Reproduction
from headstart.report import gallery
from headstart.report import recipe as words
from headstart.report.certificate import transfer_sentence
from headstart.report.curves import curve_verdict
from headstart.report.finetuning_notes import in_words
from headstart.report.page import ReportContent
from headstart.report.section import Section, Thumbnail


def content(
    ran: Reproduction,
    backbone: Backbone,
    images: ImageSet,
    index: NDArray[np.int64],
    proba: NDArray[np.float64],
    *,
    made: dict[str, str],
    command: str,
) -> ReportContent:
    """The page.

    Args:
        ran: what was measured.
        backbone: of the network.
        images: with their splits.
        index: (n,) positions of the pictures that the honest figure was measured on.
        proba: (n, k) probabilities of these.
        made: how the run was made: label → value.
        command: that repeats it.
    """
    samples = gallery.one_of_each(images, 9)
    return ReportContent(
        title=ran.recipe.name,
        evaluation=ran.evaluation,
        other_evaluations=ran.others,
        notes=_notes(ran),
        class_counts=gallery.class_counts(images),
        samples=tuple(gallery.thumbnail(images, i) for i in samples),
        augmented=gallery.views(
            _augmented(ran.recipe, backbone, images, samples[0]), caption=images.classes[images.y[samples[0]]]
        ),
        mistakes=gallery.mistakes(images, index, proba),
        history=ran.training.history,
        verdict=_verdict(ran),
        predictions=_answers(images, index, proba),
        sections=tuple(_sections(ran)),
        left_out=tuple((gallery.name_of(images, out.path), out.reason) for out in images.left_out),
        made=made,
        timings={"what is frozen, and getting ready": ran.training.prepared, "training": ran.training.history.seconds},
        command=command,
    )


def made_of(ran: Reproduction, backbone: Backbone, *, origin: str, seed: int) -> dict[str, str]:
    """How a run was made: label → value. ``origin`` is that of the weights."""
    recipe = ran.recipe
    phases = {
        f"Phase {number}": words.parameters(summary) for number, summary in enumerate(ran.training.summaries, start=1)
    }
    return {
        "Recipe": f"{recipe.name}: {recipe.about}",
        "Published": recipe.published or "no figure",
        "Departures": "; ".join(recipe.departures) or "none: as published",
        "Backbone": f"{backbone.name}, {origin} weights",
        "Frozen part ran with": ran.training.runtime,
        "Seed": str(seed),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
        **phases,
    }


def _notes(ran: Reproduction) -> tuple[str, ...]:
    transfer = ran.transfer
    return (
        words.before_training(ran.training.history, len(ran.classes)),
        words.sentence(words.best_epoch(ran.training.history, ran.training.n_val)),
        *ran.kept(),
        *([transfer_sentence(transfer)] if transfer is not None and transfer.verdict != "helps" else []),
        *(words.sentence(f"not as published: {departure}") for departure in ran.recipe.departures),
        *map(words.sentence, in_words(ran.training.notes)),
    )


def _verdict(ran: Reproduction) -> str:
    *phases, whole = map(curve_verdict, ran.training.verdicts)
    if not phases:
        return whole
    return " ".join([*(f"After phase {i}: {said}" for i, said in enumerate(phases, start=1)), f"At the end: {whole}"])


def _augmented(recipe: Recipe, backbone: Backbone, images: ImageSet, i: int) -> list[NDArray[np.uint8]]:
    """Nine augmented views of a picture, as training sees it; none for a recipe that does not augment."""
    plan, augment = recipe.plan, recipe.plan.augment
    if augment.kind == "none":
        return []
    geometry = Geometry(
        size=plan.size,
        mode=plan.mode,
        crop_pct=plan.crop_pct or backbone.crop_pct,
        interpolation=plan.interpolation or backbone.interpolation,
    )
    return vary(images.paths[i], geometry, augment.kind, range(9), area=augment.area, turn=augment.turn)


def _answers(images: ImageSet, index: NDArray[np.int64], proba: NDArray[np.float64]) -> tuple[Thumbnail, ...]:
    """Nine of the pictures, evenly spaced, each with the answer and its probability."""
    places = np.linspace(0, len(index) - 1, min(9, len(index))).round().astype(int)
    return tuple(
        gallery.thumbnail(
            images, int(index[i]), caption=f"{images.classes[int(proba[i].argmax())]} {proba[i].max():.0%}"
        )
        for i in places
    )


def _sections(ran: Reproduction) -> list[Section]:
    sections = [words.transfer_section(ran.transfer)] if ran.transfer is not None else []
    if ran.elsewhere:
        sections.append(words.elsewhere_section(ran.elsewhere, ran.classes))
    return sections
