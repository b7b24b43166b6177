"""A network as a graph on disk: whole or absent, checked, silent, and running in order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.backbones import graph
from headstart.backbones.runtime import LEAST_PARITY, synthetic_images
from networks import compiled_in_f32, copied, rows, write_vit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted network. Read only."""
    return write_vit(tmp_path_factory.mktemp("graphs") / "vit")


@pytest.fixture(scope="module")
def runtime(folder: Path) -> graph.OpenVinoRuntime:
    return compiled_in_f32(folder)


def test_a_graph_proves_itself_on_its_reference(runtime: graph.OpenVinoRuntime) -> None:
    assert runtime.parity > 0.99999
    assert runtime.widths == {"last": 64, "depths": 960}
    assert (runtime.name, runtime.size, runtime.batch) == ("openvino f32", 160, 1)


def test_a_measured_parity_is_remembered_only_where_asked(runtime: graph.OpenVinoRuntime, tmp_path: Path) -> None:
    kept = copied(runtime, tmp_path)
    before = (kept / "graph.json").read_bytes()
    graph.compile_graph(kept, precision="f32")
    assert (kept / "graph.json").read_bytes() == before
    graph.compile_graph(kept, precision="f32", cached=True)
    assert json.loads((kept / "graph.json").read_text())["parity"] == {runtime.parity_key: pytest.approx(1.0, abs=1e-5)}


def test_an_asked_for_bf16_is_used_or_explained(folder: Path) -> None:
    compiled, notes = graph.compile_graph(folder, precision="bf16")
    assert compiled is not None
    if compiled.name == "openvino bf16":
        assert notes == ()
        assert compiled.parity >= LEAST_PARITY
    else:
        assert notes[0].what in ("no bf16", "strays")


# ---------------------------------------------------------------- nothing is sent


def test_order_is_kept(runtime: graph.OpenVinoRuntime) -> None:
    images = synthetic_images(160)
    assert np.array_equal(rows(runtime, images[::-1].copy())[::-1], rows(runtime, images))


def test_images_are_pulled_as_they_are_needed(runtime: graph.OpenVinoRuntime) -> None:
    pulled = []

    def endless() -> Iterator[NDArray[np.uint8]]:
        while True:
            pulled.append(1)
            yield synthetic_images(160)[:1]

    found = runtime.run(endless())
    assert pulled == []
    at_a_time = runtime._compiled().get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    for taken in range(1, 12):
        next(found)
        assert len(pulled) <= taken + graph.UNDER_WAY * at_a_time
    found.close()  # type: ignore[attr-defined]
    assert len(rows(runtime, synthetic_images(160)[:4])) == 4


def test_an_error_while_reading_pictures_comes_through(runtime: graph.OpenVinoRuntime) -> None:
    def failing() -> Iterator[NDArray[np.uint8]]:
        yield synthetic_images(160)[:1]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(runtime.run(failing()))


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((2, 160, 160, 3), np.uint8),
        np.zeros((0, 160, 160, 3), np.uint8),
        np.zeros((1, 161, 160, 3), np.uint8),
        np.zeros((1, 160, 160, 3), np.float32),
    ],
)
def test_other_shapes_and_types_are_refused(runtime: graph.OpenVinoRuntime, pictures: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 pictures \(1 to 1, 160, 160, 3\), found"):
        list(runtime.run([pictures]))  # type: ignore[list-item]


def test_openvino_is_imported_in_one_place_only() -> None:
    package = Path(graph.__file__).parents[1]
    importing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) openvino\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"backbones/graph.py"}
