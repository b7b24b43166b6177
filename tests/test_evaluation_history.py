import json
import math

import pytest

from headstart.errors import DataError
from headstart.evaluation.history import Epoch, History
from histories import history


def test_history_knows_its_landmarks():
    run = history([0.5, 0.4, 0.3, 0.2], [0.5, 0.3, 0.3, 0.4], val_accuracy=[0.8, 0.9, 0.95, 0.95], starts=(1, 3))
    assert run.phase_starts == (1, 3)
    assert [epoch.epoch for epoch in (run.best, run.best_accuracy, run.last)] == [2, 3, 4]
    assert [len(phase) for phase in run.phases] == [2, 2]
    assert run.seconds == 6.0


def test_a_history_goes_through_json():
    run = history([0.5, 0.4], [0.5, 0.3], starts=(1, 2))
    assert History.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def test_every_fault_of_a_history_is_named():
    good = history([0.5] * 3, [0.5] * 3)
    first, _, third = good.epochs
    with pytest.raises(DataError) as caught:
        History(initial_loss=math.nan, initial_accuracy=0.5, epochs=(first, third))
    assert str(caught.value) == (
        "This is no history of a training run: 2 problems\n"
        "expected: epoch 2, of the same phase as the one before or the next\n"
        "   found: phase 1, epoch 3 after phase 1\n"
        "   to do: keep every epoch, in order\n"
        "expected: finite numbers\n"
        "   found: (nan, 0.5) in the start\n"
        "   to do: end the history before it diverged"
    )
    with pytest.raises(DataError, match="phase 3, epoch 1 after phase 0"):
        History(initial_loss=1, initial_accuracy=0.5, epochs=(Epoch(**{**vars(first), "phase": 3}),))
    with pytest.raises(DataError, match="'epochs'"):
        History.from_dict({"initial_loss": 1.0, "initial_accuracy": 0.5})
