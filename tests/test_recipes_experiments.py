"""A small table on a tiny network: what is finished stays finished, what fails does not stop the others."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.finetune import loop
from headstart.finetune.job import Job
from headstart.finetune.loop import PhaseTraining
from headstart.recipes import records
from headstart.recipes.experiments import run
from headstart.recipes.grid import Setting, grid
from headstart.recipes.results import Experiment

TINY = "test_efficientnet.r160_in1k"


def settings(lrs: tuple[float, ...] = (1e-3, 1e-2)) -> tuple[Setting, ...]:
    base = records.get("resnet18-frozen")
    return grid(base, backbones=[TINY], sizes=[32], lrs=lrs, modes=["frozen", "full"], epochs=1)


def table(photos: Path, folder: Path, of: tuple[Setting, ...] = settings(), **options: Any) -> Experiment:
    return run(of, photos, folder, **{"weights": "random", "seeds": (0, 1), **options})


@pytest.fixture(scope="module")
def found(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    return table(photos, tmp_path_factory.mktemp("table"))


def test_there_is_a_row_for_every_setting_and_seed_on_the_same_pictures(found: Experiment) -> None:
    assert {(one.setting, one.seed) for one in found.outcomes} == {
        (setting.name, seed) for setting in found.settings for seed in (0, 1)
    }
    assert {len(one.correct) for one in found.outcomes} == {8}
    assert (found.measured_on.split, found.measured_on.epoch, found.measured_on.n) == ("val", "last", 8)
    assert "nothing was chosen on" in found.to_dict()["measured_on"]
    assert [one.setting.split()[-1] for one in found.outcomes] == ["frozen", "frozen", "full", "full"] * 2
    for one in found.outcomes:
        assert one.correct.mean() == pytest.approx(one.history.last.val_accuracy)
    assert (found.folder / "compare.html").is_file()
    assert not list((found.folder / "rows").glob("*.checkpoint"))


def test_the_same_command_trains_nothing_again(
    found: Experiment, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "finetune", None)
    again = table(photos, found.folder)
    assert again.comparison == found.comparison
    for old, new in zip(found.outcomes, again.outcomes, strict=True):
        assert old.history == new.history
        np.testing.assert_array_equal(old.proba, new.proba)


def test_a_larger_grid_computes_only_what_is_new(found: Experiment, photos: Path) -> None:
    lines: list[str] = []
    before = {path.name: path.stat().st_mtime_ns for path in (found.folder / "rows").iterdir()}
    larger = table(photos, found.folder, settings((1e-3, 1e-2, 1e-1)), seeds=(0,), tell=lines.append)
    after = {path.name: path.stat().st_mtime_ns for path in (found.folder / "rows").iterdir()}
    assert before.items() <= after.items()
    assert len(after) == len(before) + 2
    assert len(larger.outcomes) == len(lines) == 6
    assert lines[0].startswith("[1/6] lr 0.001 frozen, seed 0: ")


def test_another_picture_label_or_plan_makes_another_row(found: Experiment, photos: Path, tmp_path: Path) -> None:
    names = {path.name for path in (found.folder / "rows").iterdir()}
    one = settings()[:1]
    other = replace(one[0], recipe=one[0].recipe.with_epochs(1).on(TINY))
    assert names >= {path.name for path in table(photos, tmp_path / "a", (other,)).folder.glob("rows/*.json") if path}
    changed = replace(other, recipe=replace(other.recipe, plan=replace(other.recipe.plan, size=64)))
    fresh = {path.name for path in table(photos, tmp_path / "b", (changed,), seeds=(0,)).folder.glob("rows/*")}
    assert not fresh & names


def test_a_row_that_was_cut_off_goes_on_from_its_checkpoint(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = records.get("resnet18-full")
    one = grid(base, backbones=[TINY], sizes=[32], epochs=3)
    whole = table(photos, tmp_path / "whole", one, seeds=(0,))
    epoch, lines = PhaseTraining.epoch, []

    def interrupted(self: PhaseTraining, advance: Any) -> Any:
        if len(self.snapshot.history.epochs) == 2:
            raise KeyboardInterrupt
        return epoch(self, advance)

    with monkeypatch.context() as patch:
        patch.setattr(PhaseTraining, "epoch", interrupted)
        with pytest.raises(KeyboardInterrupt):
            table(photos, tmp_path / "cut", one, seeds=(0,), tell=lines.append)
    assert lines == [f"0 of 1 rows are finished and kept in {tmp_path / 'cut'}"]
    (checkpoint,) = (tmp_path / "cut" / "rows").iterdir()
    assert checkpoint.suffix == ".checkpoint"
    done = []
    with monkeypatch.context() as patch:
        patch.setattr(PhaseTraining, "epoch", lambda self, *rest: done.append(1) or epoch(self, *rest))
        resumed = table(photos, tmp_path / "cut", one, seeds=(0,))
    assert len(done) == 1
    np.testing.assert_array_equal(resumed.outcomes[0].proba, whole.outcomes[0].proba)


def test_a_row_that_fails_does_not_stop_the_others(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = loop.finetune

    def failing(job: Job, **options: Any) -> Any:
        if job.plan.phases[0].train_from == "all":
            raise RuntimeError("out of luck")
        return original(job, **options)

    monkeypatch.setattr(loop, "finetune", failing)
    found = table(photos, tmp_path, seeds=(0,))
    assert {one.setting for one in found.outcomes} == {"lr 0.001 frozen", "lr 0.01 frozen"}
    assert [one.reason for one in found.failures] == ["RuntimeError: out of luck"] * 2
    assert "lr 0.01 full, seed 0: no result. RuntimeError: out of luck." in found.content().troubles
    rows = json.loads((tmp_path / "results.json").read_text())["failures"]
    assert len(rows) == 2
    with pytest.raises(DataError, match="every row failed"):
        table(photos, tmp_path / "none", settings()[1:2])


def test_a_row_that_diverges_is_shown_and_counts(photos: Path, tmp_path: Path) -> None:
    base = records.get("resnet18-full")
    wild = grid(base, backbones=[TINY], sizes=[32], lrs=[1e-3, 1e18], epochs=1)
    found = table(photos, tmp_path, wild, seeds=(0,))
    assert len(found.outcomes) == 2
    assert any("lr 1e+18, seed 0: the loss " in line for line in found.content().troubles)


def test_settings_of_one_name_and_a_folder_among_the_pictures_are_refused(photos: Path) -> None:
    with pytest.raises(OptionError, match=r"found: lr 0\.001 frozen"):
        table(photos, photos.parent / "runs", settings()[:1] * 2)
    with pytest.raises(OptionError, match="the pictures are only ever read"):
        table(photos, photos / "runs", settings())


def test_a_backbone_may_have_any_of_its_names(photos: Path, tmp_path: Path) -> None:
    short = grid(records.get("resnet18-frozen"), backbones=[TINY.partition(".")[0]], sizes=[32], epochs=1)
    assert len(table(photos, tmp_path, short, seeds=(0,)).outcomes) == 1


def test_a_backbone_without_weights_is_missing_and_the_others_go_on(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    base = records.get("resnet18-frozen")
    both = grid(base, backbones=["vgg16", "efficientnet_lite0"], sizes=[64], epochs=1)
    found = table(photos, tmp_path, both, weights=None, seeds=(0,))
    assert [one.setting for one in found.outcomes] == ["efficientnet_lite0"]
    assert [one.setting for one in found.failures] == ["vgg16"]
    assert found.failures[0].reason.startswith("weights of vgg16: expected model.safetensors")


@pytest.mark.slow
def test_a_cluster_trains_the_same_rows_in_the_same_order(
    found: Experiment, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    lines: list[str] = []
    there = table(photos, tmp_path, engine="ray", tell=lines.append)
    assert len(lines) == 8
    assert [(one.setting, one.seed) for one in there.outcomes] == [(one.setting, one.seed) for one in found.outcomes]
    for one, same in zip(there.outcomes, found.outcomes, strict=True):
        np.testing.assert_array_equal(one.proba, same.proba)
        assert (one.notes, one.runtime) == (same.notes, same.runtime)
    names = [sorted(path.name for path in (each.folder / "rows").iterdir()) for each in (there, found)]
    assert names[0] == names[1]
