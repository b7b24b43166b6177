"""Everything that can be doubted about a set of labelled pictures, brought together and ranked.

Two doubts (`headstart.audit.doubts`) are probabilities that all is well, so they make one list: that the label is
right, and that the picture is an ordinary one. A picture's suspicion is one less their product.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

from headstart.arrays import Floats, Index, Mask, Rows
from headstart.audit import shortcuts
from headstart.audit.doubts import Conflict, LabelDoubts, conflicts, doubt_labels, ordinary
from headstart.audit.duplicates import Deduplicated
from headstart.audit.shortcuts import Shortcut
from headstart.audit.summary import Audit
from headstart.audit.wrong_labels import wrong_labels
from headstart.evaluation.intervals import Estimate
from headstart.features.table import FeatureTable
from headstart.files import plain
from headstart.images.facts import FACTS, GREY, Facts, unpacked
from headstart.images.folder import ImageSet
from headstart.probe.choice import Choice
from headstart.probe.trials import ProbeOptions

SUSPICIOUS = 0.5
"""Suspicion, a probability, from which a picture is listed: something is more likely wrong with it than not. A
definition; how many wrong labels it finds is measured in ``benchmarks/doubts.py flips``."""
UNORDINARY = 0.5
"""q-value, 0 to 1, up to which a picture is called unlike the others: half of those as far out would be there by
chance. Chosen, not measured; harmless, for such a picture is listed by SUSPICIOUS anyway and this only words it."""
BLANK = 4.0
"""Standard deviation of the grey levels, 0 to 127.5, below which a picture is called blank: the flattest of 2,898
photographs has 14.5 (``benchmarks/doubts.py poor``)."""
BLURRED = -3.5
"""Robust standard deviations of the logarithm of sharpness below the set's median from which a picture is called
blurred: Iglewicz and Hoaglin, "How to detect and handle outliers", 1993, who recommend 3.5. Of 2,898
photographs two are beyond it (``benchmarks/doubts.py poor``)."""
MAD_OF_NORMAL = 0.6745
"""Median absolute deviation of the normal law, in standard deviations: its upper quartile."""
ENOUGH = 20
"""Pictures from which blur is looked for. Chosen, not measured: a median deviation of fewer is hardly one. Harmless, as
poor pictures are only listed."""
MIXED = 16.0
"""Largest area in pixels over smallest, the extreme hundredths aside, from which sizes are called mixed: four times the
side, so that some are enlarged where others are reduced. Chosen, not measured; it only adds a sentence."""
FEW = 0.2
"""Share of the pictures up to which grey or tiny ones are exceptions; above, that is how these pictures are. Chosen,
not measured; harmless, as poor pictures are only listed."""

PoorKind = Literal["blank", "tiny", "blurred"]
_COPIES = ("duplicates_within", "duplicates_across", "groups_across", "conflicting", "left_out")  # of `Audit`


@dataclass(frozen=True, kw_only=True)
class LooksLike:
    """Another class that a picture looks like to a classifier that was not fitted on it."""

    label: int
    """Position of the class."""
    proba: float
    """Its probability, 0 to 1."""
    confident: bool
    """Whether it reaches the mean probability of pictures labelled so (confident learning)."""


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A picture a person should look at, and why: the reasons in the order of their weight. Where none of them holds,
    neither doubt is enough alone and both together are."""

    index: int
    """Its position in the image set."""
    suspicion: float
    """Probability that something is wrong with it, ½ to 1."""
    suggested: str
    """The label it probably should have; empty where the doubt is about the picture."""
    blank: bool
    """It shows one colour."""
    copy: int | None
    """Position of a picture that shows the same under another label."""
    looks_like: LooksLike | None
    """The class that it looks more like than its own; None for a blank one, which deserves no other label."""
    unlike_others: bool
    """It is unlike all other pictures, whatever their label."""


@dataclass(frozen=True, kw_only=True)
class Poor:
    """A picture that shows little."""

    index: int
    """Its position in the image set."""
    kind: PoorKind


@dataclass(frozen=True, kw_only=True)
class MixedSizes:
    """Width and height in pixels of two pictures: a hundredth are smaller than the one, and larger than the other."""

    small: tuple[int, int]
    large: tuple[int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What can be doubted about ``images``; positions are in them. `headstart.report.pictures` says it in words."""

    images: ImageSet
    audit: Audit
    facts: Facts = field(repr=False)
    suspects: tuple[Suspect, ...]
    """Most suspicious first."""
    wrong_labels: Estimate
    """How many labels are wrong; the interval holds 0 where nothing shows that any is."""
    poor: tuple[Poor, ...]
    """Blank first, then tiny, then blurred; each picture once."""
    grey: tuple[int, ...]
    """Positions of grey pictures where nearly all are coloured."""
    mixed: MixedSizes | None
    """None where sizes differ little."""
    shortcuts: tuple[Shortcut, ...]
    """Every fact that was tried, the most telling first."""

    @property
    def alarms(self) -> tuple[Shortcut, ...]:
        """Facts that give the class away."""
        return tuple(shortcut for shortcut in self.shortcuts if shortcut.alarm)

    @property
    def mislabelled(self) -> int:
        """Pictures that look more like another class than their own."""
        return sum(bool(suspect.suggested) for suspect in self.suspects)

    @property
    def out_of_place(self) -> int:
        """Pictures that are doubted, and not for their label."""
        return len(self.suspects) - self.mislabelled

    def to_dict(self) -> dict[str, Any]:
        """How much was found of each kind, in plain JSON types."""
        counts = {name: len(getattr(self.audit, name)) for name in _COPIES} | {
            kind: sum(picture.kind == kind for picture in self.poor) for kind in get_args(PoorKind)
        }
        given_away = [shortcut.fact for shortcut in self.alarms]
        counts |= {"grey": len(self.grey), "mislabelled": self.mislabelled, "unlike_others": self.out_of_place}
        return plain(self, "mixed", "wrong_labels", shortcuts=given_away, **counts)


def find_doubtful(
    images: ImageSet, proba: Floats, X: Rows, *, audit: Audit, facts: Facts, input_size: int, seed: int, clusters: Index
) -> Findings:
    """Look for everything that can be doubted.

    Args:
        images: n pictures.
        proba: (n, k), each row from a classifier that was not fitted on that picture.
        X: (n, d) frozen features.
        audit: of these pictures.
        facts: of these pictures.
        input_size: of the network, in pixels: what has less than half of it on its shorter side is tiny.
        seed: of folds, samples and shuffles.
        clusters: (n,) the same number for pictures that show the same. Where their labels differ, at least one of
            them is wrong.
    """
    doubts = doubt_labels(proba, images.y)
    usual = ordinary(X, images.groups, seed=seed)
    poor = _poor(facts, input_size)
    blank = {picture.index for picture in poor if picture.kind == "blank"}
    train = images.in_split("train")
    in_train = Facts(images=tuple(facts.images[i] for i in train))
    return Findings(
        images=images,
        audit=audit,
        facts=facts,
        suspects=_suspects(images, proba, doubts, usual, conflicts(clusters, images.y, proba), blank),
        wrong_labels=wrong_labels(proba, images.y, X, images.groups),
        poor=poor,
        grey=_grey(facts),
        mixed=_mixed(facts),
        shortcuts=shortcuts.find(in_train, images.y[train], images.groups[train], seed=seed),
    )


def _suspects(
    images: ImageSet,
    proba: Floats,
    doubts: LabelDoubts,
    usual: Floats,
    copies: Mapping[int, Conflict],
    blank: set[int],
) -> tuple[Suspect, ...]:
    """The pictures from SUSPICIOUS up, most suspicious first, each with its reasons."""
    right = doubts.confidence.copy()
    for i, copy in copies.items():
        right[i] = min(right[i], copy.right)
    suspicion = 1.0 - right * usual
    suspects = []
    for i in np.argsort(-suspicion, kind="stable").tolist():
        if suspicion[i] < SUSPICIOUS:
            break
        other, looks_like = copies[i].other if i in copies else None, None
        if doubts.confidence[i] < 0.5 and i not in blank:  # what shows nothing deserves no other label
            label = int(doubts.suggested[i])
            confident = bool(doubts.confident[i])
            looks_like = LooksLike(label=label, proba=float(proba[i, label]), confident=confident)
        deserved = int(images.y[other]) if other is not None else looks_like.label if looks_like else None
        suspects.append(
            Suspect(
                index=i,
                suspicion=float(suspicion[i]),
                suggested="" if deserved is None else images.classes[deserved],
                blank=i in blank,
                copy=other,
                looks_like=looks_like,
                unlike_others=bool(usual[i] <= UNORDINARY),
            )
        )
    return tuple(suspects)


def _poor(facts: Facts, input_size: int) -> tuple[Poor, ...]:
    """Blank first, then tiny, then blurred; each picture once."""
    shorter = np.minimum(facts.column("width"), facts.column("height"))
    contrast, sharpness = facts.column("contrast"), facts.column("sharpness")
    with np.errstate(divide="ignore"):
        logs = np.log(sharpness)
    known = np.isfinite(logs)
    scale = np.full(len(logs), np.nan)
    if known.sum() >= ENOUGH:
        middle = np.median(logs[known])
        deviation = np.median(np.abs(logs[known] - middle)) / MAD_OF_NORMAL
        scale = (logs - middle) / max(float(deviation), 1e-6)
    tiny = shorter < input_size / 2
    if np.mean(tiny) > FEW:
        tiny[:] = False  # then it is how these pictures are, and no exception
    kinds: dict[PoorKind, Mask] = {"blank": contrast < BLANK, "tiny": tiny, "blurred": scale < BLURRED}
    poor: dict[int, Poor] = {}
    for kind, mask in kinds.items():
        for i in np.flatnonzero(mask).tolist():
            poor.setdefault(i, Poor(index=i, kind=kind))
    return tuple(poor.values())


def _grey(facts: Facts) -> tuple[int, ...]:
    grey = facts.column("colour") < GREY
    return tuple(np.flatnonzero(grey).tolist()) if 0 < grey.mean() <= FEW else ()


def _mixed(facts: Facts) -> MixedSizes | None:
    width, height = facts.column("width"), facts.column("height")
    area = width * height
    known = np.flatnonzero(np.isfinite(area))
    if len(known) < 2:
        return None
    order = known[np.argsort(area[known], kind="stable")]
    low, high = (int(order[round(share * (len(order) - 1))]) for share in (0.01, 0.99))
    if area[high] < MIXED * area[low]:
        return None
    return MixedSizes(small=(int(width[low]), int(height[low])), large=(int(width[high]), int(height[high])))


def inspect(
    table: FeatureTable, choice: Choice, options: ProbeOptions, audit: Audit, deduplicated: Deduplicated
) -> Findings:
    """Look for everything that can be doubted about the images of the table, on which ``choice`` was made.

    Args:
        table: of ``deduplicated.images``.
        choice: the head; training images are doubted by its out-of-fold answers.
        options: that it was chosen with; outliers are looked for among the rows of the first size.
        audit: what counting and hashing found.
        deduplicated: the copies.
    """
    kept = list(table.noted(FACTS, stage="looking at the files"))
    return find_doubtful(
        table.images,
        unseen_proba(table, choice),
        table.rows(options.sizes[0], "last", np.arange(len(table.images))),
        audit=audit,
        facts=unpacked(table.images.paths, kept),
        input_size=table.bench.network.backbone.input_size,
        clusters=_clusters(deduplicated),
        seed=options.seed,
    )


def unseen_proba(table: FeatureTable, choice: Choice) -> Floats:
    """Probabilities (n, k) of every image from a head that was not fitted on it.

    Training images are answered out of fold, the others by the head itself. Good for doubting images; an accuracy
    taken from it would be too high, because the head was chosen by these answers.
    """
    images = table.images
    proba = np.empty((len(images), len(images.classes)))
    proba[images.split == "train"] = choice.proba
    if len(others := np.flatnonzero(images.split != "train")):
        X = table.rows(choice.candidate.size, choice.candidate.output, others)
        proba[others] = choice.head.predict_proba(X)
    return proba


def _clusters(deduplicated: Deduplicated) -> Index:
    """(n,) the same number for the images of ``deduplicated.images`` that show the same."""
    given = deduplicated.copies.images
    clusters = np.unique(given.digests, return_inverse=True)[1].astype(np.int64)
    for members in deduplicated.copies.clusters:
        clusters[list(members)] = clusters[members[0]]
    return np.delete(clusters, deduplicated.dropped)
