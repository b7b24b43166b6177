from __future__ import annotations

import json

import pytest

from headstart.evaluation.measured_on import MeasuredOn


def test_it_survives_a_file() -> None:
    fact = MeasuredOn(kind="cross-validation", folds=5, repeats=2)
    assert MeasuredOn.from_dict(json.loads(json.dumps(fact.to_dict()))) == fact
    with pytest.raises(TypeError):
        MeasuredOn.from_dict({"sentence": "5-fold nested cross-validation"})
