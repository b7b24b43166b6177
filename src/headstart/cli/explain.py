"""Why an answer was given: explain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import Json, Seed, app, print_json, repeats, say


@app.command(epilog="Example: headstart explain runs/photos new.jpg -o why.html")
def explain(
    context: typer.Context,
    run: Annotated[Path, typer.Argument(help="A run or model folder.")],
    picture: Annotated[Path, typer.Argument(help="The picture whose answer is to be explained.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write a page with the map.")] = None,
    class_name: Annotated[str | None, typer.Option("--class", help="What to look for; the answer by default.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Show what an answer rests on, and whether hiding it changes the answer."""
    from headstart.report.explain import verdict
    from headstart.workflows.explain import explain as explain_picture
    from headstart.workflows.explain import write_page

    found = explain_picture(run, picture, class_name=class_name, seed=seed)
    if out:
        write_page(out, found, repeats(context))
    if as_json:
        print_json(found.to_dict())
        return
    explanation = found.explanation
    answer = int(explanation.proba.argmax())
    typer.echo(f"{explanation.classes[answer]} {explanation.proba[answer]:.1%}")
    typer.echo(verdict(explanation))
    for one in found.neighbours:
        typer.echo(f"like {one.name} ({one.label}, {one.likeness:.2f})")
    typer.echo(f"page {out}") if out else say("-o why.html writes a page with the map")
