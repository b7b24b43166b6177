from __future__ import annotations

import json
from pathlib import Path

import pytest

import insisting
import sources
from headstart.errors import DataError
from headstart.images.formats.given import Given
from headstart.images.formats.reading import labels_of


@pytest.mark.parametrize(
    ("layout", "format"), [("fiftyone_labels", "fiftyone"), ("fiftyone_samples", "fiftyone-samples")]
)
def test_a_format_that_is_insisted_on_is_read_or_refused(layout: str, format: str, tmp_path: Path) -> None:
    insisting.require_same_set(layout, format, tmp_path / "one")
    insisting.require_refusal(format, tmp_path / "other")


def test_values_of_other_kinds_are_refused_in_words(tmp_path: Path) -> None:
    file = tmp_path / "labels.json"
    file.write_text('{"classes": 3, "labels": [1]}', encoding="utf-8")
    with pytest.raises(DataError, match="labels by the names of pictures"):
        labels_of(Given(address=str(file), format="fiftyone"))
    file.write_text('{"classes": 3, "labels": {"a": 0}}', encoding="utf-8")
    with pytest.raises(DataError, match="record 1: number 0 of 0"):
        labels_of(file)
    file.write_text('{"samples": [{"filepath": "a", "tags": 5, "x": {"_cls": "Classification"}}]}', encoding="utf-8")
    assert [out.reason for out in labels_of(file).left_out] == ["no label in the export"]


def test_a_sample_of_two_splits_is_refused(tmp_path: Path) -> None:
    truth = {"_cls": "Classification", "label": "cat"}
    sample = {"filepath": "a.png", "tags": ["train", "good", "test"], "ground_truth": truth}
    (tmp_path / "samples.json").write_text(json.dumps({"samples": [sample]}), encoding="utf-8")
    given = Given(address=str(tmp_path / "samples.json"), format="fiftyone-samples")
    with pytest.raises(DataError, match="'train and test'"):
        labels_of(given)
    (tmp_path / "a.png").write_bytes(sources.drawn()[0].data)
    document = {"samples": [sample | {"tags": ["train", "good", "training"]}]}
    (tmp_path / "samples.json").write_text(json.dumps(document), encoding="utf-8")
    assert [entry.split for entry in labels_of(given).entries] == ["train"]


def test_two_numbers_for_one_class_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    document = {"classes": ["cat", "dog", "cat"], "labels": {"a": 0}}
    (tmp_path / "labels.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(DataError, match=r"(?s)a name of its own for each class.*found: twice: cat\n"):
        labels_of(tmp_path / "labels.json")
