from __future__ import annotations

from pathlib import Path

import pytest
import torch

from headstart.errors import ModelError, OptionError
from headstart.evaluation.history import Epoch, History
from headstart.finetune import checkpoint
from headstart.finetune.checkpoint import Snapshot
from headstart.finetune.notes import MicroBatch

EPOCH = Epoch(
    phase=1,
    epoch=1,
    train_loss=0.5,
    train_accuracy=0.7,
    val_loss=0.6,
    val_accuracy=0.6,
    seconds=1.5,
    lr=1e-3,
)
NOTE = MicroBatch(batch=32, micro=16)


def snapshot() -> Snapshot:
    weights = {"head.weight": torch.arange(6.0).reshape(2, 3)}
    history = History(initial_loss=0.7, initial_accuracy=0.5, epochs=(EPOCH,))
    return Snapshot(weights=weights, history=history, epoch=1, best=weights, notes=[NOTE])


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    snapshot().save(tmp_path / "folder" / "checkpoint", "this run")
    loaded = Snapshot.load(tmp_path / "folder" / "checkpoint", "this run")
    assert torch.equal(loaded.weights["head.weight"], snapshot().weights["head.weight"])
    assert (loaded.history.epochs, loaded.notes, loaded.epoch) == ((EPOCH,), [NOTE], 1)
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["checkpoint"]


def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    snapshot().save(tmp_path / "checkpoint", "this run")
    with pytest.raises(OptionError, match="found: one of another run\n   to do: give the options it was begun with"):
        Snapshot.load(tmp_path / "checkpoint", "another run")


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    snapshot().save(tmp_path / "checkpoint", "this run")
    data = (tmp_path / "checkpoint").read_bytes()
    (tmp_path / "checkpoint").write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError, match="expected: a readable checkpoint"):
        Snapshot.load(tmp_path / "checkpoint", "this run")


@pytest.mark.parametrize("place", [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 0.999])
def test_a_bit_anywhere_in_a_checkpoint_is_noticed(tmp_path: Path, place: float) -> None:
    file = tmp_path / "checkpoint"
    snapshot().save(file, "this run")
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= 4
    file.write_bytes(content)
    with pytest.raises(ModelError, match="expected: a readable checkpoint"):
        Snapshot.load(file, "this run")


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 100])
def test_what_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint").write_bytes(content)
    with pytest.raises(ModelError, match="expected: a readable checkpoint"):
        Snapshot.load(tmp_path / "checkpoint", "this run")


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_said_and_keeps_the_checkpoint_before(tmp_path: Path) -> None:
    snapshot().save(tmp_path / "checkpoint", "this run")
    large = snapshot()
    large.weights = {"head.weight": torch.zeros(100_000)}
    with pytest.raises(OSError, match="cannot be written"):
        large.save(tmp_path / "checkpoint", "this run")
    assert Snapshot.load(tmp_path / "checkpoint", "this run").notes == [NOTE]
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]


def test_a_checkpoint_of_another_format_is_refused_and_not_found_among_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkpoint.file_of(tmp_path, "key")
    snapshot().save(file, "key")
    monkeypatch.setattr(checkpoint, "FORMAT", checkpoint.FORMAT + 1)
    with pytest.raises(OptionError, match="found: one of another run"):
        Snapshot.load(file, "key")
    assert not checkpoint.file_of(tmp_path, "key").exists()
