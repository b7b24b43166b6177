from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from headstart.abstain.abstention import Abstention
from headstart.backbones.exported import network_to_onnx
from headstart.backbones.space import NetworkSpec
from headstart.deploy.export import to_onnx
from headstart.deploy.manifest import manifest_of
from headstart.deploy.model import Model
from headstart.deploy.onnx_graph import OUTPUTS, rows_of, whole_graph
from headstart.deploy.onnx_nodes import OPSET, import_onnxruntime
from headstart.deploy.portable import Portable, of_onnx, open_onnx
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.finetune.plan import Augment, Head, Optimiser, Phase, Plan
from headstart.images.decode import decode
from headstart.images.folder import scan
from headstart.images.transforms import Geometry
from models import CLASSES, SIZE, write_model
from networks import SMALL
from pictures import scene

SAME = 1e-3


def odd_pictures() -> list[bytes]:
    """Files of one pixel, of long and small formats, grey, transparent, and turned by EXIF."""
    shapes = [(1, 1), (20, 900), (900, 20), (7, 5), (64, 64), (333, 250), (600, 800)]
    images = [Image.fromarray(scene(seed, size=shape)) for seed, shape in enumerate(shapes)]
    images += [images[5].convert("L"), images[5].convert("P"), images[5].copy()]
    images[-1].putalpha(images[7].resize(images[-1].size))
    files = []
    for number, image in enumerate([*images, images[6]]):
        stream, exif = io.BytesIO(), Image.Exif()
        if number == len(images):
            exif[0x0112] = 6
        image.save(stream, "PNG", exif=exif)
        files.append(stream.getvalue())
    return files


def test_the_file_answers_odd_pictures_as_the_model_does(small_model: Path, small_onnx: Path) -> None:
    same_answers(open_onnx(small_onnx), Model.load(small_model, precision="f32"))


def test_so_does_one_that_squashes_pictures_and_reads_the_last_layer(cache: Path, tmp_path: Path) -> None:
    geometry = Geometry(size=SIZE, mode="squash", interpolation="bilinear")
    folder = write_model(tmp_path / "model", cache, output="last", geometry=geometry)
    exported = to_onnx(folder)
    same_answers(of_onnx(exported.content, exported.manifest, "it"), Model.load(folder, precision="f32"))


def same_answers(portable: Portable, model: Model) -> None:
    pixels = [decode(data) for data in odd_pictures()]
    for ours, theirs in zip(model.predict(odd_pictures()), portable.answers(pixels), strict=True):
        np.testing.assert_allclose(theirs.proba, ours.proba, atol=SAME)  # type: ignore[arg-type]
        assert theirs.novelty == pytest.approx(ours.novelty, abs=SAME)
        assert (theirs.unsure, theirs.unfamiliar) == (ours.unsure, ours.unfamiliar)


def test_a_batch_gives_what_its_pictures_give_alone(small_onnx: Path) -> None:
    session = import_onnxruntime().InferenceSession(str(small_onnx), providers=["CPUExecutionProvider"])
    pictures = np.stack([scene(seed) for seed in range(3)])
    together = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": pictures}), strict=True))
    assert {name: value.dtype.type for name, value in together.items()} == OUTPUTS
    assert together["logits"].shape == (3, len(CLASSES))
    for place in range(3):
        alone = session.run(list(OUTPUTS), {"image": pictures[place : place + 1]})
        for name, value in zip(OUTPUTS, alone, strict=True):
            np.testing.assert_allclose(value[0], together[name][place], atol=1e-4)


def test_a_model_that_has_not_learned_when_not_to_answer_is_never_unsure_and_has_no_novelty(small_model: Path) -> None:
    model = replace(Model.load(small_model, precision="f32"), abstention=Abstention())
    manifest = manifest_of(model, small_model, precision="f32")
    network = network_to_onnx(small_model, rows_of(model), opset=OPSET)
    content = whole_graph(model, network, manifest).SerializeToString()
    (answer,) = of_onnx(content, manifest, "it").answers([scene(0)])
    assert (answer.unsure, answer.unfamiliar, answer.novelty) == (None, None, None)
    session = import_onnxruntime().InferenceSession(content, providers=["CPUExecutionProvider"])
    values = dict(zip(OUTPUTS, session.run(list(OUTPUTS), {"image": scene(0)[None]}), strict=True))
    assert np.isnan(values["novelty"]).all()
    assert not values["unsure"].any()
    assert not values["unfamiliar"].any()


def test_a_fine_tuned_network_answers_alike(photos: Path, cache: Path, tmp_path: Path) -> None:
    images, optimiser = scan(photos), Optimiser(name="adam", lr=3e-3)
    phase = Phase(train_from="layer3", epochs=1, optimiser=optimiser)
    plan = Plan(size=SIZE, mode="squash", head=Head(), augment=Augment(kind="none"), phases=(phase,))
    network = NetworkSpec.named(SMALL.architecture, "random", cache=cache, device="openvino")
    job = Job(network=network, images=images, train=np.arange(0, 40, 2), val=np.arange(1, 40, 2), plan=plan)
    space, linear = finetune(job).deploy(temperature=1.5)
    model = Model(classes=images.classes, space=space, output="tuned", head=linear, backbone={"name": "tuned"})
    model.save(tmp_path / "model")
    exported = to_onnx(tmp_path / "model")
    assert exported.golden.holds
    answers = of_onnx(exported.content, exported.manifest, "it").answers(decode(path) for path in images.paths[:4])
    served = Model.load(tmp_path / "model", precision="f32").predict(images.paths[:4])
    for ours, theirs in zip(served, answers, strict=True):
        np.testing.assert_allclose(theirs.proba, ours.proba, atol=SAME)  # type: ignore[arg-type]


def test_the_file_is_one_of_onnx_own_and_says_what_it_is(small_onnx: Path) -> None:
    model = onnx.load(small_onnx, load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert model.producer_name == "headstart export"
    manifest = open_onnx(small_onnx).manifest
    assert manifest.classes == CLASSES
    assert {"model.json", "network.safetensors", "head.safetensors"} <= manifest.sha256.keys()
    assert set(manifest.pictures()) == {"colour.jpg", "rings.png", "transparent.png", "tall.jpg"}
