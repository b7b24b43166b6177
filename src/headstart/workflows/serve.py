"""What a server answers with: the model of a run, replaced when the run has another; and within which limits."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from headstart.deploy.directory import DOCUMENT, find_model
from headstart.deploy.model import Model
from headstart.errors import HeadstartError, OptionError, Problem
from headstart.files import display, sha256
from headstart.images.limits import MAX_BYTES, MAX_MEMORY

SHORTEST_TOKEN = 16
"""Characters. Of random letters and digits that is 95 bits; NIST SP 800-63B asks for 64 of such a secret."""


@dataclass(frozen=True, kw_only=True)
class ServeOptions:
    """Where a server listens, whom it answers, and how much it takes. Raises OptionError with all that is wrong."""

    host: str = "127.0.0.1"
    """Address to listen at. One that other machines reach needs a token."""
    port: int = 8000
    """0 takes any that is free."""
    token: str | None = None
    """What requests must show to be answered; None where everyone is."""
    workers: int | None = None
    """Processes that decode pictures; one a core unless given. The network computes on all cores in any case."""
    most_bytes: int = 64 << 20
    """Of one request. Chosen: a photograph has 3 to 15 million, an uncompressed one of 20 megapixels 60 million."""
    most_json: int = 16 << 20
    """Of one request in JSON, which takes twenty times as much once it is read."""
    most_pictures: int = 64
    """In one request. Chosen: four batches of the network."""
    most_waiting: int = 256
    """Pictures of all requests that are under way; for more there is no room. Chosen: seconds of work on two cores."""
    most_held: int = MAX_BYTES
    """Bytes of all requests that are under way, as when training reads files."""
    decoder_memory: int = MAX_MEMORY + (256 << 20)
    """Bytes that a process may take to decode a picture: what `headstart.images.limits` allow a picture, and copies of
    the file."""
    decode_seconds: float = 10.0
    """For one picture. Chosen: the largest that is allowed takes three."""
    request_seconds: float = 30.0
    """Within which a request must have arrived. Chosen: 64 MB at 17 Mbit/s."""
    drain_seconds: float = 3.0
    """While which a server that is to stop says so under ``/ready`` and still answers, so that a balancer notices."""

    def __post_init__(self) -> None:
        cores = "leave it out for one a core"
        expected = {
            "port": ("a port from 0 to 65535", 0 <= self.port <= 65535, self.port, "choose another"),
            "workers": ("one worker or more", self.workers is None or self.workers >= 1, self.workers, cores),
            "host": (
                "a token where other machines reach the server",
                self.token is not None or _is_loopback(self.host),
                f"--host {self.host} without one",
                "add --token-file FILE, or leave --host out",
            ),
        }
        problems = [
            Problem(expected=want, found=str(found), todo=todo)
            for want, holds, found, todo in expected.values()
            if not holds
        ]
        if problems:
            raise OptionError("options of the server", problems)

    @property
    def decoders(self) -> int:
        """Processes that decode."""
        return self.workers or os.cpu_count() or 1


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_token(path: Path) -> str:
    """The token that is the only line of a file. Raises OptionError for what cannot be one."""
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        found = f"{display(path)}: {error}"
    else:
        if len(token) >= SHORTEST_TOKEN and token.isprintable() and " " not in token:
            return token
        found = f"{display(path)} with {len(token)} characters" + (
            " and blanks among them" if token.split()[1:] else ""
        )
    expected = f"a file whose only line is a token of {SHORTEST_TOKEN} printable characters or more, no blanks"
    todo = "python -c 'import secrets; print(secrets.token_urlsafe())' > FILE"
    raise OptionError.of("--token-file", expected=expected, found=found, todo=todo)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A model in use."""

    model: Model
    fingerprint: str
    """The first 16 digits of the SHA-256 of its document, which holds the hashes of all its files."""
    coverage: float | None
    """Of the prediction sets where a request asks for none; None for a model that gives none."""


class LiveModel:
    """The model of a run. A newer one takes its place at one instant; who began with the one before ends with it."""

    def __init__(self, run: Path) -> None:
        """Load the model; raises as `Model.load`."""
        self.run = run
        self._seen = self._state()
        self.current = _load(run)

    @property
    def name(self) -> str:
        """Of the run folder, or that of the model where it lies in no run."""
        return self.run.resolve().name

    def has_changed(self) -> bool:
        """Whether the files of the model are others than when it was last loaded, or tried to be."""
        return self._state() != self._seen

    def reload(self) -> bool:
        """Load the model that is there now, compute its golden pictures, and take it; whether it is another.

        Raises HeadstartError or OSError where it cannot be used; the one before then stays.
        """
        self._seen = self._state()
        new = _load(self.run)
        is_other = new.fingerprint != self.current.fingerprint
        if is_other:
            self.current = new
        return is_other

    def _state(self) -> tuple[tuple[str, int, int, int], ...]:
        """Names, inodes, sizes and times of the files of the model; empty while there is none."""
        try:
            return tuple(sorted(_files(find_model(self.run))))
        except (HeadstartError, OSError):
            return ()


def _files(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    for path in folder.iterdir():
        status = path.stat()
        yield path.name, status.st_ino, status.st_size, status.st_mtime_ns


def _load(run: Path) -> Served:
    while True:
        fingerprint = sha256(find_model(run) / DOCUMENT)[:16]
        model = Model.load(run)
        if model.batches:
            model.batches()  # else the first full batch would wait until the network is compiled for it
        if fingerprint == sha256(find_model(run) / DOCUMENT)[:16]:  # else it was replaced meanwhile
            return Served(model=model, fingerprint=fingerprint, coverage=model.abstention.covers(None))
