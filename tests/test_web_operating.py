from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest
from prometheus_client.parser import text_string_to_metric_families

from headstart.deploy.model import Model
from headstart.images.decode import encode
from headstart.web import operating
from headstart.workflows.serve import ServeOptions
from pictures import draw
from server import TOKEN, Served, drawn, in_thread


@pytest.fixture
def model_folder(run_folder: Path, tmp_path: Path) -> Path:
    """A model of its own, to be replaced."""
    return Path(shutil.copytree(run_folder / "model", tmp_path / "model"))


@pytest.fixture
def replace_it(run_folder: Path, model_folder: Path) -> Callable[[], None]:
    """Puts another model, with other probabilities, in place of the one that is served, or the first one again."""
    first = Model.load(run_folder)
    models = [replace(first, head=replace(first.head, temperature=first.head.temperature * 20)), first]

    def work() -> None:
        models[0].save(model_folder)
        models.reverse()

    return work


def counted(served: Served, name: str, **labels: str) -> float:
    text = served.ask("GET", "/metrics").text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items())


def test_what_happens_is_counted(served: Served) -> None:
    before = {kind: counted(served, "headstart_pictures_total", outcome=kind) for kind in ("answered", "unreadable")}
    refused = counted(served, "headstart_requests_total", path="/predict", status="400")
    served.ask("POST", "/predict", files=[("a", drawn(1)), ("b", b"no picture"), ("c", drawn(2))])
    served.ask("POST", "/predict", data=b"")
    served.ask("GET", "/names/that/clients/make/up")
    assert counted(served, "headstart_pictures_total", outcome="answered") == before["answered"] + 2
    assert counted(served, "headstart_pictures_total", outcome="unreadable") == before["unreadable"] + 1
    assert counted(served, "headstart_requests_total", path="/predict", status="400") == refused + 1
    assert counted(served, "headstart_requests_total", path="other", status="404") >= 1
    assert counted(served, "headstart_model_info", fingerprint=served.service.live.current.fingerprint) == 1
    assert counted(served, "headstart_pictures_under_way") == counted(served, "headstart_bytes_held") == 0


def test_a_server_that_is_to_stop_says_so_and_still_answers(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    assert served.ask("GET", "/ready").json() == {"state": "ready"}
    assert "connection" not in served.ask("GET", "/health").headers
    monkeypatch.setattr(served.service, "stopping", True)
    ready, picture = served.ask("GET", "/ready"), served.ask("POST", "/predict", data=drawn(1))
    assert (ready.status_code, ready.json(), picture.status_code) == (503, {"state": "stopping"}, 200)
    assert (ready.headers["connection"], picture.headers["connection"]) == ("close", "close")
    assert served.ask("GET", "/health").json() == {"state": "alive"}
    assert served.ask("GET", "/v2/health/ready").status_code == 503


def test_another_model_is_taken_under_load_without_a_lost_request(
    model_folder: Path, replace_it: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "LOOK_EVERY_S", 0.1)
    picture, enough = encode(draw("blobs", 3, side=200), format="JPEG"), Event()
    with in_thread(model_folder, ServeOptions(workers=1, drain_seconds=0, token=TOKEN)) as served:

        def client(_: int) -> set[tuple[int, float]]:
            seen = set()
            while not enough.is_set():
                answer = served.ask("POST", "/predict", data=picture)
                seen.add((answer.status_code, round(answer.json()["predictions"][0]["probability"], 9)))
            return seen

        with ThreadPoolExecutor(4) as clients:
            answers = clients.map(client, range(4))
            before = served.service.live.current.fingerprint
            replace_it()  # taken because its files are others
            end = time.monotonic() + 30
            while served.service.live.current.fingerprint == before and time.monotonic() < end:
                time.sleep(0.05)
            assert served.service.live.current.fingerprint != before
            time.sleep(0.3)
            enough.set()
            statuses, probabilities = (set(values) for values in zip(*set().union(*answers), strict=True))
        assert statuses == {200}
        assert len(probabilities) == 2  # that of the one model or of the other, nothing between


def test_a_model_that_cannot_be_used_is_not_taken(
    model_folder: Path, replace_it: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operating, "LOOK_EVERY_S", 1000)
    with in_thread(model_folder, ServeOptions(workers=1, drain_seconds=0, token=TOKEN)) as served:
        first = served.service.live.current.fingerprint
        assert served.ask("POST", "/reload").json() == {"changed": False, "fingerprint": first}
        replace_it()
        head = (model_folder / "head.safetensors").read_bytes()
        (model_folder / "head.safetensors").write_bytes(head[:-8])
        answer = served.ask("POST", "/reload")
        assert answer.status_code == 503
        assert "head.safetensors" in answer.json()["problems"][0]["found"]
        assert served.ask("GET", "/classes").json()["fingerprint"] == first
        (model_folder / "head.safetensors").write_bytes(head)
        assert served.ask("POST", "/reload").json()["changed"] is True
        assert counted(served, "headstart_reloads_total", outcome="refused") == 1


def test_a_server_without_a_token_is_reloaded_by_nobody_on_the_network(run_folder: Path) -> None:
    with in_thread(run_folder, ServeOptions(workers=1, drain_seconds=0)) as served:
        answer = served.ask("POST", "/reload")
        assert answer.status_code == 403
        assert "SIGHUP" in answer.json()["problems"][0]["todo"]
        assert served.ask("GET", "/classes", token=None).status_code == 200
