"""Repeat a run from its record and prove that it gives the same model and the same figures, or name what changed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from headstart.device import computing_with
from headstart.errors import DataError, Problem
from headstart.files import display
from headstart.images.formats.given import Given
from headstart.images.record import Changes, Record, changes
from headstart.options import FitOptions
from headstart.progress import Progress
from headstart.schema import read_record
from headstart.untrusted import read_json, sha256_in
from headstart.workflows.train import train

METRICS = "metrics.json"

Kind = Literal["version", "option", "budget", "costs", "weights", "runtime", "head", "metric", "pictures", "file"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something recorded that is not what it was."""

    kind: Kind
    """``option`` is one that this version does not know; ``budget`` one that was set, so that the clock decided what
    was tried; ``pictures`` how many were measured on. The others differ."""
    name: str
    """Of the package, option, backbone, metric or file; empty where the kind says it all."""
    before: Any
    now: Any
    """As they stand in the record, or the SHA-256 of a file; None where there is none."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of repeating a run."""

    run: Path
    same: bool
    """Whether every file of the model and the metrics are byte for byte what they were."""
    fresh: bool
    """Whether all features were computed anew."""
    compared: tuple[str, ...]
    """The files that were compared."""
    pictures: Changes
    """What is different about the pictures."""
    changed: tuple[Difference, ...]
    """What is different about all else that went in: versions, machine, options."""
    different: tuple[Difference, ...]
    """What is different about what came out: head, metrics, files."""


def replay(
    run: Path, *, photos: str | Path | None = None, fresh: bool = False, progress: Progress | None = None
) -> Replay:
    """Train again as ``run/run.json`` says, into a scratch folder, and compare model and metrics.

    ``photos``: where the pictures are now, if they have moved. ``fresh``: with an empty feature store, so that nothing
    of the first run is taken over; otherwise features that are in the store are used again. Raises DataError where the
    record or the pictures are missing.
    """
    recorded, pictures, metrics = _records(run)
    source = Given(address=recorded["source"], **recorded.get("reading", {}))
    source = source if photos is None else source.at(photos)
    if source.path is not None and not source.path.exists():
        expected, todo = (
            f"the pictures of the run at {display(source.address)}",
            "say where the pictures are now with --photos",
        )
        raise DataError.of(f"{run} cannot be replayed", expected=expected, found="no such folder or file", todo=todo)
    options, unknown = FitOptions.from_dict(recorded["options"])
    with tempfile.TemporaryDirectory(prefix="headstart-replay-") as scratch, _on_as_many_threads(recorded):
        # The store is this machine's: where the run had its own changes no result, and may be anybody's folder.
        options = replace(options, cache=str(Path(scratch) / "cache") if fresh else None)
        again = Path(scratch) / "run"
        done = train(source, again, options, title=source.title, progress=progress)
        now = read_json(again, "run.json")
        before, after = _files(run), _files(again)
        return Replay(
            run=run,
            same=before == after,
            fresh=fresh,
            compared=tuple(before),
            # Compared as they were used, splits mended and groups found: a plain scan would differ in both.
            pictures=changes(pictures, done.fitted.images),
            changed=tuple(_changed(recorded, now, unknown)),
            different=tuple(_different(recorded, now, metrics, run, again)) if before != after else (),
        )


@dataclass(frozen=True, kw_only=True)
class _Head:
    candidate: str
    strength: float


@dataclass(frozen=True, kw_only=True)
class _Reading:
    """How the pictures were read, as `headstart.images.formats.given.Given.reading` has it."""

    format: str = ""
    path_column: str = ""
    label_column: str = ""


@dataclass(frozen=True, kw_only=True)
class _Recorded:
    """What is read of run.json."""

    options: Mapping[str, Any]
    source: str
    versions: Mapping[str, str]
    backbone: Mapping[str, str]
    runtime: str
    choice: _Head
    cost_sha256: str | None = None
    reading: _Reading = field(default_factory=_Reading)


def _records(run: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """``run.json``, ``data.json`` and ``metrics.json`` of a run. Raises DataError with everything that is wrong."""
    documents, problems = [], []
    what, todo = f"{run} cannot be replayed", "replay a run folder that this version of `headstart train` wrote"
    for name in ("run.json", "data.json", METRICS):
        try:
            documents.append(read_json(run, name, undefined=name == METRICS))
            if not isinstance(documents[-1], dict):
                raise ValueError("no record")
        except ValueError as error:
            problems.append(Problem(expected=f"{name} in {run}", found=str(error), todo=todo))
    if problems:
        raise DataError(what, problems)
    recorded, pictures, metrics = documents
    read = {name: recorded[name] for name in _Recorded.__annotations__ if name in recorded}
    if isinstance(head := read.get("choice"), dict):
        read["choice"] = {name: head[name] for name in _Head.__annotations__ if name in head}
    read_record(_Recorded, read, f"{what}, run.json", todo=todo, error=DataError)
    read_record(Record, pictures, f"{what}, data.json", todo=todo, error=DataError)
    return recorded, pictures, metrics


@contextmanager
def _on_as_many_threads(recorded: Mapping[str, Any]) -> Iterator[None]:
    """Compute with as many threads as the run did, where it says so: another number moves the last digits."""
    threads = recorded["versions"].get("threads", "")
    with computing_with(int(threads)) if threads.isdecimal() and len(threads) < 5 else nullcontext():
        yield


def _changed(recorded: Mapping[str, Any], now: Mapping[str, Any], unknown: Sequence[str]) -> Iterator[Difference]:
    """What is different about what went in, but for the pictures. The machine chooses how the network is run."""
    yield from _unlike("version", recorded["versions"], now["versions"])
    yield from _unlike("option", {name: recorded["options"][name] for name in unknown}, {})
    if (budget := recorded["options"].get("budget")) is not None:
        yield Difference(kind="budget", name="", before=budget, now=budget)
    yield from _unlike("costs", {"": recorded.get("cost_sha256")}, {"": now["cost_sha256"]})
    name = recorded["backbone"].get("name", "")
    yield from _unlike("weights", *({name: record["backbone"].get("sha256")} for record in (recorded, now)))
    yield from _unlike("runtime", *({"": record["runtime"]} for record in (recorded, now)))


def _different(
    recorded: Mapping[str, Any], now: Mapping[str, Any], before: Mapping[str, Any], run: Path, again: Path
) -> Iterator[Difference]:
    """What is different about what came out; ``before`` are the metrics of ``run``."""
    heads = ({"": {key: record["choice"][key] for key in ("candidate", "strength")}} for record in (recorded, now))
    yield from _unlike("head", *heads)
    after = read_json(again, METRICS, undefined=True)
    metrics = [name for name, value in after.items() if _is_metric(value) and _is_metric(before.get(name))]
    yield from _unlike("metric", *({name: each[name]["value"] for name in metrics} for each in (before, after)))
    yield from _unlike("pictures", {"": before.get("n")}, {"": after.get("n")})
    yield from _unlike("file", _files(run), _files(again))


def _is_metric(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get("value", ""), (float, int, type(None)))


def _unlike(kind: Kind, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """What is not the same in both, or in one alone, by its name."""
    for name in {**before, **now}:
        if name not in now or before.get(name) != now[name]:
            yield Difference(kind=kind, name=name, before=before.get(name), now=now.get(name))


def _files(run: Path) -> dict[str, str]:
    """SHA-256 of the metrics and of every file of the model, or why it cannot be read."""
    names = [METRICS, *sorted(p.relative_to(run).as_posix() for p in (run / "model").rglob("*") if p.is_file())]
    return {name: sha256_in(run, name) for name in names}
