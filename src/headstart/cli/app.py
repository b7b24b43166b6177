"""The command line: every function parses, calls the library, prints.

Documents (``--json``, tables of predictions) go to stdout, words for people to stderr. Exit codes: 0 done; 1 done, but
some pictures were left out where that matters; 2 the input or the disk cannot be used; 130 interrupted.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from headstart.cache_folder import Troubles, troubles
from headstart.command import command
from headstart.errors import HeadstartError, OptionError, Problem, interruptible
from headstart.files import display
from headstart.options import DEFAULTS, LARGEST_SEED, FitOptions
from headstart.versions import version

if TYPE_CHECKING:
    from headstart.images.formats.given import Given


class Commands(TyperGroup):
    """Prints the errors that headstart raises on purpose and ends with their exit code, for every command alike."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Parse what was typed; what that needs is imported now, and may be interrupted. Help is shown now too."""
        verb = next(iter(args), None)  # before parsing takes it away
        try:
            return super().make_context(info_name, args, parent, **extra)
        except KeyboardInterrupt:
            raise typer.Exit(interrupted(verb)) from None
        except OSError as error:
            raise typer.Exit(_say_refused(error)) from error

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            with interruptible():
                return super().invoke(ctx)
        except HeadstartError as error:
            say(f"error: {error}")
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            raise typer.Exit(interrupted(ctx.invoked_subcommand)) from None
        except (OSError, sqlite3.OperationalError) as error:
            raise typer.Exit(_say_refused(error)) from error
        finally:
            _say_troubles()


def _say_refused(error: OSError | sqlite3.OperationalError) -> int:
    """Say what the machine would not do; returns the exit code."""
    if isinstance(error, BrokenPipeError):  # the reader of our output has gone; there is nobody left to tell
        sys.stderr.close()
        return 1
    say(f"error: {refused(error)}")
    return 2


def _say_troubles() -> None:
    """What was wrong with the cache, if anything was, once a command."""
    if (found := troubles()) != Troubles() and not sys.stderr.closed:
        from headstart.report.words import cache_lines

        for line in cache_lines(found):
            say(line)


_GOES_ON = "what was computed is kept, and the same command goes on from there"
_INTERRUPTED = dict.fromkeys(("check", "compare", "demo", "recipes", "train"), _GOES_ON) | {
    "replay": f"{_GOES_ON}, unless with --fresh"
}
"""By command, what is true of one that was interrupted; the others keep nothing."""


def interrupted(command: str | None) -> int:
    """Say what an interruption of ``command``, such as ``"train"``, means; returns the exit code."""
    say(f"\ninterrupted. Nothing is broken: {_INTERRUPTED.get(command or '', 'the same command begins anew')}.")
    return 130


def refused(error: OSError | sqlite3.OperationalError) -> str:
    """What the machine would not do, or which path is wrong, in words."""
    where = str(error.filename2 or error.filename or "") if isinstance(error, OSError) else "the store of features"
    what = (error.strerror if isinstance(error, OSError) else "") or str(error)
    found = f"{what}: {display(where)}" if where else what
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        todo = "check the path; where something is to be written, create the folder"
        return f"a path is wrong\n{Problem(expected='a file or folder that is there', found=found, todo=todo)}"
    problem = Problem(
        expected="files that can be read, and a disk with room that can be written to",
        found=found,
        todo="free some space or mend the permissions; the same command then goes on from what is kept",
    )
    return f"the machine refused\n{problem}"


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Rich would double the time to show help
    context_settings={"help_option_names": ["-h", "--help"]},
    help="From a folder of pictures to a classifier you can trust.",
)


def _show_version(asked: bool) -> None:
    if asked:
        show(f"headstart {version('headstart')}")
        raise typer.Exit


@app.callback()
def _program(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What is said before any command."""


def family(name: str, about: str, **settings: Any) -> typer.Typer:
    """Commands under a common name, such as ``headstart recipes list``."""
    commands = typer.Typer(cls=TyperGroup, rich_markup_mode=None, help=about, **settings)
    app.add_typer(commands, name=name)
    return commands


Photos = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="Labelled pictures: class folders, a table, an export of a labelling program, an archive of any, or an "
        "address; see docs/sources.md.",
    ),
]
Format = Annotated[str, typer.Option("--format", help="Insist on a format of SOURCE, such as folders, table or coco.")]
PathColumn = Annotated[str, typer.Option("--path-column", help="The column of a table that names the files.")]
LabelColumn = Annotated[str, typer.Option("--label-column", help="The column, or field, that holds the classes.")]
Run = Annotated[Path, typer.Argument(help="A run or model folder.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
Backbone = Annotated[str, typer.Option(help="See `headstart backbones list`.")]
Weights = Annotated[str | None, typer.Option(help="A weights file, or `random`.")]
Sizes = Annotated[list[int] | None, typer.Option("--size", help="An input size that may be tried; repeatable.")]
Finetune = Annotated[
    str,
    typer.Option(
        help="auto: train the upper part of the network too, kept only if better on held-out pictures; never; always: "
        "kept whatever comes out."
    ),
]
Until = Annotated[
    str, typer.Option(help="How far to go: first (the base size), sizes, finetuned, or all, which is the checks too.")
]
Budget = Annotated[str | None, typer.Option(help="Time limit: start no slower trial after it. 90s, 5m, 1h.")]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="What names pictures that belong together, such as a patient: a CSV column, or a regular expression on "
        "the path, whose first group counts."
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        help="Who computes: `ray` is all of this machine through Ray, or the cluster in RAY_ADDRESS; "
        "ray://HOST:PORT a cluster. By default this process."
    ),
]
_READING = ("format", "path_column", "label_column")
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=LARGEST_SEED, help="Random seed of folds, samples and resampling.")
]


def given(context: typer.Context, photos: str) -> Given:
    """The source that was typed, and how it is to be read."""
    from headstart.images.formats.given import Given

    return Given(address=photos, **{name: context.params.get(name, "") for name in _READING})


def fit_options(context: typer.Context) -> FitOptions:
    """The options of training that were typed; those that the command does not have are at their default."""
    typed = {name: value for name, value in context.params.items() if name in vars(DEFAULTS)}
    return FitOptions.of(**{**typed, "budget": seconds(typed.get("budget"))})


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


def showing_progress(*, as_json: bool = False) -> AbstractContextManager[Any]:
    """A context that gives a Progress on stderr: bars on a terminal, a line from time to time elsewhere.

    ``as_json``: events, for whoever reads the document of ``--json``.
    """
    if as_json or not sys.stderr.isatty():
        from headstart.cli.progress_lines import ProgressLines

        return ProgressLines(events=as_json)
    from headstart.cli.progress import ProgressBars

    return ProgressBars()


def beside(progress: Any, write: Callable[[str], None]) -> Callable[[str], None]:
    """``write`` for lines that come while ``progress`` is shown: its bars are taken down meanwhile."""
    if not hasattr(progress, "paused"):
        return write

    def line(text: str) -> None:
        with progress.paused():
            write(text)

    return line


def repeats(context: typer.Context, **values: Any) -> str:
    """The command that does the same again; ``values``, by parameter, replace what was typed.

    Options at their default are left out, and ``--json``, which changes only how the result is told.
    """
    verb = context.command_path.removeprefix(context.find_root().command_path).strip()
    arguments: list[Any] = []
    options, defaults = {}, {}
    for parameter in context.command.params:
        name = parameter.name or ""
        value = values.get(name, context.params.get(name))
        if parameter.param_type_name == "argument":
            arguments += value if isinstance(value, (list, tuple)) else [value]
        elif name != "as_json":
            options[parameter.opts[0]] = value
            defaults[parameter.opts[0]] = parameter.get_default(context)
    return command(verb, *arguments, options=options, defaults=defaults)


def say(text: str) -> None:
    """Words for people, on stderr."""
    typer.echo(text, file=sys.stderr)  # named, for otherwise typer writes UTF-8 where only ASCII is understood


def show(text: str) -> None:
    """A line of what was found, on stdout."""
    typer.echo(text, file=sys.stdout)


def answer(document: Callable[[], Any], lines: Iterable[str], *, as_json: bool) -> None:
    """What a command found, on stdout: the document of ``--json``, else the lines for people."""
    for line in [_document(document())] if as_json else lines:
        show(line)


def _document(values: Any) -> str:
    """JSON; where stdout cannot show all of it, what is not ASCII as escapes."""
    text = json.dumps(values, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return json.dumps(values, indent=2)
    return text
