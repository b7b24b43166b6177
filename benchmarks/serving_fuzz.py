"""Mutated and crafted bodies against a real ``headstart serve``: every request answered, and nothing taken down.

    python benchmarks/serving_fuzz.py RUN [--count 20000] [--clients 8] [--seed 0]

The pictures and mutations are those of ``benchmarks/fuzz.py``. They come as the body, as files of forms, as forms that
are themselves mutated, as base64 in requests of the Open Inference Protocol, mutated too, and as plain noise, with
queries and content types that fit or do not; among them pictures that claim to be huge. Each request is to be answered
within a minute, with 200, 400, 413, 422 or 503. Every hundredth is a sound picture, whose answer is to be the same as
before. In the end the server is to be alive, with nothing on standard error, and no process of it is to have taken more
than its limit.

Expected: 0 failures; the server at most 1.5 GB, a decoder at most 1.6 GB (Linux only). Exit code 1 otherwise.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import random
import re
import runpy
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event, Thread, local
from urllib.parse import urlsplit

ALLOWED = {200, 400, 413, 422, 503}
ANSWERED_S = 60.0
MOST_SERVER, MOST_DECODER = 1.5e9, 1.6e9
"""Bytes; a decoder may take 1.27 GB for a picture, and has some itself."""
SAME = 1e-3
"""Of a probability, as for the golden pictures of a model."""
_fuzz = runpy.run_path(str(Path(__file__).with_name("fuzz.py")))
seeds: Callable[[], list[bytes]] = _fuzz["seeds"]
mutated: Callable[[bytes, bytes, random.Random], bytes] = _fuzz["mutated"]


@dataclass(frozen=True)
class Sent:
    """A request."""

    path: str
    kind: str
    """Its content type."""
    body: bytes


def requests(model: str, seed: int) -> Iterator[Sent]:
    """Requests without an end; the same for the same seed."""
    rng, pictures = random.Random(seed), seeds()

    def picture() -> bytes:
        one, other = rng.choice(pictures), rng.choice(pictures)
        return one if rng.random() < 0.1 else mutated(one, other, rng)

    while True:
        query = rng.choice(("", "", "?top=2", "?coverage=0.5", "?top=x&coverage=9"))
        path = f"/predict{query}"
        infer = f"/v2/models/{model}/infer"
        match rng.randrange(8):
            case 0 | 1 | 2:
                yield Sent(path, rng.choice(("image/*", "", "text/plain", "multipart/form-data")), picture())
            case 3:
                kind, body = form([picture() for _ in range(rng.randint(1, 5))])
                yield Sent(path, kind, body)
            case 4:
                kind, body = form([picture() for _ in range(rng.choice((1, 2, 80)))])
                if rng.random() < 0.2:
                    kind = mutated(kind.encode(), b"boundary=;", rng).decode("latin-1")
                yield Sent(path, kind, mutated(body, b"--fuzz-boundary\r\n", rng))
            case 5:
                yield Sent(infer, "application/json", tensors([picture() for _ in range(rng.randint(1, 3))]))
            case 6:
                yield Sent(infer, "application/json", mutated(tensors([picture()]), b'[]{}",:0e9' * 20, rng))
            case _:
                yield Sent(rng.choice((path, infer)), "image/png", rng.randbytes(rng.choice((0, 1, 10, 1000, 100_000))))


def form(files: list[bytes]) -> tuple[str, bytes]:
    boundary = "fuzz-boundary"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="f"; filename="{i}"\r\n\r\n'.encode() + file + b"\r\n"
        for i, file in enumerate(files)
    ]
    return f"multipart/form-data; boundary={boundary}", b"".join(parts) + f"--{boundary}--\r\n".encode()


def tensors(files: list[bytes]) -> bytes:
    data = [base64.b64encode(file).decode() for file in files]
    tensor = {"name": "image", "shape": [len(files)], "datatype": "BYTES", "data": data}
    return json.dumps({"inputs": [tensor]}).encode()


class Client:
    """Sends requests, each on the connection of its thread."""

    def __init__(self, address: str) -> None:
        self._url, self._own = urlsplit(address), local()
        self.statuses: Counter[int] = Counter()
        self.failures: list[str] = []

    def send(self, sent: Sent) -> bytes:
        """The body of the answer; empty where there is none, which is a failure."""
        kind = re.sub(r"[^ -~]", "?", sent.kind)
        try:
            if not hasattr(self._own, "connection"):
                self._own.connection = http.client.HTTPConnection(
                    str(self._url.hostname), self._url.port, timeout=ANSWERED_S
                )
            self._own.connection.request("POST", sent.path, sent.body, {"Content-Type": kind})
            answer = self._own.connection.getresponse()
            body: bytes = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self._own.__dict__.pop("connection").close()
            self.failures.append(f"no answer: {error!r} to {sent.path} {kind[:60]} {sent.body[:60]!r}")
            return b""
        self.statuses[answer.status] += 1
        if answer.status not in ALLOWED:
            self.failures.append(f"{answer.status}: {body[:200]!r} to {sent.path} {kind[:60]} {sent.body[:60]!r}")
        elif answer.status != 200 and {*json.loads(body)["problems"][0]} != {"expected", "found", "todo"}:
            self.failures.append(f"{answer.status} without a reason: {body[:200]!r}")
        return body


def family(pid: int) -> list[int]:
    """Numbers of a process and of those that it started."""
    found = [pid]
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            found += family(int(child))
    return found


def watch(pid: int, peaks: dict[str, float], done: Event) -> None:
    """Note the most memory that the server and a decoder of it have taken, in bytes."""
    while not done.wait(0.2):
        for each in family(pid):
            try:
                text = Path(f"/proc/{each}/status").read_text()
            except OSError:
                continue
            if found := re.search(r"VmHWM:\s+(\d+)", text):
                kind = "server" if each == pid else "decoder"
                peaks[kind] = max(peaks[kind], int(found[1]) * 1024)


def same(answer: bytes, other: bytes) -> bool:
    """Whether two answers to one picture agree as far as the same network for one image and for batches does."""
    if not answer or not other:
        return False
    (row,), (wanted,) = (json.loads(each)["predictions"] for each in (answer, other))
    return bool(row["label"] == wanted["label"] and abs(row["probability"] - wanted["probability"]) < SAME)


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[None]:
    """Tell a process to end when the block is left, also by an error."""
    try:
        yield
    finally:
        process.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    command = [sys.executable, "-m", "headstart", "serve", str(options.run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        client = Client(server.stderr.readline().split()[2].rstrip(";"))
        peaks, done = {"server": 0.0, "decoder": 0.0}, Event()
        if Path(f"/proc/{server.pid}/status").exists():
            Thread(target=watch, args=(server.pid, peaks, done), daemon=True).start()
        sound = Sent("/predict", "image/png", seeds()[0])
        first = client.send(sound)

        def send(numbered: tuple[int, Sent]) -> None:
            number, sent = numbered
            client.send(sent)
            if number % 100 == 0 and not same(client.send(sound), first):
                client.failures.append("a sound picture had another answer")

        began = time.monotonic()
        with ended(server), ThreadPoolExecutor(options.clients) as clients:
            todo = enumerate(islice(requests(options.run.resolve().name, options.seed), options.count))
            while block := list(islice(todo, 100)):
                list(clients.map(send, block))
                alive = server.poll() is None
                print(f"{block[-1][0] + 1} sent, {time.monotonic() - began:.0f} s, {dict(client.statuses)}", flush=True)
        done.set()
        said = server.stderr.read()
    failures = [*client.failures, *([] if alive else ["the server ended"])]
    failures += [f"standard error: {said[-2000:]}"] if said else []
    print(f"{sum(client.statuses.values())} answered {dict(client.statuses)}; {len(failures)} failures")
    print(", ".join(f"{kind} at most {peak / 1e9:.2f} GB" for kind, peak in peaks.items()))
    print("\n".join(failures[:20]))
    return int(bool(failures) or peaks["server"] > MOST_SERVER or peaks["decoder"] > MOST_DECODER)


if __name__ == "__main__":
    raise SystemExit(main())
