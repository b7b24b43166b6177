"""What is questioned after training: pictures judged by who did not know them, copies, and everything in one record."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from headstart import ImageClassifier
from headstart.images.decode import encode
from headstart.workflows.doubts import Doubts, findings_of, leak_of, reference_of, unseen
from pictures import draw, write_folder


def test_every_picture_is_judged_by_a_head_that_did_not_know_it(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        write_folder(tmp_path / split, {"rings": 10, "stripes": 10}, first_seed=first)
    classifier = ImageClassifier(sizes=[224]).fit(tmp_path)
    proba, X = unseen(classifier)
    images = classifier.images_
    assert len(proba) == len(X) == len(images) == 60
    val = images.split == "val"
    held_out = classifier.predict_proba([path for path, use in zip(images.paths, val, strict=True) if use])
    np.testing.assert_allclose(proba[val], held_out, atol=1e-3)
    np.testing.assert_array_equal(proba[images.split == "train"], classifier.choice_.proba)


def test_copies_of_what_is_tested_on_are_not_trained_on(tmp_path: Path) -> None:
    for split, first in (("train", 0), ("test", 200)):
        write_folder(tmp_path / split, {"rings": 10, "stripes": 10}, first_seed=first)
    for number in range(3):
        data = encode(draw("rings", 200 + number), quality=60)
        (tmp_path / "train" / "rings" / f"copy{number}").write_bytes(data)
    classifier = ImageClassifier(sizes=[224], finetune="never").fit(tmp_path)
    assert {out.path.name for out in classifier.images_.left_out} == {"copy0", "copy1", "copy2"}
    assert classifier.model_.training["pictures"] == 20
    assert classifier.evaluation_.n == 20
    leak = leak_of(classifier)
    assert leak is not None
    assert (leak.copied, leak.optimism.n) == (3, 20)
    assert leak.deduplicated == classifier.evaluation_.accuracy.value


def test_near_copies_under_different_labels_are_suspects(tmp_path: Path, fitted: ImageClassifier) -> None:
    folder = write_folder(tmp_path, {"rings": 12, "stripes": 12})
    (folder / "stripes" / "really rings.jpg").write_bytes(encode(draw("rings", 3), format="JPEG", quality=70))
    classifier = ImageClassifier(sizes=[224]).fit(folder)
    findings = findings_of(classifier)
    suspects = [findings.images.paths[one.index].name for one in findings.suspects]
    assert "really rings.jpg" in suspects[:2]
    assert leak_of(fitted) is None


def test_everything_is_said_in_one_record(fitted: ImageClassifier) -> None:
    doubts = Doubts.of(fitted, fitted.measure()[0])
    record = json.loads(json.dumps(doubts.to_dict()))
    assert {"findings", "leak", "certificate", "learning_curve", "by_group"} <= set(record)
    assert record["leak"] is None
    assert {"checking the pictures", "learning curve", "transfer certificate"} <= set(fitted.timings_)
    reference = reference_of(fitted)
    assert len(reference.names) == 40
    np.testing.assert_allclose(np.linalg.norm(reference.rows.astype(np.float32), axis=1), 1, atol=1e-2)
