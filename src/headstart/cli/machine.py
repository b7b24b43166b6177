"""What there is on this machine: pretrained networks, the store of features, and what works here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from headstart.cli.app import Json, answer, app, family, say

backbones_app = family("backbones", "The pretrained networks there are.", no_args_is_help=True)
cache_app = family("cache", "The store of computed features that all runs share.")


@backbones_app.command("list", epilog="Example: headstart backbones list")
def backbones_list(as_json: Json = False) -> None:
    """List the backbones, those that work right now first."""
    from headstart.backbones import catalog

    records = [catalog.describe(record) for record in catalog.all()]
    lines = (
        f"{record['name']:<22} {record['parameters'] / 1e6:6.1f} M  {record['input_size']:>4} px  "
        f"{record['licence']:<14} {'ready' if record['ready'] else record['install']}"
        for record in records
    )
    answer(lambda: {"backbones": records}, lines, as_json=as_json)


@backbones_app.command("show", epilog="Example: headstart backbones show efficientnet_lite0")
def backbones_show(name: str, as_json: Json = False) -> None:
    """Show one backbone: size, input, licence, source."""
    from headstart.backbones import catalog

    record = catalog.describe(catalog.get(name))
    answer(lambda: record, (f"{key:<14} {value}" for key, value in record.items()), as_json=as_json)


@backbones_app.command("fetch", epilog="Example: headstart backbones fetch resnet18")
def backbones_fetch(name: str) -> None:
    """Put the weights of a backbone where later runs find them without a network."""
    from headstart.backbones import catalog
    from headstart.backbones.weights import locate

    say(f"{name} is at {locate(catalog.get(name)).path}")


@cache_app.callback(invoke_without_command=True)
def cache(context: typer.Context, as_json: Json = False) -> None:
    """Show what the store holds; `headstart cache clear` empties it."""
    if context.invoked_subcommand is not None:
        return
    from headstart.features.store import open_store
    from headstart.files import plain

    with open_store() as store:
        summary = store.summary()
    size, limit = summary.value_bytes / 1e6, summary.limit_bytes / 1e6
    lines = (f"{summary.path}", f"{summary.rows} rows, {size:.1f} MB of at most {limit:.0f} MB")
    answer(lambda: plain(summary), lines, as_json=as_json)


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
    answer(lambda: findings, _examined(findings), as_json=as_json)
    if findings["problems"]:
        raise typer.Exit(1)


def _examined(findings: dict[str, Any]) -> Iterator[str]:
    for name, value in findings["facts"].items():
        yield f"{name:<22} {value}"
    for problem in findings["problems"]:
        yield f"problem: {problem}"
