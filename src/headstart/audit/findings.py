"""Everything that can be doubted about a set of labelled pictures, brought together and ranked.

Two kinds of doubt have the same scale, the probability that all is well, so they make one list: that the label is
right (``labels``), and that the picture is an ordinary one (``outliers``). A picture's suspicion is one less their
product. Pictures come into the list from ½ up: more likely wrong than right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from headstart.audit import labels, outliers, shortcuts
from headstart.audit.labels import LabelDoubts
from headstart.audit.outliers import Outliers
from headstart.audit.shortcuts import Shortcut
from headstart.audit.summary import Audit
from headstart.files import display
from headstart.images.facts import GREY, Facts
from headstart.images.folder import ImageSet

SUSPICIOUS = 0.5
UNORDINARY = 0.5  # q-value up to which a picture is called unlike the others
BLANK = 4.0  # standard deviation of grey levels, of 255
BLURRED = -3.5  # standard deviations of log-sharpness below the set's median
ENOUGH = 20  # pictures from which blurred is judged
MIXED = 16.0  # largest area over smallest, of the middle 98 %
FEW = 0.2  # share of the pictures up to which greyness is an exception, and tiny ones are too
_LEARNT = "A network may learn it in place of what is in the picture."
_RISK = dict.fromkeys(
    (shortcuts.NUMBER, shortcuts.DATE),
    "Each class seems to have been taken in one go, so light or place may be learned in place of the subject.",
)

_WORDS = {
    "blank": "blank: one colour nearly all over",
    "tiny": "tiny: {0.width} × {0.height} pixels",
    "blurred": "blurred: far less sharp than the others",
}

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A picture a person should look at."""

    index: int
    """Its position in the image set."""
    suspicion: float
    """Probability that something is wrong with it, ½ to 1."""
    suggested: str
    """The label it probably should have; empty where the doubt is about the picture."""
    why: tuple[str, ...]
    """In words, the weightiest first."""


@dataclass(frozen=True, kw_only=True)
class Poor:
    """A picture that shows little: blank, tiny or blurred."""

    index: int
    why: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Findings:
    """What was found. Positions are those of ``images``."""

    images: ImageSet
    audit: Audit
    facts: Facts = field(repr=False)
    suspects: tuple[Suspect, ...]
    """Most suspicious first."""
    expected_errors: float
    """How many labels are wrong, as estimated."""
    poor: tuple[Poor, ...]
    grey: tuple[int, ...]
    """Grey pictures where nearly all are coloured."""
    mixed: str
    """How the sizes differ, in words; empty where they differ little."""
    shortcuts: tuple[Shortcut, ...]
    """Every fact that was tried, the most telling first."""
    doubts: LabelDoubts = field(repr=False)
    outliers: Outliers = field(repr=False)

    @property
    def alarms(self) -> tuple[Shortcut, ...]:
        """Facts that give the class away."""
        return tuple(one for one in self.shortcuts if one.alarm)

    @property
    def showing_little(self) -> dict[int, str]:
        """Position → why, in words, of every poor or grey picture."""
        words = {one.index: one.why for one in self.poor}
        for i in self.grey:
            words.setdefault(i, "grey, where the others are in colour")
        return words

    def lines(self) -> list[str]:
        """Plain sentences for people, the most serious first."""
        lines = [describe(one, self.images.classes) for one in self.alarms]
        lines += self.audit.lines()
        mislabelled = sum(bool(one.suggested) for one in self.suspects)
        if mislabelled:
            wrong = f"Estimated over all pictures, about {self.expected_errors:.0f} are wrong."
            lines.append(f"Labels in doubt: {mislabelled} of {len(self.images):,}. {wrong}")
        if odd := len(self.suspects) - mislabelled:
            lines.append(f"Pictures unlike the others: {odd}. See whether they belong here.")
        for why, count in Counter(one.why.partition(":")[0] for one in self.poor).most_common():
            lines.append(f"Pictures that are {why}: {count}.")
        if self.grey:
            lines.append(f"Grey pictures among coloured ones: {len(self.grey)}.")
        return lines + ([self.mixed] if self.mixed else [])


def check(
    images: ImageSet,
    proba: Floats,
    X: NDArray[np.float32],
    *,
    audit: Audit,
    facts: Facts,
    input_size: int,
    seed: int,
    clusters: Ints | None = None,
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
        clusters: (n,) the same number for pictures that show the same; byte-identical files by default. Where their
            labels differ, at least one of them is wrong.
    """
    if clusters is None:
        clusters = np.unique(images.digests, return_inverse=True)[1]
    doubts = labels.doubt(proba, images.y)
    odd = outliers.find(X, images.groups, seed=seed)
    poor = _poor(facts, input_size)
    blank = {one.index: one.why for one in poor if one.why == _WORDS["blank"]}
    train = np.flatnonzero(images.split == "train")
    in_train = Facts(images=tuple(facts.images[i] for i in train))
    return Findings(
        images=images,
        audit=audit,
        facts=facts,
        suspects=_suspects(images, proba, doubts, odd, clusters, blank),
        expected_errors=doubts.expected,
        poor=poor,
        grey=_grey(facts),
        mixed=_mixed(facts),
        shortcuts=shortcuts.find(
            in_train, [images.paths[i] for i in train], images.y[train], images.groups[train], seed=seed
        ),
        doubts=doubts,
        outliers=odd,
    )


def describe(one: Shortcut, classes: Sequence[str]) -> str:
    """A shortcut in words."""
    label = display(classes[one.label])
    return (
        f"Shortcut: the {one.fact} alone gives “{label}” away. It recognises {one.recognised:.0%} of these pictures "
        f"and takes {one.mistaken:.0%} of the others for them. {_RISK.get(one.fact, _LEARNT)}"
    )


def _suspects(
    images: ImageSet, proba: Floats, doubts: LabelDoubts, odd: Outliers, clusters: Ints, blank: Mapping[int, str]
) -> tuple[Suspect, ...]:
    copies = labels.conflicts(clusters, images.y, proba)
    right = doubts.confidence.copy()
    for i, copy in copies.items():
        right[i] = min(right[i], copy.right)
    suspicion = 1.0 - right * odd.ordinary
    found = []
    for i in np.argsort(-suspicion, kind="stable").tolist():
        if suspicion[i] < SUSPICIOUS:
            break
        suggested, why = "", [blank[i]] if i in blank else []
        if i in copies:
            other = copies[i].other
            suggested = images.classes[images.y[other]]
            why.append(f"the same picture is labelled “{suggested}”: {display(images.paths[other].name)}")
        if doubts.confidence[i] < 0.5 and i not in blank:  # what shows nothing deserves no other label
            other = int(doubts.suggested[i])
            sure = "confidently" if doubts.confident[i] else "rather"
            suggested = suggested or images.classes[other]
            why.append(f"looks {sure} like “{images.classes[other]}” ({proba[i, other]:.1%})")
        if odd.ordinary[i] <= UNORDINARY:
            why.append("unlike all the other pictures")
        if not why:  # neither doubt alone is enough, both together are
            why.append("somewhat unlike the others, and its label is in some doubt")
        found.append(Suspect(index=i, suspicion=float(suspicion[i]), suggested=suggested, why=tuple(why)))
    return tuple(found)


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
        deviation = 1.4826 * np.median(np.abs(logs[known] - middle))
        scale = (logs - middle) / max(float(deviation), 1e-6)
    tiny = shorter < input_size / 2
    if np.mean(tiny) > FEW:
        tiny[:] = False  # then it is how these pictures are, and no exception
    found: dict[int, Poor] = {}
    for why, mask in (("blank", contrast < BLANK), ("tiny", tiny), ("blurred", scale < BLURRED)):
        for i in np.flatnonzero(mask).tolist():
            found.setdefault(i, Poor(index=i, why=_WORDS[why].format(facts.images[i])))
    return tuple(found.values())


def _grey(facts: Facts) -> tuple[int, ...]:
    grey = facts.column("colour") < GREY
    return tuple(np.flatnonzero(grey).tolist()) if 0 < grey.mean() <= FEW else ()


def _mixed(facts: Facts) -> str:
    width, height = facts.column("width"), facts.column("height")
    area = width * height
    known = np.flatnonzero(np.isfinite(area))
    if len(known) < 2:
        return ""
    order = known[np.argsort(area[known], kind="stable")]
    low, high = order[round(0.01 * (len(order) - 1))], order[round(0.99 * (len(order) - 1))]
    if area[high] < MIXED * area[low]:
        return ""
    return (
        f"Sizes are mixed: from {width[low]:.0f} × {height[low]:.0f} to {width[high]:.0f} × {height[high]:.0f} pixels, "
        "the smallest and largest hundredth aside. Enlarged pictures look softer than reduced ones."
    )
