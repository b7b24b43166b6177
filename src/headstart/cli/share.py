"""A model leaves the house: export, and verify that what left answers as the model does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import Json, Run, answer, app, showing_progress

if TYPE_CHECKING:
    from headstart.deploy.verify import Agreement
    from headstart.workflows.export_smaller import Beside
    from headstart.workflows.verify import Verified


@app.command(epilog="Example: headstart export runs/photos --to onnx -o photos.onnx")
def export(
    run: Run,
    to: Annotated[
        str, typer.Option(help="onnx: one file with everything inside. openvino: the same as .xml and .bin.")
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="What to write; named after the run by default.")
    ] = None,
    runtime: Annotated[
        Path | None, typer.Option(help="For web: the folder of the npm package onnxruntime-web.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(help="f32; fp16: half the size; int8. Kept only if held-out accuracy does not suffer."),
    ] = "f32",
    photos: Annotated[
        Path | None, typer.Option(help="Labelled pictures that fewer bits are held against; the run's by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the model as a file that answers alike elsewhere, from the picture to the probabilities."""
    from headstart.workflows import export as workflow

    options = workflow.ExportOptions(runtime=runtime, precision=precision, photos=photos)
    exported = workflow.export(run, to, out, options)
    golden = f"golden pictures within {exported.golden.largest:.1e} of the model"
    lines = [f"{_size(size)}\t{path}" for path, size in exported.files.items()]
    beside = _beside(exported.beside) if exported.beside else ()
    answer(exported.to_dict, (*lines, golden, *beside), as_json=as_json)


def _beside(beside: Beside) -> Iterator[str]:
    from headstart.report.words import counted

    yield f"{beside.precision} beside f32 on {counted(beside.n, 'picture')} of {beside.split}:"
    yield f"accuracy {beside.accuracy[0]:.3f} → {beside.accuracy[1]:.3f}, {beside.same_label:.1%} with the same label"
    yield f"{_size(beside.bytes[0])} → {_size(beside.bytes[1])}"
    yield f"{beside.milliseconds[0]:.0f} → {beside.milliseconds[1]:.0f} ms a picture"


@app.command(epilog="Example: headstart verify photos.onnx runs/photos new")
def verify(
    file: Annotated[
        str, typer.Argument(help="What was exported, .onnx or .xml; a model folder; the http address of a server.")
    ],
    run: Annotated[Path | None, typer.Argument(help="The run or model folder that it is held against.")] = None,
    photos: Annotated[list[str] | None, typer.Argument(help="Pictures for both: files, folders, globs.")] = None,
    token_file: Annotated[Path | None, typer.Option(help="The file with the token that a server asks for.")] = None,
    as_json: Json = False,
) -> None:
    """Tell whether what was exported, or is served, answers as the model does; exit code 1 where it does not."""
    from headstart.workflows import verify as workflow
    from headstart.workflows.serve import read_token

    token = read_token(token_file) if token_file else None

    with showing_progress(as_json=as_json) as progress:
        verified = workflow.verify(file, run, photos or [], token=token, progress=progress)
    answer(verified.to_dict, _verified(verified), as_json=as_json)
    if not verified.holds:
        raise typer.Exit(1)


def _verified(verified: Verified) -> Iterator[str]:
    if verified.golden is not None:
        yield f"golden pictures: {_agreement(verified.golden)}"
    if verified.model is not None:
        yield f"against the model, same pixels: {_agreement(verified.model)}"
    if verified.as_files is not None:
        yield f"against the model, given the files: {_agreement(verified.as_files)}"
    yield f"{'holds' if verified.holds else 'does not hold'} ({verified.runtime})"


def _agreement(part: Agreement) -> str:
    from headstart.report.words import counted

    pictures = counted(part.n, "picture", "pictures")
    farthest = f" ({part.farthest})" if part.n else ""
    unlike = f", {len(part.unlike)} that only one of the two can read" if part.unlike else ""
    return f"{pictures}, {part.share:.1%} with the same label, largest difference {part.largest:.2g}{farthest}{unlike}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB"
