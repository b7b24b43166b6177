"""This machine: the store of features, and what works here."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from headstart.cli.app import Json, app, print_json, say

cache_app = typer.Typer(
    cls=TyperGroup, rich_markup_mode=None, help="The store of computed features that all runs share."
)
app.add_typer(cache_app, name="cache")


@cache_app.callback(invoke_without_command=True)
def cache(context: typer.Context, as_json: Json = False) -> None:
    """Show what the store holds; `headstart cache clear` empties it."""
    if context.invoked_subcommand is not None:
        return
    from headstart.features.store import open_store

    with open_store() as store:
        summary = store.summary()
    if as_json:
        print_json({**vars(summary), "path": str(summary.path)})
        return
    typer.echo(f"{summary.path}")
    typer.echo(f"{summary.rows} rows, {summary.value_bytes / 1e6:.1f} MB of at most {summary.limit_bytes / 1e6:.0f} MB")


@cache_app.command("clear", epilog="Example: headstart cache clear")
def cache_clear() -> None:
    """Empty the store of features; the next run computes them again."""
    from headstart.features.store import open_store

    with open_store() as store:
        say(f"{store.clear() / 1e6:.1f} MB given up")


@app.command(epilog="Example: headstart doctor")
def doctor(as_json: Json = False) -> None:
    """Check this machine: versions, precision, which backbones work, where things are kept."""
    from headstart.workflows.doctor import examine

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
