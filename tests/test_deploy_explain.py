from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.classifier import ImageClassifier
from headstart.deploy.explain import ELSEWHERE, Explainer, by_hiding, check_map, hide, to_grid
from headstart.errors import DataError, OptionError
from headstart.images.decode import encode

SIDE, OBJECT = 224, 64


def scene(kind: str, seed: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A cloudy picture with one small object in it, or with ``nothing``, and the corner of the object."""
    rng = np.random.default_rng([seed, len(kind)])
    clouds = rng.uniform(60, 190, (7, 7, 3)).repeat(32, axis=0).repeat(32, axis=1)
    picture = clouds + rng.normal(0, 12, (SIDE, SIDE, 3))
    top, left = (int(corner) for corner in rng.integers(0, SIDE - OBJECT, 2))
    radius = np.hypot(*(np.mgrid[:OBJECT, :OBJECT] - (OBJECT - 1) / 2))
    ink, inside = np.sin(radius * 2 * np.pi / 10) > 0, radius < OBJECT / 2
    if kind == "target":
        picture[top : top + OBJECT, left : left + OBJECT][inside] = np.where(ink, 250, 5)[inside][:, None]
    return np.clip(picture, 0, 255).astype(np.uint8), (top, left)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of where the object, not the background, decides."""
    folder = tmp_path_factory.mktemp("scenes")
    for kind in ("target", "nothing"):
        (folder / kind).mkdir()
        for seed in range(20):
            (folder / kind / f"{seed}.png").write_bytes(encode(scene(kind, seed)[0], format="PNG"))
    ImageClassifier(sizes=[SIDE], finetune="never").fit(folder).save(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def explainer(model: Path) -> Explainer:
    return Explainer(model)


def in_the_box(explainer: Explainer, path: Path, corner: tuple[int, int]) -> tuple[float, float, bool]:
    """Share of the evidence for the answer that lies on the object, its share of the area, whether the map holds."""
    found = explainer.explain(path)
    geometry = explainer.model.space.geometry
    scale, margin = geometry.resized / SIDE, (geometry.resized - geometry.size) / 2
    top, left = (max(0.0, edge * scale - margin) for edge in corner)
    bottom, right = (min(float(geometry.size), (edge + OBJECT) * scale - margin) for edge in corner)
    side = 112
    evidence = np.clip(to_grid(found.evidence, side), 0, None)
    centres = (np.arange(side) + 0.5) * geometry.size / side
    box = np.ix_((centres >= top) & (centres < bottom), (centres >= left) & (centres < right))
    return float(evidence[box].sum() / evidence.sum()), float(evidence[box].size / side**2), found.check.holds


def test_the_map_lands_on_the_object_that_decides(explainer: Explainer, tmp_path: Path) -> None:
    mass, area, holds = [], [], []
    for seed in range(100, 104):
        picture, corner = scene("target", seed)
        path = tmp_path / f"{seed}.png"
        path.write_bytes(encode(picture, format="PNG"))
        one = in_the_box(explainer, path, corner)
        mass.append(one[0]), area.append(one[1]), holds.append(one[2])
    assert np.mean(area) < 0.12
    assert np.mean(mass) > 3 * np.mean(area)
    assert np.mean(holds) >= 0.5


def test_the_parts_add_up_to_the_score(explainer: Explainer, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encode(scene("nothing", 7)[0], format="PNG"))
    found = explainer.explain(path)
    assert found.method == "exact"
    assert found.evidence.mean() == pytest.approx(found.score, abs=1e-4 * max(1.0, abs(found.score)))
    head = explainer.model.head
    ratio = np.log(found.proba[found.target] / found.proba[found.rival]) * head.temperature
    assert found.score == pytest.approx(ratio, abs=0.05 * max(1.0, abs(ratio)))  # that one ran in the served precision
    other = explainer.explain(path, class_name=found.classes[found.rival])
    np.testing.assert_allclose(other.evidence, -found.evidence, atol=1e-9)


def test_a_model_whose_maps_cannot_be_read_is_explained_by_hiding(
    explainer: Explainer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explainer, "_maps", None)
    path = tmp_path / "a.png"
    path.write_bytes(encode(scene("nothing", 100)[0], format="PNG"))
    found = explainer.explain(path)
    assert found.method == "hiding"
    assert np.isnan(found.miss)
    assert found.why_not_exact == "not pooled"
    assert found.to_dict()["miss"] is None
    assert found.evidence.shape == (7, 7)


def scores_by(weight: NDArray[np.float64]) -> object:
    """A head that adds up brightness, weighted by place."""

    def scores(pictures: Iterable[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        sums = np.array([(one.mean(axis=2) * weight).mean() for one in pictures])
        return sums, 1 / (1 + np.exp(-sums))

    return scores


def test_the_check_tells_a_right_map_from_a_wrong_one() -> None:
    picture = np.full((64, 64, 3), 40, np.uint8)
    picture[8:24, 8:24] = 240
    weight = np.zeros((64, 64))
    weight[8:24, 8:24] = 1.0
    right = np.zeros((8, 8))
    right[1:3, 1:3] = 1.0
    scores = scores_by(weight)
    good = check_map(picture, right, scores, seed=0)  # type: ignore[arg-type]
    assert good.holds
    assert good.after < good.elsewhere.mean()
    assert len(good.elsewhere) == ELSEWHERE
    assert good.share == pytest.approx(0.2, abs=0.01)
    bad = check_map(picture, np.flip(right), scores, seed=0)  # type: ignore[arg-type]
    assert not bad.holds
    assert good.to_dict()["holds"]


def test_hiding_random_halves_finds_the_place_that_decides() -> None:
    picture = np.full((56, 56, 3), 40, np.uint8)
    picture[8:24, 32:48] = 240
    weight = np.zeros((56, 56))
    weight[8:24, 32:48] = 1.0
    scores = scores_by(weight)
    evidence = by_hiding(picture, lambda pictures: scores(pictures)[0], seed=0)  # type: ignore[operator]
    assert np.unravel_index(evidence.argmax(), evidence.shape) in {(1, 4), (2, 4), (1, 5), (2, 5)}
    mass = np.clip(evidence, 0, None)
    assert mass[1:3, 4:6].sum() > 0.6 * mass.sum()


def test_hiding_changes_the_masked_cells_and_nothing_far_from_them() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    mask = np.zeros((4, 4), bool)
    mask[1, 2] = True
    hidden = hide(picture, mask, np.full(3, 99.0))
    assert (hidden[22:26, 38:42] == 99).all()
    assert (hidden[40:] == picture[40:]).all()


def test_bringing_parts_to_another_grid_keeps_their_mean() -> None:
    parts = np.random.default_rng(1).normal(size=(12, 12))
    for side in (5, 12, 24, 31):
        assert to_grid(parts, side).mean() == pytest.approx(parts.mean(), abs=1e-12)
    np.testing.assert_allclose(to_grid(parts, 12), parts)


def test_what_cannot_be_explained_is_said(explainer: Explainer, tmp_path: Path) -> None:
    (tmp_path / "no.jpg").write_bytes(b"text")
    with pytest.raises(DataError, match=r"no\.jpg"):
        explainer.explain(tmp_path / "no.jpg")
    (tmp_path / "a.png").write_bytes(encode(scene("target", 1)[0], format="PNG"))
    with pytest.raises(OptionError, match="one of nothing, target"):
        explainer.explain(tmp_path / "a.png", class_name="bird")
