"""The pretrained networks there are: list, show, fetch."""

from __future__ import annotations

import typer
from typer.core import TyperGroup

from headstart.cli.app import Json, app, print_json, say

backbones_app = typer.Typer(
    cls=TyperGroup, no_args_is_help=True, rich_markup_mode=None, help="The pretrained networks there are."
)
app.add_typer(backbones_app, name="backbones")


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
