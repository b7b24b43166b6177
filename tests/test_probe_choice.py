from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.features.table import FeatureTable
from headstart.images.decode import encode
from headstart.images.folder import ImageSet, scan
from headstart.images.splits import folds
from headstart.probe import choice as choice_module
from headstart.probe import trials as trials_module
from headstart.probe.choice import choose, first, honest_proba, widen
from headstart.probe.trials import ProbeOptions, rounds_for
from headstart.report.tuning import choice_reason
from headstart.store import FeatureStore
from pictures import write_folder
from tiny import tiny_table


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FeatureStore]:
    with FeatureStore(tmp_path_factory.mktemp("store")) as opened:
        yield opened


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    counts = {"blobs": 30, "rings": 30, "stripes": 30}
    return scan(write_folder(tmp_path_factory.mktemp("photos"), counts, side=48))


@pytest.fixture
def table(images: ImageSet, store: FeatureStore) -> FeatureTable:
    return tiny_table(images, store)


def everything(table: FeatureTable) -> np.ndarray:
    return np.arange(len(table.images))


OPTIONS = ProbeOptions(sizes=(32,))


def test_a_difference_that_only_depths_hold_is_found(tmp_path: Path, store: FeatureStore) -> None:
    rng = np.random.default_rng(0)
    for name, side in (("coarse", 16), ("fine", 4)):  # checkers of the same colours and contrast
        (tmp_path / name).mkdir()
        for number in range(20):
            light, dark = rng.uniform(150, 250), rng.uniform(0, 100)
            checks = np.kron(
                rng.permutation(32 // side * 32 // side).reshape(32 // side, -1) % 2, np.ones((side, side))
            )
            grey = np.where(checks > 0, light, dark) + rng.normal(0, 4, (32, 32))
            data = encode(np.repeat(grey[..., None], 3, axis=2).clip(0, 255).astype(np.uint8), format="PNG")
            (tmp_path / name / f"{number}.png").write_bytes(data)
    table = tiny_table(scan(tmp_path), store)
    choice = choose(table, everything(table), OPTIONS)
    assert choice.candidate.output == "depths"
    chosen = next(s for s in choice.board if s.candidate == choice.candidate)
    assert chosen.accuracy > 0.95
    assert choice.board[0].accuracy < 0.8
    assert str(choice.candidate) in choice_reason(choice)


def test_a_dearer_candidate_must_be_better_by_one_standard_error(table: FeatureTable, images: ImageSet) -> None:
    """With labels that no feature can tell, no dearer feature takes over, whatever chance gives it."""
    shuffled = replace(images, y=np.random.default_rng(5).permutation(images.y))
    choice = choose(tiny_table(shuffled, table.bench.store), everything(table), OPTIONS)
    assert choice.candidate.output == "last"
    assert any(score.candidate.output == "depths" for score in choice.board)


def test_where_little_is_left_to_win_nothing_dearer_is_tried(table: FeatureTable) -> None:
    choice = choose(table, everything(table), replace(OPTIONS, enough=0.99))
    assert {s.candidate.output for s in choice.board} == {"last"}
    assert "Nothing dearer was tried" in choice_reason(choice)


def test_all_depths_of_too_many_pictures_are_not_tried_and_it_is_said(
    images: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FeatureStore(tmp_path) as store:
        table, options = tiny_table(images, store), replace(OPTIONS, sizes=(32, 64))
        widths = table.space(32).runtime.widths
        taken = len(everything(table)) * 4 * widths["depths"]
        for most, outputs in ((taken - 1, {"last"}), (taken, {"last", "depths"})):
            monkeypatch.setattr(choice_module, "MOST_MEMORY", most)
            monkeypatch.setattr(trials_module, "MOST_MEMORY", most)
            choice = choose(table, everything(table), options)
            assert {s.candidate.output for s in choice.board if len(s.candidate.views) == 1} == outputs
            assert [(s.kind, s.memory) for s in choice.spared if s.kind == "memory"] == [("memory", taken)] * (
                most < taken
            )


def test_a_deadline_stops_larger_sizes_and_is_recorded(images: ImageSet, tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        table = tiny_table(images, store)
        table.fill(32)  # so that a rate is known
        options = replace(OPTIONS, sizes=(32, 64))
        choice = choose(table, everything(table), options, deadline=time.monotonic() - 1)
        assert [(spared.kind, spared.size) for spared in choice.spared] == [("budget", 64)]
        assert {s.candidate.size for s in choice.board} == {32}
        assert "budget" in choice_reason(choice)
        assert choose(table, everything(table), options).spared == ()


def test_screening_looks_at_part_of_the_pictures_first(images: ImageSet, tmp_path: Path) -> None:
    with FeatureStore(tmp_path) as store:
        table = tiny_table(images, store)
        shuffled = replace(images, y=np.random.default_rng(5).permutation(images.y))
        table.images = shuffled
        choice = choose(table, everything(table), replace(OPTIONS, sizes=(32, 64), screen=20))
        screened = [s for s in choice.board if s.screened]
        assert screened
        assert {len(s.losses) for s in screened} == {60}  # at least 20 of each class
        # Nothing was won on the screening sample, so the other pictures were never computed at 64.
        assert table.space(64).runtime.pictures_seen == 60  # type: ignore[attr-defined]


def test_the_sample_of_a_fold_is_part_of_the_sample_of_all(table: FeatureTable) -> None:
    table.fill(64)
    seen = table.space(64).runtime.pictures_seen  # type: ignore[attr-defined]
    options = replace(OPTIONS, sizes=(32, 64), screen=20)
    choose(table, everything(table)[::2], options)
    assert table.space(64).runtime.pictures_seen == seen  # type: ignore[attr-defined]


def test_the_same_input_gives_the_same_head(table: FeatureTable) -> None:
    one, two = (choose(table, everything(table), OPTIONS) for _ in range(2))
    assert one.head.weight.tobytes() == two.head.weight.tobytes()
    assert one.head.temperature == two.head.temperature


def test_another_seed_draws_other_folds(table: FeatureTable) -> None:
    one, two = (choose(table, everything(table), replace(OPTIONS, seed=seed)) for seed in (0, 1))
    assert one.board[0].log_loss != two.board[0].log_loss


def test_a_picture_has_no_say_in_the_head_that_answers_it(table: FeatureTable, images: ImageSet) -> None:
    """Whatever the chosen heads answered to one part, another part's answers are the same."""
    choice = choose(table, everything(table), OPTIONS)
    proba = honest_proba(choice, table, everything(table), OPTIONS)
    assert proba.shape == (5, len(images), 3)
    np.testing.assert_allclose(proba.sum(axis=2), 1)
    assert (proba.argmax(axis=2) == images.y).mean() > 0.5
    _, part = folds(images.y, images.groups, n_splits=10, seed=OPTIONS.seed + 1)[0]
    trails = []
    for trail in choice.trails:
        logits = trail.logits.copy()
        logits[:, :, part] = np.roll(logits[:, :, part], 1, axis=3)
        trails.append(replace(trail, logits=logits))
    again = honest_proba(replace(choice, trails=tuple(trails)), table, everything(table), OPTIONS)
    np.testing.assert_allclose(again[0, part], np.roll(proba[0, part], 1, axis=1), atol=1e-6)


def test_the_whole_is_its_steps_one_after_the_other(table: FeatureTable) -> None:
    options, index = replace(OPTIONS, sizes=(32, 64, 96), enough=0.0), everything(table)
    steps = widen(first(table, index, options), table, index, options, 64)
    steps = widen(steps, table, index, options, 96)
    whole = choose(table, index, options)
    assert [str(score.candidate) for score in steps.board] == [str(score.candidate) for score in whole.board]
    assert steps.head.weight.tobytes() == whole.head.weight.tobytes()
    assert (steps.spared, steps.folds) == (whole.spared, 10)


def test_where_no_gain_could_be_shown_no_larger_size_is_begun(table: FeatureTable, images: ImageSet) -> None:
    """Five errors, were they all removed and none made, are a two-sided p of 0.06; six are 0.03."""
    index, options = everything(table), replace(OPTIONS, sizes=(32, 64), enough=0.0)
    choice = first(table, index, options)
    for errors, kinds in ((5, ["nothing to show"]), (6, [])):
        proba = np.eye(3)[images.y]
        proba[:errors] = np.roll(proba[:errors], 1, axis=1)
        score = replace(choice.score, proba=proba, accuracy=1 - errors / len(images))
        found = widen(replace(choice, score=score), table, index, options, 64).spared
        assert [spared.kind for spared in found] == kinds
        assert all((spared.errors, spared.pictures) == (errors, len(images)) for spared in found)


def test_out_of_fold_accuracy_of_random_labels_is_chance(table: FeatureTable, images: ImageSet) -> None:
    shuffled = replace(images, y=np.random.default_rng(5).permutation(images.y))
    shuffled_table = tiny_table(shuffled, table.bench.store)
    choice = choose(shuffled_table, everything(table), OPTIONS)
    proba = honest_proba(choice, shuffled_table, everything(table), OPTIONS)
    accuracy = (proba.argmax(axis=2) == shuffled.y).mean()
    assert 0.15 < accuracy < 0.5


def test_few_pictures_are_tried_with_six_views(table: FeatureTable, images: ImageSet) -> None:
    few = np.concatenate([np.flatnonzero(images.y == label)[:8] for label in range(3)])
    choice = choose(table, few, replace(OPTIONS, enough=0.0))
    assert any(len(s.candidate.views) == 6 for s in choice.board)


def test_balanced_weights_raise_the_recall_of_a_rare_class(table: FeatureTable, images: ImageSet) -> None:
    index = np.concatenate([np.flatnonzero(images.y == 0)[:30], np.flatnonzero(images.y == 1)[:30]])
    index = np.concatenate([index, np.flatnonzero(images.y == 2)[:6]])
    X = table.rows(32, "depths", index)
    recall = []
    for balanced in (False, True):
        head = choose(table, index, replace(OPTIONS, balanced=balanced)).head
        X = table.rows(32, "depths" if head.weight.shape[0] == 12 else "last", index)
        recall.append((head.predict_proba(X)[60:].argmax(axis=1) == 2).mean())
    assert recall[1] >= recall[0]


def test_rounds_grow_as_pictures_get_fewer() -> None:
    assert [rounds_for(n, 2) for n in (20, 300, 500, 1_499, 1_500, 100_000)] == [5, 5, 3, 1, 1, 1]
    assert [rounds_for(250, k) for k in (5, 20, 50)] == [5, 4, 1]
