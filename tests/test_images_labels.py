from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import DataConversionWarning

from headstart.errors import DataError
from headstart.images.labels import checked, restored

RIGHT: list[Any] = [
    [10, 9, 11, 9],
    np.array([10, 9, 200, 9], np.uint8),
    [1.0, 2.0, 10.0, 2.0],
    [True, False, True, True],
    ["10", "9", "nan", "None"],
    np.array(["b", "a", "b", "a"], object),
    [np.int32(3), np.int64(20), np.int16(100), 3],
    pd.Series([3, 20, 100, 3]),
    pd.Series(["b", "a", "b", "a"], dtype="category"),
    pd.Series([3, 20, 100, 3], dtype="Int64"),
    pd.Series(["b", "a", "b", "a"], dtype="string"),
]


@pytest.mark.parametrize("y", RIGHT, ids=lambda y: f"{type(y).__name__} {np.asarray(y).dtype}")
def test_labels_keep_their_type_and_come_back_from_their_names(y: Any) -> None:
    labels = checked(y)
    assert labels.tolist() == list(y)
    classes = np.unique(labels)
    again = restored([str(label) for label in classes.tolist()], labels.dtype.str)
    assert again.tolist() == classes.tolist()
    assert again.dtype.kind == classes.dtype.kind


@pytest.mark.parametrize("dtype", ["V8", "<M8[D]", "O", "nonsense", "<U5,<U5"])
def test_what_no_label_is_written_as_is_refused(dtype: str) -> None:
    with pytest.raises((ValueError, TypeError)):
        restored(["1"], dtype)


def test_a_column_is_flattened_as_scikit_learn_does() -> None:
    with pytest.warns(DataConversionWarning):
        assert checked([[1], [0]]).tolist() == [1, 0]
    with pytest.warns(DataConversionWarning):
        assert checked(pd.DataFrame({"label": ["b", "a"]})).tolist() == ["b", "a"]


@pytest.mark.parametrize("y", [np.eye(3), [[1, 0], [0, 1]], pd.DataFrame({"a": [1, 0], "b": [0, 1]})])
def test_one_hot_labels_are_refused_with_the_way_out(y: Any) -> None:
    with pytest.raises(DataError, match=r"found: an array .*\n.*give y\.argmax\(axis=1\)"):
        checked(y)


@pytest.mark.parametrize(
    "y",
    [
        ["a", None, "b", None],
        ["a", float("nan"), "b", np.nan],
        [1, None, 2, pd.NA],
        pd.Series(["a", None, "b", None]),
        pd.Series([1, None, 2, None]),
        pd.Series([1, None, 2, None], dtype="Int64"),
        np.array([1.0, np.nan, 2.0, np.nan]),
        ["a", "", "b", pd.NaT],
    ],
)
def test_all_missing_labels_are_listed(y: Any) -> None:
    with pytest.raises(DataError, match="expected: a label for each path\n   found: none at 1, 3\n"):
        checked(y)


@pytest.mark.parametrize(
    ("y", "found"),
    [
        ([0.5, 1.5], "0.5, 1.5"),
        ([1.0, float("inf")], "1.0, inf"),
        ([b"a", b"b"], "bytes"),
        (["a", 1], "int, str"),
        ([["a"], ["b", "c"]], "list"),
    ],
)
def test_what_names_no_class_is_refused(y: Any, found: str) -> None:
    with pytest.raises(DataError) as error:
        checked(y)
    assert f"found: {found}" in str(error.value)


@pytest.mark.parametrize("y", [[2**70, 1], [2**63, 2**63 + 1, 1], [2**53 + 1, 2.0**53], [10**400, 1]])
def test_numbers_that_would_become_one_class_are_refused(y: Any) -> None:
    with pytest.raises(DataError, match=r"(?s)64 bits at most.*to do: write larger ones as text"):
        checked(y)


@pytest.mark.parametrize(
    ("y", "said"),
    [
        (np.ma.array([1, 2, 3], mask=[True, False, False]), "found: none at 0"),
        (["a", "a\0"], r"labels that can be written down\n   found: 'a\\x00'"),
        (["a", "\udce9"], r"labels that can be written down\n   found: '\\udce9'"),
        ((label for label in "ab"), "found: generator"),
        ({"a": 1}, "found: dict"),
        (7, "found: int"),
    ],
)
def test_what_is_masked_and_what_holds_no_labels_is_refused(y: Any, said: str) -> None:
    with pytest.raises(DataError) as error:
        checked(y)
    assert said.encode().decode("unicode_escape") in str(error.value)
