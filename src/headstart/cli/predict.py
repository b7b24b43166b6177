"""From a model to answers: predict, evaluate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from headstart.cli.app import (
    Engine,
    Format,
    Json,
    LabelColumn,
    PathColumn,
    Photos,
    Run,
    answer,
    app,
    given,
    say,
    showing_progress,
)
from headstart.cli.classify import measured
from headstart.files import display


@app.command(epilog="Example: headstart predict runs/photos new/*.jpg -o predictions.csv")
def predict(
    run: Run,
    paths: Annotated[
        list[str], typer.Argument(help="Files, folders, globs, archives, addresses, tables of files; - reads a list.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", "--csv", help="Write the answers to this file: CSV, or Parquet for NAME.parquet."),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 1,
    coverage: Annotated[
        float | None, typer.Option(help="How often the true class is to be in the prediction set; 0.9 by default.")
    ] = None,
    cost: Annotated[
        Path | None, typer.Option(help="Decide by the costs in this CSV or JSON file, not the model's own.")
    ] = None,
    engine: Engine = None,
    as_json: Json = False,
) -> None:
    """Label pictures: one row per input, in the order given.

    An answer is marked `unsure` where its probability is below the level from which answers are wrong half as often as
    all are, and `unfamiliar` where the picture is unlike those of training. Where more than one class cannot be ruled
    out, they are listed in braces. With costs, `answer` is what costs least on average.

    Of any number of pictures: what is written to a file is kept as it comes, and the same command goes on from there.
    """
    from headstart.deploy.model import Model
    from headstart.report import predictions as words
    from headstart.report.words import runtime_note
    from headstart.workflows import predict as workflow

    workflow.check_table(out, "--out")
    listed = sys.stdin.read() if "-" in paths else ""
    lines = listed.split("\0" if "\0" in listed else "\n")  # as `find -print0` parts them, or a line each
    inputs = [line for path in paths for line in (lines if path == "-" else [path]) if line]
    model = Model.load(run)
    for note in model.notes:
        say(runtime_note(note))
    options = workflow.PredictOptions(coverage=coverage, costs=cost, top=top)
    with showing_progress(as_json=as_json) as progress:
        if out and not as_json:
            tally = workflow.predict_to_file(model, inputs, out, options, progress=progress, engine=engine)
        else:
            predicted = workflow.predict(model, inputs, options, progress=progress, engine=engine)
            tally = predicted.tally
    if as_json or not out:
        answer(predicted.to_dict, map(words.line, predicted.rows), as_json=as_json)
    if as_json and out:
        predicted.write(out)
    if not tally.pictures:
        say(f"There is no picture in {', '.join(map(display, paths))}: name pictures, or folders or tables of them.")
    say(words.summary(**vars(tally)))
    if not tally.complete:
        raise typer.Exit(1)


@app.command(epilog="Example: headstart evaluate runs/photos more_photos")
def evaluate(
    context: typer.Context,
    run: Run,
    photos: Photos,
    format: Format = "",
    path_column: PathColumn = "",
    label_column: LabelColumn = "",
    as_json: Json = False,
) -> None:
    """Measure a model on labelled pictures it was not trained on."""
    from headstart.deploy.model import Model
    from headstart.workflows import evaluate as workflow

    with showing_progress(as_json=as_json) as progress:
        done = workflow.evaluate(Model.load(run), given(context, photos), run=run, progress=progress)
    answer(done.to_dict, measured(done.measurement, done.alarms, every_metric=True), as_json=as_json)
    for out in done.left_out:
        say(f"left out: {display(out.path)}: {out.reason}")
    if done.left_out:
        raise typer.Exit(1)
