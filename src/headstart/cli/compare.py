"""Which settings, or which runs, can be told apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli.app import (
    Engine,
    Format,
    Json,
    LabelColumn,
    PathColumn,
    Weights,
    answer,
    app,
    beside,
    given,
    repeats,
    say,
    showing_progress,
)
from headstart.errors import OptionError, Problem
from headstart.options import DEFAULTS

if TYPE_CHECKING:
    from headstart.recipes.grid import Claim, Setting, TimeClaim
    from headstart.report.comparison import ComparisonContent

_AXES = {"size": int, "lr": float, "batch_size": int, "optimiser": str, "mode": str}
"""What a grid varies, by the names of the options, and of what kind its values are."""
_TRAINING = ("backbone", "epochs", "seeds", "recipe", "weights", "engine")
"""What else is given for training."""
_READING = ("format", "path_column", "label_column")


@app.command(epilog="Example: headstart compare photos --lr 1e-3,1e-1 --mode frozen,full --epochs 3 --seeds 2")
def compare(
    context: typer.Context,
    what: Annotated[list[str], typer.Argument(metavar="SOURCE | RUN RUN …", help="Pictures, or finished runs.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Folder; runs/compare-NAME by default.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Backbones, commas between; efficientnet_lite0.")] = None,
    size: Annotated[str | None, typer.Option(help="Input sizes in pixels: 224,160.")] = None,
    lr: Annotated[str | None, typer.Option(help="Learning rates: 1e-3,1e-1.")] = None,
    batch_size: Annotated[str | None, typer.Option(help="Batch sizes: 4,8.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="sgd, adam, adamw, rmsprop.")] = None,
    mode: Annotated[str | None, typer.Option(help="frozen, full, or the stage from which to train.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="In place of the recipe's.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Rows of each setting, with seeds 0, 1, 2 …")] = 3,
    recipe: Annotated[str, typer.Option(help="What the grid leaves unsaid is as in this recipe.")] = "resnet18-frozen",
    table: Annotated[str | None, typer.Option(help="A published table in place of a grid: resnet18.")] = None,
    weights: Weights = None,
    format: Format = "",
    path_column: PathColumn = "",
    label_column: LabelColumn = "",
    engine: Engine = None,
    as_json: Json = False,
) -> None:
    """Which settings, or which finished runs, can be told apart?

    SOURCE: train every combination with every seed. The same command goes on where it was cut off.
    RUN RUN: compare the answers of finished runs on the same pictures; nothing is written without -o.
    """
    from headstart.workflows.compare_runs import is_run

    folders = [Path(each) for each in what]
    if all(map(is_run, folders)):
        _refuse_ignored(
            context, "of finished runs, no option but -o and --json", {*_AXES, *_TRAINING, *_READING, "table"}
        )
        _runs(folders, out, command=repeats(context), as_json=as_json)
        return
    if len(what) > 1:
        strangers = [str(folder) for folder in folders if not is_run(folder)]
        found = f"{', '.join(strangers)} {'have' if len(strangers) > 1 else 'has'} no metrics.json"
        problem = Problem(expected="finished runs", found=found, todo="name runs only, or one folder of pictures")
        raise OptionError("what to compare", [problem])
    photos = given(context, what[0])
    from headstart.recipes import experiments

    if table:
        _refuse_ignored(context, "of a published table, no option of a grid", {*_AXES, "recipe"})
    settings, claims, time_claims = _settings(context.params)
    with showing_progress(as_json=as_json) as progress:
        experiment = experiments.run(
            settings,
            photos,
            out or Path("runs") / f"compare-{photos.name}",
            seeds=range(seeds),
            claims=claims,
            time_claims=time_claims,
            weights=weights,
            title=f"The table {table}, again" if table else "Settings compared",
            command=repeats(context),
            tell=beside(progress, say),
            progress=progress,
            engine=engine,
        )
    answer(experiment.to_dict, _lines(experiment.content(), experiment.folder), as_json=as_json)


def _runs(folders: list[Path], out: Path | None, *, command: str, as_json: bool) -> None:
    from headstart.workflows.compare_runs import compare_runs

    if len(folders) < 2:
        problem = Problem(expected="two runs or more", found=str(folders[0]), todo="name another run")
        raise OptionError("what to compare", [problem])
    contest = compare_runs(folders, command=command)
    if out is not None:
        contest.write(out)
    answer(contest.to_dict, _lines(contest.content(), out), as_json=as_json)


def _lines(content: ComparisonContent, folder: Path | None) -> Iterator[str]:
    from headstart.report.comparison import aligned, conclusions

    yield from aligned(content.table)
    yield from (*conclusions(content.comparison), *content.claims, *content.troubles, *content.caveats)
    if folder is not None:
        yield f"page  {folder / 'compare.html'}"


def _settings(typed: dict[str, Any]) -> tuple[tuple[Setting, ...], tuple[Claim, ...], tuple[TimeClaim, ...]]:
    """What is to be trained, by the options that were typed, and the claims that a published table makes of it."""
    from headstart.recipes import grid, records

    axes = {f"{name}s": _values(name, typed[name], kind) for name, kind in _AXES.items()}
    backbones, table, epochs = _words(typed["backbone"]), typed["table"], typed["epochs"]
    if table is None:
        recipe = records.get(typed["recipe"])
        return grid.grid(recipe, backbones=backbones or [DEFAULTS.backbone], epochs=epochs, **axes), (), ()
    published = grid.published_table(table)
    return grid.of_table(published, backbones, epochs=epochs), published.claims, published.time_claims


def _refuse_ignored(context: typer.Context, expected: str, ignored: set[str]) -> None:
    """Raise OptionError if any of the parameters ``ignored`` was typed, naming all of them."""
    typed = [
        parameter.opts[0]
        for parameter in context.command.params
        if (name := parameter.name or "") in ignored and str(context.get_parameter_source(name)).endswith("COMMANDLINE")
    ]
    if typed:
        todo = "leave out what would be ignored"
        raise OptionError.of("what to compare", expected=expected, found=", ".join(typed), todo=todo)


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _values(name: str, text: str | None, kind: type[Any]) -> list[Any]:
    try:
        return [kind(word) for word in _words(text)]
    except ValueError as error:
        option = f"--{name.replace('_', '-')}"
        problem = Problem(expected="numbers with commas between", found=repr(text), todo=f"write {option} 1,2")
        raise OptionError(option, [problem]) from error
