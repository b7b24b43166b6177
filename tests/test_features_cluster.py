from __future__ import annotations

import hashlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from command import headstart
from headstart import pipeline
from headstart.backbones.space import NetworkSpec
from headstart.deploy.model import Model
from headstart.errors import DiskError, MissingPackageError, OptionError, WeightsError
from headstart.features import cluster
from headstart.features.cluster import ENDED, Cluster, connected
from headstart.features.extract import NO_SUCH_FILE, Misses, extract_to_store
from headstart.features.pool import Place, PooledWorker
from headstart.features.spread import AmongWorkers
from headstart.images.decode import Picture, encode
from headstart.images.notes import Note
from headstart.options import FitOptions
from headstart.probe import heads
from headstart.store import FeatureStore
from headstart.workflows.predict import PredictOptions, predict
from headstart.workflows.train import train
from pictures import write_folder

slow = pytest.mark.slow  # Ray's own tests of clusters start three nodes on one machine, as these do


def test_without_an_engine_ray_is_not_imported() -> None:
    modules = "sys, headstart.cli, headstart.workflows.train, headstart.workflows.predict"
    subprocess.run([sys.executable, "-c", f"import {modules}\nassert 'ray' not in sys.modules"], check=True)
    with connected(None) as engine:
        assert engine is None


def test_another_engine_is_refused() -> None:
    with (
        pytest.raises(OptionError, match="expected: ray, or ray://HOST:PORT of a cluster") as caught,
        connected("dask"),
    ):
        pass
    assert caught.value.problems[0].found == "'dask'"


def test_a_missing_package_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingPackageError, match=r'pip install "headstart\[ray\]"'), connected("ray"):
        pass
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_a_file_that_is_here_and_not_where_the_worker_runs_is_named(photos: Path) -> None:
    path = next(photos.rglob("*.jpeg"))
    worker = PooledWorker(Place(node="a", host="far", number=0, cpus=1, gpus=0), None)
    job: Any = cluster._Job(None, "", None, None, None, [path])  # type: ignore[arg-type]
    with pytest.raises(DiskError) as caught:
        job._require_shared(0, NO_SUCH_FILE, worker)
    assert f"{path} is here on" in caught.value.problems[0].found
    assert caught.value.problems[0].found.endswith("and not on far")
    job._require_shared(0, "empty file: fetch it again", worker)


def test_enough_for_the_workers_of_all_machines_that_are_there() -> None:
    def node(cpus: int, *, alive: bool = True) -> dict[str, Any]:
        return {"Alive": alive, "NodeID": "a", "NodeManagerHostname": "h", "Resources": {"CPU": cpus}}

    ray = SimpleNamespace(nodes=lambda: [node(1), node(9), node(64, alive=False)])
    on_cpu = SimpleNamespace(runtime=SimpleNamespace(name="OpenVINO f32"))
    of_one = cluster.AHEAD * cluster.TOGETHER
    assert Cluster(ray).enough(on_cpu) == (1 + 3) * of_one  # type: ignore[arg-type]


# ── three machines ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def nodes() -> Iterator[Any]:
    """Three nodes of one processor each; this process is on the first."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    utils = pytest.importorskip("ray.cluster_utils")
    import ray

    settings = {"num_cpus": 1, "object_store_memory": 10**8, "include_dashboard": False}
    nodes = utils.Cluster(initialize_head=True, head_node_args=settings)
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=10**8)
    ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield nodes
    ray.shutdown()
    nodes.shutdown()


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """400 small pictures, one of them damaged."""
    folder = write_folder(tmp_path_factory.mktemp("many"), {"rings": 200, "stripes": 200}, side=48)
    paths = sorted(folder.rglob("*.jpeg"))
    paths[130].write_bytes(paths[130].read_bytes()[:200])
    return paths


def digests(paths: list[Path]) -> list[str]:
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def rows_in(folder: Path) -> list[tuple[Any, ...]]:
    """Everything in a store but the day."""
    with sqlite3.connect(folder / "features.sqlite") as db:
        query = "SELECT key, picture, value, checksum FROM features JOIN spaces ON spaces.id = features.space"
        return sorted(db.execute(query))


@pytest.fixture(scope="module")
def alone(many: list[Path], cache: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, str]]:
    """The store that one process writes of ``many``, and what it left out."""
    folder = tmp_path_factory.mktemp("alone")
    with FeatureStore(folder) as store:
        return folder, extract_to_store(many, digests(many), space(cache), store, notes=pipeline.NOTES)


def space(cache: Path) -> Any:
    return NetworkSpec.named("efficientnet_lite0", cache=cache).at(224).open()


class Watching:
    """Calls ``do`` once so many pictures are done."""

    def __init__(self, after: int, do: Callable[[], None]) -> None:
        self.after, self.do, self.seen = after, do, 0

    def stage(self, name: str, total: int | None) -> AbstractContextManager[Callable[[int], None]]:
        def advance(done: int) -> None:
            assert done == self.seen + 1
            self.seen = done
            if done == self.after:
                self.do()

        return nullcontext(advance)


@slow
def test_a_node_that_is_lost_in_the_middle_changes_nothing(
    nodes: Any, many: list[Path], alone: tuple[Path, dict[int, str]], cache: Path, tmp_path: Path
) -> None:
    node = nodes.add_node(num_cpus=1, object_store_memory=10**8)
    nodes.wait_for_nodes()
    watching = Watching(70, lambda: nodes.remove_node(node, allow_graceful=False))
    with connected("ray") as engine, FeatureStore(tmp_path) as store:
        left_out = extract_to_store(
            many, digests(many), space(cache), store, notes=pipeline.NOTES, progress=watching, engine=engine
        )
    assert watching.seen == len(many)
    assert left_out == alone[1]
    assert rows_in(tmp_path) == rows_in(alone[0])


def deadly(picture: Picture) -> bytes:
    """Ends the process that decodes a picture that is all red, as a fault in a decoder does."""
    pixels = np.asarray(picture.square)
    if (pixels[..., 0] > 250).all() and (pixels[..., 1] < 5).all():
        signal.raise_signal(signal.SIGSEGV)  # to this thread, which does no more, as at a fault of its own
    return b"sound"


@slow
def test_a_file_that_ends_its_worker_takes_nothing_with_it(
    nodes: Any, many: list[Path], cache: Path, tmp_path: Path
) -> None:
    red = tmp_path / "red.png"
    red.write_bytes(encode(np.full((64, 64, 3), (255, 0, 0), np.uint8), format="PNG"))
    paths = [*many[:100], red, *many[140:200]]
    with connected("ray") as engine, FeatureStore(tmp_path / "cache") as store:
        notes = (Note(name="deadly", of=deadly),)
        left_out = extract_to_store(paths, digests(paths), space(cache), store, notes=notes, engine=engine)
        assert left_out == {100: ENDED}
        assert store.known("deadly|" + notes[0].space(None).split("|", 1)[1], digests(paths)) == {
            digest for path, digest in zip(paths, digests(paths), strict=True) if path != red
        }


@slow
def test_a_model_is_the_same_byte_for_byte_and_so_are_answers(
    nodes: Any, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = {}
    monkeypatch.setattr(heads, "WORTH_SENDING", 0)
    by_workers: list[Any] = []
    results = AmongWorkers._results
    monkeypatch.setattr(AmongWorkers, "_results", lambda *given: by_workers.append(given) or results(*given))
    for name, engine in (("alone", None), ("three", "ray")):
        options = FitOptions(sizes=(224,), finetune="never", cache=str(tmp_path / f"cache {name}"))
        runs[name] = train(photos, tmp_path / name, options, engine=engine, title="photos").folder
    assert by_workers  # folds too
    files = [path.relative_to(runs["alone"]) for path in sorted((runs["alone"] / "model").rglob("*")) if path.is_file()]
    for file in [*files, Path("metrics.json"), Path("predictions.csv"), Path("review.csv")]:
        assert (runs["alone"] / file).read_bytes() == (runs["three"] / file).read_bytes(), file
    model = Model.load(runs["alone"])
    inputs = [str(photos), str(photos / "not there.jpeg")]
    here, there = (predict(model, inputs, PredictOptions(), engine=engine) for engine in (None, "ray"))
    assert here.rows == there.rows
    assert here.rows[-1]["reason"] == NO_SUCH_FILE


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of one node in processes of their own, for those that are no part of it."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    free = []
    for _ in range(2):
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            free.append(one.getsockname()[1])
    small = ["--num-cpus=1", "--object-store-memory=100000000", "--include-dashboard=false", "--disable-usage-stats"]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:  # short, for the names of sockets
        where = [f"--port={free[0]}", f"--ray-client-server-port={free[1]}", f"--temp-dir={scratch}"]
        words = ["-m", "ray.scripts.scripts", "start", "--head", "--block", "--node-ip-address=127.0.0.1"]
        with subprocess.Popen([sys.executable, *words, *where, *small], stdout=subprocess.DEVNULL) as process:
            for _ in range(600):
                with suppress(OSError), socket.create_connection(("127.0.0.1", free[1])):
                    break
                time.sleep(0.1)
            yield f"ray://127.0.0.1:{free[1]}"
            process.terminate()


@slow
def test_answers_come_through_a_client_that_is_no_part_of_the_cluster(head: str, photos: Path, tmp_path: Path) -> None:
    options = FitOptions(sizes=(224,), finetune="never", cache=str(tmp_path / "cache"))
    run = train(photos, tmp_path / "run", options, title="photos").folder
    tables = [tmp_path / "here.csv", tmp_path / "there.csv"]
    for table, engine in zip(tables, ([], ["--engine", head]), strict=True):
        for _ in range(3):  # Ray itself fails at times to start the process that serves a client
            done = headstart("predict", run, photos, "-o", table, *engine)
            if "Starting Ray client server failed" not in done.stderr:
                break
        assert done.returncode == 0, done.stderr
    assert tables[0].read_bytes() == tables[1].read_bytes()


@slow
def test_a_cluster_that_is_gone_is_no_full_disk(nodes: Any) -> None:
    with pytest.raises(OptionError, match="expected: a cluster that answers until the end"), connected("ray"):
        raise ConnectionError("the head does not answer")
    with pytest.raises(BrokenPipeError), connected("ray"):
        raise BrokenPipeError


@slow
def test_weights_that_do_not_come_are_said_with_the_machine(nodes: Any, cache: Path, photos: Path) -> None:
    opened = space(cache)
    spec = opened.spec
    gone = replace(spec.network.weights, path=Path("/gone.pth"), origin="file")
    misses = Misses(
        sources=sorted(photos.rglob("*.jpeg")),
        space=replace(opened, spec=replace(spec, network=replace(spec.network, weights=gone))),
    )
    with connected("ray") as engine:
        assert engine is not None
        answers = engine(misses)
        with pytest.raises(WeightsError, match=r"weights /gone\.pth, on ") as caught:
            next(answers)
    assert "put it on storage that all share" in str(caught.value)
