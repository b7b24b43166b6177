"""A network becomes a graph: silently, whole, and one for every size where that is true."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from headstart.backbones import catalog, conversion, graph_folder, network, weights
from headstart.errors import ModelError

NAME = "test_vit.r160_in1k"  # tokens, so `last` is a slice of memory, which once was saved wrongly
IDENTITY = {"network": NAME, "size": 160}


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
        from headstart.backbones import catalog, conversion, graph, network, weights
        backbone = catalog.get("test_resnet.r160_in1k")
        frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=64)
        Path("graph").mkdir()
        conversion.write(frozen, {"size": 64}, Path("graph"), also_at=[96])
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
        with conversion._interruptions_wait():
            signal.raise_signal(signal.SIGINT)
            steps.append("done")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert steps == ["done"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interruption_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with conversion._interruptions_wait():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_graph_that_has_another_size_inside_is_not_one_for_every_size(tmp_path: Path) -> None:
    backbone = catalog.get("test_resnet.r160_in1k")
    frozen = network.freeze(backbone, weights.locate(backbone, random=True), size=64)
    conversion.write(frozen, {"size": 64}, tmp_path, also_at=[49, 96])
    assert graph_folder.describe(tmp_path)["any_size"] is True
    with pytest.raises(ModelError, match=r"(?s)graph: (last|depths).*expected: rows within 1e-05 of the network's"):
        conversion.write(Cropping(frozen), {"size": 64}, tmp_path, also_at=[96])


class Cropping(network.FrozenModule):
    """Looks at the upper left of its images: of as many pixels as it was traced with."""

    def __init__(self, frozen: network.FrozenNetwork) -> None:
        super().__init__()
        self.frozen, self.widths, self.backbone, self.size = frozen, frozen.widths, frozen.backbone, frozen.size

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, ...]:
        seen = int(images.shape[1]) // 2
        return self.frozen(images[:, :seen, :seen])  # type: ignore[no-any-return]
