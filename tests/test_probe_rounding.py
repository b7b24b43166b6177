"""8 bits are computed in only where they were asked for and do no harm."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart import pipeline
from headstart.backbones import eight_bits, runtime
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Fitted
from headstart.probe import rounding
from headstart.report.words import rounding_line
from pictures import write_folder


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("many") / "photos", {"rings": 60, "stripes": 60})


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounding, "TRIED_ON", 40)


def fitted(folder: Path, cache: Path, precision: str = "int8", **options: object) -> Fitted:
    given = FitOptions(sizes=(224,), finetune="never", cache=str(cache), precision=precision, **options)  # type: ignore[arg-type]
    with pipeline.workbench(given) as bench:
        return pipeline.fit(read(folder), given, bench)


def test_8_bits_are_used_where_they_do_no_harm(many: Path, cache: Path) -> None:
    found = fitted(many, cache)
    verdict = found.rounding
    assert verdict is not None
    assert (verdict.n, verdict.used) == (40, True)
    assert verdict.difference <= verdict.standard_error
    assert found.network.precision == "int8"
    assert found.model.space.runtime.name == "openvino int8"
    with pipeline.workbench(found.options) as bench:  # doubts are about the rows that were learned from
        assert pipeline._table(found, bench).space(224).runtime.name == "openvino int8"
    again = fitted(many, cache)
    assert again.rounding == verdict
    np.testing.assert_array_equal(again.choice.proba, found.choice.proba)
    assert fitted(many, cache, random_state=7, class_weight="balanced").rounding == verdict


def test_of_few_images_all_are_tried(photos: Path, cache: Path) -> None:
    verdict = fitted(photos, cache).rounding
    assert verdict is not None
    assert verdict.n == 40


def test_8_bits_that_harm_are_not_used(many: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eight_bits, "_ROOM", 400.0)  # what is left of weights is nothing
    monkeypatch.setattr(runtime, "LEAST_PARITY_INT8", -1.0)
    found = fitted(many, tmp_path)
    assert found.rounding is not None
    assert not found.rounding.used
    assert found.rounding.difference > found.rounding.standard_error
    assert rounding_line(found.rounding).endswith(": not used, for that is worse by more than chance.")
    assert found.network.precision == "auto"
    assert "int8" not in found.model.space.runtime.name
    with pipeline.workbench(found.options) as bench:
        assert "int8" not in pipeline._table(found, bench).space(224).runtime.name


@pytest.mark.parametrize("precision", ["auto", "f32"])
def test_they_are_not_tried_unasked(photos: Path, cache: Path, precision: str) -> None:
    found = fitted(photos, cache, precision)
    assert found.rounding is None
    assert "int8" not in found.model.space.runtime.name
