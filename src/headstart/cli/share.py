"""A model leaves the house: export, and verify that what left answers as the model does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headstart.cli.app import Json, Run, answer, app, say, showing_progress

if TYPE_CHECKING:
    from headstart.deploy.verify import Agreement
    from headstart.workflows.export_smaller import Beside
    from headstart.workflows.pack import Packed
    from headstart.workflows.verify import Verified


@app.command(epilog="Example: headstart export runs/photos --to onnx -o photos.onnx")
def export(
    run: Run,
    to: Annotated[
        str,
        typer.Option(
            help="onnx: one file with everything inside. openvino: the same as .xml and .bin. web: a folder that "
            "classifies in the browser. hub: a folder for a model hub."
        ),
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
        str | None, typer.Option(help="Labelled pictures that fewer bits are held against; the run's by default.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Write the model as a file that answers alike elsewhere, from the picture to the probabilities."""
    from headstart.workflows import export as workflow

    options = workflow.ExportOptions(runtime=runtime, precision=precision, photos=photos)
    with showing_progress(as_json=as_json) as progress:
        exported = workflow.export(run, to, out, options, progress=progress)
    golden = f"golden pictures within {exported.golden.largest:.2g} of the model"
    lines = [f"{_size(size)}\t{path}" for path, size in exported.files.items()]
    beside = _beside(exported.beside) if exported.beside else ()
    answer(exported.to_dict, (*lines, golden, *beside), as_json=as_json)


def _beside(beside: Beside) -> Iterator[str]:
    from headstart.report.words import counted

    yield f"{beside.precision} beside f32 on {counted(beside.n, 'picture')} of {beside.split}:"
    yield f"accuracy {beside.accuracy[0]:.3f} → {beside.accuracy[1]:.3f}, {beside.same_label:.1%} with the same label"
    yield f"{_size(beside.bytes[0])} → {_size(beside.bytes[1])}"
    yield f"{beside.milliseconds[0]:.0f} → {beside.milliseconds[1]:.0f} ms a picture"


@app.command(epilog="Example: headstart pack runs/photos -o photos-kit.zip")
def pack(
    run: Run,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="A file that ends in .zip, or a folder; RUN-kit.zip by default.")
    ] = None,
    platform: Annotated[
        str | None,
        typer.Option(
            help="The machine: linux-x86_64, linux-arm64, macos-arm64, windows-x86_64, windows-arm64; like this one "
            "by default."
        ),
    ] = None,
    python: Annotated[str | None, typer.Option(help="Its Python, such as 3.12; like this one by default.")] = None,
    wheels: Annotated[
        Path | None, typer.Option(help="A folder of wheels to take them from; then nothing is downloaded.")
    ] = None,
    full: Annotated[
        bool,
        typer.Option(
            "--full", help="All of headstart, as large as what is installed here, in place of a small client."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Pack the model with all that a machine without a network needs to answer pictures.

    The wheels, 50 MB, are downloaded by pip from its index. On the machine: python3 photos-kit.zip install FOLDER
    """
    from headstart.workflows import pack as workflow

    options = workflow.PackOptions(platform=platform, python=python, wheels=wheels, full=full)
    if wheels is None:
        say("pip downloads the wheels from the package index that it is set to")
    packed = workflow.pack(run, out, options)
    answer(packed.to_dict, _packed(packed), as_json=as_json)


def _packed(packed: Packed) -> Iterator[str]:
    from headstart.deploy.kit import runs_zipped
    from headstart.report.words import counted

    target = packed.target
    yield f"{_size(packed.bytes)}\t{packed.path}"
    yield f"{counted(len(packed.wheels), 'wheel')} for Python {target.python} on {target.platform.name}"
    yield f"fingerprint {packed.fingerprint}, which `check` shows where it arrives"
    python, kit = f"python{target.python}", packed.path.name
    if packed.path.suffix == ".zip" and not runs_zipped(packed.wheels):
        yield f"there: {python} -m zipfile -e {kit} {packed.path.stem}, for Python runs no zip of more than 2 GB; then"
        kit = packed.path.stem
    yield f"there: {python} {kit} install FOLDER"


@app.command(epilog="Example: headstart verify photos.onnx runs/photos new")
def verify(
    file: Annotated[
        str, typer.Argument(help="What was exported, a file or a folder; a model folder; the http address of a server.")
    ],
    run: Annotated[Path | None, typer.Argument(help="The run or model folder that it is held against.")] = None,
    photos: Annotated[
        list[str] | None, typer.Argument(help="Pictures for both: files, folders, globs, archives, addresses.")
    ] = None,
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
    exported = verified.golden is not None  # a server and a model folder are given the files alone
    if verified.model is not None:
        yield f"against the model{', same pixels' if exported else ''}: {_agreement(verified.model)}"
    if verified.as_files is not None and exported:
        yield f"against the model, given the files: {_agreement(verified.as_files)}"
    yield f"{'holds' if verified.holds else 'does not hold'} ({verified.runtime})"


def _agreement(part: Agreement) -> str:
    from headstart.report.words import counted

    pictures = counted(part.n, "picture", "pictures")
    farthest = f" ({part.farthest})" if part.n else ""
    unlike = f", {len(part.unlike)} that only one of the two can read" if part.unlike else ""
    return f"{pictures}, {part.share:.1%} with the same label, largest difference {part.largest:.2g}{farthest}{unlike}"


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.1f} kB"
