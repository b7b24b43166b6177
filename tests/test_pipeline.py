"""The main path: copies never help a figure, doubts are about what was fitted, and nothing is opened twice."""

from __future__ import annotations

import io
import json
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from headstart import pipeline
from headstart.deploy.model import Model
from headstart.errors import DataError, OptionError
from headstart.features.table import FeatureTable
from headstart.images.decode import encode
from headstart.images.grey_levels import Levels
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.report.pictures import finding_lines
from headstart.report.run_page import doubts_document
from headstart.store import FeatureStore
from pictures import draw, write_folder


def fitted_on(folder: Path, options: FitOptions) -> tuple[Fitted, Doubts]:
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(folder), options, bench)
        return fitted, pipeline.doubt(fitted, bench)


def test_what_is_found_is_one_frozen_record(doubted: tuple[Fitted, Doubts]) -> None:
    fitted, _ = doubted
    with pytest.raises(FrozenInstanceError):
        fitted.model = None  # type: ignore[misc, assignment]
    assert fitted.images.classes == fitted.model.classes == ("rings", "stripes")
    assert fitted.evaluations[0].evaluation.accuracy.n == 40
    assert len(fitted.evaluations[0].proba) == len(fitted.evaluations[0].index) == 40
    assert {"features", "looking for copies", "choosing the head", "evaluation"} <= set(fitted.timings)


def test_the_store_is_opened_once(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    original = FeatureStore.__init__

    def counting(self: FeatureStore, folder: Path, **options: int) -> None:
        opened.append(folder)
        original(self, folder, **options)

    monkeypatch.setattr(FeatureStore, "__init__", counting)
    fitted_on(photos, FitOptions(sizes=(224,)))
    assert len(opened) == 1


def test_copies_of_what_is_tested_on_are_not_trained_on(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 200)):
        write_folder(tmp_path / split, {"rings": 10, "stripes": 10}, first_seed=first)
    for number in range(3):
        data = encode(draw("rings", 200 + number), quality=60)
        (tmp_path / "train" / "rings" / f"copy{number}").write_bytes(data)
    fitted, doubts = fitted_on(tmp_path, FitOptions(sizes=(224,), finetune="never"))
    evaluation = fitted.evaluations[0].evaluation
    assert {out.path.name for out in fitted.images.left_out} == {"copy0", "copy1", "copy2"}
    assert fitted.model.training["pictures"] == 20
    assert evaluation.n == 20
    assert doubts.leak is not None
    assert (doubts.leak.copied, doubts.leak.optimism.n) == (3, 20)
    assert doubts.leak.deduplicated == evaluation.accuracy.value
    written = json.loads(json.dumps(doubts_document(doubts, [])["leak"]))
    assert (written["split"], written["copied"], written["optimism"]["n"]) == ("test", 3, 20)
    assert {"low", "high"} <= set(written["optimism"])
    assert written["sentence"].startswith("3 of 20 pictures of test had a copy in training.")


def test_near_copies_under_different_labels_are_suspects(tmp_path: Path, doubted: tuple[Fitted, Doubts]) -> None:
    folder = write_folder(tmp_path, {"rings": 12, "stripes": 12})
    (folder / "stripes" / "really rings.jpg").write_bytes(encode(draw("rings", 3), format="JPEG", quality=70))
    findings = fitted_on(folder, FitOptions(sizes=(224,)))[1].findings
    suspects = [findings.images.paths[suspect.index].name for suspect in findings.suspects]
    assert "really rings.jpg" in suspects[:2]
    assert doubted[1].leak is None


def test_doubts_are_plain_json(doubted: tuple[Fitted, Doubts]) -> None:
    record = json.loads(json.dumps(doubts_document(doubted[1], ["said"]), allow_nan=False))
    assert {"findings", "leak", "certificate", "learning_curve", "by_group"} <= set(record)
    assert record["leak"] is None
    assert record["findings"]["sentences"] == ["said"]
    counts = {"mislabelled", "unlike_others", "blank", "tiny", "blurred", "grey", "left_out", "conflicting"}
    assert counts <= set(record["findings"])
    assert set(record["findings"]["wrong_labels"]) == {"value", "low", "high", "n", "method"}


def test_a_figure_that_is_not_asked_for_is_not_measured(photos: Path) -> None:
    options = FitOptions(sizes=(224,), finetune="never")
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(photos), options, bench, evaluate=False)
        assert fitted.evaluations == ()
        assert pipeline.doubt_images(fitted, bench)[1] is None


def test_unreadable_pictures_are_left_out_by_name(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, {"rings": 8, "stripes": 8})
    damaged = folder / "rings" / "000.jpeg"
    damaged.write_bytes(damaged.read_bytes()[:-300])
    options = FitOptions(sizes=(224,), finetune="never")
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(folder), options, bench, evaluate=False)
    assert [out.path for out in fitted.images.left_out] == [damaged]
    assert np.count_nonzero(fitted.images.split == "train") == 15


def test_costs_that_do_not_fit_are_refused_before_any_work(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text("truth,rings\nrings,0\n")
    options = FitOptions(sizes=(224,), cost=str(tmp_path / "costs.csv"), cache=str(tmp_path / "cache"))
    with pipeline.workbench(options) as bench, pytest.raises(OptionError, match="stripes"):
        pipeline.fit(read(photos), options, bench)
    with pytest.raises(DataError):
        read(tmp_path / "nowhere")


def test_deep_pictures_are_served_as_they_were_trained_on(tmp_path: Path) -> None:
    """By path, bytes, image and array, by the model and by the saved one."""
    for kind in ("rings", "stripes"):
        folder = tmp_path / "photos" / kind
        folder.mkdir(parents=True)
        for number in range(8):
            values = draw(kind, number)[..., 0].astype(np.uint16) * 16 // (1 + number % 4)
            (folder / f"{number}.png").write_bytes(encode(values, format="PNG"))
    options = FitOptions(sizes=(224,), finetune="never")
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(tmp_path / "photos"), options, bench)
        findings, _ = pipeline.doubt_images(fitted, bench)
        table, output = FeatureTable(fitted.images, bench), fitted.selection.output
        trained = table.through(fitted.selection.space, output, np.arange(16))
    assert fitted.images.levels == fitted.model.space.geometry.levels == Levels(integers=(0.0, 4095.0))
    assert "Grey pictures of 12 bits: 4,095 is white." in finding_lines(findings)
    expected = fitted.model.head.predict_proba(trained)
    fitted.model.save(tmp_path / "model")
    paths = list(fitted.images.paths)
    contents = [path.read_bytes() for path in paths]
    arrays = [np.asarray(Image.open(io.BytesIO(content))) for content in contents]
    forms = (paths, contents, [Image.open(io.BytesIO(content)) for content in contents], arrays)
    for model in (fitted.model, Model.load(tmp_path / "model")):
        for form in forms:
            proba = np.array([prediction.proba for prediction in model.predict(form)])
            np.testing.assert_allclose(proba, expected, atol=1e-5)
