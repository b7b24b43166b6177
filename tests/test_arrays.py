from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from headstart import arrays


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("Floats", np.float64),
        ("Rows", np.float32),
        ("Singles", np.float32),
        ("Index", np.int64),
        ("Labels", np.int64),
        ("Mask", np.bool_),
    ],
)
def test_each_name_stands_for_one_kind_of_number(name: str, dtype: type) -> None:
    assert get_args(get_args(getattr(arrays, name))[1]) == (dtype,)
