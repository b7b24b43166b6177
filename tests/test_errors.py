from __future__ import annotations

import pytest

from headstart import errors
from headstart.errors import interruptible


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


def loaded() -> None:
    """As a package does whose module in C is interrupted."""
    try:
        raise ImportError("initialization failed") from KeyboardInterrupt()
    except ImportError as error:
        raise ImportError("package not found") from error


def test_an_interruption_of_a_module_that_is_loaded_is_one() -> None:
    with pytest.raises(KeyboardInterrupt), interruptible():
        loaded()


def test_other_errors_stay() -> None:
    for error in (ImportError("no such package"), ValueError("bad")):
        with pytest.raises(type(error)) as caught, interruptible():
            raise error
        assert caught.value is error
