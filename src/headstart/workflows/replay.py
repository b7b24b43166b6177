"""Repeat a run from its record and prove that it gives the same model and the same figures, or name what changed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from headstart.errors import DataError, Problem
from headstart.files import plain, sha256
from headstart.images.record import changes
from headstart.options import FitOptions
from headstart.progress import Progress
from headstart.report.words import changed_pictures
from headstart.workflows.train import surroundings, train

MOST_FIGURES = 8


@dataclass(frozen=True, kw_only=True)
class Replay:
    """What came of repeating a run."""

    run: Path
    same: bool
    """Whether every file of the model and the metrics are byte for byte what they were."""
    compared: tuple[str, ...]
    """The files that were compared."""
    changed: tuple[str, ...]
    """What is different about what went in: pictures, versions, machine."""
    different: tuple[str, ...]
    """What is different about what came out."""
    fresh: bool
    """Whether all features were computed anew."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """The answer first, then the reasons."""
        features = "all features computed anew" if self.fresh else "features from the store where it has them"
        if self.same:
            first = f"The same: {len(self.compared)} files are identical byte for byte ({features})."
            return (first, *(f"Changed, and without effect: {line}" for line in self.changed))
        why = tuple(f"Changed: {line}" for line in self.changed)
        if not why:
            why = ("Nothing that is recorded has changed: pictures, options, versions and machine are the same.",)
        return (f"Not the same ({features}).", *why, *(f"Different: {line}" for line in self.different))

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self, "run", "same", "fresh", "compared", "changed", "different")


def replay(run: Path, *, photos: Path | None = None, fresh: bool = False, progress: Progress | None = None) -> Replay:
    """Train again as ``run/run.json`` says, into a scratch folder, and compare model and metrics.

    ``photos``: where the pictures are now, if they have moved. ``fresh``: with an empty feature store, so that nothing
    of the first run is taken over; otherwise features that are in the store are used again. Raises DataError where the
    record or the pictures are missing.
    """
    recorded, pictures = _records(run)
    source = photos or Path(recorded["source"])
    if not source.exists():
        todo = "say where the pictures are now with --photos"
        problem = Problem(expected=f"the pictures of the run at {source}", found="no such folder or file", todo=todo)
        raise DataError(f"{run} cannot be replayed", [problem])
    changed = _surroundings(recorded)
    with tempfile.TemporaryDirectory(prefix="headstart-replay-") as scratch:
        options, unknown = FitOptions.from_dict(recorded["options"])
        changed += [f"the option {name} is not known to this version" for name in unknown]
        if options.budget is not None:
            changed.append("a budget was set, so that what was tried depended on the clock")
        if fresh:
            options = replace(options, cache=str(Path(scratch) / "cache"))
        again = Path(scratch) / "run"
        done = train(source, again, options, title=source.name, progress=progress)
        # Compared as they were used, splits mended and groups found: a plain scan would differ in both.
        changed = [*changed_pictures(changes(pictures, done.fitted.images)), *changed]
        now = json.loads((again / "run.json").read_text(encoding="utf-8"))
        changed += _resources(recorded, now)
        files = _files(run)
        same = files == _files(again)
        different = () if same else tuple(_differences(run, again, recorded, now))
    return Replay(run=run, same=same, compared=tuple(files), changed=tuple(changed), different=different, fresh=fresh)


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


def _surroundings(recorded: Mapping[str, Any]) -> list[str]:
    """Versions and machine that are not what they were."""
    before, now = recorded["versions"], surroundings()
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    return [f"{name} {before.get(name, 'not recorded')} → {now.get(name, 'not recorded')}" for name in names]


def _resources(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Weights, costs, and how the network was run: its precision is the machine's choice."""
    weights, weights_now, runtime = before["backbone"], now["backbone"], before["runtime"]
    other = f"other weights of {weights.get('name')}: their hash differs"
    differences = (
        ("the costs: their file has other contents", before.get("cost_sha256"), now["cost_sha256"]),
        (other, weights.get("sha256"), weights_now.get("sha256")),
        (f"the network ran with {runtime}, and runs here with {now['runtime']}", runtime, now["runtime"]),
    )
    return [sentence for sentence, then, here in differences if then != here]


def _files(run: Path) -> dict[str, str]:
    """SHA-256 of the metrics and of every file of the model."""
    files = sorted(path for path in (run / "model").rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix(): sha256(path) for path in [run / "metrics.json", *files]}


def _differences(run: Path, again: Path, recorded: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """In words and figures: choice, metrics, files."""
    choice, choice_now = (
        f"{document['choice']['candidate']}, C = {document['choice']['strength']:g}" for document in (recorded, now)
    )
    if choice != choice_now:
        yield f"the head: {choice} → {choice_now}"
    before, after = (json.loads((folder / "metrics.json").read_text(encoding="utf-8")) for folder in (run, again))
    figures = [
        f"{name.replace('_', ' ')}: {_value(before[name])} → {_value(after[name])}"
        for name in before
        if isinstance(before[name], dict) and name in after and before[name].get("value") != after[name].get("value")
    ]
    yield from figures[:MOST_FIGURES]
    if before.get("n") != after.get("n"):
        yield f"measured on {before.get('n')} → {after.get('n')} pictures"
    files, files_now = _files(run), _files(again)
    unlike = [name for name in sorted({*files, *files_now}) if files.get(name) != files_now.get(name)]
    if not {"metrics.json", "model/head.safetensors"} & set(unlike):
        yield "not the head and no figure: metrics.json and model/head.safetensors are what they were"
    yield f"{len(unlike)} of {len({*files, *files_now})} files: {', '.join(unlike)}"


def _value(metric: Mapping[str, Any]) -> str:
    return "undefined" if metric.get("value") is None else f"{metric['value']:.6g}"
