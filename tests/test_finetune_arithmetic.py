"""What learns computes in what this CPU was found to be good at, and every later run remembers it."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from headstart.finetune import arithmetic
from headstart.finetune.arithmetic import ArithmeticTiming
from headstart.finetune.checkpoint import Snapshot
from headstart.finetune.notes import ArithmeticMeasured
from headstart.finetune.plan import Phase
from test_finetune_loop import PLAN, same, tune

ONE = replace(PLAN, phases=(Phase(train_from="blocks.4", epochs=2, batch_size=8),))


@pytest.fixture(autouse=True)
def eager_to_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "FEWEST", 1)
    monkeypatch.setattr(arithmetic, "computes_in_bf16", lambda: True)


def measured_as(monkeypatch: pytest.MonkeyPatch, found: ArithmeticTiming) -> list[int]:
    """Stand in for the stopwatch, whose times no test can rely on; returns the number of times it was asked."""
    calls: list[int] = []

    def measure(*_: object) -> ArithmeticTiming:
        calls.append(1)
        return found

    monkeypatch.setattr(arithmetic, "_measure", measure)
    return calls


FAST = ArithmeticTiming(f32=2.0, bf16=1.0, cosine=0.999)
SLOW = ArithmeticTiming(f32=1.0, bf16=2.0, cosine=0.999)


def noted(timing: ArithmeticTiming) -> ArithmeticMeasured:
    return ArithmeticMeasured(phase=1, choice=timing.choice, **asdict(timing))


def test_bf16_has_to_be_clearly_faster_and_sound() -> None:
    assert FAST.choice == "bf16"
    assert SLOW.choice == "f32"
    assert replace(FAST, bf16=1.9).choice == "f32"
    assert replace(FAST, cosine=0.9).choice == "f32"


def test_gradients_in_bf16_are_nearly_those_in_f32(photos: Path, tmp_path: Path) -> None:
    """The real measurement; its times may be anything, its cosine not."""
    out = tune(photos, tmp_path, ONE, precision="auto")
    (file,) = (tmp_path / "arithmetic").iterdir()
    timing = ArithmeticTiming(**json.loads(file.read_text()))
    assert timing.cosine > 0.98
    assert timing.f32 > 0 < timing.bf16
    assert noted(timing) in out.notes


def test_it_is_measured_once_and_remembered(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured_as(monkeypatch, FAST)
    first, second = (tune(photos, tmp_path, ONE, precision="auto") for _ in range(2))
    assert len(calls) == 1
    assert same(first.last, second.last)
    assert first.notes == second.notes == (noted(FAST),)
    assert not same(first.last, tune(photos, tmp_path, ONE).last)  # in f32


def test_a_run_that_goes_on_computes_as_it_began(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the machine would be measured otherwise now."""
    measured_as(monkeypatch, FAST)
    whole = tune(photos, tmp_path / "one", ONE, precision="auto")
    save, file = Snapshot.save, tmp_path / "checkpoint"

    def and_stop(self: Snapshot, file: Path, run: str) -> None:
        save(self, file, run)
        raise KeyboardInterrupt

    monkeypatch.setattr(Snapshot, "save", and_stop)
    with pytest.raises(KeyboardInterrupt):
        tune(photos, tmp_path / "two", ONE, precision="auto", checkpoint=file)
    monkeypatch.setattr(Snapshot, "save", save)
    calls = measured_as(monkeypatch, SLOW)
    resumed = tune(photos, tmp_path / "three", ONE, precision="auto", checkpoint=file)
    assert not calls
    assert same(resumed.last, whole.last)


def test_measuring_moves_nothing(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch norms in training mode would take the measured pictures into their statistics."""
    plan = replace(ONE, phases=(replace(ONE.phases[0], batch_norm="train"),))
    monkeypatch.setattr(arithmetic, "WORTH", 0.0)  # measured, and f32 whatever was found
    with_measuring = tune(photos, tmp_path, plan, precision="auto")
    assert with_measuring.notes
    assert same(with_measuring.last, tune(photos, tmp_path, plan).last)


@pytest.mark.parametrize("damage", ["", "{", '{"f32": 1}'])
def test_a_damaged_memory_is_measured_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    calls = measured_as(monkeypatch, SLOW)
    tune(photos, tmp_path, ONE, precision="auto")
    (file,) = (tmp_path / "arithmetic").iterdir()
    file.write_text(damage)
    tune(photos, tmp_path, ONE, precision="auto")
    assert len(calls) == 2


def test_what_is_not_worth_measuring_is_not(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured_as(monkeypatch, FAST)
    tune(photos, tmp_path, replace(ONE, phases=(Phase(epochs=1),)), precision="auto")  # a head alone
    monkeypatch.setattr(arithmetic, "FEWEST", 2_000)
    tune(photos, tmp_path, ONE, precision="auto")
    monkeypatch.setattr(arithmetic, "FEWEST", 1)
    monkeypatch.setattr(arithmetic, "computes_in_bf16", lambda: False)
    assert tune(photos, tmp_path, ONE, precision="auto").notes == ()
    assert not calls
