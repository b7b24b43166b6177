from __future__ import annotations

import json

import pytest

from headstart.evaluation.measured_on import MeasuredOn
from headstart.files import plain


def test_it_survives_a_file() -> None:
    fact = MeasuredOn(kind="cross-validation", folds=5, repeats=2)
    assert MeasuredOn(**json.loads(json.dumps(plain(fact)))) == fact
    with pytest.raises(TypeError):
        MeasuredOn(**{"sentence": "5-fold nested cross-validation"})
