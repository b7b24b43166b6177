"""The command line: every function parses, calls the library, prints.

Documents (``--json``, tables of predictions) go to stdout, words for people to stderr. Exit codes: 0 done; 1 done, but
some pictures were left out where that matters; 2 the input cannot be used; 130 interrupted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from headstart.errors import HeadstartError, OptionError, Problem

if TYPE_CHECKING:
    from headstart.classifier import ImageClassifier
    from headstart.features.extract import Progress
    from headstart.run import Run


class Commands(TyperGroup):
    """Turns the errors we raise on purpose into words and exit codes, for every command alike."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except HeadstartError as error:
            say(f"error: {error}")
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            say("\ninterrupted. Nothing is broken: what was computed is kept, and the same command goes on from there.")
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of our output has gone; there is nobody left to tell
            sys.stderr.close()
            raise typer.Exit(1) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich would double the time to show help
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a folder of pictures to a classifier you can trust.",
)
backbones_app = typer.Typer(
    cls=TyperGroup, no_args_is_help=True, rich_markup_mode=None, help="The pretrained networks there are."
)
recipes_app = typer.Typer(
    cls=TyperGroup, no_args_is_help=True, rich_markup_mode=None, help="Published procedures, run as published."
)
cache_app = typer.Typer(
    cls=TyperGroup, rich_markup_mode=None, help="The store of computed features that all runs share."
)
app.add_typer(backbones_app, name="backbones")
app.add_typer(cache_app, name="cache")
app.add_typer(recipes_app, name="recipes")

Photos = Annotated[Path, typer.Argument(help="A folder with one folder per class, or a CSV with path,label.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Backbone = Annotated[str, typer.Option(help="See `headstart backbones list`.")]
Budget = Annotated[str | None, typer.Option(help="Begin nothing dearer after this time: 90s, 5m, 1h.")]
Seed = Annotated[int, typer.Option(help="Of folds, samples and resampling.")]


@app.command(epilog="Example: headstart demo -o runs/demo")
def demo(
    out: Annotated[Path, typer.Option("-o", "--out", help="Run folder to write.")] = Path("runs/demo"),
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run the whole path on bundled pictures: 2,000 photographs of fabric, with and without defects."""
    from headstart.classifier import ImageClassifier
    from headstart.demo import pictures

    say("2,000 simulated photographs of fabric: nominal, with a local defect, with a global defect.")
    _train(pictures(), out, ImageClassifier(random_state=seed), title="Defects in fabric", as_json=as_json)


@app.command(epilog="Example: headstart train photos -o runs/photos")
def train(
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Run folder; runs/NAME by default.")] = None,
    backbone: Backbone = "efficientnet_lite0",
    weights: Annotated[
        str | None, typer.Option(help="A .pth or .safetensors file in place of the backbone's own, or `random`.")
    ] = None,
    size: Annotated[list[int] | None, typer.Option(help="An input size that may be tried; repeatable.")] = None,
    budget: Budget = None,
    class_weight: Annotated[str | None, typer.Option(help="`balanced`: every class counts the same.")] = None,
    device: Annotated[str, typer.Option(help="auto, openvino, torch, cuda or mps.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, f32 or bf16.")] = "auto",
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Train a classifier, measure it honestly, write the model and the report."""
    from headstart.classifier import ImageClassifier

    classifier = ImageClassifier(
        backbone,
        weights=weights,
        sizes=size,
        budget=seconds(budget),
        class_weight=class_weight,
        device=device,
        precision=precision,
        random_state=seed,
    )
    name = photos.resolve().stem if photos.is_file() else photos.resolve().name
    _train(photos, out or Path("runs") / name, classifier, as_json=as_json)


@app.command(epilog="Example: headstart predict runs/photos new/*.jpg --csv answers.csv")
def predict(
    run: Annotated[Path, typer.Argument(help="A run or model folder.")],
    paths: Annotated[list[str], typer.Argument(help="Files, folders, globs; - reads a list from stdin.")],
    csv_file: Annotated[Path | None, typer.Option("--csv", help="Write the answers to this file.")] = None,
    top: Annotated[int, typer.Option(min=1, help="How many classes to show.")] = 1,
    as_json: Json = False,
) -> None:
    """Label pictures: one row per input, in the order given."""
    from headstart.deploy import answers
    from headstart.deploy.artifact import Model
    from headstart.images.folder import find_pictures

    lines = [line.rstrip("\n") for line in sys.stdin] if "-" in paths else []
    inputs = [line for path in paths for line in (lines if path == "-" else [path]) if line]
    pictures = find_pictures(inputs)
    model = Model.load(run, batch=min(16, max(1, len(pictures))))
    for note in model.notes:
        say(note)
    with showing_progress() as progress:
        predictions = model.predict(pictures, progress=progress)
    rows = [answers.row(prediction, model.classes, top=top) for prediction in predictions]
    if csv_file:
        answers.write_csv(csv_file, predictions, model.classes)
    if as_json:
        print_json({"classes": list(model.classes), "predictions": rows})
    elif not csv_file:
        for row in rows:
            best = ", ".join(f"{label} {probability:.1%}" for label, probability in row["top"])
            typer.echo(f"{row['path']}\t{best or 'not read: ' + row['reason']}")
    unread = sum(prediction.proba is None for prediction in predictions)
    say(f"{len(predictions) - unread} pictures labelled" + (f", {unread} could not be read" if unread else ""))
    if unread or not predictions:
        raise typer.Exit(1)


@app.command(epilog="Example: headstart evaluate runs/photos more_photos")
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run or model folder.")], photos: Photos, as_json: Json = False
) -> None:
    """Measure a model on labelled pictures it was not trained on."""
    from headstart.deploy.artifact import Model
    from headstart.run import evaluate_model

    model = Model.load(run)
    with showing_progress() as progress:
        evaluation, left_out = evaluate_model(model, photos, progress=progress)
    if as_json:
        print_json({**evaluation.to_dict(), "left_out": left_out})
    else:
        typer.echo(f"accuracy {evaluation.accuracy}, measured on {evaluation.measured_on}")
        typer.echo(f"balanced accuracy {evaluation.balanced_accuracy}")
        typer.echo(f"macro-F1 {evaluation.macro_f1}")
        typer.echo(f"log-loss {evaluation.log_loss}")
        typer.echo(f"always answering '{evaluation.classes[evaluation.majority]}': {evaluation.floor}")
    for line in left_out:
        say(f"left out: {line}")
    if left_out:
        raise typer.Exit(1)


@backbones_app.command("list", epilog="Example: headstart backbones list")
def backbones_list(as_json: Json = False) -> None:
    """List the backbones, those that work right now first."""
    from headstart.backbones import catalog

    records = [catalog.describe(record) for record in catalog.all()]
    if as_json:
        print_json({"backbones": records})
        return
    for record in records:
        ready = "ready" if record["ready"] else record["install"]
        typer.echo(
            f"{record['name']:<22} {record['parameters'] / 1e6:6.1f} M  {record['input_size']:>4} px  "
            f"{record['licence']:<14} {ready}"
        )


@backbones_app.command("show", epilog="Example: headstart backbones show efficientnet_lite0")
def backbones_show(name: str, as_json: Json = False) -> None:
    """Show one backbone: size, input, licence, source."""
    from headstart.backbones import catalog

    record = catalog.describe(catalog.get(name))
    if as_json:
        print_json(record)
        return
    for key, value in record.items():
        typer.echo(f"{key:<14} {value}")


@backbones_app.command("fetch", epilog="Example: headstart backbones fetch resnet18")
def backbones_fetch(name: str) -> None:
    """Put the weights of a backbone where later runs find them without a network."""
    from headstart.backbones import catalog
    from headstart.backbones.weights import locate

    say(f"{name} is at {locate(catalog.get(name)).path}")


@recipes_app.command("list", epilog="Example: headstart recipes list")
def recipes_list() -> None:
    """List the published recipes."""
    from headstart.recipes import RECIPES

    for recipe in RECIPES:
        typer.echo(f"{recipe.name:<22} {recipe.about}")


@recipes_app.command("show", epilog="Example: headstart recipes show mobilenetv2-two-phase")
def recipes_show(
    name: str,
    backbone: Annotated[str | None, typer.Option(help="Another trunk.")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the head.")] = 2,
    as_json: Json = False,
) -> None:
    """Show what a recipe does, and how many parameters each phase trains."""
    from headstart import recipes, reproduce

    recipe = recipes.get(name)
    recipe = recipe.on(backbone) if backbone else recipe
    counted = reproduce.summaries(recipe, num_classes=classes)
    if as_json:
        phases = [vars(summary) for summary in counted]
        print_json({"name": recipe.name, "backbone": recipe.backbone, "plan": recipe.plan.to_dict(), "phases": phases})
        return
    typer.echo(f"{recipe.name}: {recipe.about}")
    typer.echo(f"published: {recipe.published or 'no figure'}")
    for phase, summary in zip(recipe.plan.phases, counted, strict=True):
        optimiser = phase.optimiser
        typer.echo(
            f"{phase.epochs} epochs, batch {phase.batch_size}, {optimiser.name} {optimiser.lr:g}, "
            f"{reproduce.describe(summary)}"
        )


@recipes_app.command("run", epilog="Example: headstart recipes run resnet18-frozen photos -o runs/frozen")
def recipes_run(
    name: str,
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Run folder; runs/NAME by default.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Another trunk than the recipe's.")] = None,
    weights: Annotated[str | None, typer.Option(help="A weights file, or `random`.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many in each phase: a shortened run.")] = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run a published recipe; the same command goes on with a run that was interrupted."""
    import shlex

    from headstart import recipes, reproduce

    recipe = recipes.get(name)
    recipe = recipe.on(backbone) if backbone else recipe
    recipe = recipe.with_epochs(epochs) if epochs else recipe
    given = {"--backbone": backbone, "--weights": weights, "--epochs": epochs, "--seed": seed or None}
    folder = out or Path("runs") / name
    words = ["headstart", "recipes", "run", name, str(photos), "-o", str(folder)]
    words += [word for option, value in given.items() if value is not None for word in (option, str(value))]
    with showing_progress() as progress:
        found = reproduce.run(
            recipe, photos, folder, weights=weights, seed=seed, command=shlex.join(words), progress=progress
        )
    if as_json:
        print_json(found.to_dict())
        return
    for line in found.epochs:
        typer.echo(line)
    typer.echo(f"accuracy {found.evaluation.accuracy}, measured on {found.evaluation.measured_on}")
    typer.echo(found.best_epoch)
    typer.echo(found.verdict)
    typer.echo(f"report  {folder / 'report.html'}")
    for note in found.notes:
        say(note)


@cache_app.callback(invoke_without_command=True)
def cache(context: typer.Context, as_json: Json = False) -> None:
    """Show what the store holds; `headstart cache clear` empties it."""
    if context.invoked_subcommand is not None:
        return
    from headstart.features.store import open_store

    with open_store() as store:
        found = store.summary()
    if as_json:
        print_json({**vars(found), "path": str(found.path)})
        return
    typer.echo(f"{found.path}")
    typer.echo(f"{found.rows} rows, {found.value_bytes / 1e6:.1f} MB of at most {found.limit_bytes / 1e6:.0f} MB")


@cache_app.command("clear", epilog="Example: headstart cache clear")
def cache_clear() -> None:
    """Empty the store of features; the next run computes them again."""
    from headstart.features.store import open_store

    with open_store() as store:
        say(f"{store.clear() / 1e6:.1f} MB given up")


@app.command(epilog="Example: headstart doctor")
def doctor(as_json: Json = False) -> None:
    """Check this machine: versions, precision, which backbones work, where things are kept."""
    from headstart.doctor import examine

    findings = examine()
    if as_json:
        print_json(findings)
    else:
        for name, value in findings["facts"].items():
            typer.echo(f"{name:<22} {value}")
        for problem in findings["problems"]:
            typer.echo(f"problem: {problem}")
    if findings["problems"]:
        raise typer.Exit(1)


def _train(photos: Path, out: Path, classifier: ImageClassifier, *, title: str = "", as_json: bool) -> None:
    from headstart import run as runs

    with showing_progress() as progress:
        done = runs.train(photos, out, classifier, title=title, progress=progress)
    if as_json:
        print_json(done.to_dict())
    else:
        _print_run(done)


def _print_run(run: Run) -> None:
    evaluation = run.evaluation
    for line in run.lines:
        say(line)
    say(run.choice_reason)
    typer.echo(f"accuracy {evaluation.accuracy}, measured on {evaluation.measured_on}")
    typer.echo(f"always answering '{evaluation.classes[evaluation.majority]}': {evaluation.floor}")
    typer.echo(f"model   {run.folder / 'model'}")
    typer.echo(f"report  {run.folder / 'report.html'}")
    if run.left_out:
        say(f"{run.left_out} files were left out; the report names them")
    say(f"{run.seconds:.1f} s")


def seconds(text: str | None) -> float | None:
    """A duration such as 90, 90s, 5m or 1h, in seconds; None stays None. Raises OptionError."""
    if text is None:
        return None
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    number, unit = (text[:-1], units[text[-1]]) if text[-1:] in units else (text, 1.0)
    try:
        value = float(number) * unit
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        problem = Problem(expected="a time such as 90s, 5m or 1h", found=repr(text), todo="write --budget 5m")
        raise OptionError("--budget", [problem])
    return value


def showing_progress() -> Any:
    """A context that gives a Progress: bars with rate and time left on a terminal, nothing elsewhere."""
    from headstart.features.extract import Silent

    if not sys.stderr.isatty():
        from contextlib import nullcontext

        silent: Progress = Silent()
        return nullcontext(silent)
    from headstart.bars import Bars

    return Bars()


def say(text: str) -> None:
    """Words for people."""
    typer.echo(text, err=True)


def print_json(document: Any) -> None:
    """The one document on stdout."""
    typer.echo(json.dumps(document, indent=2, ensure_ascii=False))


def main() -> NoReturn:
    """Entry point of the ``headstart`` command."""
    app()
    raise SystemExit(0)
