from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.images.folder import scan
from headstart.trust.labels import conflicts, doubt
from pictures import write_folder


def judged(n: int, k: int, wrong: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities of a good classifier, labels of which a share is wrong, and which."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % k
    logits = rng.normal(0, 1, (n, k))
    logits[np.arange(n), truth] += 5
    proba = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    bad = rng.random(n) < wrong
    return proba, np.where(bad, (truth + 1) % k, truth), bad


@pytest.mark.parametrize("k", [2, 5])
def test_flipped_labels_come_first_and_are_counted(k: int) -> None:
    proba, y, bad = judged(1000, k, 0.06, seed=k)
    doubts = doubt(proba, y)
    first = np.argsort(doubts.confidence)[: bad.sum()]
    assert bad[first].mean() > 0.9
    assert doubts.expected == pytest.approx(bad.sum(), rel=0.25)
    assert (bad[doubts.confident]).mean() > 0.9
    assert (doubts.suggested[bad] == (y[bad] - 1) % k).mean() > 0.9


def test_sound_labels_are_not_doubted() -> None:
    proba, y, _ = judged(1000, 3, 0.0, seed=1)
    doubts = doubt(proba, y)
    assert doubts.expected < 10
    assert not (doubts.suggested == y).any()
    np.testing.assert_allclose(doubts.joint.sum(axis=1), np.bincount(y))


def test_a_class_nobody_is_sure_of_does_not_swallow_the_others() -> None:
    # One class gets 0.4 at best: its own mean is its threshold, so pictures of it are still seen as its own.
    proba = np.array([[0.9, 0.1]] * 50 + [[0.6, 0.4]] * 50)
    y = np.repeat([0, 1], 50)
    assert not doubt(proba, y).confident[50:].any()


def test_the_same_picture_under_two_labels_is_a_conflict(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"rings": 5, "stripes": 5})
    (root / "stripes" / "copy.jpg").write_bytes((root / "rings" / "002.jpeg").read_bytes())
    images = scan(root)
    proba = np.tile([0.8, 0.2], (len(images), 1))
    found = conflicts(images, proba[np.arange(len(images)), images.y], proba)
    named = {images.paths[i].name: value for i, value in found.items()}
    assert set(named) == {"002.jpeg", "copy.jpg"}
    right, label, path = named["copy.jpg"]
    assert right == pytest.approx(0.2)
    assert images.classes[label] == "rings"
    assert path.name == "002.jpeg"
    assert named["002.jpeg"][0] == 0.5  # however sure the classifier is, one of the two is wrong
    assert conflicts(replace(images, y=np.zeros_like(images.y)), proba[:, 0], proba) == {}
