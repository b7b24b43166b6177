"""From pictures to a model: demo, check, train."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli.app import (
    Backbone,
    Budget,
    Engine,
    Finetune,
    Format,
    GroupBy,
    Json,
    LabelColumn,
    PathColumn,
    Photos,
    Seed,
    Sizes,
    Until,
    answer,
    app,
    beside,
    fit_options,
    given,
    say,
    show,
    showing_progress,
)
from headstart.command import command
from headstart.errors import DataError
from headstart.files import display, plain
from headstart.options import DEFAULTS

if TYPE_CHECKING:
    from headstart.claims.measured import Measurement
    from headstart.images.folder import ImageSet
    from headstart.images.formats.given import Given, Source
    from headstart.options import FitOptions
    from headstart.pipeline import Fitted
    from headstart.probe.forecast import Forecast
    from headstart.workflows.check import Checkup
    from headstart.workflows.train import Run as TrainedRun


@app.command(epilog="Example: headstart demo -o runs/demo")
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option("-o", "--out", help="Run folder to write.")] = Path("runs/demo"),
    finetune: Finetune = "never",
    until: Until = DEFAULTS.until,
    random_state: Seed = DEFAULTS.random_state,
    as_json: Json = False,
) -> None:
    """Run the whole path on 1,200 simulated photographs of fabric, with and without defects.

    The pictures are a package of their own: pip install "headstart[demo]". Which are taken is written into a table
    beside the run folder.
    """
    from headstart.workflows.demo import write_table

    say("1,200 simulated photographs of fabric: nominal, with a local defect, with a global defect.")
    write_table(table := Path(f"{out.resolve()}-pictures.csv"))
    _train(table, out, fit_options(context), title="Defects in fabric", as_json=as_json)


@app.command(epilog="Example: headstart check photos -o checks/photos")
def check(
    context: typer.Context,
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder to write; checks/NAME by default.")] = None,
    apply: Annotated[
        Path | None, typer.Option("--apply", help="A review.csv with decisions: write the table to train on.")
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Only show what is understood: splits, classes, groups, what is left out.")
    ] = False,
    backbone: Backbone = DEFAULTS.backbone,
    sizes: Sizes = None,
    budget: Budget = None,
    group_by: GroupBy = DEFAULTS.group_by,
    format: Format = "",
    path_column: PathColumn = "",
    label_column: LabelColumn = "",
    random_state: Seed = DEFAULTS.random_state,
    engine: Engine = None,
    as_json: Json = False,
) -> None:
    """Find wrong labels, odd and poor pictures, and shortcuts; write a page and a list to decide on."""
    if listing:
        _list(given(context, photos), group_by, as_json=as_json)
        return
    from headstart.workflows.check_begun import LIST, begun

    source = given(context, photos)
    folder = out or Path("checks") / source.name
    if apply:
        _apply(source, apply, folder, as_json=as_json)
        return
    options = fit_options(context)
    with showing_progress(as_json=as_json) as progress:
        tell = _telling(progress)
        with begun(source, folder, options, tell=tell, progress=progress, engine=engine) as (images, bench):
            from headstart.report.pictures import review_reasons
            from headstart.workflows.check import examine  # meanwhile the network is made ready

            done = examine(source, folder, options, images, bench)
    answer(done.to_dict, _checked(done), as_json=as_json)
    if not as_json and review_reasons(done.findings):
        say(f"Fill in the column `decision` of {LIST} (keep, drop or relabel:NAME), then:")
        say(done.apply)
    say(f"{done.seconds:.1f} s")
    if done.findings.images.left_out:
        raise typer.Exit(1)


def _apply(source: Given, decided: Path, folder: Path, *, as_json: bool) -> None:
    from headstart.report.pictures import applied_line
    from headstart.workflows.check import apply_review

    applied = apply_review(source, decided, folder)
    say(applied_line(applied))
    answer(lambda: plain(applied), [command("train", applied.table, options={})], as_json=as_json)


def _list(photos: Given, group_by: str | None, *, as_json: bool) -> None:
    from headstart.report import understood
    from headstart.workflows.listing import list_pictures

    listed = list_pictures(photos, group_by)
    images, problems = listed.images, listed.problems
    answer(lambda: understood.document(photos, images, problems), understood.lines(photos, images), as_json=as_json)
    if problems:
        raise DataError(f"pictures {display(photos.address)}", problems)
    if images.left_out:
        raise typer.Exit(1)


def _telling(progress: Any) -> Callable[[ImageSet], None]:
    """Says what was understood of pictures, while ``progress`` is shown."""
    from headstart.report import understood

    return lambda images: beside(progress, say)("\n".join(understood.short(images)))


def _foreseeing(progress: Any) -> Callable[[Forecast], None]:
    """Says how long a run will take, while ``progress`` is shown."""
    from headstart.report.states import forecast_line

    def say_forecast(foreseen: Forecast) -> None:
        if not _is_event(progress, {"event": "forecast", **plain(foreseen)}):
            beside(progress, say)(forecast_line(foreseen))

    return say_forecast


def _reached(progress: Any) -> Callable[[TrainedRun], None]:
    """Says what each state of a run changed, while ``progress`` is shown."""
    from headstart.report.states import state_line

    before: list[Fitted] = []

    def say_state(run: TrainedRun) -> None:
        accuracy = run.fitted.evaluations[0].evaluation.accuracy.to_dict()
        event = {"event": "state", "state": run.state, "seconds": round(run.seconds, 2), "accuracy": accuracy}
        line = state_line(before[-1] if before else None, run.fitted, run.seconds)
        if not _is_event(progress, event) and line:
            beside(progress, say)(line)
        before.append(run.fitted)

    return say_state


def _is_event(progress: Any, event: dict[str, Any]) -> bool:
    """Whether ``progress`` tells events, this one among them."""
    from headstart.cli.progress_lines import ProgressLines

    return isinstance(progress, ProgressLines) and progress.event(event)


def _checked(done: Checkup) -> Iterator[str]:
    from headstart.workflows.check_begun import LIST, PAGE

    yield from done.lines or ["Nothing was found that is doubtful."]
    yield f"page    {done.folder / PAGE}"
    yield f"list    {done.folder / LIST}"


@app.command(epilog="Example: headstart train photos -o runs/photos")
def train(
    context: typer.Context,
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Run folder; runs/NAME by default.")] = None,
    backbone: Backbone = DEFAULTS.backbone,
    weights: Annotated[
        str | None, typer.Option(help="A .pth or .safetensors file in place of the backbone's own, or `random`.")
    ] = DEFAULTS.weights,
    sizes: Sizes = None,
    finetune: Finetune = DEFAULTS.finetune,
    until: Until = DEFAULTS.until,
    budget: Budget = None,
    class_weight: Annotated[
        str | None, typer.Option(help="`balanced`: every class counts the same.")
    ] = DEFAULTS.class_weight,
    device: Annotated[str, typer.Option(help="auto, openvino, torch, cuda or mps.")] = DEFAULTS.device,
    precision: Annotated[str, typer.Option(help="f32, bf16 or int8; auto: f32, on a GPU bf16.")] = DEFAULTS.precision,
    group_by: GroupBy = DEFAULTS.group_by,
    cost: Annotated[
        Path | None,
        typer.Option(
            help="What mistakes cost: a CSV with a row per truth and a column per answer, or the same in JSON."
        ),
    ] = None,
    format: Format = "",
    path_column: PathColumn = "",
    label_column: LabelColumn = "",
    random_state: Seed = DEFAULTS.random_state,
    engine: Engine = None,
    profile: Annotated[bool, typer.Option("--profile", help="Say in the end how long every stage took.")] = False,
    as_json: Json = False,
) -> None:
    """Train a classifier, measure it honestly, write the model and the report."""
    source = given(context, photos)
    folder = out or Path("runs") / source.name
    run = _train(source, folder, fit_options(context), engine=engine, as_json=as_json)
    if profile:
        rest = {"everything else": run.seconds - sum(run.stages.values())}
        for stage, seconds in {**run.stages, **rest}.items():
            say(f"{seconds:8.2f} s  {stage}")


def _train(
    photos: Source, out: Path, options: FitOptions, *, title: str = "", engine: str | None = None, as_json: bool
) -> TrainedRun:
    from headstart.report import tuning
    from headstart.report.words import counted
    from headstart.workflows import train as workflow

    with showing_progress(as_json=as_json) as progress:
        tell, reached = _telling(progress), _reached(progress)
        run = workflow.train(
            photos,
            out,
            options,
            title=title,
            tell=tell,
            foresee=_foreseeing(progress),
            reached=reached,
            progress=progress,
            engine=engine,
        )
    if run.interrupted:
        say("interrupted: the best so far is kept, and can be used")
    if as_json:
        answer(run.to_dict, (), as_json=True)
        return run
    fitted = run.fitted
    for note in (*run.notes, tuning.choice_reason(fitted.choice)):
        say(note)
    for line in measured(fitted.evaluations[0], run.alarms):
        show(line)
    show(f"model   {run.folder / 'model'}")
    show(f"report  {run.folder / 'report.html'}")
    if left_out := len(fitted.images.left_out):
        say(f"{counted(left_out, 'file was', 'files were')} left out and named in the report")
    say(f"{run.seconds:.1f} s")
    return run


def measured(measurement: Measurement, alarms: Sequence[str], *, every_metric: bool = False) -> Iterator[str]:
    """The accuracy of a model and what changes its meaning, then other figures.

    Always answering the most frequent class comes last where all are told.
    """
    from headstart.report.abstention import abstention_lines
    from headstart.report.words import measured_on

    evaluation = measurement.evaluation
    baseline = f"always answering '{evaluation.classes[evaluation.majority]}': {evaluation.majority_baseline}"
    yield f"accuracy {evaluation.accuracy}, measured on {measured_on(evaluation.measured_on)}"
    yield from alarms
    if not every_metric:
        yield baseline
    else:
        yield f"balanced accuracy {evaluation.balanced_accuracy}"
        yield f"macro-F1 {evaluation.macro_f1}"
        yield f"log-loss {evaluation.log_loss}"
    yield from abstention_lines(measurement.abstention)
    if every_metric:
        yield baseline
