"""What is asked of a finished run: why it answered so, whether new pictures fit it, whether it comes out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import Json, Run, Seed, answer, app, repeats, say, showing_progress
from headstart.options import DEFAULTS

if TYPE_CHECKING:
    from headstart.workflows.explain import Explained
    from headstart.workflows.watch import Watch


@app.command(epilog="Example: headstart explain runs/photos new.jpg -o why.html")
def explain(
    context: typer.Context,
    run: Run,
    picture: Annotated[Path, typer.Argument(help="The picture whose answer is to be explained.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page with the map.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="What to look for; the answer by default.")] = None,
    seed: Seed = DEFAULTS.random_state,
    as_json: Json = False,
) -> None:
    """Show what an answer rests on, and whether hiding it changes the answer."""
    from headstart.workflows import explain as workflow

    explained = workflow.explain(run, picture, class_name=class_name, seed=seed)
    if out:
        workflow.write_page(out, explained, repeats(context))
    answer(explained.to_dict, _explained(explained), as_json=as_json)
    if not as_json:
        typer.echo(f"page {out}") if out else say("-o why.html writes a page with the map")


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
    paths: Annotated[list[str], typer.Argument(help="New pictures: files, folders, globs.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page.")] = None,
    queue: Annotated[Path | None, typer.Option("--queue", help="Write what to label next to this CSV file.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many pictures to propose for labelling.")] = 24,
    seed: Seed = DEFAULTS.random_state,
    as_json: Json = False,
) -> None:
    """Tell whether new pictures are like the training pictures, how many answers are right, and what to label next."""
    from headstart.workflows import watch as workflow

    with showing_progress() as progress:
        watched = workflow.watch(run, paths, count=count, seed=seed, progress=progress)
    if queue:
        workflow.write_labelling_queue(queue, watched)
    if out:
        workflow.write_page(out, watched, repeats(context))
    written = [f"{name}\t{path}" for name, path in (("page", out), ("queue", queue)) if path]
    answer(watched.to_dict, (*_watched(watched), *written), as_json=as_json)
    if watched.known:
        say(f"{len(watched.known)} are pictures it was trained on")
    for path, reason in watched.left_out:
        say(f"left out: {path}: {reason}")
    if watched.left_out:
        raise typer.Exit(1)


def _watched(watched: Watch) -> Iterator[str]:
    from headstart.report.watch import claim, verdict

    yield verdict(watched.drift)
    yield claim(watched.accuracy.accuracy, trusted=watched.trusted)
    yield f"worth a label next: {', '.join(row['path'] for row in watched.rows()[:5])}, …"


@app.command(epilog="Example: headstart replay runs/photos")
def replay(
    run: Annotated[Path, typer.Argument(help="A run folder that `headstart train` wrote.")],
    photos: Annotated[Path | None, typer.Option(help="Where the pictures are now, if they have moved.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute all features anew, past the store.")] = False,
    as_json: Json = False,
) -> None:
    """Train again as a run was trained, and prove the same result or name what changed."""
    from headstart.workflows import replay as workflow

    with showing_progress() as progress:
        replayed = workflow.replay(run, photos=photos, fresh=fresh, progress=progress)
    first, *others = replayed.sentences
    answer(replayed.to_dict, [first], as_json=as_json)
    if not as_json:
        for line in others:
            say(line)
    if not replayed.same:
        raise typer.Exit(1)
