from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import OptionError
from headstart.options import DEFAULTS, FitOptions


def test_every_wrong_option_is_named_at_once() -> None:
    with pytest.raises(OptionError) as error:
        FitOptions(sizes=(16,), class_weight="some", budget=-1, finetune="maybe")
    assert len(error.value.problems) == 4
    assert "expected: sizes of 32 pixels or more\n   found: 16" in str(error.value)


@pytest.mark.parametrize("sizes", [224, "y", [None], ["a", "b"], [224.5], [float("inf")]])
def test_sizes_that_are_no_numbers_are_refused_in_words(sizes: object) -> None:
    with pytest.raises(OptionError, match="sizes as a list of whole numbers of pixels"):
        FitOptions.of(sizes=sizes)


@pytest.mark.parametrize("wrong", [-1, 2**32, 0.5, "z", None])
def test_a_seed_that_is_none_is_refused_in_words(wrong: object) -> None:
    with pytest.raises(OptionError, match="a random_state from 0 to 4294967295"):
        FitOptions.of(random_state=wrong)


@pytest.mark.parametrize("wrong", ["5m", float("inf"), float("nan"), 0])
def test_a_budget_that_is_no_number_is_refused_in_words(wrong: object) -> None:
    with pytest.raises(OptionError, match=f"a budget above 0 seconds\n   found: {wrong!r}"):
        FitOptions.of(budget=wrong)


def test_values_as_people_give_them() -> None:
    options = FitOptions.of(sizes=[384, 224], weights=Path("w.pth"), cost=None)
    assert (options.sizes, options.weights, options.cost) == ((224, 384), "w.pth", None)
    assert FitOptions.of(sizes=[]).sizes is None
    assert FitOptions.of(sizes=np.array([384, 224, 384])).sizes == (224, 384), "each once"
    assert FitOptions.of() == DEFAULTS


def test_a_record_gives_the_same_options_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = json.loads(json.dumps(FitOptions(sizes=(224,), cost="costs.csv", weights="random").to_dict()))
    assert document["sizes"] == [224]
    assert document["weights"] == "random"
    options, unknown = FitOptions.from_dict({**document, "forgotten": 1})
    assert options == FitOptions(sizes=(224,), cost=str(tmp_path / "costs.csv"), weights="random")
    assert unknown == ("forgotten",)
