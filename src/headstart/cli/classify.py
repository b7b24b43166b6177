"""From pictures to a model, and from a model to answers: demo, train, predict, evaluate."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import (
    Backbone,
    Budget,
    Finetune,
    Json,
    Photos,
    Seed,
    app,
    print_json,
    say,
    seconds,
    showing_progress,
)

if TYPE_CHECKING:
    from headstart.options import FitOptions
    from headstart.workflows.train import Run


@app.command(epilog="Example: headstart demo -o runs/demo")
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run folder to write.")] = Path("runs/demo"),
    finetune: Finetune = "never",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run the whole path on bundled pictures: 2,000 photographs of fabric, with and without defects."""
    from headstart.options import FitOptions
    from headstart.workflows.demo import pictures

    say("2,000 simulated photographs of fabric: nominal, with a local defect, with a global defect.")
    _train(
        pictures(),
        out,
        FitOptions(finetune=finetune, random_state=seed),
        title="Defects in fabric",
        as_json=as_json,
    )


@app.command(epilog="Example: headstart train photos -o runs/photos")
def train(
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Run folder; runs/NAME by default.")] = None,
    backbone: Backbone = "efficientnet_lite0",
    weights: Annotated[
        str | None, typer.Option(help="A .pth or .safetensors file in place of the backbone's own, or `random`.")
    ] = None,
    size: Annotated[list[int] | None, typer.Option(help="An input size that may be tried; repeatable.")] = None,
    finetune: Finetune = "auto",
    budget: Budget = None,
    class_weight: Annotated[str | None, typer.Option(help="`balanced`: every class counts the same.")] = None,
    device: Annotated[str, typer.Option(help="auto, openvino, torch, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, f32 or bf16.")] = "auto",
    group_by: Annotated[
        str | None,
        typer.Option(
            help="What names pictures that belong together, such as a patient: a CSV column, or a regular expression "
            "on the path, whose first group counts."
        ),
    ] = None,
    cost: Annotated[
        Path | None, typer.Option(help="What mistakes cost: a CSV with a row per truth and a column per answer.")
    ] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a classifier, measure it honestly, write the model and the report."""
    from headstart.options import FitOptions

    options = FitOptions.of(
        backbone=backbone,
        weights=weights,
        sizes=size,
        finetune=finetune,
        budget=seconds(budget),
        class_weight=class_weight,
        device=device,
        precision=precision,
        group_by=group_by,
        cost=cost,
        random_state=seed,
    )
    name = photos.resolve().stem if photos.is_file() else photos.resolve().name
    _train(photos, out or Path("runs") / name, options, as_json=as_json)


@app.command(epilog="Example: headstart predict runs/photos new/*.jpg --csv predictions.csv")
def predict(
    run: Annotated[Path, typer.Argument(help="A run or model folder.")],
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs; - reads a list from stdin.")],
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the answers to this file.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 1,
    coverage: Annotated[
        float | None, typer.Option(help="How often the true class is to be in the prediction set; 0.9 by default.")
    ] = None,
    cost: Annotated[Path | None, typer.Option(help="Decide by the costs in this file, not the model's own.")] = None,
    as_json: Json = False,
) -> None:
    """Label pictures: one row per input, in the order given.

    An answer is marked `unsure` where its probability is below the level from which answers are wrong half as often as
    all are, and `unfamiliar` where the picture is unlike those of training. Where more than one class cannot be ruled
    out, they are listed in braces. With costs, `answer` is what costs least on average.
    """
    from headstart.deploy import predictions as table
    from headstart.deploy.model import Model
    from headstart.images.walk import find_images

    lines = [line.rstrip("\n") for line in sys.stdin] if "-" in paths else []
    inputs = [line for path in paths for line in (lines if path == "-" else [path]) if line]
    pictures = find_images(inputs)
    model = Model.load(run)
    for note in model.notes:
        say(note)
    model = model.with_costs(cost) if cost else model
    with showing_progress() as progress:
        predictions = model.predict(pictures, coverage=coverage, progress=progress)
    rows = [table.row(prediction, model.classes, top=top) for prediction in predictions]
    if csv_file:
        table.write_csv(csv_file, predictions, model.classes)
    if as_json:
        print_json({"classes": list(model.classes), "coverage": model.abstention.covers(coverage), "predictions": rows})
    elif not csv_file:
        for row in rows:
            typer.echo(table.line(row))
    say(table.summary(predictions))
    if not predictions or any(prediction.proba is None for prediction in predictions):
        raise typer.Exit(1)


@app.command(epilog="Example: headstart evaluate runs/photos more_photos")
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run or model folder.")], photos: Photos, as_json: Json = False
) -> None:
    """Measure a model on labelled pictures it was not trained on."""
    from headstart.deploy.model import Model
    from headstart.report.abstention import abstention_lines
    from headstart.report.words import evaluation_document, measured_on
    from headstart.workflows import evaluate as workflow

    model = Model.load(run)
    with showing_progress() as progress:
        done = workflow.evaluate(model, photos, progress=progress)
    evaluation, abstention = done.measurement.evaluation, done.measurement.abstention
    if as_json:
        print_json(
            {**evaluation_document(evaluation), "abstention": abstention.to_dict(), "left_out": list(done.left_out)}
        )
    else:
        typer.echo(f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}")
        typer.echo(f"balanced accuracy {evaluation.balanced_accuracy}")
        typer.echo(f"macro-F1 {evaluation.macro_f1}")
        typer.echo(f"log-loss {evaluation.log_loss}")
        for line in abstention_lines(abstention):
            typer.echo(line)
        typer.echo(f"always answering '{evaluation.classes[evaluation.majority]}': {evaluation.majority_baseline}")
    for line in done.left_out:
        say(f"left out: {line}")
    if done.left_out:
        raise typer.Exit(1)


def _train(photos: Path, out: Path, options: FitOptions, *, title: str = "", as_json: bool) -> None:
    from headstart.workflows import train as runs

    with showing_progress() as progress:
        done = runs.train(photos, out, options, title=title, progress=progress)
    if as_json:
        print_json(done.to_dict())
    else:
        _print_run(done)


def _print_run(run: Run) -> None:
    from headstart.report import run_page, tuning
    from headstart.report.abstention import abstention_lines
    from headstart.report.choice import choice_reason
    from headstart.report.words import measured_on

    fitted, first = run.fitted, run.fitted.evaluations[0]
    evaluation = first.evaluation
    for line in (*run_page.lines(fitted, run.doubts), *fitted.model.notes):
        say(line)
    say(choice_reason(fitted.choice))
    if outcome := tuning.outcome(fitted.selection):
        say(outcome)
    typer.echo(f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}")
    typer.echo(f"always answering '{evaluation.classes[evaluation.majority]}': {evaluation.majority_baseline}")
    for line in abstention_lines(first.abstention):
        typer.echo(line)
    typer.echo(f"model   {run.folder / 'model'}")
    typer.echo(f"report  {run.folder / 'report.html'}")
    if left_out := len(fitted.images.left_out):
        say(f"{left_out} files were left out; the report names them")
    say(f"{run.seconds:.1f} s")
