"""Let a model leave its directory: files that answer alike elsewhere, written only where they are proven."""

from __future__ import annotations

from collections.abc import Mapping
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

Format = Literal["onnx", "openvino"]
ENDINGS: Mapping[str, str] = {"onnx": ".onnx", "openvino": ".xml"}
"""Of the file that is written, by format."""


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


def export(run: Path, to: str, out: Path | None = None) -> Exported:
    """Write the model of ``run`` in another format.

    Args:
        run: a run or model folder.
        to: one of `Format`.
        out: the file to write; by default one with the name of the run in the working directory.

    Raises:
        OptionError: another format; or ``out`` cannot be written, or is there and was not exported before.
        ModelError, MissingPackageError: as `headstart.deploy.export.to_onnx`.
    """
    if to not in get_args(Format):
        expected = f"one of {', '.join(get_args(Format))}"
        raise OptionError.of("--to", expected=expected, found=repr(to), todo="choose one of them")
    path = out or Path(f"{_name(run)}{ENDINGS[to]}")
    check_files({"-o": path}, {"-o": PRODUCER})
    exported = formats.to_onnx(run)
    if to == "openvino":
        written = formats.write_openvino(exported, path)
    else:
        write_bytes(path, exported.content)
        written = [path]
    files = {str(file): file.stat().st_size for file in written}
    return Exported(to=to, path=path, files=files, golden=exported.golden)


def _name(run: Path) -> str:
    """The name of the run, or that of a model folder which is not called ``model``."""
    folder = find_model(run).absolute()
    return default_name(folder.parent if folder.name == "model" else folder)
