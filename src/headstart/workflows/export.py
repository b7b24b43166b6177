"""Let a model leave its directory: files that answer alike elsewhere, written only where they are proven."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from headstart.deploy import export as formats
from headstart.deploy.directory import find_model
from headstart.deploy.onnx_graph import PRODUCER
from headstart.deploy.verify import Agreement
from headstart.errors import OptionError
from headstart.files import plain, write_bytes
from headstart.output_folder import check_files, default_name

Format = Literal["onnx", "openvino", "web", "hub"]
ENDINGS: Mapping[str, str] = {"onnx": ".onnx", "openvino": ".xml", "web": "-web", "hub": "-hub"}
"""Of the file or folder that is written, by format."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written, and how it was proven."""

    to: str
    path: Path
    files: Mapping[str, int]
    """Bytes of each file, by path."""
    golden: Agreement
    """Of its answers with those of the model in float32, for the golden pictures."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self)


def export(run: Path, to: str, out: Path | None = None, *, runtime: Path | None = None) -> Exported:
    """Write the model of ``run`` in another format.

    Args:
        run: a run or model folder.
        to: one of `Format`.
        out: the file or folder to write; by default one with the name of the run in the working directory.
        runtime: the folder of onnxruntime-web, for ``web``.

    Raises:
        OptionError: another format; ``out`` cannot be written, or is there and was not exported before; no runtime.
        ModelError, MissingPackageError: as `headstart.deploy.export.to_onnx`.
    """
    if to not in get_args(Format):
        expected = f"one of {', '.join(get_args(Format))}"
        raise OptionError.of("--to", expected=expected, found=repr(to), todo="choose one of them")
    name = _name(run)
    path = out or Path(f"{name}{ENDINGS[to]}")
    write = {"onnx": _onnx, "openvino": _openvino, "web": _web, "hub": _hub}[to](run, path, name, runtime)
    exported = formats.to_onnx(run)
    written = write(exported)
    files = {str(file): file.stat().st_size for file in written}
    return Exported(to=to, path=path, files=files, golden=exported.golden)


Write = Callable[[formats.Exported], list[Path]]
"""Writes what was exported; the paths of the files."""


def _onnx(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    """What will write the file, once it is seen that it can be; so are the others."""
    check_files({"-o": path}, {"-o": PRODUCER})

    def write(exported: formats.Exported) -> list[Path]:
        write_bytes(path, exported.content)
        return [path]

    return write


def _openvino(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    check_files({"-o": path}, {"-o": PRODUCER})
    return lambda exported: formats.write_openvino(exported, path)


def _web(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    from headstart.workflows import export_web

    export_web.refuse(path)
    place = export_web.find_runtime(runtime)
    return lambda exported: export_web.write(exported, path, place, name)


def _hub(run: Path, path: Path, name: str, runtime: Path | None) -> Write:
    from headstart.workflows import export_hub

    export_hub.refuse(path)
    export_hub.read_figures(run)  # a run that is damaged is refused before any work
    return lambda exported: export_hub.write(exported, run, path, name)


def _name(run: Path) -> str:
    """The name of the run, or that of a model folder which is not called ``model``."""
    folder = find_model(run).absolute()
    return default_name(folder.parent if folder.name == "model" else folder)
