"""A frozen network of torch becomes an OpenVINO graph in a folder, with all that `graph.compile_graph` needs."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headstart.backbones import graph, graph_folder, proof, saved

if TYPE_CHECKING:
    from headstart.backbones.network import FrozenModule


def write(frozen: FrozenModule, identity: Mapping[str, Any], folder: Path, *, also_at: Sequence[int] = ()) -> None:
    """Write the files of a network and of its graph into an existing folder.

    Args:
        frozen: on the CPU, in float32.
        identity: everything that determines the values it computes, ``size`` among it.
        folder: where to.
        also_at: other sizes in pixels, at which the graph must give torch's rows as well; it is then one for every
            size.

    Raises:
        ModelError: it does not give them.
    """
    import torch

    openvino = graph.import_openvino()
    size = identity["size"]
    example = torch.zeros(1, size, size, 3, dtype=torch.uint8)
    with _interruptions_wait(), torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing is deprecated in torch, but is how OpenVINO reads a module
        # Tracing again to compare would take as long as the rest; parity is measured on images instead.
        traced = torch.jit.trace(frozen, example, check_trace=False)  # type: ignore[no-untyped-call]
        model = openvino.convert_model(traced, example_input=example)
    model.reshape([-1, size, size, 3])
    for name, output in zip(frozen.widths, model.outputs, strict=True):
        output.get_tensor().set_names({name})
    # The converter numbers what it makes by a counter of the process; the same network should be the same file.
    model.set_friendly_name("frozen")
    for number, operation in enumerate(model.get_ordered_ops()):
        operation.set_friendly_name(f"{operation.get_type_name()}_{number}")
    try:  # graph.bin is written beside it, so that no name of its own can be given
        openvino.save_model(model, folder / graph_folder.XML, compress_to_fp16=False)
    except RuntimeError as error:  # a disk that is full, as OpenVINO says it
        raise OSError(errno.EIO, f"cannot be written ({error})", str(folder / graph_folder.XML)) from error
    proof.write(folder, graph_folder.REFERENCE, proof.rows(frozen, size))
    saved.write(frozen, identity, folder)
    description = graph_folder.write_document(folder, identity, frozen.widths, any_size=bool(also_at))
    for other in also_at:
        proof.require_same(graph.few_rows(folder, description, size=other), proof.rows(frozen, other, count=proof.FEW))


@contextlib.contextmanager
def _interruptions_wait() -> Iterator[None]:
    """Keep Ctrl-C until the block is left: the converter would take it for an operation that it does not know."""
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield  # ignored, as in the background of a shell, or the business of whoever calls
        return
    came: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            raise KeyboardInterrupt
