"""Repeat a run from its record and prove that it gives the same model and the same figures, or name what changed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from headstart.errors import DataError, Problem
from headstart.files import sha256
from headstart.images.record import Changes, changes
from headstart.options import FitOptions
from headstart.progress import Progress
from headstart.workflows.train import train

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


def replay(run: Path, *, photos: Path | None = None, fresh: bool = False, progress: Progress | None = None) -> Replay:
    """Train again as ``run/run.json`` says, into a scratch folder, and compare model and metrics.

    ``photos``: where the pictures are now, if they have moved. ``fresh``: with an empty feature store, so that nothing
    of the first run is taken over; otherwise features that are in the store are used again. Raises DataError where the
    record or the pictures are missing.
    """
    recorded, pictures = _records(run)
    source = photos or Path(recorded["source"])
    if not source.exists():
        expected, todo = f"the pictures of the run at {source}", "say where the pictures are now with --photos"
        raise DataError.of(f"{run} cannot be replayed", expected=expected, found="no such folder or file", todo=todo)
    options, unknown = FitOptions.from_dict(recorded["options"])
    with tempfile.TemporaryDirectory(prefix="headstart-replay-") as scratch:
        if fresh:
            options = replace(options, cache=str(Path(scratch) / "cache"))
        again = Path(scratch) / "run"
        done = train(source, again, options, title=source.name, progress=progress)
        now = json.loads((again / "run.json").read_text(encoding="utf-8"))
        before, after = _files(run), _files(again)
        return Replay(
            run=run,
            same=before == after,
            fresh=fresh,
            compared=tuple(before),
            # Compared as they were used, splits mended and groups found: a plain scan would differ in both.
            pictures=changes(pictures, done.fitted.images),
            changed=tuple(_changed(recorded, now, unknown)),
            different=tuple(_different(recorded, now, run, again)) if before != after else (),
        )


def _records(run: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """``run.json`` and ``data.json`` of a run."""
    documents, problems = [], []
    for name in ("run.json", "data.json", "metrics.json"):
        try:
            documents.append(json.loads((run / name).read_text(encoding="utf-8")))
        except FileNotFoundError:
            todo = "give a run folder that this version of `headstart train` wrote"
            problems.append(Problem(expected=f"{name} in {run}", found="no such file", todo=todo))
        except ValueError as error:
            todo = "restore it; it cannot be guessed"
            problems.append(Problem(expected=f"{name} with JSON", found=str(error), todo=todo))
    if not problems and (missing := {"options", "source", "versions"} - set(documents[0])):
        todo = "replay a run of `headstart train` or `headstart demo`"
        expected = f"{', '.join(sorted(missing))} in run.json"
        problems.append(Problem(expected=expected, found="a record of another kind of run", todo=todo))
    if problems:
        raise DataError(f"{run} cannot be replayed", problems)
    return documents[0], documents[1]


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


def _different(recorded: Mapping[str, Any], now: Mapping[str, Any], run: Path, again: Path) -> Iterator[Difference]:
    """What is different about what came out."""
    heads = ({"": {key: record["choice"][key] for key in ("candidate", "strength")}} for record in (recorded, now))
    yield from _unlike("head", *heads)
    before, after = (json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in (run, again))
    metrics = [name for name in before if isinstance(before[name], dict) and "value" in before[name] and name in after]
    yield from _unlike("metric", *({name: each[name]["value"] for name in metrics} for each in (before, after)))
    yield from _unlike("pictures", {"": before.get("n")}, {"": after.get("n")})
    yield from _unlike("file", _files(run), _files(again))


def _unlike(kind: Kind, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """What is not the same in both, or in one alone, by its name."""
    for name in {**before, **now}:
        if name not in now or before.get(name) != now[name]:
            yield Difference(kind=kind, name=name, before=before.get(name), now=now.get(name))


def _files(run: Path) -> dict[str, str]:
    """SHA-256 of the metrics and of every file of the model."""
    files = sorted(path for path in (run / "model").rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix(): sha256(path) for path in [run / "metrics.json", *files]}
