"""Repeat a run and prove that it gives the same."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import Json, app, print_json, say, showing_progress


@app.command(epilog="Example: headstart replay runs/photos")
def replay(
    run: Annotated[Path, typer.Argument(help="A run folder that `headstart train` wrote.")],
    photos: Annotated[Path | None, typer.Option(help="Where the pictures are now, if they have moved.")] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compute all features anew, past the store.")] = False,
    as_json: Json = False,
) -> None:
    """Train again as a run was trained, and prove the same result or name what changed."""
    from headstart.workflows.replay import replay as again

    with showing_progress() as progress:
        found = again(run, photos=photos, fresh=fresh, progress=progress)
    if as_json:
        print_json(found.to_dict())
    else:
        first, *others = found.sentences
        typer.echo(first)
        for line in others:
            say(line)
    if not found.same:
        raise typer.Exit(1)
