"""A saved network made ready again: from the folder of its files, or from the files themselves."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from headstart.backbones import graph, graph_folder, saved
from headstart.backbones.prepared import target
from headstart.backbones.runtime import Runtime, RuntimeNote
from headstart.errors import MissingPackageError, ModelError, OptionError
from headstart.files import sha256


@dataclass(frozen=True, kw_only=True)
class SavedSpec:
    """A network in a model directory and where it is to run; plain data that can be pickled."""

    folder: Path
    sha256: str
    """Of its network.json, which holds the hash of the tensors: another network in the same folder is refused."""
    device: str = "auto"
    precision: str = "auto"
    threads: int | None = None
    """Most threads of the CPU that compute; all if None. Torch has one such number for the whole process."""

    @classmethod
    def of(
        cls, folder: Path, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> SavedSpec:
        """The network that is in ``folder`` now. Raises ModelError if there is none."""
        saved.describe(folder)
        content = sha256(folder / saved.DOCUMENT)
        return cls(folder=folder.absolute(), sha256=content, device=device, precision=precision, threads=threads)

    def prepare(self, size: int) -> Runtime:
        """The network, ready for images of ``size`` pixels.

        On a CPU its OpenVINO graph is run, which loads no torch. Where the graph is missing or gives other rows than
        it did when it was made, and on a GPU, torch builds the network from its tensors.

        Raises:
            ModelError: files missing, changed, for images of another size, or the graph asked for is not there or does
                not compute what it did.
            OptionError, MissingPackageError: as `prepare`; or ``threads`` below 1.
        """
        description = saved.describe(self.folder, size=size)
        content = sha256(self.folder / saved.DOCUMENT)
        if content != self.sha256:
            expected, todo = f"{saved.DOCUMENT} with SHA-256 {self.sha256}", "open the model again: it was replaced"
            raise ModelError.of(f"network {self.folder}", expected=expected, found=content, todo=todo)
        runs_on, notes = target(self.device, self.precision, description.identity)
        if self.threads is not None and self.threads < 1:
            todo = "leave it out for all"
            raise OptionError.of("threads", expected="1 or more", found=str(self.threads), todo=todo)
        if runs_on == "openvino":
            runtime: Runtime | None = None
            notes = (RuntimeNote(what="no graph"),)
            if (self.folder / graph_folder.DOCUMENT).is_file():
                runtime, notes = graph.compile_graph(self.folder, precision=self.precision, threads=self.threads)
            if runtime is not None:
                if (runtime.size, runtime.widths) != (size, description.widths):
                    expected, found = (
                        f"images of {size} pixels, rows of {dict(description.widths)}",
                        f"{runtime.size}, {runtime.widths}",
                    )
                    raise ModelError.of(f"graph {self.folder}", expected=expected, found=found, todo=saved.COPY_AGAIN)
                return runtime
            if self.device == "openvino":
                raise ModelError.of(
                    f"graph {self.folder}",
                    expected="a graph with the rows it gave when it was made",
                    found=", ".join(
                        f"{note.what} {note.runtime} {note.parity:.4f}" if note.runtime else note.what for note in notes
                    ),
                    todo="choose the device torch, or save the model again with the versions installed here",
                )
            runs_on = "cpu"
        import torch

        from headstart.backbones import eager

        if self.threads is not None:
            torch.set_num_threads(self.threads)
        frozen, identity = saved.read(self.folder, size=size)
        return eager.fastest(frozen, identity, target=runs_on, precision=self.precision, notes=notes)


def packed(runtime: Runtime) -> dict[str, bytes]:
    """The files of a network by name, from which any process runs the same one."""
    with tempfile.TemporaryDirectory() as folder:
        runtime.save(Path(folder))
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def unpacked(files: Mapping[str, bytes], name: str, size: int) -> Runtime:
    """The network of these files for images of ``size`` pixels, run as a runtime of this ``name`` is, if it can be."""
    engine, precision, *device = name.split()
    scratch = tempfile.TemporaryDirectory(prefix="headstart-")
    for file, content in files.items():
        (Path(scratch.name) / file).write_bytes(content)
    wanted = {"cpu": "torch"}.get(device[0], device[0]) if device else engine
    try:
        runtime = SavedSpec.of(Path(scratch.name), device=wanted, precision=precision).prepare(size)
    except (OptionError, MissingPackageError):
        runtime = SavedSpec.of(Path(scratch.name)).prepare(size)
    weakref.finalize(runtime, scratch.cleanup)  # a graph is read again when it is compiled for batches, and when saved
    return runtime
