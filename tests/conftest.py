"""What the tests share: one cache with the converted network, and one folder of pictures."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from headstart import pipeline
from headstart.cache_folder import troubles
from headstart.classifier import ImageClassifier
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.pipeline import Doubts, Fitted
from headstart.workflows import train
from headstart.workflows.serve import ServeOptions
from pictures import write_folder

if TYPE_CHECKING:
    from server import Served


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Ctrl-C as in a terminal, in tests and in what they start: in the background of a shell it is ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The cache folder of the whole test session; commands started by a test inherit it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADSTART_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_troubles() -> None:
    """What was wrong with a cache in an earlier test is not said in the next."""
    troubles()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures in two classes, layout root/<class>/. Read only."""
    return write_folder(tmp_path_factory.mktemp("photos"), {"rings": 20, "stripes": 20})


@pytest.fixture(scope="session")
def fitted(photos: Path) -> ImageClassifier:
    """A classifier of ``photos`` at one input size."""
    return ImageClassifier(sizes=[224]).fit(photos)


@pytest.fixture(scope="session")
def doubted(photos: Path) -> tuple[Fitted, Doubts]:
    """What the pipeline found of ``photos`` at one input size, and what it doubts about it."""
    options = FitOptions(sizes=(224,))
    with pipeline.workbench(options) as bench:
        fitted = pipeline.fit(read(photos), options, bench)
        return fitted, pipeline.doubt(fitted, bench)


@pytest.fixture(scope="session")
def run_folder(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run directory of ``photos`` at one input size, with its training pictures remembered. Read only."""
    folder = tmp_path_factory.mktemp("run") / "photos"
    train.train(photos, folder, FitOptions(sizes=(224,), finetune="never"))
    return folder


@pytest.fixture(scope="session")
def served(run_folder: Path) -> Iterator[Served]:
    """A server of ``run_folder`` on loopback, with a token."""
    from server import TOKEN, in_thread

    with in_thread(run_folder, ServeOptions(workers=2, token=TOKEN, drain_seconds=0)) as served:
        yield served


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB, here and in commands that are started."""
    resource = pytest.importorskip("resource", reason="only POSIX limits the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.fixture(scope="session")
def small_model(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small model of three classes. Read only."""
    from models import write_model  # loads torch

    return write_model(tmp_path_factory.mktemp("small") / "model", cache)


@pytest.fixture(scope="session")
def small_onnx(small_model: Path) -> Path:
    """The small model as an ONNX file. Read only."""
    from headstart.workflows.export import export

    return export(small_model, "onnx", small_model.parent / "small.onnx").path
