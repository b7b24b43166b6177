from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from importlib.metadata import packages_distributions, requires
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from packaging.requirements import Requirement

import headstart
from headstart.errors import OptionError
from headstart.web.server import listening
from server import as_process, drawn

DOCKERFILE = Path(__file__).parents[1] / "examples" / "serve" / "Dockerfile"
ALONE = """
import sys
from importlib.abc import MetaPathFinder
class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
"""
"""``sitecustomize`` of a process that lacks some packages."""

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")


class Client(threading.Thread):
    """Sends one picture after the other on a connection that it keeps, until an answer says that the server leaves.

    Who connected at the very instant in which a server stops listening is reset by the system: so the server says that
    it leaves seconds before, and a client goes elsewhere then, as a balancer does.
    """

    def __init__(self, address: str, picture: bytes) -> None:
        super().__init__()
        self.url, self.picture = urlsplit(address), picture
        self.statuses: Counter[int] = Counter()
        self.lost: list[Exception] = []

    def run(self) -> None:
        connection = http.client.HTTPConnection(str(self.url.hostname), self.url.port, timeout=60)
        try:
            while not self._asks(connection):
                pass
        except (OSError, http.client.HTTPException) as error:
            self.lost.append(error)
        finally:
            connection.close()

    def _asks(self, connection: http.client.HTTPConnection) -> bool:
        """Whether the answer says that the connection is closed."""
        connection.request("POST", "/predict", self.picture)
        answer = connection.getresponse()
        answer.read()
        self.statuses[answer.status] += 1
        return answer.getheader("connection") == "close"


@posix
def test_sigterm_under_load_loses_no_request_and_ends_without_an_error(small_model: Path) -> None:
    with as_process(small_model, "--workers", "1") as (address, process):
        clients = [Client(address, drawn(seed)) for seed in range(8)]
        for client in clients:
            client.start()
        end = time.monotonic() + 60
        while sum(client.statuses[200] for client in clients) <= len(clients) and time.monotonic() < end:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert requests.get(f"{address}/ready", timeout=20).status_code == 503
        for client in clients:
            client.join()
        assert process.wait(30) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert [client.lost for client in clients] == [[]] * len(clients)
    statuses = sum((client.statuses for client in clients), Counter[int]())
    assert {*statuses} == {200}
    assert statuses[200] > len(clients)


@posix
def test_the_second_signal_ends_it_at_once_and_no_process_stays(small_model: Path) -> None:
    with as_process(small_model, "--workers", "1") as (_, process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        started = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.wait(30)
        assert time.monotonic() - begun < 2.5
        time.sleep(0.3)
        assert not [pid for pid in started if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)]


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@posix
def test_a_server_that_is_killed_leaves_no_process(small_model: Path) -> None:
    with as_process(small_model, "--workers", "1") as (_, process):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        if not children.exists():
            pytest.skip("only Linux lists the children of a process")
        started = [int(pid) for pid in children.read_text().split()]
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        end = time.monotonic() + 20
        while alive := [pid for pid in started if Path(f"/proc/{pid}").exists() and not _is_zombie(pid)]:
            assert time.monotonic() < end, alive
            time.sleep(0.05)


def with_what_they_need(names: set[str]) -> set[str]:
    """The distributions of these names, as normalised, and all that they require without extras."""
    found: set[str] = set()
    while names:
        found |= names
        needed = {Requirement(line) for name in names for line in requires(name) or []}
        wanted = {each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})}
        names = {normalised(name) for name in wanted} - found
    return found


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@posix
def test_the_image_of_the_example_has_all_that_a_server_imports(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, listed = DOCKERFILE.read_text().partition("pip install --no-cache-dir fastapi")
    names = listed.partition("&&")[0].replace("\\\n", " ").split()
    there = with_what_they_need({"fastapi", *map(normalised, names)}) | {"headstart"}
    missing = {
        module
        for module, distributions in packages_distributions().items()
        if not there & {normalised(name) for name in distributions}
    }
    assert {"torch", "scipy"} <= missing
    (tmp_path / "sitecustomize.py").write_text(ALONE.format(missing=missing))
    source = str(Path(headstart.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), source]))
    with as_process(small_model, "--workers", "1") as (address, process):
        assert requests.post(f"{address}/predict", drawn(1), timeout=60).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_a_port_in_use_is_an_error_that_says_so() -> None:
    with listening("127.0.0.1", 0) as opened:
        port = opened.getsockname()[1]
        with pytest.raises(OptionError, match=rf"found: 127\.0\.0\.1:{port}: .*\n   to do: give another --port"):
            listening("127.0.0.1", port)
    with pytest.raises(OptionError, match="an address of this machine"):
        listening("no such host.invalid", 0)


def test_it_listens_where_it_is_told() -> None:
    with listening("localhost", 0) as opened, socket.create_connection(opened.getsockname()[:2]):
        pass
