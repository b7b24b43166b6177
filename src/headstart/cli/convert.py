"""Labelled pictures in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import Format, Json, LabelColumn, PathColumn, Photos, answer, app, given, say, showing_progress
from headstart.files import below, display, plain


@app.command(epilog="Example: headstart convert photos.zip photos-hub --to imagefolder")
def convert(
    context: typer.Context,
    photos: Photos,
    out: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    to: Annotated[str, typer.Option("--to", help="csv, folders, imagefolder or webdataset.")] = "csv",
    copy: Annotated[bool, typer.Option("--copy", help="Copy the files; they are linked otherwise.")] = False,
    format: Format = "",
    path_column: PathColumn = "",
    label_column: LabelColumn = "",
    as_json: Json = False,
) -> None:
    """Write labelled pictures in another format, splits and groups included; the source stays as it is."""
    from headstart.report.words import counted
    from headstart.workflows import convert as workflow

    source = given(context, photos)
    with showing_progress(as_json=as_json) as progress:
        done = workflow.convert(source, to, out, copy=copy, progress=progress)
    how = "linked" if done.linked else "copied"
    answer(lambda: plain(done), [f"{counted(done.pictures, 'picture')} {how}: {display(done.folder)}"], as_json=as_json)
    for each in done.left_out:
        say(f"left out: {below(source.path, each.path)}: {each.reason}")
    if done.left_out:
        raise typer.Exit(1)
