"""New pictures without labels, held against a run: watch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import Json, Seed, app, print_json, repeats, say, showing_progress


@app.command(epilog="Example: headstart watch runs/photos new/ -o watch.html --queue queue.csv")
def watch(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    paths: Annotated[list[str], typer.Argument(help="New pictures: files, folders, globs.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page.")] = None,
    queue: Annotated[Path | None, typer.Option("--queue", help="Write what to label next to this CSV file.")] = None,
    count: Annotated[int, typer.Option(min=1, help="How many pictures to propose for labelling.")] = 24,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Tell whether new pictures are like the training pictures, how many answers are right, and what to label next."""
    from headstart.report.watch import claim, verdict
    from headstart.workflows.watch import watch as hold_against
    from headstart.workflows.watch import write_page, write_queue

    with showing_progress() as progress:
        found = hold_against(run, paths, count=count, seed=seed, progress=progress)
    if queue:
        write_queue(queue, found)
    if out:
        write_page(out, found, repeats(context))
    if as_json:
        print_json(found.to_dict())
    else:
        typer.echo(verdict(found.drift))
        typer.echo(claim(found.accuracy.accuracy, trusted=found.trusted))
        typer.echo(f"worth a label next: {', '.join(row['path'] for row in found.rows()[:5])}, …")
        for name, path in (("page", out), ("queue", queue)):
            if path:
                typer.echo(f"{name}\t{path}")
    if found.known:
        say(f"{len(found.known)} are pictures it was trained on")
    for path, reason in found.left_out:
        say(f"left out: {path}: {reason}")
    if found.left_out:
        raise typer.Exit(1)
