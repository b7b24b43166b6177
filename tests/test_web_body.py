from __future__ import annotations

import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from headstart.workflows.serve import ServeOptions
from server import Served, in_thread


@pytest.mark.parametrize(
    ("body", "boundary", "status"),
    [
        (b"", "x", 400),
        (b"--x\r\n\r\n\r\n--x--", "x", 400),
        (b"--y--\r\n", "x", 400),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\ntext\r\n--x--\r\n', "x", 400),
        (b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\ncut', "x", 400),
        (b"--x--\r\n", "", 400),
        (b"--x--\r\n", "x" * 10_000, 400),
    ],
)
def test_a_form_that_is_none_is_refused(served: Served, body: bytes, boundary: str, status: int) -> None:
    kind = f"multipart/form-data; boundary={boundary}" if boundary else "multipart/form-data"
    answer = served.ask("POST", "/predict", data=body, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert {*answer.json()["problems"][0]} == {"expected", "found", "todo"}


def test_too_many_pictures_are_refused(served: Served) -> None:
    most = served.service.options.most_pictures
    answer = served.ask("POST", "/predict", files=[("a", (str(i), b"x")) for i in range(most + 1)])
    assert answer.status_code == 413
    assert answer.json()["problems"][0]["todo"] == "send them in several requests"


def test_too_many_bytes_are_refused_whether_they_are_announced_or_not(served: Served) -> None:
    most = served.service.options.most_bytes
    body = b"x" * (most + 1)
    for sent in (body, iter([body[:most], b"x"])):
        answer = served.ask("POST", "/predict", data=sent)
        assert answer.status_code == 413
        assert answer.json()["problems"][0]["expected"] == f"at most {most} bytes in a request"
    assert served.service.admission.bytes == 0


def test_a_request_that_does_not_arrive_is_not_waited_for(run_folder: Path) -> None:
    options = ServeOptions(workers=1, drain_seconds=0, request_seconds=0.3)
    with in_thread(run_folder, options) as served:
        url = urlsplit(served.address)
        with socket.create_connection((str(url.hostname), int(url.port or 0)), timeout=20) as client:
            client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
            assert client.recv(100).startswith(b"HTTP/1.1 408 ")
