from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from headstart import pipeline
from headstart.abstain.abstention import Abstention
from headstart.abstain.novelty import FAMILIAR
from headstart.backbones.runtime import RuntimeNote
from headstart.backbones.space import NetworkSpec
from headstart.classifier import ImageClassifier
from headstart.deploy import model as module
from headstart.deploy.directory import find_model
from headstart.deploy.golden import pictures as golden_pictures
from headstart.deploy.model import FEW, Model
from headstart.device import accelerator
from headstart.errors import ModelError, OptionError
from headstart.features.table import FeatureTable
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.finetune.plan import Augment, Head, Lora, Optimiser, Phase, Plan
from headstart.images.decode import decode, encode
from headstart.images.folder import scan
from headstart.images.recognise import read_header
from headstart.options import FitOptions
from pictures import draw
from tampering import change


@pytest.fixture(scope="module")
def saved(fitted: ImageClassifier, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "model"
    fitted.save(folder)
    return folder


@pytest.fixture
def copy(small_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small_model, tmp_path / "model"))


FORMATS = ["JPEG", "PNG", "BMP", "GIF", "TIFF", "WEBP", "AVIF"]


def test_what_is_loaded_answers_as_what_was_trained(fitted: ImageClassifier, saved: Path, tmp_path: Path) -> None:
    paths = []
    for number, name in enumerate(FORMATS):
        paths.append(tmp_path / f"{name}.{name.lower()}")
        paths[-1].write_bytes(encode(draw("rings", 900 + number, side=300), format=name))
    trained = fitted.predict_proba(paths)
    loaded = np.array([prediction.proba for prediction in Model.load(saved).predict(paths)])
    one_by_one = np.concatenate([[p.proba for p in Model.load(saved).predict([path])] for path in paths])
    np.testing.assert_allclose(loaded, trained, atol=1e-6)
    np.testing.assert_allclose(one_by_one, trained, atol=1e-3)


def test_predictions_equal_what_training_computed_for_the_same_pictures(fitted: ImageClassifier, saved: Path) -> None:
    images, choice = fitted.images_, fitted.choice_
    with pipeline.workbench(FitOptions.of(**fitted.get_params())) as bench:
        table = FeatureTable(images, bench)
        X = table.rows(choice.candidate.size, choice.candidate.output, np.arange(len(images)))
    in_training = choice.head.predict_proba(X)
    served = np.array([prediction.proba for prediction in Model.load(saved).predict(images.paths)])
    np.testing.assert_allclose(served, in_training, atol=1e-3)


def test_what_is_said_about_an_answer_is_what_training_would_say(fitted: ImageClassifier, saved: Path) -> None:
    images, choice, abstention = fitted.images_, fitted.choice_, fitted.model_.abstention
    with pipeline.workbench(FitOptions.of(**fitted.get_params())) as bench:
        table = FeatureTable(images, bench)
        everything = np.arange(len(images))
        X = table.rows(choice.candidate.size, choice.candidate.output, everything)
        rows = table.rows(choice.candidate.size, FAMILIAR, everything)
    in_training = abstention.judge(choice.head.predict_proba(X), rows, coverage=0.95)
    served = Model.load(saved).predict(images.paths, coverage=0.95)
    for expected, found in zip(in_training, served, strict=True):
        assert found.novelty == pytest.approx(expected.novelty, abs=1e-3)
        assert (found.unsure, found.prediction_set) == (expected.unsure, expected.prediction_set)
        assert found.unfamiliar == expected.unfamiliar or abs((found.novelty or 0) - 1) < 1e-3
    unsaved = fitted.model_.predict(images.paths, coverage=0.95)
    for one, other in zip(unsaved, served, strict=True):
        assert (one.unsure, one.unfamiliar, one.prediction_set) == (
            other.unsure,
            other.unfamiliar,
            other.prediction_set,
        )
        assert one.novelty == pytest.approx(other.novelty, abs=1e-6)


def test_pictures_of_a_third_kind_are_unfamiliar_and_new_ones_of_the_first_two_are_not(
    saved: Path, tmp_path: Path
) -> None:
    paths: dict[str, list[Path]] = {"rings": [], "stripes": [], "blobs": []}
    for kind, of_kind in paths.items():
        for number in range(15):
            of_kind.append(tmp_path / f"{kind}{number}.jpg")
            of_kind[-1].write_bytes(encode(draw(kind, 500 + number), format="JPEG"))
    model = Model.load(saved)
    assert all(one.unfamiliar for one in model.predict(paths["blobs"]))
    assert sum(bool(one.unfamiliar) for one in model.predict(paths["rings"] + paths["stripes"])) <= 3


def test_a_model_without_abstention_still_answers(fitted: ImageClassifier, tmp_path: Path, photos: Path) -> None:
    replace(fitted.model_, abstention=Abstention()).save(tmp_path / "bare")
    assert not (tmp_path / "bare" / "abstention.safetensors").exists()
    model = Model.load(tmp_path / "bare")
    (one,) = model.predict([next(photos.rglob("*.jpeg"))])
    assert one.proba is not None
    assert one.unsure is one.unfamiliar is one.novelty is one.prediction_set is one.answer is None
    with pytest.raises(OptionError, match="this model keeps none"):
        model.predict([], coverage=0.9)


def test_costs_may_be_given_when_predicting(saved: Path, photos: Path, tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("truth,rings,ask\nrings,0,1\nstripes,1000000,1\n")
    model = Model.load(saved).with_costs(tmp_path / "costs.csv")
    answers = {one.path.parent.name: one.answer for one in model.predict(sorted(photos.rglob("000.jpeg")))}
    assert answers["stripes"] == "ask"
    (tmp_path / "costs.csv").write_text("truth,rings,ask\nrings,0,1\n")
    with pytest.raises(OptionError, match="none for stripes"):
        model.with_costs(tmp_path / "costs.csv")


def test_many_pictures_are_judged_as_one_by_one(saved: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.load(saved)
    paths = [*sorted(photos.rglob("*.jpeg"))[:9], photos / "gone.jpg"]
    together = model.predict(paths)
    monkeypatch.setattr(module, "ANSWERED_TOGETHER", 2)
    apart = model.predict(paths)
    assert [one.path for one in apart] == [one.path for one in together] == paths
    assert [one.unfamiliar for one in apart] == [one.unfamiliar for one in together]
    assert apart[-1].reason == "no such file"


def test_loading_and_predicting_needs_no_torch(saved: Path, photos: Path) -> None:
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from headstart.deploy.model import Model\n"
        "(answer,) = Model.load(Path(sys.argv[1])).predict([Path(sys.argv[2])])\n"
        "assert answer.proba is not None\n"
        "assert answer.novelty is not None\n"
        "print(sorted({'torch', 'timm', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", script, str(saved), str(next(photos.rglob("*.jpeg")))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_holds_no_pickle_and_no_picture_of_the_user(saved: Path) -> None:
    suffixes = {path.suffix for path in saved.rglob("*") if path.is_file()}
    assert suffixes == {".json", ".safetensors", ".xml", ".bin", ".jpg", ".png"}
    assert {path.name for path in (saved / "golden").iterdir()} == set(golden_pictures())
    for name, data in golden_pictures().items():
        assert (saved / "golden" / name).read_bytes() == data


@pytest.mark.parametrize(
    "name", ["head.safetensors", "abstention.safetensors", "network.safetensors", "graph.bin", "golden/tall.jpg"]
)
def test_a_changed_or_missing_file_is_named(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[-1] ^= 1
    (copy / name).write_bytes(bytes(data))
    with pytest.raises(ModelError, match=f"expected: {name} with SHA-256"):
        Model.load(copy)
    (copy / name).unlink()
    with pytest.raises(ModelError, match="found: no such file"):
        Model.load(copy)


def test_every_damaged_file_is_named_at_once(copy: Path) -> None:
    (copy / "head.safetensors").unlink()
    (copy / "graph.xml").unlink()
    with pytest.raises(ModelError) as error:
        Model.load(copy)
    assert len(error.value.problems) == 2


def test_a_model_that_answers_differently_does_not_load(copy: Path) -> None:
    other = {"rings.png": [0.2, 0.3, 0.5]}
    change(copy, lambda document: [document[field].update(other) for field in ("golden", "golden_f32")])
    with pytest.raises(ModelError, match=r"expected: golden/rings.png gives \[0.2, 0.3, 0.5\] within 0.001"):
        Model.load(copy)


def test_another_schema_is_refused_with_what_to_do(copy: Path) -> None:
    document = json.loads((copy / "model.json").read_text())
    (copy / "model.json").write_text(json.dumps({**document, "schema": 99}))
    with pytest.raises(ModelError, match="found: schema 99\n   to do: upgrade headstart"):
        Model.load(copy)
    (copy / "model.json").write_text(json.dumps({**document, "schema": 1}))
    with pytest.raises(ModelError, match="found: schema 1\n   to do: train again with this version"):
        Model.load(copy)
    (copy / "model.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        Model.load(copy)


def test_what_is_no_model_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"found: no model\.json in"):
        find_model(tmp_path)
    with pytest.raises(ModelError, match="found: no such folder"):
        find_model(tmp_path / "nowhere")


def test_saving_replaces_a_model_whole(small_model: Path, copy: Path) -> None:
    (copy / "leftover.txt").write_text("of an older model")
    Model.load(small_model).save(copy)
    assert not (copy / "leftover.txt").exists()
    assert [path.name for path in copy.parent.iterdir()] == ["model"]
    Model.load(copy)


def test_saving_never_replaces_what_is_no_model(fitted: ImageClassifier, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(ModelError, match="expected: a new folder, or that of a model"):
        fitted.save(tmp_path / "thesis")
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"


def test_unreadable_pictures_keep_their_row(small_model: Path, photos: Path, tmp_path: Path) -> None:
    good = next(photos.rglob("*.jpeg"))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    answers = Model.load(small_model).predict([bad, good, tmp_path / "gone.jpg"])
    assert [answer.path.name for answer in answers] == ["bad.jpg", good.name, "gone.jpg"]
    assert [answer.proba is None for answer in answers] == [True, False, True]
    assert answers[0].reason == "text, not a picture: take it out of the folder"
    assert answers[2].reason == "no such file"


# ---------------------------------------------------------------- pictures in any form


def test_any_mix_of_forms_gives_the_same_probabilities(saved: Path, photos: Path) -> None:
    model, path = Model.load(saved), next(photos.rglob("*.jpeg"))
    assert read_header(path).height < 2 * model.space.geometry.resized  # a JPEG that is decoded in full
    with path.open("rb") as file, Image.open(path) as image:
        answers = model.predict([path, str(path), path.read_bytes(), file, image, decode(path), image.convert("RGB")])
    assert [answer.position for answer in answers] == list(range(7))
    assert [answer.path for answer in answers] == [path, path, None, None, None, None, None]
    for answer in answers:
        assert np.array_equal(answer.proba, answers[0].proba)  # type: ignore[arg-type]
        assert answer.novelty == pytest.approx(answers[0].novelty, abs=1e-9)


def test_a_large_jpeg_and_its_full_pixels_differ_by_little(saved: Path, tmp_path: Path) -> None:
    model = Model.load(saved)
    for seed in range(4):
        (tmp_path / f"{seed}.jpg").write_bytes(encode(draw("rings", seed, side=1100)))
    paths = sorted(tmp_path.iterdir())
    of_files, of_pixels = (
        np.array([answer.proba for answer in model.predict(pictures)])
        for pictures in (paths, [decode(path) for path in paths])
    )
    assert np.abs(of_files - of_pixels).max() < 0.15  # 0.11 at most, 0.011 on average, of 89 photographs


def test_pictures_without_a_name_that_cannot_be_read_say_why(small_model: Path) -> None:
    unreadable, good = Model.load(small_model).predict([b"no picture", encode(draw("rings", 3))])
    assert (unreadable.path, unreadable.position, unreadable.proba, unreadable.reason) == (
        None,
        0,
        None,
        "text, not a picture: take it out of the folder",
    )
    assert (good.position, good.reason) == (1, "")
    with pytest.raises(OptionError, match=r"predict\(\[picture\]\)"):
        Model.load(small_model).predict("a.jpg")


def test_few_pictures_and_many_give_the_same_probabilities(saved: Path, photos: Path) -> None:
    model, paths = Model.load(saved), sorted(photos.rglob("*.jpeg"))
    assert len(paths) > FEW
    many = np.array([answer.proba for answer in model.predict(paths)])
    singly = np.array([answer.proba for path in paths for answer in model.predict([path])])
    few = np.array([answer.proba for answer in model.predict(paths[:5])])
    assert model.space.runtime.batch == 1
    np.testing.assert_allclose(singly, many, atol=1e-12)
    np.testing.assert_allclose(few, singly[:5], atol=1e-12)


# ---------------------------------------------------------------- devices and threads


def test_every_device_gives_the_golden_answers(small_model: Path, copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = golden_f32(small_model)
    torch_ = Model.load(small_model, device="torch", threads=None)
    assert torch_.space.runtime.name == "torch f32 cpu"
    np.testing.assert_allclose(golden_of(torch_, small_model), expected, atol=1e-4)
    assert Model.load(small_model, device="openvino", threads=1).space.runtime.name.startswith("openvino")
    for path in copy.glob("graph.*"):
        path.unlink()
    answers = golden_of(torch_, small_model)
    np.testing.assert_array_equal(golden_of(Model.load(copy, device="torch"), copy), answers)
    monkeypatch.setitem(sys.modules, "openvino", None)
    np.testing.assert_array_equal(golden_of(Model.load(small_model, device="torch"), small_model), answers)


def test_where_bfloat16_strays_float32_is_used_and_that_is_said(
    small_model: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if Model.load(small_model, device="openvino", precision="bf16").space.runtime.precision == "f32":
        pytest.skip("this CPU does not compute in bfloat16")
    change(copy, lambda document: document.update(runtime="torch f32 cpu", golden=document["golden_f32"]))
    monkeypatch.setattr("headstart.deploy.golden.OTHER_PRECISION_TOLERANCE", -1.0)
    model = Model.load(copy, device="openvino", precision="bf16")
    assert model.space.runtime.name == "openvino f32"
    assert model.notes[-1] == RuntimeNote(what="other answers")


def test_a_model_answers_in_the_precision_it_was_trained_in(small_model: Path, tmp_path: Path) -> None:
    model = Model.load(small_model, device="openvino")
    assert model.space.runtime.name == "openvino f32"
    rounded = Model.load(small_model, device="openvino", precision="bf16")
    if rounded.space.runtime.precision == "f32":
        assert rounded.notes == (RuntimeNote(what="no bf16"),)
        pytest.skip("this CPU does not compute in bfloat16")
    rounded.save(tmp_path / "rounded")
    again = Model.load(tmp_path / "rounded")
    assert again.space.runtime.name == "openvino bf16"
    assert Model.load(tmp_path / "rounded", precision="f32").space.runtime.name == "openvino f32"
    paths = sorted((small_model / "golden").iterdir())
    for ours, theirs in zip(again.predict(paths), rounded.predict(paths), strict=True):
        assert np.array_equal(ours.proba, theirs.proba)


def test_the_network_for_batches_is_proven_before_the_first_batch(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model.load(saved, device="torch")
    paths = sorted((saved / "golden").iterdir())
    assert len(model.predict(paths * 4)) == model.space.runtime.batch == 16
    strayed = Model.load(saved, device="torch")
    monkeypatch.setattr("headstart.deploy.golden.SAME_PRECISION_TOLERANCE", -1.0)
    assert len(strayed.predict(paths)) == 4
    with pytest.raises(ModelError, match="does not give the answers it gave when it was trained"):
        strayed.predict(paths * 4)
    assert len(model.predict(paths * 4)) == 16  # looked at once


def golden_f32(folder: Path) -> list[list[float]]:
    answers = json.loads((folder / "model.json").read_text())["golden_f32"]
    return [answers[name] for name in sorted(answers)]


def golden_of(model: Model, folder: Path) -> list[NDArray[np.float64]]:
    return [answer.proba for answer in model.predict(sorted((folder / "golden").iterdir()))]  # type: ignore[misc]


@pytest.mark.skipif(accelerator() is not None, reason="there is a GPU")
def test_a_device_that_is_not_there_is_refused(small_model: Path) -> None:
    for device in ("cuda", "gpu"):
        with pytest.raises(OptionError, match="device"):
            Model.load(small_model, device=device)
    with pytest.raises(OptionError, match="expected: 1 or more"):
        Model.load(small_model, threads=0)


@pytest.mark.parametrize("device", ["openvino", "torch"])
def test_threads_may_share_a_model(small_model: Path, photos: Path, device: str) -> None:
    """Bit for bit what one thread gets, 8 threads with 5 predictions each; ``benchmarks/threads.py`` makes 200 each."""
    model, paths = Model.load(small_model, device=device), sorted(photos.rglob("*.jpeg"))[:8]
    alone = Model.load(small_model, device=device)
    expected = [alone.predict([path])[0].proba for path in paths]

    def same(thread: int) -> bool:
        turns = [(thread + turn) % len(paths) for turn in range(5)]
        return all(np.array_equal(model.predict([paths[i]])[0].proba, expected[i]) for i in turns)  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(same, range(8)))


# ---------------------------------------------------------------- fine-tuned


PLANS = {
    "a cut in the middle": ("test_efficientnet.r160_in1k", Head(), (Phase(train_from="blocks.4"),), None),
    "two phases, a head on the pooled map": (
        "test_efficientnet.r160_in1k",
        Head(reads="pooled map", dropout=0.2, hidden=(7,), hidden_dropout=0.5, logit="one"),
        (Phase(train_from="head"), Phase(train_from="blocks.4.0.conv_dw", batch_norm="train")),
        None,
    ),
    "all of it, a head on the map": (
        "test_resnet.r160_in1k", Head(reads="map"), (Phase(train_from="all"),), None,
    ),
    "a transformer with adapters": ("test_vit.r160_in1k", Head(), (Phase(train_from="blocks.4"),), Lora(rank=2)),
}  # fmt: skip


@pytest.mark.parametrize("plan", PLANS)
def test_a_fine_tuned_model_leaves_the_house(plan: str, photos: Path, cache: Path, tmp_path: Path) -> None:
    """Without its graph, its cache and the weights it began with, torch gives the golden answers."""
    name, head, phases, adapters = PLANS[plan]
    images, optimiser = scan(photos), Optimiser(name="adam", lr=3e-3)
    tuned = finetune(
        Job(
            network=NetworkSpec.named(name, "random", cache=cache, device="openvino"),
            images=images,
            train=np.arange(0, 40, 2),
            val=np.arange(1, 40, 2),
            plan=Plan(
                size=64,
                mode="squash",
                head=head,
                lora=adapters,
                augment=Augment(kind="none"),
                phases=tuple(replace(phase, epochs=1, optimiser=optimiser) for phase in phases),
            ),
        )
    )
    space, linear = tuned.deploy(temperature=1.5)
    model = Model(classes=images.classes, space=space, output="tuned", head=linear, backbone={"name": name})
    model.save(tmp_path / "model")
    for path in (tmp_path / "model").glob("graph.*"):
        path.unlink()
    loaded = Model.load(tmp_path / "model", device="torch")
    assert loaded.space.runtime.name == "torch f32 cpu"
    np.testing.assert_allclose(golden_of(loaded, tmp_path / "model"), golden_f32(tmp_path / "model"), atol=1e-4)
    in_training = tuned.predict_proba(images.paths[:4])
    served = replace(loaded, head=replace(linear, temperature=1.0)).predict(images.paths[:4])
    np.testing.assert_allclose([answer.proba for answer in served], in_training, atol=5e-3)  # type: ignore[misc]
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again" / "graph.json").is_file()
    np.testing.assert_allclose(golden_f32(tmp_path / "again"), golden_f32(tmp_path / "model"), atol=1e-4)
