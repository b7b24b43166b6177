"""A row as data: it comes out the same wherever it is trained."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from headstart import device
from headstart.backbones import catalog
from headstart.backbones.weights import Weights, locate_named
from headstart.errors import DiskError, OptionError, WeightsError
from headstart.features.cluster import connected
from headstart.images.folder import scan
from headstart.recipes import records
from headstart.recipes.grid import grid
from headstart.recipes.pictures import with_splits
from headstart.recipes.rows import Row, _train_there, train, train_on
from headstart.recipes.runner import job_of

TINY = "test_efficientnet.r160_in1k"


@pytest.fixture
def row(photos: Path, tmp_path: Path) -> Row:
    (setting,) = grid(records.get("resnet18-frozen"), backbones=[TINY], sizes=[32], epochs=1)
    images = with_splits(scan(photos), setting.recipe, seed=0)
    job = job_of(setting.recipe, images, locate_named(catalog.get(TINY), "random"), seed=0)
    return Row(job=job, folder=tmp_path)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Options of `_train_there` in this process, which has all processors again afterwards."""
    monkeypatch.setattr(device, "_share", None)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(device, "_tell_torch", lambda count: None)
    return {"count": 1, "sender": "far"}


def told(trained: Any) -> dict[str, Any]:
    """What came of a row but for how long it took."""
    assert isinstance(trained, dict), trained
    epochs = [{name: epoch[name] for name in ("train_loss", "val_loss")} for epoch in trained["history"]["epochs"]]
    return {"proba": trained["proba"], "epochs": epochs, "runtime": trained["runtime"]}


def test_a_row_is_the_same_on_a_machine_that_does_not_see_its_folder(row: Row, there: dict[str, Any]) -> None:
    away = replace(row, folder=row.folder / "elsewhere")
    assert (away.key, away.checkpoint.name, away.file.name) == (row.key, "checkpoints", f"{row.key}.json")
    assert row.checkpoint == row.folder / f"{row.key}.checkpoint"
    assert told(_train_there((away, row.key), **there)) == told(train(row))
    assert not (row.folder / "elsewhere").exists()


def test_a_machine_that_would_train_another_row_is_refused(row: Row, there: dict[str, Any]) -> None:
    error = _train_there((row, "another key"), **there)
    assert isinstance(error, OptionError)
    assert error.problems[0].expected.startswith("the same versions of all packages as on far")
    assert error.problems[0].found == f"others on {socket.gethostname()}"


def test_pictures_and_weights_that_are_not_there_are_named_with_the_machine(
    row: Row, there: dict[str, Any], tmp_path: Path
) -> None:
    images = replace(row.job.images, paths=tuple(tmp_path / path.name for path in row.job.images.paths))
    elsewhere = replace(row, job=replace(row.job, images=images))
    assert isinstance(train(elsewhere), str)
    error = _train_there((elsewhere, row.key), **there)
    assert isinstance(error, DiskError)
    assert f"is here on far, and not on {socket.gethostname()}" in error.problems[0].found
    gone = Weights(path=tmp_path / "gone.pth", sha256="0" * 64, origin="file")
    network = replace(row.job.network, weights=gone)
    error = _train_there((replace(row, job=replace(row.job, network=network)), row.key), **there)
    assert isinstance(error, WeightsError)
    assert error.what == f"weights {tmp_path / 'gone.pth'}, on {socket.gethostname()}"


@pytest.mark.slow
def test_rows_come_back_from_a_cluster_as_they_are_here(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    rows = [replace(row, job=replace(row.job, seed=seed)) for seed in range(3)]
    here = [told(train(each)) for each in rows]
    with connected("ray") as cluster:
        assert cluster is not None
        found = dict(train_on(cluster, rows))
    assert [told(found[i]) for i in range(3)] == here
