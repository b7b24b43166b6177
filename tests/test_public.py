from __future__ import annotations

from pathlib import Path

import pytest

import headstart

ROOT = Path(__file__).parent.parent


def test_the_public_names_are_these() -> None:
    assert headstart.__all__ == ["Estimate", "Evaluation", "HeadstartError", "ImageClassifier", "Model", "Prediction"]
    assert dir(headstart) == headstart.__all__
    for name in headstart.__all__:
        assert getattr(headstart, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Classifier'"):
        headstart.Classifier  # noqa: B018


def test_every_module_has_a_test_file() -> None:
    package = ROOT / "src" / "headstart"
    modules = {
        "_".join(path.relative_to(package).with_suffix("").parts)
        for path in package.rglob("*.py")
        if not path.stem.startswith("__")
    }
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert modules <= tested
