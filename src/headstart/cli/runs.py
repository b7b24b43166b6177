"""What is asked of a finished run: why it answered so, whether new pictures fit it, whether it comes out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import Json, Run, Seed, answer, app, repeats, say, show, showing_progress
from headstart.files import plain, some
from headstart.options import DEFAULTS
from headstart.output_folder import check_files

if TYPE_CHECKING:
    from headstart.workflows.explain import Explained
    from headstart.workflows.replay import Difference, Replay
    from headstart.workflows.watch import Watch

MOST_METRICS = 8
"""Metrics named where a run did not come out the same; ``--json`` has all."""
_CHANGED = {
    "version": "{name} {before} → {now}",
    "option": "the option {name} is not known to this version",
    "budget": "a budget was set, so that what was tried depended on the clock",
    "costs": "the costs: their file has other contents",
    "weights": "other weights of {name}: their hash differs",
    "runtime": "the network ran with {before}, and runs here with {now}",
    "head": "the head: {before[candidate]}, C = {before[strength]:g} → {now[candidate]}, C = {now[strength]:g}",
    "metric": "{name}: {before} → {now}",
    "pictures": "measured on {before} → {now} pictures",
}
"""By kind of a difference, how it is said."""


@app.command(epilog="Example: headstart explain runs/photos new.jpg -o why.html")
def explain(
    context: typer.Context,
    run: Run,
    picture: Annotated[str, typer.Argument(help="The picture whose answer is to be explained: a file or an address.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page with the map.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="What to look for; the answer by default.")] = None,
    seed: Seed = DEFAULTS.random_state,
    as_json: Json = False,
) -> None:
    """Show what an answer rests on, and whether hiding it changes the answer."""
    from headstart.workflows import explain as workflow

    check_files({"-o": out})
    explained = workflow.explain(run, picture, class_name=class_name, seed=seed)
    if out:
        workflow.write_page(out, explained, repeats(context))
    answer(explained.to_dict, _explained(explained), as_json=as_json)
    if not as_json:
        show(f"page {out}") if out else say("-o why.html writes a page with the map")


def _explained(explained: Explained) -> Iterator[str]:
    from headstart.report.explain import verdict

    explanation = explained.explanation
    best = int(explanation.proba.argmax())
    yield f"{explanation.classes[best]} {explanation.proba[best]:.1%}"
    yield verdict(explanation)
    for near in explained.neighbours:
        yield f"like {near.name} ({near.label}, {near.likeness:.2f})"


@app.command(epilog="Example: headstart watch runs/photos new/ -o watch.html --queue queue.csv")
def watch(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    paths: Annotated[
        list[str], typer.Argument(help="New pictures: files, folders, globs, archives, addresses, tables of files.")
    ],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page.")] = None,
    queue: Annotated[Path | None, typer.Option("--queue", help="Write what to label next to this CSV file.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many pictures to propose for labelling.")] = 24,
    seed: Seed = DEFAULTS.random_state,
    as_json: Json = False,
) -> None:
    """Tell whether new pictures are like the training pictures, how many answers are right, and what to label next."""
    from headstart.report.words import counted
    from headstart.workflows import watch as workflow

    check_files({"-o": out, "--queue": queue}, {"--queue": ",".join(workflow.COLUMNS)})
    with showing_progress(as_json=as_json) as progress:
        watched = workflow.watch(run, paths, count=count, seed=seed, to_label=queue is not None, progress=progress)
    if queue:
        workflow.write_labelling_queue(queue, watched)
    if out:
        workflow.write_page(out, watched, repeats(context))
    written = [f"{name}\t{path}" for name, path in (("page", out), ("queue", queue)) if path]
    answer(watched.to_dict, (*_watched(watched), *written), as_json=as_json)
    if known := len(watched.known):
        say(f"{counted(known, 'is a picture', 'are pictures')} it was trained on")
    for name, reason in watched.left_out:
        say(f"left out: {name}: {reason}")
    if watched.left_out:
        raise typer.Exit(1)


def _watched(watched: Watch) -> Iterator[str]:
    from headstart.report.watch import claim, verdict

    yield verdict(watched.drift)
    yield claim(watched.accuracy.accuracy, trusted=watched.trusted)
    yield f"worth a label next: {some([row['path'] for row in watched.rows()], 5)}"


@app.command(epilog="Example: headstart replay runs/photos")
def replay(
    run: Annotated[Path, typer.Argument(help="A run folder that `headstart train` wrote.")],
    photos: Annotated[str | None, typer.Option(help="Where the pictures are now, if they have moved.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute all features anew, past the store.")] = False,
    as_json: Json = False,
) -> None:
    """Train again as a run was trained, and prove the same result or name what changed."""
    from headstart.workflows import replay as workflow

    with showing_progress(as_json=as_json) as progress:
        replayed = workflow.replay(run, photos=photos, fresh=fresh, progress=progress)
    first, *others = sentences(replayed)
    answer(lambda: plain(replayed) | {"sentences": [first, *others]}, [first], as_json=as_json)
    if not as_json:
        for line in others:
            say(line)
    if not replayed.same:
        raise typer.Exit(1)


def sentences(replayed: Replay) -> Iterator[str]:
    """Whether a run came out the same, then why."""
    from headstart.report.words import changed_pictures, counted

    features = "all features computed anew" if replayed.fresh else "features from the store where it has them"
    changed = [*changed_pictures(replayed.pictures), *map(_sentence, replayed.changed)]
    if replayed.same:
        compared = counted(len(replayed.compared), "file is", "files are")
        yield f"The same: {compared} identical byte for byte ({features})."
        yield from (f"Changed, and without effect: {line}" for line in changed)
        return
    yield f"Not the same ({features})."
    yield from (f"Changed: {line}" for line in changed)
    if not changed:
        yield "Nothing that is recorded has changed: pictures, options, versions and machine are the same."
    metrics = [difference for difference in replayed.different if difference.kind == "metric"]
    for difference in replayed.different:
        if difference.kind != "file" and difference not in metrics[MOST_METRICS:]:
            yield f"Different: {_sentence(difference)}"
    files = [difference.name for difference in replayed.different if difference.kind == "file"]
    if not {"metrics.json", "model/head.safetensors"} & set(files):
        yield "Different: not the head and no figure: metrics.json and model/head.safetensors are what they were"
    yield f"Different: {len(files)} of {len({*replayed.compared, *files})} files: {', '.join(files)}"


def _sentence(difference: Difference) -> str:
    name, values = difference.name, {"before": difference.before, "now": difference.now}
    if difference.kind == "metric":
        name = name.replace("_", " ")
        values = {key: "undefined" if value is None else f"{value:.6g}" for key, value in values.items()}
    elif difference.kind == "version":
        values = {key: value or "not recorded" for key, value in values.items()}
    return _CHANGED[difference.kind].format(name=name, **values)
