from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from headstart.deploy import remote
from headstart.deploy.remote import Remote
from headstart.errors import ModelError, OptionError
from headstart.images.decode import encode
from headstart.workflows.serve import ServeOptions
from headstart.workflows.verify import verify
from pictures import draw
from server import TOKEN, in_thread


def test_a_server_is_held_against_the_run_that_it_serves(run_folder: Path, small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "large.jpg").write_bytes(encode(draw("rings", 5, side=900)))
    (tmp_path / "text.jpg").write_text("no picture")
    with in_thread(run_folder, ServeOptions(port=0, token=TOKEN, workers=1)) as served:
        verified = verify(served.address, run_folder, [tmp_path], token=TOKEN)
        assert verified.holds
        assert verified.model is not None
        assert (verified.model.n, verified.model.largest < 1e-3) == (1, True)
        drawn = verify(served.address, run_folder, token=TOKEN).model
        assert drawn is not None
        assert (drawn.n, drawn.holds) == (4, True)
        with pytest.raises(ModelError, match="one that asks for a token, or for another"):
            verify(served.address, run_folder, token="another token of it")
        with pytest.raises(OptionError, match="is of another model"):
            verify(served.address, small_model, token=TOKEN)
        with pytest.raises(OptionError, match="a server and no run"):
            verify(served.address, token=TOKEN)
        assert "not found" in Remote(address=served.address, token=TOKEN).answer(tmp_path / "gone.jpg").reason


@contextmanager
def saying(status: int, *answers: bytes) -> Iterator[str]:
    """A server that gives these answers in turn, the last for ever."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = left.pop(0) if len(left) > 1 else left[0]
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"predictions": []}', b'{"predictions": [{}], "classes": ["a"]}']
)
def test_whatever_else_a_server_says_is_no_answer(answer: bytes) -> None:
    with saying(200, answer) as address, pytest.raises(ModelError, match="a server of `headstart serve`"):
        Remote(address=address).answer(b"a picture")


def test_a_server_that_is_busy_is_asked_again_and_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(remote.time, "sleep", slept.append)
    with saying(503, b"{}") as address, pytest.raises(ModelError, match="busy all the time"):
        Remote(address=address).classes()
    assert len(slept) == remote.MOST_BUSY


def test_nobody_there_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(ModelError, match="refused"):
        Remote(address=f"http://127.0.0.1:{port}").classes()
