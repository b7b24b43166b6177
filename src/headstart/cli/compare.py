"""Which settings, or which runs, can be told apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import Json, app, beside, print_json, repeats, say, showing_progress
from headstart.errors import OptionError, Problem

if TYPE_CHECKING:
    from headstart.recipes.grid import Setting
    from headstart.recipes.tables import Claim
    from headstart.report.comparison import ComparisonContent


@app.command(epilog="Example: headstart compare photos --lr 1e-3,1e-1 --mode frozen,full --epochs 3 --seeds 2")
def compare(
    context: typer.Context,
    what: Annotated[list[Path], typer.Argument(metavar="PHOTOS | RUN RUN …", help="Pictures, or finished runs.")],
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
    weights: Annotated[str | None, typer.Option(help="A weights file, or `random`.")] = None,
    as_json: Json = False,
) -> None:
    """Which settings, or which finished runs, can be told apart?

    PHOTOS: train every combination with every seed. The same command goes on where it was cut off.
    RUN RUN: compare the answers of finished runs on the same pictures.
    """
    from headstart.workflows import compare_runs

    if all(map(compare_runs.is_run, what)):
        _runs(what, out, command=repeats(context), as_json=as_json)
        return
    photos = _only([folder for folder in what if not compare_runs.is_run(folder)], of=len(what))
    from headstart import output_folder
    from headstart.recipes import experiments

    axes = {
        "sizes": _numbers("--size", size, int),
        "lrs": _numbers("--lr", lr, float),
        "batch_sizes": _numbers("--batch-size", batch_size, int),
        "optimisers": _words(optimiser),
        "modes": _words(mode),
    }
    settings, claims = _settings(table, recipe, _words(backbone), axes, epochs)
    with showing_progress() as progress:
        experiment = experiments.run(
            settings,
            photos,
            out or Path("runs") / f"compare-{output_folder.default_name(photos)}",
            seeds=range(seeds),
            claims=claims,
            weights=weights,
            title=f"The table {table}, again" if table else "Settings compared",
            command=repeats(context),
            tell=beside(progress, say),
            progress=progress,
        )
    if as_json:
        print_json(experiment.to_dict())
        return
    _show(experiment.content())
    typer.echo(f"page  {experiment.folder / 'compare.html'}")


def _only(strangers: list[Path], *, of: int) -> Path:
    """The one folder of pictures, where it is all that was named. Raises OptionError for what is no run beside runs."""
    if of > 1:
        found = f"{', '.join(map(str, strangers))} {'have' if len(strangers) > 1 else 'has'} no metrics.json"
        problem = Problem(expected="finished runs", found=found, todo="name runs only, or one folder of pictures")
        raise OptionError("what to compare", [problem])
    return strangers[0]


def _runs(folders: list[Path], out: Path | None, *, command: str, as_json: bool) -> None:
    from headstart.workflows.compare_runs import compare_runs

    if len(folders) < 2:
        problem = Problem(expected="two runs or more", found=str(folders[0]), todo="name another run")
        raise OptionError("what to compare", [problem])
    contest = compare_runs(folders, command=command)
    if out is not None:
        contest.write(out)
    if as_json:
        print_json(contest.to_dict())
        return
    _show(contest.content())
    if out is not None:
        typer.echo(f"page  {out / 'compare.html'}")


def _show(content: ComparisonContent) -> None:
    from headstart.report.comparison import aligned, conclusions

    for line in aligned(content.table):
        typer.echo(line)
    parts = (conclusions(content.comparison), content.claims, content.troubles, content.caveats)
    for sentence in (sentence for part in parts for sentence in part):
        typer.echo(sentence)


def _settings(
    table: str | None, recipe: str, backbones: list[str], axes: dict[str, list[str] | list[int] | list[float]],
    epochs: int | None,
) -> tuple[tuple[Setting, ...], tuple[Claim, ...]]:  # fmt: skip
    from headstart.recipes import grid, records, tables

    if table is None:
        base = records.get(recipe)
        return grid.grid(base, backbones=backbones or ["efficientnet_lite0"], epochs=epochs, **axes), ()  # type: ignore[arg-type]
    if given := [name for name, values in axes.items() if values]:
        problem = Problem(
            expected="a published table, or a grid",
            found=f"--table and {', '.join(given)}",
            todo="leave out either; a table takes --backbone and --epochs",
        )
        raise OptionError("what to compare", [problem])
    published = tables.get(table)
    return grid.of_table(published, backbones, epochs=epochs), published.claims


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _numbers(option: str, text: str | None, kind: type[int] | type[float]) -> list[int] | list[float]:
    try:
        return [kind(word) for word in _words(text)]
    except ValueError as error:
        problem = Problem(expected="numbers with commas between", found=repr(text), todo=f"write {option} 1,2")
        raise OptionError(option, [problem]) from error
