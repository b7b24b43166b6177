from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.deploy.model import Model
from headstart.errors import DataError, OptionError
from headstart.finetune.checkpoint import Snapshot
from headstart.images.decode import encode
from headstart.images.folder import scan
from headstart.images.grey_levels import Levels
from headstart.recipes.pictures import with_splits
from headstart.recipes.records import RECIPES, Recipe, get
from headstart.recipes.runner import kept_epoch, run, summaries
from headstart.report.recipe import Reproduction, lines, parameters
from histories import history
from pictures import classes_in, draw, write_folder


@pytest.mark.parametrize(
    ("name", "trainable", "tensors", "base_with_statistics"),
    [
        ("resnet18-frozen", (1_026,), (2,), 11_186_112),
        ("vgg16-frozen", (8_194,), (2,), 134_260_544),
        ("mobilenetv2-two-phase", (1_281, 1_862_721), (2, 56), 2_257_984),
        ("vgg16-dense256", (131_585, 7_079_424 + 131_585), (4, 10), 14_714_688),
        ("vgg16-mlp", (119_554_050,), (6,), 14_714_688),
    ],
)
def test_counts_are_those_of_the_write_ups(
    name: str, trainable: tuple[int, ...], tensors: tuple[int, ...], base_with_statistics: int
) -> None:
    counted = summaries(get(name))
    assert tuple(summary.trainable for summary in counted) == trainable
    assert tuple(summary.trainable_tensors for summary in counted) == tensors
    assert {summary.base_with_statistics for summary in counted} == {base_with_statistics}
    assert f"{trainable[0]:,} parameters in {tensors[0]} tensors" in parameters(counted[0])
    of_backbone = counted[-1].trainable - counted[-1].head
    assert of_backbone == (0 if len(counted) == 1 else trainable[1] - trainable[0])
    if of_backbone:  # what the write-up counts
        assert f"({of_backbone:,} of the backbone, {counted[-1].head:,} of the head)" in parameters(counted[-1])


def test_a_fifth_becomes_validation_where_there_is_none(photos: Path) -> None:
    images = with_splits(scan(photos), get("resnet18-frozen"), seed=0)
    val = images.split == "val"
    assert val.sum() == 8
    assert np.bincount(images.y[val]).tolist() == [4, 4]
    assert not (images.split == "test").any()


def test_levels_are_those_of_the_pictures_that_are_left_to_train_on(photos: Path, tmp_path: Path) -> None:
    for kind in ("rings", "stripes"):
        (tmp_path / kind).mkdir()
        for number in range(5):
            values = np.full((8, 8), 3000 + number, np.uint16)
            values[0, 0] = number + len(kind)
            (tmp_path / kind / f"{number}.png").write_bytes(encode(values, format="PNG"))
    images = with_splits(scan(tmp_path), get("resnet18-frozen"), seed=0)
    assert images.levels == Levels(integers=(0.0, 4095.0))
    assert len(images.deep_training()) == 8
    assert with_splits(scan(photos), get("resnet18-frozen"), seed=0).levels is None


def test_a_fifth_of_the_validation_batches_becomes_the_test_split(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "train", {"rings": 4, "stripes": 4}, side=32)
    write_folder(tmp_path / "val", {"rings": 4, "stripes": 4}, side=32, first_seed=50)
    images = scan(folder.parent)
    many = images.subset(np.r_[np.arange(8), np.resize(np.arange(8, 16), 1_000)])
    split = with_splits(many, get("mobilenetv2-two-phase"), seed=0).split
    assert {name: int((split == name).sum()) for name in ("train", "val", "test")} == {
        "train": 8,
        "val": 1_000 - 6 * 32,  # 32 batches of 32, of which 6 are moved
        "test": 6 * 32,
    }


@pytest.fixture(scope="module")
def told() -> list[str]:
    """What is said while `shortened` runs."""
    return []


@pytest.fixture(scope="module")
def shortened(photos: Path, tmp_path_factory: pytest.TempPathFactory, told: list[str]) -> Reproduction:
    recipe = get("mobilenetv2-two-phase").on("efficientnet_lite0").with_epochs(2)
    recipe = replace(recipe, plan=replace(recipe.plan, size=64))
    pictures = [sorted(photos.rglob("*.jpeg"))[0]]
    folder, command = tmp_path_factory.mktemp("run"), "headstart recipes run …"
    return run(recipe, photos, folder, pictures=pictures, command=command, tell=told.append)


def test_a_recipe_shows_what_its_write_up_shows(shortened: Reproduction, photos: Path) -> None:
    folder = shortened.folder
    history = json.loads((folder / "history.json").read_text())
    assert len(history["epochs"]) == 4
    assert history["initial_loss"] > 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    for words in (
        "How it learned",
        "start of fine-tuning",
        "Predicted labels",
        "Nine augmented views",
        "Before training: validation loss",
        "In numbers: 4 epochs",
        "After phase 1: ",
        "Did pretraining help?",
        "Pictures from elsewhere",
        "backbone efficientnet_lite0 where the write-up has mobilenetv2",
        "shortened to at most 2 epochs in each phase",
        "too optimistic",
    ):
        assert words in page
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shortened.evaluation.n == 8
    right = np.mean([row["label"] == row["predicted"] for row in rows])
    assert {row["sha256"] for row in rows} <= set(scan(photos).digests)
    assert right == pytest.approx(shortened.evaluation.accuracy.value)


def test_people_read_everything_in_order(shortened: Reproduction, told: list[str]) -> None:
    said = list(lines(shortened))
    begins = (
        "phase 1 from head", "phase 2 from layers:18", "Before training",
        "epoch   1  phase 1", "epoch   2  phase 1", "epoch   3  phase 2", "epoch   4  phase 2",
    )  # fmt: skip
    assert [line[: len(begin)] for line, begin in zip(told, begins, strict=True)] == list(begins)
    assert said[0].startswith("trained in ")
    assert said[1].endswith("measured on the validation split, last epoch")
    assert sum(line.startswith("after phase 1: ") for line in said) == 1
    assert said[-1].split(": ")[1].split()[0] in ("rings", "stripes")
    assert json.loads((shortened.folder / "metrics.json").read_text())["initial"] == told[2]


def test_predictions_lie_beside_labels_as_arrays(shortened: Reproduction) -> None:
    with np.load(shortened.folder / "predictions.npz") as arrays:
        y, predicted, proba = (arrays[name] for name in ("y", "predicted", "proba"))
        paths, classes = arrays["path"], arrays["classes"]
    with (shortened.folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["path"] for row in rows] == paths.tolist()
    assert [row["label"] for row in rows] == classes[y].tolist()
    assert [row["predicted"] for row in rows] == classes[predicted].tolist() == classes[proba.argmax(1)].tolist()


def test_where_nothing_was_chosen_all_held_out_pictures_count(photos: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "p" / "train", {"rings": 6, "stripes": 6}, side=32)
    write_folder(tmp_path / "p" / "val", {"rings": 80, "stripes": 80}, side=32, first_seed=50)
    for name, expected in (("mobilenetv2-two-phase", 160), ("vgg16-dense256-stored", None)):
        recipe = get(name).on("test_efficientnet.r160_in1k").with_epochs(1)
        phase = replace(recipe.plan.phases[0], train_from="head")
        recipe = replace(recipe, plan=replace(recipe.plan, size=32, phases=(phase,)))
        found = run(recipe, folder.parent, tmp_path / name, weights="random")
        assert found.evaluation.n == 32  # one of five batches
        assert [one.n for one in found.others] == ([expected] if expected else [])  # keep="best" chose on val
        assert all((one.measured_on.kind, one.measured_on.n) == ("all held out", 160) for one in found.others)
        assert found.transfer is None  # random weights: there is nothing to transfer


def test_pictures_are_looked_at_before_anything_is_trained(photos: Path, tmp_path: Path) -> None:
    broken, missing = tmp_path / "broken.jpg", tmp_path / "missing.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(DataError) as caught:
        run(get("resnet18-frozen"), photos, tmp_path / "run", weights="random", pictures=[broken, missing])
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "run").exists()


def test_a_recipe_that_never_learns_says_so(photos: Path, tmp_path: Path) -> None:
    recipe = get("resnet18-full").on("test_efficientnet.r160_in1k").with_epochs(1)
    (phase,) = recipe.plan.phases
    wild = replace(phase, optimiser=replace(phase.optimiser, lr=1e12))
    recipe = replace(recipe, plan=replace(recipe.plan, size=32, phases=(wild,)))
    with pytest.raises(DataError, match="training stopped at the last sound weights") as caught:
        run(recipe, photos, tmp_path / "run", weights="random")
    assert "to do: lower the learning rate with --lr, or give other --weights" in str(caught.value)
    for name in ("before.html", "before.json"):  # what a run that is cut off leaves
        assert (tmp_path / "run" / name).is_file()
    assert not (tmp_path / "run" / "report.html").exists()


def test_nothing_is_written_over_what_is_not_of_a_run(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.tex").write_text("years of work")
    with pytest.raises(OptionError, match="expected: a new folder, or one of an earlier recipe"):
        run(get("resnet18-frozen"), photos, tmp_path, weights="random")
    with pytest.raises(OptionError, match="the pictures are only ever read"):
        run(get("resnet18-frozen"), photos, photos / "runs", weights="random")


def test_what_is_said_comes_before_and_during_training(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that is cut off in its second epoch has told of its first, and the one that goes on tells of both."""
    recipe = get("resnet18-frozen").on("test_efficientnet.r160_in1k").with_epochs(2)
    recipe = replace(recipe, plan=replace(recipe.plan, size=64))
    lines: list[str] = []
    original = Snapshot.save

    def cut_off(snapshot: Snapshot, file: Path, name: str) -> None:
        original(snapshot, file, name)
        raise KeyboardInterrupt

    monkeypatch.setattr(Snapshot, "save", cut_off)
    with pytest.raises(KeyboardInterrupt):
        run(recipe, photos, tmp_path / "run", weights="random", tell=lines.append)
    monkeypatch.setattr(Snapshot, "save", original)
    assert [line.startswith("epoch   1") for line in lines] == [False, False, True]
    again: list[str] = []
    run(recipe, photos, tmp_path / "run", weights="random", tell=again.append)
    assert again[:3] == lines
    assert [line[:9] for line in again[3:]] == ["epoch   2"]


def test_a_finished_run_repeats_its_result_from_the_checkpoint(
    shortened: Reproduction, photos: Path, told: list[str]
) -> None:
    recipe = get("mobilenetv2-two-phase").on("efficientnet_lite0").with_epochs(2)
    recipe = replace(recipe, plan=replace(recipe.plan, size=64))
    lines: list[str] = []
    again = run(recipe, photos, shortened.folder, tell=lines.append)
    assert again.evaluation == shortened.evaluation
    assert lines == told


@pytest.fixture(scope="module")
def split_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """8 pictures to train on, one of them cut off, and 8 to validate on, all small."""
    root = tmp_path_factory.mktemp("split")
    write_folder(root / "train", {"rings": 4, "stripes": 4}, side=32)
    write_folder(root / "val", {"rings": 4, "stripes": 4}, side=32, first_seed=50)
    whole = encode(draw("rings", 99, side=64), format="JPEG")
    (root / "train" / "rings" / "cut.jpeg").write_bytes(whole[: len(whole) // 2])
    return root


@pytest.mark.parametrize("name", [recipe.name for recipe in RECIPES])
def test_the_page_and_the_saved_model_agree(name: str, split_photos: Path, tmp_path: Path) -> None:
    """Of every recipe: the same pictures, the same probabilities, the same figure; one broken file is left out."""
    recipe = get(name).on("test_efficientnet.r160_in1k").with_epochs(1)
    recipe = replace(recipe, plan=replace(recipe.plan, size=32))
    ran = run(recipe, split_photos, tmp_path, weights="random")
    model = Model.load(tmp_path / "model")
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    answers = model.predict([split_photos / row["path"] for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert answer.proba is not None
        assert [float(row[name]) for name in ran.classes] == pytest.approx(answer.proba.tolist(), abs=1e-6)
        assert (answer.unsure, answer.unfamiliar) != (None, None)
    right = [row["label"] == model.classes[int(np.argmax(one.proba))] for row, one in zip(rows, answers, strict=True)]
    metrics = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"]["value"] == ran.evaluation.accuracy.value == pytest.approx(np.mean(right), abs=1e-12)
    before = json.loads((tmp_path / "before.json").read_text(encoding="utf-8"))
    assert before["class_counts"] == {"train": {"rings": 4, "stripes": 4}, "val": {"rings": 4, "stripes": 4}}
    assert [file["path"] for file in before["left_out"]] == ["train/rings/cut.jpeg"]
    assert metrics["departures"] == before["departures"]
    assert {"decoding", "backbone", "weights"} <= {fact["kind"] for fact in metrics["departures"]}
    assert metrics["seconds"] == pytest.approx(metrics["training_seconds"] + metrics["prepared_seconds"], abs=0.02)


def test_the_kept_epoch_is_of_the_last_phase_that_finished_any() -> None:
    two = get("vgg16-dense256").plan
    loss = [0.5, 0.2, 0.4, 0.3, 0.35]
    assert kept_epoch(history(loss, loss, starts=(1, 4)), two) == (4, "best")
    assert kept_epoch(history(loss, loss), two) == (2, "best")  # fine-tuning diverged at once
    assert kept_epoch(history(loss, loss), get("resnet18-full").plan) == (5, "last")


@pytest.mark.parametrize(
    ("recipe", "classes", "said"),
    [
        (get("mobilenetv2-two-phase"), "abc", "take a recipe for any number of classes: resnet18-full"),
        (get("vgg16-dense256").on("vit_tiny_patch16_224"), "ab", "to do: choose another --backbone"),
        (get("resnet18-full").with_lora(8), "ab", "to do: choose another --backbone, or leave --lora out"),
    ],
)
def test_a_refusal_names_options_and_leaves_no_folder(recipe: Recipe, classes: str, said: str, tmp_path: Path) -> None:
    photos = classes_in(tmp_path / "photos", " ".join(classes))
    with pytest.raises(OptionError) as caught:
        run(recipe, photos, tmp_path / "run", weights="random")
    assert said in str(caught.value)
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def kept_best(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Reproduction:
    """A recipe that keeps the best epoch, on pictures without a test split; at this rate the last is not the best."""
    recipe = get("vgg16-dense256-stored").on("test_efficientnet.r160_in1k").with_epochs(6)
    (phase,) = recipe.plan.phases
    phase = replace(phase, optimiser=replace(phase.optimiser, lr=0.1))
    recipe = replace(recipe, plan=replace(recipe.plan, size=32, phases=(phase,)))
    return run(recipe, photos, tmp_path_factory.mktemp("best"), weights="random")


def test_the_figure_is_that_of_the_saved_weights(kept_best: Reproduction, photos: Path) -> None:
    ran, folder = kept_best, kept_best.folder
    assert ran.kept_epoch == ran.history.best.epoch < len(ran.history.epochs)
    with (folder / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    answers = Model.load(folder / "model").predict([photos / row["path"] for row in rows])
    for row, answer in zip(rows, answers, strict=True):
        assert [float(row[name]) for name in ran.classes] == pytest.approx(answer.proba.tolist(), abs=1e-4)
    right = [row["label"] == ran.classes[int(answer.proba.argmax())] for row, answer in zip(rows, answers, strict=True)]
    assert ran.evaluation.accuracy.value == pytest.approx(np.mean(right))
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert f'<p class="big">{100 * np.mean(right):.1f}<small>' in page


def test_a_chosen_epoch_is_named_and_called_too_optimistic_beside_the_last(kept_best: Reproduction) -> None:
    ran, folder = kept_best, kept_best.folder
    assert (ran.evaluation.measured_on.split, ran.evaluation.measured_on.epoch) == ("val", "best")
    (last,) = ran.others
    assert (last.measured_on.split, last.measured_on.epoch) == ("val", "last")
    assert last.accuracy.value == pytest.approx(ran.history.last.val_accuracy)
    assert last.log_loss.value == pytest.approx(ran.history.last.val_loss, abs=1e-4)
    assert ran.evaluation.log_loss.value == pytest.approx(ran.history.best.val_loss, abs=1e-4)
    said = list(lines(ran))
    assert said[1].endswith("the validation split, best epoch: too optimistic, because it was chosen on these pictures")
    assert said[2].endswith("measured on the validation split, last epoch")
    kept = f"The weights of epoch {ran.kept_epoch} of 6 are kept, which has the lowest validation loss."
    assert kept in said
    assert kept in (folder / "report.html").read_text(encoding="utf-8")
    assert json.loads((folder / "metrics.json").read_text())["kept_epoch"] == ran.kept_epoch
