"""Doubting the pictures: check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import Backbone, Budget, Json, Photos, Seed, app, print_json, say, seconds, showing_progress


@app.command(epilog="Example: headstart check photos -o checks/photos")
def check(
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder to write; checks/NAME by default.")] = None,
    apply: Annotated[
        Path | None, typer.Option("--apply", help="A review.csv with decisions: write the table to train on.")
    ] = None,
    backbone: Backbone = "efficientnet_lite0",
    size: Annotated[list[int] | None, typer.Option(help="An input size that may be tried; repeatable.")] = None,
    budget: Budget = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Find wrong labels, odd and poor pictures, and shortcuts; write a page and a list to decide on."""
    from headstart.classifier import ImageClassifier
    from headstart.report.pictures import applied_line, finding_lines
    from headstart.workflows import check as workflow

    folder = out or Path("checks") / (photos.resolve().stem if photos.is_file() else photos.resolve().name)
    if apply:
        applied = workflow.apply_review(photos, apply, folder)
        say(applied_line(applied))
        if as_json:
            print_json(applied.to_dict())
        else:
            typer.echo(f"headstart train {applied.table}")
        return
    classifier = ImageClassifier(backbone, sizes=size, budget=seconds(budget), random_state=seed)
    with showing_progress() as progress:
        done = workflow.check_pictures(photos, folder, classifier, progress=progress)
    lines = finding_lines(done.findings)
    if as_json:
        print_json(done.to_dict())
    else:
        for line in lines or ["Nothing was found that is doubtful."]:
            typer.echo(line)
        typer.echo(f"page    {folder / workflow.PAGE}")
        typer.echo(f"list    {folder / workflow.LIST}")
    say("Fill in its column decision (keep, drop or relabel:NAME), then:")
    say(done.apply)
    say(f"{done.seconds:.1f} s")
    if done.findings.images.left_out:
        raise typer.Exit(1)
