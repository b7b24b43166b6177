"""A network as a graph on disk: whole or absent, checked, silent, and running in order."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from headstart.backbones import catalog, graph, network, weights
from headstart.backbones.runtime import LEAST_PARITY, synthetic_images
from headstart.errors import ModelError

NAME = "test_vit.r160_in1k"  # tokens, so `last` is a slice of memory, which once was saved wrongly
IDENTITY = {"network": NAME, "size": 160}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted network. Read only."""
    backbone = catalog.get(NAME)
    frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=160)
    made = tmp_path_factory.mktemp("graphs") / "vit"
    graph.convert(frozen, IDENTITY, made)
    return made


@pytest.fixture(scope="module")
def runtime(folder: Path) -> graph.OpenVinoRuntime:
    compiled, notes = graph.compile_graph(folder, precision="f32")
    assert compiled is not None
    assert notes == ()
    return compiled


def copied(runtime: graph.OpenVinoRuntime, folder: Path) -> Path:
    runtime.save(folder)
    return folder


def test_a_graph_proves_itself_on_its_reference(runtime: graph.OpenVinoRuntime) -> None:
    assert runtime.parity > 0.99999
    assert runtime.widths == {"last": 64, "depths": 960}
    assert (runtime.name, runtime.size, runtime.batch) == ("openvino f32", 160, 16)


def test_converting_twice_keeps_the_first_and_leaves_nothing_behind(folder: Path) -> None:
    backbone = catalog.get(NAME)
    before = (folder / "graph.json").read_bytes()
    left = folder.parent / ".unfinished-killed"
    left.mkdir(exist_ok=True)
    os.utime(left, (time.time() - 7200,) * 2)
    graph.convert(network.freeze(backbone, weights.locate(backbone, random=True), size=160), IDENTITY, folder)
    assert (folder / "graph.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir()] == ["vit"]


def test_every_damaged_file_is_named(runtime: graph.OpenVinoRuntime, tmp_path: Path) -> None:
    broken = copied(runtime, tmp_path)
    (broken / "graph.xml").unlink()
    content = bytearray((broken / "graph.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (broken / "graph.bin").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        graph.describe(broken)
    assert [problem.expected.split()[0] for problem in caught.value.problems] == ["graph.xml", "graph.bin"]
    assert caught.value.problems[0].found == "no such file"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", r"expected: a readable graph\.json\n   found: Expecting property name"),
        ("{}", "expected: a graph of format 2\n   found: no format"),
        ("[1]", "expected: a graph of format 2\n   found: no format"),
        ('{"format": 2, "sha256": {"x": ""}}', r"graph\.json: 3 problems\nexpected: identity: a value\n   found: None"),
    ],
)
def test_an_unreadable_description_is_refused(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "graph.json").write_text(content)
    with pytest.raises(ModelError, match=found):
        graph.describe(tmp_path)


def test_another_format_is_refused(runtime: graph.OpenVinoRuntime, tmp_path: Path) -> None:
    newer = copied(runtime, tmp_path)
    description = json.loads((newer / "graph.json").read_text())
    (newer / "graph.json").write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(ModelError, match="found: format 99"):
        graph.describe(newer)


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
        assert "bf16" in notes[0]


# ---------------------------------------------------------------- running


def rows_of(runtime: graph.OpenVinoRuntime, images: NDArray[np.uint8], lengths: list[int]) -> NDArray[np.float32]:
    ends = np.cumsum(lengths)
    batches = [images[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    found = list(runtime.run(iter(batches)))
    assert [len(part["depths"]) for part in found] == lengths
    return np.concatenate([np.hstack([part["last"], part["depths"]]) for part in found])


def test_order_is_kept_whatever_the_batches(runtime: graph.OpenVinoRuntime) -> None:
    images = synthetic_images(160)
    whole = rows_of(runtime, images, [4, 4])
    assert np.array_equal(rows_of(runtime, images, [1, 3, 2, 1, 1]), whole)
    assert np.array_equal(rows_of(runtime, images[::-1].copy(), [3, 4, 1])[::-1], whole)


def test_batches_are_pulled_as_they_are_needed(runtime: graph.OpenVinoRuntime) -> None:
    pulled = []

    def endless() -> Iterator[NDArray[np.uint8]]:
        while True:
            pulled.append(1)
            yield synthetic_images(160)[:4]

    rows = runtime.run(endless())
    assert pulled == []
    for taken in range(1, 6):
        next(rows)
        assert len(pulled) <= taken + 1 + runtime._compiled().get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")
    rows.close()  # type: ignore[attr-defined]
    assert len(rows_of(runtime, synthetic_images(160), [4])) == 4


def test_an_error_while_reading_pictures_comes_through(runtime: graph.OpenVinoRuntime) -> None:
    def failing() -> Iterator[NDArray[np.uint8]]:
        yield synthetic_images(160)[:2]
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(runtime.run(failing()))


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((17, 160, 160, 3), np.uint8),
        np.zeros((0, 160, 160, 3), np.uint8),
        np.zeros((1, 161, 160, 3), np.uint8),
        np.zeros((1, 160, 160, 3), np.float32),
    ],
)
def test_other_shapes_and_types_are_refused(runtime: graph.OpenVinoRuntime, pictures: NDArray[np.generic]) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 pictures \(1 to 16, 160, 160, 3\), found"):
        list(runtime.run([pictures]))  # type: ignore[list-item]


# ---------------------------------------------------------------- nothing is sent


def test_openvino_is_imported_in_one_place_only() -> None:
    package = Path(graph.__file__).parents[1]
    importing = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"^\s*(import|from) openvino\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert importing == {"backbones/graph.py"}


@pytest.mark.parametrize("first", ["headstart", "openvino"])
def test_converting_attempts_no_connection(tmp_path: Path, first: str) -> None:
    """In an empty home, where OpenVINO by default reports every import and conversion, each way out is watched.

    It reports from a forked process, so attempts are noted in a file. Where somebody imported OpenVINO before us,
    its report of that is theirs; ours must not add to it.
    """
    script = """if True:
        import os, socket, sys, time
        from pathlib import Path
        notes = Path("attempts")
        notes.touch()
        def watched(name):
            def refuse(*arguments, **options):
                with notes.open("a") as stream:
                    stream.write(f"{name} {arguments}\\n")
                raise OSError("no network in this test")
            return refuse
        for name in ("connect", "connect_ex", "sendto"):
            setattr(socket.socket, name, watched(name))
        socket.getaddrinfo = watched("getaddrinfo")
        socket.create_connection = watched("create_connection")
        if sys.argv[1] == "openvino":
            import openvino
            time.sleep(1.5)
            assert notes.read_text() or "openvino_telemetry" not in sys.modules, "the watch is blind"
            notes.write_text("")
        from headstart.backbones import catalog, graph, network, weights
        backbone = catalog.get("test_resnet.r160_in1k")
        frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=64)
        graph.convert(frozen, {"size": 64}, Path("graph"))
        runtime, _ = graph.compile_graph(Path("graph"), precision="auto")
        assert runtime is not None
        time.sleep(1.5)
        print("attempts:", notes.read_text())
    """
    hidden = ("CI", "TF_BUILD", "JENKINS_URL")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    done = subprocess.run(
        [sys.executable, "-c", script, first],
        cwd=tmp_path,
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "attempts:", done.stderr
    assert first == "openvino" or not (tmp_path / "intel").exists()


def test_an_interruption_waits_until_the_converter_is_done() -> None:
    steps = []

    def interrupted() -> None:
        with graph._interruptions_wait():
            signal.raise_signal(signal.SIGINT)
            steps.append("done")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert steps == ["done"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with graph._interruptions_wait():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
