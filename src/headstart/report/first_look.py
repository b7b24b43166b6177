"""What a recipe shows before it trains: pictures by class, the first nine, and nine augmented views of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from headstart.files import below
from headstart.finetune.plan import Augment
from headstart.images.folder import ImageSet
from headstart.images.transforms import Geometry, vary
from headstart.report import figures, gallery
from headstart.report.page import PlainPage
from headstart.report.section import Section, Table, Thumbnail
from headstart.report.words import counted

SHOWN = 9
"""Pictures, and views of one, as the write-ups show them."""


@dataclass(frozen=True, kw_only=True)
class FirstLook:
    """The pictures of a run, before any training."""

    class_counts: Mapping[str, Mapping[str, int]]
    """Split → class → number of pictures."""
    names: tuple[str, ...]
    """Of the first pictures, below the folder that was read."""
    samples: tuple[Thumbnail, ...] = field(repr=False)
    """The same, small, with their labels."""
    augmented: tuple[Thumbnail, ...] = field(repr=False)
    """Views of the first; empty where a recipe does not augment."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Path and reason of every file that is not used."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types, without the pictures themselves."""
        return {
            "class_counts": {split: dict(counts) for split, counts in self.class_counts.items()},
            "first_pictures": list(self.names),
            "augmented_views": len(self.augmented),
            "left_out": [{"path": path, "reason": reason} for path, reason in self.left_out],
        }


def first_look(images: ImageSet, geometry: Geometry, augment: Augment) -> FirstLook:
    """Look at pictures that have their splits, made square as ``geometry`` says: the first by name."""
    images = images.subset(images.by_name)
    shown = gallery.one_of_each(images, SHOWN)
    first, views = shown[0], []
    if augment.kind != "none":
        views = vary(images.paths[first], geometry, augment.kind, range(SHOWN), area=augment.area, turn=augment.turn)
    return FirstLook(
        class_counts=images.counts,
        names=tuple(below(images.root, images.paths[i]) for i in shown),
        samples=tuple(gallery.thumbnail(images, i) for i in shown),
        augmented=gallery.views(views, caption=images.classes[images.y[first]]),
        left_out=tuple((below(images.root, out.path), out.reason) for out in images.left_out),
    )


def first_page(title: str, look: FirstLook, *, command: str) -> PlainPage:
    """The page that is there while training goes on, and stays where it was cut off."""
    counts = [f"{counted(sum(of.values()), 'picture')} in {split}" for split, of in look.class_counts.items()]
    views = "" if look.augmented else "This recipe does not augment."
    sections = [
        Section(id="classes", title="Pictures by class", figures=(figures.class_counts(look.class_counts),)),
        Section(id="samples", title="The first pictures and their labels", thumbnails=look.samples),
        Section(
            id="augmented",
            title="Augmented views of one picture",
            sentences=(views,) if views else (),
            thumbnails=look.augmented,
        ),
    ]
    if look.left_out:
        table = Table(about=counted(len(look.left_out), "file"), columns=("file", "why"), rows=look.left_out)
        sections.append(Section(id="left-out", title="Files left out", table=table))
    lede = (f"{', '.join(counts)}. This is what training begins with; report.html shows what came of it.",)
    return PlainPage(title=f"{title}, before training", lede=lede, sections=tuple(sections), command=command)
