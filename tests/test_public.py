from __future__ import annotations

from pathlib import Path

import pytest

import headstart
from headstart import errors

ROOT = Path(__file__).parent.parent


def test_the_public_names_are_these() -> None:
    assert headstart.__all__ == ["Estimate", "Evaluation", "HeadstartError", "ImageClassifier", "Model", "Prediction"]
    assert dir(headstart) == headstart.__all__
    for name in headstart.__all__:
        assert getattr(headstart, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Classifier'"):
        headstart.Classifier  # noqa: B018


def test_errors_form_one_tree_and_hold_every_problem() -> None:
    problems = [errors.Problem(expected="a", found="b", todo="c"), errors.Problem(expected="d", found="e", todo="f")]
    error = errors.DataError("photos", problems)
    assert isinstance(error, errors.UserInputError)
    assert error.exit_code == 2
    assert (
        str(error) == "photos: 2 problems\nexpected: a\n   found: b\n   to do: c\nexpected: d\n   found: e\n   to do: f"
    )
    for name, value in vars(errors).items():
        if name.endswith("Error"):
            assert issubclass(value, errors.HeadstartError)


def test_every_module_has_a_test_file() -> None:
    package = ROOT / "src" / "headstart"
    modules = {
        "_".join(path.relative_to(package).with_suffix("").parts)
        for path in package.rglob("*.py")
        if not path.stem.startswith("__")
    }
    tested = {path.stem.removeprefix("test_") for path in (ROOT / "tests").glob("test_*.py")}
    assert modules - tested == {"errors"}  # tested here
