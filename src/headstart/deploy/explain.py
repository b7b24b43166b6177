"""What an answer rests on: where in the picture its evidence lies, and whether hiding that place changes the answer.

The heads are linear and their rows are pooled from maps, so the score of a class splits into a part for every
position of the map, exactly (`backbones.feature_maps`; of a mean-pooled last layer this is the class-activation map of
Zhou et al. 2016, "Learning deep features for discriminative localization"). Where something else stands between maps
and head, random halves of the picture are hidden instead, and the score is explained by what was hidden (Ribeiro et al.
2016, "Why should I trust you?"; Petsiuk et al. 2018, "RISE").

A map persuades whether it is right or not. So it is always checked by what it claims (deletion, Samek et al. 2017):
the place it points at is hidden, and for comparison places of the same size and shape elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from headstart.backbones.feature_maps import MapGraph, PooledMap, open_maps
from headstart.deploy.directory import find_model
from headstart.deploy.model import Model
from headstart.errors import DataError, OptionError
from headstart.features.extract import rows_of
from headstart.files import display, plain
from headstart.images.decode import resample
from headstart.images.transforms import load

Method = Literal["exact", "hiding"]
WhyNotExact = Literal["", "not pooled", "more than pooled", "parts miss"]
"""Why a score cannot be split: something other than pooling stands between the last map and the head; the head reads
more than was pooled from maps; the parts miss the score by more than `EXACT_WITHIN`. Empty where it was split."""
Grid = NDArray[np.float64]
Image = NDArray[np.uint8]

SHARE = 0.2
"""Share of the picture's area that is hidden to check a map. Chosen, not measured: whether a map holds
depends on it; what other shares do is shown by the curve over `SHARES`."""
SHARES = (0.05, 0.1, 0.2, 0.3, 0.5)
"""Shares for the curve, which is shown and decides nothing."""
ELSEWHERE = 39
"""Regions elsewhere that it is compared with: with 39 the rarest outcome is one in 40."""
LARGEST_P = 0.05
"""A map holds if at most this share of regions, its own among them, matters as much as its own; the usual level."""
FEW_ELSEWHERE = 4
"""Regions elsewhere for the other shares, whose mean alone is shown. Chosen for its cost."""
PLACES = 7
"""Along one side of a map made by hiding; as many as most networks' last map has for 224 pixels."""
HALVES = 64
"""Random halves of the picture that are hidden for it, and as many other halves: 128 answers for 49 places.
Chosen, not measured: the passes are what a map by hiding costs, and fewer make it noisier."""
RIDGE = 0.0125
"""Penalty of the regression, as a share of the number of pictures; what one place explains has variance 0.25, so that
a place is drawn 5 % towards none. Chosen, not measured: it smooths the map, and so moves the region that is checked."""
EXACT_WITHIN = 1e-3
"""By how much the parts may miss the score, relative to its size, to be called exact. Chosen, not measured: above the
rounding of sums in float32; where the parts miss by more, the map is made by hiding."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """What hiding does to the probability of the class that was asked about."""

    share: float
    """Of the picture's area that is hidden each time."""
    before: float
    after: float
    """With the region hidden that the map points at."""
    elsewhere: NDArray[np.float64]
    """(r,) with regions of that size and shape hidden elsewhere."""
    rank: int
    """How many of the regions elsewhere lowered the score at least as much."""
    curve: tuple[tuple[float, float, float], ...]
    """Share hidden, probability after hiding it where the map points, and mean over regions elsewhere."""
    hidden: Image = field(repr=False)
    """The picture with the region hidden."""
    hidden_elsewhere: Image = field(repr=False)
    """The same with one of the others."""

    @property
    def p(self) -> float:
        """How often a region placed by chance would matter as much: (1 + rank) / (1 + r)."""
        return (1 + self.rank) / (1 + len(self.elsewhere))

    @property
    def holds(self) -> bool:
        """Whether the place matters more than other places do."""
        return self.p <= LARGEST_P

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        mean, lowest, regions = float(self.elsewhere.mean()), float(self.elsewhere.min()), len(self.elsewhere)
        return {
            **plain(self, "share", "before", "after", elsewhere_mean=mean, elsewhere_lowest=lowest, regions=regions),
            **plain(self, "p", "holds"),
            "curve": [{"share": s, "pointed_at": a, "elsewhere": b} for s, a, b in self.curve],
        }


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Where in one picture the evidence for a class lies, rather than for its strongest rival."""

    path: Path
    classes: tuple[str, ...]
    proba: NDArray[np.float64]
    """(k,) the answer as `predict` gives it."""
    target: int
    """The class that was asked about: by default the answer."""
    rival: int
    """The most probable other class."""
    picture: Image = field(repr=False)
    """(s, s, 3), as the network is given it."""
    evidence: Grid = field(repr=False)
    """(g, g): what the picture would score if all of it were like this place, target less rival; their mean is
    ``score`` where the method is exact. With hiding: how far the score falls when this place is hidden."""
    score: float
    """Logit of the target less that of the rival, in float32."""
    miss: float
    """Mean of the parts less the score; nan where there were no parts."""
    why_not_exact: WhyNotExact
    row: NDArray[np.float32] = field(repr=False)
    """(d,) the picture's row ``last``, to find others like it."""
    check: Check

    @property
    def method(self) -> Method:
        """How the evidence was found."""
        return "hiding" if self.why_not_exact else "exact"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        miss, evidence = None if np.isnan(self.miss) else self.miss, self.evidence.round(6)
        return {
            "path": display(self.path),
            "answer": self.classes[int(self.proba.argmax())],
            "probabilities": dict(zip(self.classes, self.proba.tolist(), strict=True)),
            "class": self.classes[self.target],
            "rather_than": self.classes[self.rival],
            **plain(self, "method", "why_not_exact", "score", miss=miss, evidence=evidence, check=self.check),
        }


class Explainer:
    """A model opened for explaining, so that several pictures can be explained in a row.

    Args:
        folder: a run or model directory.

    Raises:
        ModelError: the model is not one, or does not give the answers it gave.
    """

    def __init__(self, folder: Path) -> None:
        self.model = Model.load(folder)
        self._maps = open_maps(find_model(folder), self.model.output, size=self.model.space.geometry.size)

    def explain(self, path: Path, *, class_name: str | None = None, seed: int = 0) -> Explanation:
        """Explain one picture.

        Args:
            path: of the picture.
            class_name: what to look for evidence of; the answer if not given.
            seed: of the regions elsewhere.

        Raises:
            DataError: the picture cannot be read.
            OptionError: the model has no such class.
        """
        model, head = self.model, self.model.head
        prediction, rows = next(model.answers([path]))
        if prediction.proba is None:
            what, found = "the picture cannot be read", f"{display(path)}: {prediction.reason}"
            raise DataError.of(what, expected="a picture", found=found, todo="give another file")
        if class_name is not None and class_name not in model.classes:
            expected, todo = f"one of {', '.join(model.classes)}", "choose one of them"
            raise OptionError.of("--class", expected=expected, found=repr(class_name), todo=todo)
        image: Image = load(path, model.space.geometry)[0]
        proba = prediction.proba
        target = int(proba.argmax()) if class_name is None else model.classes.index(class_name)
        rival = int(np.where(np.arange(len(proba)) == target, -1.0, proba).argmax())
        weight = head.weight[:, target].astype(np.float64) - head.weight[:, rival]
        bias = float(head.bias[target]) - float(head.bias[rival])

        def scores(images: Iterable[Image]) -> tuple[Grid, Grid]:
            X = np.stack([rows[model.output] for rows in rows_of(images, model.space.runtime)])
            return X.astype(np.float64) @ weight + bias, head.predict_proba(X)[:, target]

        why_not, evidence, score, miss = _exact(self._maps, model.output, image, weight, bias)
        if why_not:
            evidence = by_hiding(image, lambda images: scores(images)[0], seed=seed)
            score = float(rows[model.output].astype(np.float64) @ weight + bias)
        return Explanation(
            path=path,
            classes=model.classes,
            proba=proba,
            target=target,
            rival=rival,
            picture=image,
            evidence=evidence,
            score=score,
            miss=miss,
            why_not_exact=why_not,
            row=rows["last"],
            check=check_map(image, evidence, scores, seed=seed),
        )


def split_score(pooled: list[PooledMap], weight: NDArray[np.float64], bias: float, *, side: int) -> Grid:
    """The score ``weight · row + bias`` shared out over a ``side × side`` grid whose mean is the score.

    Each map's parts are brought to the grid by areas, which keeps their mean; the bias belongs to all places alike.
    """
    total, at = np.full((side, side), bias), 0
    for stretch in pooled:
        channels = len(stretch.positions)
        total += to_grid(stretch.parts(weight[at : at + channels]), side)
        at += channels
    return total


def to_grid(parts: Grid, side: int) -> Grid:
    """Parts (h, w) on a ``side × side`` grid, by the areas in which their cells overlap: the mean stays."""
    return np.asarray(_overlap(parts.shape[0], side) @ parts @ _overlap(parts.shape[1], side).T)


def _overlap(cells: int, side: int) -> Grid:
    """(side, cells): the share of each of ``side`` equal stretches that lies in each of ``cells`` equal stretches."""
    ends = np.arange(side + 1) / side
    edges = np.arange(cells + 1) / cells
    low = np.maximum(ends[:-1, None], edges[None, :-1])
    high = np.minimum(ends[1:, None], edges[None, 1:])
    return np.asarray(np.clip(high - low, 0, None) * side)


def _exact(
    maps: MapGraph | None, output: str, image: Image, weight: NDArray[np.float64], bias: float
) -> tuple[WhyNotExact, Grid, float, float]:
    """Why they cannot be used, evidence, score, and by how much the parts miss it; nan and an empty grid for none."""
    none = np.empty((0, 0)), float("nan"), float("nan")
    if maps is None:
        return "not pooled", *none
    rows, pooled = maps.run(image)
    if sum(len(stretch.positions) for stretch in pooled) != len(weight):
        return "more than pooled", *none
    score = float(rows[output].astype(np.float64) @ weight + bias)
    sides = [stretch.positions.shape[1] for stretch in pooled]
    # Of many depths twice as fine as the coarsest: what single positions of the finest say is too noisy to point.
    evidence = split_score(pooled, weight, bias, side=min(sides) * (1 if len(pooled) == 1 else 2))
    miss = float(evidence.mean()) - score
    scale = float(np.abs(weight) @ np.abs(rows[output].astype(np.float64))) or 1.0
    return ("parts miss" if abs(miss) > EXACT_WITHIN * scale else ""), evidence, score, miss


# ── hiding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def by_hiding(image: Image, scores: Callable[[Iterable[Image]], Grid], *, seed: int) -> Grid:
    """How far the score falls when a place is hidden, by ridge regression over random halves: (PLACES, PLACES).

    Each half is followed by the other, so that every place is hidden as often as not.
    """
    halves = np.random.default_rng(seed).random((HALVES, PLACES, PLACES)) < 0.5
    masks = np.concatenate([halves, ~halves])
    colour = image.mean(axis=(0, 1), dtype=np.float64)
    falls = -scores(hide(image, mask, colour) for mask in masks)
    A = masks.reshape(len(masks), -1) - 0.5
    ridge = A.T @ A + RIDGE * len(masks) * np.eye(A.shape[1])
    return np.asarray(np.linalg.solve(ridge, A.T @ (falls - falls.mean())).reshape(PLACES, PLACES), np.float64)


def check_map(
    image: Image, evidence: Grid, scores: Callable[[Iterable[Image]], tuple[Grid, Grid]], *, seed: int
) -> Check:
    """Hide what ``evidence`` points at, and regions of the same size and shape elsewhere.

    What is hidden takes the mean colour of the picture; its edge is softened, so that the edge is no new object.
    """
    rng = np.random.default_rng(seed)
    colour = image.mean(axis=(0, 1), dtype=np.float64)
    regions = {s: _regions(evidence, s, ELSEWHERE if s == SHARE else FEW_ELSEWHERE, rng) for s in SHARES}
    score, proba = scores([image, *(hide(image, mask, colour) for masks in regions.values() for mask in masks)])
    ends = np.cumsum([1, *(len(masks) for masks in regions.values())])
    after = dict(zip(SHARES, np.split(proba, ends)[1:-1], strict=True))
    scores_after = np.split(score, ends)[1 + SHARES.index(SHARE)]
    own, others = scores_after[0], scores_after[1:]
    typical = regions[SHARE][1 + int(np.argsort(others)[len(others) // 2])]
    return Check(
        share=float(regions[SHARE][0].mean()),
        before=float(proba[0]),
        after=float(after[SHARE][0]),
        elsewhere=after[SHARE][1:],
        rank=int((others <= own).sum()),
        curve=tuple((float(regions[s][0].mean()), float(row[0]), float(row[1:].mean())) for s, row in after.items()),
        hidden=hide(image, regions[SHARE][0], colour),
        hidden_elsewhere=hide(image, typical, colour),
    )


def _regions(evidence: Grid, share: float, others: int, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """The places of most evidence that make up ``share`` of the picture, then the same shape moved and mirrored."""
    flat = np.zeros(evidence.size, bool)
    flat[np.argsort(-evidence, axis=None, kind="stable")[: max(1, round(share * evidence.size))]] = True
    mask = flat.reshape(evidence.shape)
    regions = [mask]
    for _ in range(others):
        moved = np.roll(mask, tuple(rng.integers(0, len(mask), 2)), axis=(0, 1))
        moved = moved[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])]
        regions.append(moved.T if rng.random() < 0.5 else moved)
    return regions


def hide(image: Image, mask: NDArray[np.bool_], colour: NDArray[np.floating]) -> Image:
    """``image`` (s, s, 3) with the cells of ``mask`` (g, g) in ``colour`` (3,), the edge softened."""
    size = len(image)
    cells = np.repeat(np.where(mask, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    exact = np.kron(cells, np.ones((4, 4, 1), np.uint8))  # four pixels a cell: softened over a quarter of one
    cover = resample(exact, size=(size, size), interpolation="bilinear") / 255.0
    mixed: Image = np.rint(image * (1 - cover) + colour * cover).astype(np.uint8)
    return mixed
