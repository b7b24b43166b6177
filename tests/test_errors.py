from __future__ import annotations

import pytest

from headstart.errors import interruptible


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
