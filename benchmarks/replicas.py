"""Two servers behind nginx, with the configuration of ``examples/serve``: nothing is lost when one of them goes.

    python benchmarks/replicas.py RUN OTHER_RUN PHOTO [--nginx /usr/sbin/nginx] [--seconds 10]

Linux only: all runs in a network namespace of its own, in which the name ``replica`` stands for 127.0.0.2 and
127.0.0.3, as a compose file's service stands for its containers; nginx reads ``examples/serve/nginx.conf`` as it is.
Clients send PHOTO on connections that they keep, as fast as it is answered, while in turn: nothing happens; one server
is sent SIGTERM; it is back; the other is killed; it is back; both get the model of OTHER_RUN.

Expected: no answer but 200, from either server at least a quarter of them while nothing happens, and in the end the
other model on both. Exit code 1 where one of them does not hold. Measured with nginx 1.22: 7,301 answers in seven
phases of 10 s, all of them 200; while nothing happened 495 and 506 from the two.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from headstart.deploy.directory import find_model
from headstart.deploy.model import Model

ADDRESSES = ("127.0.0.2", "127.0.0.3")
PORT, BALANCER = 8000, 8080
CLIENTS = 8
LEAST_SHARE = 0.25
PATIENCE_S = 60.0
"""Within which both must have the other model."""
TOKEN = "token-of-the-benchmark"
CONFIGURATION = Path(__file__).parents[1] / "examples" / "serve" / "nginx.conf"
_MAIN = """\
daemon off; user root; pid {0}/pid; error_log {0}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u;
  scgi_temp_path {0}/s;
  include {1};
}}
"""


def alone(scratch: Path) -> None:
    """In a new namespace: bring the loopback device up, and let ``replica`` stand for both addresses."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    hosts = scratch / "hosts"
    hosts.write_text("127.0.0.1 localhost\n" + "".join(f"{address} replica\n" for address in ADDRESSES))
    subprocess.run(["mount", "--bind", str(hosts), "/etc/hosts"], check=True)


def ask(address: str, port: int, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one answer on a connection of its own."""
    connection = http.client.HTTPConnection(address, port, timeout=60)
    try:
        connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


class Replica:
    """A server that can be started again at the same address."""

    def __init__(self, address: str, model: Path, token: Path) -> None:
        words = ["serve", str(model), "--host", address, "--port", str(PORT), "--token-file", str(token)]
        self.address, self._command = address, [sys.executable, "-m", "headstart", *words, "--workers", "1"]
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stderr=subprocess.DEVNULL)
        while True:
            try:
                if ask(self.address, PORT, "GET", "/ready")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)

    def answered(self) -> int:
        """Requests for predictions since it was started."""
        text = ask(self.address, PORT, "GET", "/metrics")[1].decode()
        counts = re.findall(r'^headstart_requests_total\{[^}]*path="/predict"[^}]*\} (\S+)', text, re.MULTILINE)
        return int(sum(map(float, counts)))

    def fingerprint(self) -> str:
        return str(json.loads(ask(self.address, PORT, "GET", "/classes")[1])["fingerprint"])


class Load:
    """Clients that go on until the block is left; what they were answered."""

    def __init__(self, picture: bytes) -> None:
        self.statuses: Counter[str] = Counter()
        self._picture, self._enough = picture, threading.Event()
        self._threads = [threading.Thread(target=self._client) for _ in range(CLIENTS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()

    def _client(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", BALANCER, timeout=60)
        while not self._enough.is_set():
            try:
                connection.request("POST", "/predict", self._picture, {"Authorization": f"Bearer {TOKEN}"})
                answer = connection.getresponse()
                answer.read()
                self.statuses[str(answer.status)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.statuses[type(error).__name__] += 1
                connection.close()
        connection.close()


@contextmanager
def balancer(nginx: str, scratch: Path) -> Iterator[None]:
    """nginx with the configuration of the example, until the block is left."""
    main = scratch / "nginx.conf"
    main.write_text(_MAIN.format(scratch, CONFIGURATION))
    process = subprocess.Popen([nginx, "-c", str(main), "-e", str(scratch / "error.log")])
    try:
        time.sleep(1)
        yield
    finally:
        process.terminate()
        process.wait()


def inside(run: Path, other: Path, photo: Path, nginx: str, seconds: float, scratch: Path) -> bool:
    """All of it, in the namespace; whether it holds."""
    alone(scratch)
    model, token = scratch / "model", scratch / "token"
    shutil.copytree(find_model(run), model)
    token.write_text(TOKEN)
    replicas = [Replica(address, model, token) for address in ADDRESSES]
    first, another = replicas
    holds = True
    try:
        with balancer(nginx, scratch), Load(photo.read_bytes()) as load:

            def phase(what: str) -> None:
                nonlocal holds
                time.sleep(seconds)
                statuses, load.statuses = load.statuses, Counter()
                holds &= {*statuses} == {"200"}
                print(f"{what:40s} {dict(statuses)}", flush=True)

            phase("both there")
            shares = [replica.answered() for replica in replicas]
            holds &= min(shares) >= LEAST_SHARE * sum(shares)
            print(f"answered by each: {shares}")
            first.process.send_signal(signal.SIGTERM)
            phase("SIGTERM to the first")
            print(f"its exit code: {first.process.wait(60)}")
            holds &= first.process.returncode == 0
            first.start()
            phase("it is back")
            holds &= first.answered() > 0
            another.process.kill()
            phase("the second is killed")
            another.process.wait()
            another.start()
            phase("it is back")
            before = {replica.fingerprint() for replica in replicas}
            Model.load(other).save(model)
            phase("another model")
            after, end = before, time.monotonic() + PATIENCE_S
            while (len(after) != 1 or after == before) and time.monotonic() < end:
                after = {replica.fingerprint() for replica in replicas}
            phase("both have it")
            holds &= len(before) == len(after) == 1 and before != after
            print(f"model: {before} → {after}")
    finally:
        for replica in replicas:
            replica.process.kill()
            replica.process.wait()
    said = (scratch / "error.log").read_text()
    print(f"nginx said {len(said.splitlines())} lines", *said.splitlines()[:3], sep="\n")
    return holds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("other", type=Path, help="a run of other answers for the same classes")
    parser.add_argument("photo", type=Path)
    parser.add_argument("--nginx", default=shutil.which("nginx") or "/usr/sbin/nginx")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each phase")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        words = (options.run, options.other, options.photo, options.nginx, options.seconds, options.inside)
        sys.exit(0 if inside(*words) else 1)
    with tempfile.TemporaryDirectory() as scratch:
        namespace = ["unshare", "--map-root-user", "--net", "--mount"]
        command = [*namespace, sys.executable, *sys.argv, "--inside", scratch]
        sys.exit(subprocess.run(command, env=dict(os.environ), check=False).returncode)


if __name__ == "__main__":
    main()
