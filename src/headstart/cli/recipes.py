"""Published procedures: list, show, run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import (
    Format,
    Json,
    LabelColumn,
    PathColumn,
    Photos,
    Seed,
    Weights,
    answer,
    beside,
    family,
    given,
    repeats,
    say,
    show,
    showing_progress,
)
from headstart.files import plain
from headstart.options import DEFAULTS

if TYPE_CHECKING:
    from headstart.finetune.trainable import Summary
    from headstart.recipes.records import Recipe

recipes_app = family("recipes", "Published procedures, run as published.", no_args_is_help=True)


@recipes_app.command("list", epilog="Example: headstart recipes list")
def recipes_list(as_json: Json = False) -> None:
    """List the published recipes."""
    from headstart.recipes.records import RECIPES

    lines = (f"{recipe.name:<22} {recipe.about}" for recipe in RECIPES)
    names = ("name", "about", "backbone", "published")
    answer(lambda: {"recipes": [plain(each, *names) for each in RECIPES]}, lines, as_json=as_json)


@recipes_app.command("show", epilog="Example: headstart recipes show mobilenetv2-two-phase --layers")
def recipes_show(
    name: str,
    backbone: Annotated[str | None, typer.Option(help="Another backbone.")] = None,
    classes: Annotated[int, typer.Option(min=2, help="Classes of the head.")] = 2,
    layers: Annotated[bool, typer.Option("--layers", help="Every layer with its output shape and parameters.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a recipe does, and how many parameters each phase trains."""
    from headstart.recipes import records, runner
    from headstart.report.departures import departure_documents
    from headstart.report.layers import layer_lines

    recipe = records.get(name)
    recipe = recipe.on(backbone) if backbone else recipe
    runner.require_classes(recipe, classes)
    summaries = runner.summaries(recipe, num_classes=classes)
    table = runner.layer_table(recipe, num_classes=classes) if layers else ()
    document = plain(
        recipe,
        *("name", "about", "backbone", "published", "plan"),
        departures=departure_documents(recipe),
        phases=summaries,
        **({"layers": table} if layers else {}),
    )
    answer(lambda: document, (*_shown(recipe, summaries), *layer_lines(table)), as_json=as_json)


def _shown(recipe: Recipe, summaries: Sequence[Summary]) -> Iterator[str]:
    from headstart.report.departures import departure_lines
    from headstart.report.recipe import parameters
    from headstart.report.words import counted

    yield f"{recipe.name}: {recipe.about}"
    yield f"published: {recipe.published or 'no figure'}"
    yield from departure_lines(recipe)
    for phase, summary in zip(recipe.plan.phases, summaries, strict=True):
        by = phase.optimiser
        yield f"{counted(phase.epochs, 'epoch')}, batch {phase.batch_size}, {by.name} {by.lr:g}, {parameters(summary)}"


@recipes_app.command("run", epilog="Example: headstart recipes run resnet18-frozen photos -o runs/frozen")
def recipes_run(
    context: typer.Context,
    name: str,
    photos: Photos,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Run folder; runs/NAME by default.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Another backbone than the recipe's.")] = None,
    weights: Weights = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many in each phase: a shortened run.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Pictures of a batch, in every phase.")] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate of the first phase; later ones keep their ratio to it.")
    ] = None,
    views: Annotated[
        int | None,
        typer.Option(min=1, help="So many fixed augmented views instead of new ones: what is frozen runs once."),
    ] = None,
    lora: Annotated[
        int | None, typer.Option(min=1, help="Rank of adapters on a vision transformer's attention.")
    ] = None,
    picture: Annotated[
        list[str] | None,
        typer.Option(help="One of yours to be answered, or a folder, archive or address of them; repeatable."),
    ] = None,
    format: Format = "",
    path_column: PathColumn = "",
    label_column: LabelColumn = "",
    seed: Seed = DEFAULTS.random_state,
    as_json: Json = False,
) -> None:
    """Run a published recipe; the same command goes on with a run that was interrupted."""
    from headstart.images.formats.unlabelled import pictures_of
    from headstart.recipes import records, runner
    from headstart.report.departures import departure_lines
    from headstart.report.finetuning_notes import in_words
    from headstart.report.recipe import document, left_out_lines, lines

    recipe = records.get(name)
    recipe = recipe.on(backbone) if backbone else recipe
    recipe = recipe.with_epochs(epochs) if epochs else recipe
    recipe = recipe.with_batch_size(batch_size) if batch_size else recipe
    recipe = recipe if lr is None else recipe.with_lr(lr)
    recipe = recipe.with_views(views) if views else recipe
    recipe = recipe.with_lora(lora) if lora else recipe
    folder = out or Path("runs") / name
    with showing_progress(as_json=as_json) as progress:
        ran = runner.run(
            recipe,
            given(context, photos),
            folder,
            weights=weights,
            seed=seed,
            pictures=pictures_of(picture or ()).paths,
            command=repeats(context, out=folder),
            tell=beside(progress, say if as_json else show),
            progress=progress,
        )
    answer(lambda: document(ran), (*lines(ran), f"report  {folder / 'report.html'}"), as_json=as_json)
    if as_json:
        return
    for note in (*departure_lines(ran.recipe), *left_out_lines(ran), *in_words(ran.notes)):
        say(note)
