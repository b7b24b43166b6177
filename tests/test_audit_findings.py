from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.audit.findings import Findings, LooksLike, MixedSizes, find_doubtful, unseen_proba
from headstart.audit.summary import audit
from headstart.images.decode import encode
from headstart.images.facts import FACTS, Facts, unpacked
from headstart.images.folder import ImageSet, scan
from headstart.probe.choice import choose
from headstart.probe.trials import ProbeOptions
from headstart.store import FeatureStore
from pictures import draw, write_folder
from tiny import tiny_table


def sure(images: ImageSet) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that agree with every label, and features on a circle, where all have neighbours alike."""
    angle = np.linspace(0, 2 * np.pi, len(images), endpoint=False)
    proba = np.where(images.y[:, None] == np.arange(len(images.classes)), 0.98, 0.02 / (len(images.classes) - 1))
    return proba, np.column_stack([np.cos(angle), np.sin(angle), angle * 0 + 3]).astype(np.float32)


def checked(
    images: ImageSet,
    proba: np.ndarray,
    X: np.ndarray,
    *,
    facts: Facts | None = None,
    input_size: int = 96,
    clusters: np.ndarray | None = None,
) -> Findings:
    facts = facts or facts_of(images)
    clusters = np.unique(images.digests, return_inverse=True)[1] if clusters is None else clusters
    return find_doubtful(
        images, proba, X, audit=audit(images), facts=facts, input_size=input_size, seed=0, clusters=clusters
    )


def facts_of(images: ImageSet) -> Facts:
    return unpacked(images.paths, [FACTS.of_file(path) for path in images.paths])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    return scan(write_folder(tmp_path_factory.mktemp("check"), {"rings": 30, "stripes": 30}, side=160))


def test_sound_pictures_give_nothing_to_say(images: ImageSet) -> None:
    findings = checked(images, *sure(images))
    assert findings.mixed is None
    assert findings.suspects == findings.poor == findings.grey == findings.alarms == ()


def test_doubts_of_label_and_picture_make_one_ranked_list(images: ImageSet) -> None:
    proba, _ = sure(images)
    proba[4], proba[40] = (0.001, 0.999), (0.8, 0.2)
    X = (np.random.default_rng(0).normal(0, 1, (60, 64)) + 3).astype(np.float32)
    X[20] = -X[20]
    findings = checked(images, proba, X)
    assert {one.index for one in findings.suspects[:2]} == {4, 20}
    by_index = {one.index: one for one in findings.suspects}
    assert by_index[4].looks_like == LooksLike(label=1, proba=0.999, confident=True)
    assert by_index[40].looks_like == LooksLike(label=0, proba=0.8, confident=False)
    assert (by_index[20].looks_like, by_index[20].unlike_others, by_index[4].unlike_others) == (None, True, False)
    assert [by_index[i].suggested for i in (4, 40, 20)] == ["stripes", "rings", ""]
    suspicion = [one.suspicion for one in findings.suspects]
    assert suspicion == sorted(suspicion, reverse=True)
    assert min(suspicion) >= 0.5
    assert (findings.mislabelled, findings.out_of_place) == (2, len(findings.suspects) - 2)
    assert (findings.wrong_labels.low, findings.wrong_labels.n) == (0, 60)


def test_pictures_that_show_the_same_under_two_labels_are_suspects(images: ImageSet) -> None:
    clusters = np.arange(len(images))
    clusters[50] = clusters[3]
    findings = checked(images, *sure(images), clusters=clusters)
    assert {one.index for one in findings.suspects} == {3, 50}
    assert {suspect.index: suspect.copy for suspect in findings.suspects} == {3: 50, 50: 3}


def test_poor_pictures_are_named_once_with_the_reason(images: ImageSet) -> None:
    facts = facts_of(images)
    changed = list(facts.images)
    changed[1] = replace(changed[1], contrast=1.0)  # type: ignore[type-var]
    changed[2] = replace(changed[2], width=30, contrast=1.0)  # type: ignore[type-var]
    changed[3] = replace(changed[3], width=30)  # type: ignore[type-var]
    changed[4] = replace(changed[4], sharpness=1e-4)  # type: ignore[type-var]
    changed[5] = replace(changed[5], colour=0.5)  # type: ignore[type-var]
    findings = checked(images, *sure(images), facts=Facts(images=tuple(changed)))
    assert {picture.index: picture.kind for picture in findings.poor} == {
        1: "blank",
        2: "blank",
        3: "tiny",
        4: "blurred",
    }
    assert findings.grey == (5,)


def test_a_blank_picture_deserves_no_other_label(images: ImageSet) -> None:
    facts = facts_of(images)
    changed = list(facts.images)
    changed[1] = replace(changed[1], contrast=1.0)  # type: ignore[type-var]
    proba, X = sure(images)
    proba[1] = proba[1, ::-1]
    (suspect,) = checked(images, proba, X, facts=Facts(images=tuple(changed))).suspects
    assert (suspect.index, suspect.suggested) == (1, "")
    assert (suspect.blank, suspect.copy, suspect.looks_like) == (True, None, None)


def test_what_most_pictures_are_is_no_exception(images: ImageSet) -> None:
    facts = facts_of(images)
    small = Facts(images=tuple(replace(one, width=20, colour=0.0) for one in facts.images if one))
    findings = checked(images, *sure(images), facts=small)
    assert findings.poor == findings.grey == ()


def test_mixed_sizes_are_found(images: ImageSet) -> None:
    facts = facts_of(images)
    sizes = [
        replace(one, width=160 * (1 + i % 6), height=160 * (1 + i % 6)) for i, one in enumerate(facts.images) if one
    ]
    mixed = checked(images, *sure(images), facts=Facts(images=tuple(sizes))).mixed
    assert mixed == MixedSizes(small=(160, 160), large=(960, 960))


def test_a_class_saved_at_another_quality_raises_the_alarm(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"rings": 30})
    (root / "stripes").mkdir()
    for i in range(30):
        (root / "stripes" / f"{i:03d}.jpeg").write_bytes(encode(draw("stripes", i), quality=50))
    images = scan(root)
    findings = checked(images, *sure(images))
    assert "JPEG quality" in [one.fact for one in findings.alarms]


def test_every_picture_is_answered_by_a_head_that_did_not_know_it(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100)):
        write_folder(tmp_path / "photos" / split, {"rings": 10, "stripes": 10}, first_seed=first, side=40)
    images = scan(tmp_path / "photos")
    train, val = (np.flatnonzero(images.split == split) for split in ("train", "val"))
    with FeatureStore(tmp_path / "cache") as store:
        table = tiny_table(images, store)
        choice = choose(table, train, ProbeOptions(sizes=(32,)))
        proba = unseen_proba(table, choice)
        X = table.rows(32, choice.candidate.output, val)
    assert proba.shape == (40, 2)
    np.testing.assert_array_equal(proba[train], choice.proba)
    np.testing.assert_allclose(proba[val], choice.head.predict_proba(X))
