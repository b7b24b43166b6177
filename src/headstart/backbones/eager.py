"""A frozen network run by torch itself: on a GPU, or on the CPU where OpenVINO is missing."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from headstart.arrays import Pixels
from headstart.backbones import conversion, graph, saved
from headstart.backbones.network import FrozenModule
from headstart.backbones.runtime import (
    LEAST_PARITY,
    Notes,
    Outputs,
    RuntimeBase,
    RuntimeNote,
    agreement,
    not_forked,
    padded,
    synthetic_images,
    synthetic_rows,
)
from headstart.device import seen
from headstart.errors import OptionError

BATCH = 128
"""Images in a batch on a GPU, which smaller ones leave waiting for the processor. Measured on one H200 with
efficientnet_lite0 at 224 pixels in bf16: 2,200 pictures a second in batches of 16, 8,000 in 64, 12,300 in 128 and
13,100 in 256."""


def fastest(
    frozen: FrozenModule, identity: Mapping[str, Any], *, target: str, precision: str, notes: Notes
) -> TorchRuntime:
    """A torch runtime on ``target`` (``cpu``, ``cuda``, ``mps``) in the best precision that keeps parity.

    Raises:
        OptionError: torch does not see the device.
    """
    devices = seen()
    if not devices[target]:
        present = ", ".join(name for name, there in devices.items() if there)
        expected = f"a device torch sees: {present}"
        raise OptionError.of("device", expected=expected, found=target, todo="choose another, or auto")
    half = precision == "bf16" or (precision == "auto" and target == "cuda" and torch.cuda.is_bf16_supported())
    attempts = [(target, "bf16")] * half + [(target, "f32")] + [("cpu", "f32")] * (target != "cpu")
    with torch.inference_mode():
        outputs = frozen(torch.from_numpy(synthetic_images(identity["size"])))
    reference = {name: output.numpy() for name, output in zip(frozen.widths, outputs, strict=True)}
    for device, candidate in attempts:
        runtime = TorchRuntime(copy.deepcopy(frozen), identity, device=device, precision=candidate, notes=notes)
        runtime.parity = agreement(synthetic_rows(runtime), reference)
        if runtime.parity >= LEAST_PARITY:
            break
        notes += (RuntimeNote(what="strays", runtime=runtime.name, parity=runtime.parity),)
    return runtime


class TorchRuntime(RuntimeBase):
    """A frozen network in torch; see `headstart.backbones.runtime.Runtime`."""

    def __init__(
        self, frozen: FrozenModule, identity: Mapping[str, Any], *, device: str, precision: str, notes: Notes
    ) -> None:
        name, widths, version = f"torch {precision} {device}", frozen.widths, torch.__version__
        super().__init__(name, identity, precision=precision, widths=widths, version=version, notes=notes)
        if device != "cpu":
            self.batch = BATCH
        self._device, self._frozen = device, frozen.to(device).to(memory_format=torch.channels_last)

    def run(self, batches: Iterable[Pixels]) -> Iterator[Outputs]:
        """Rows for each of ``batches``, in order. On a GPU a batch is pulled while the one before is computed."""
        waiting: list[tuple[tuple[Tensor, ...], int]] = []
        for images in batches:
            outputs = self._forward(padded(images, batch=self.batch, size=self.size))
            if waiting:
                yield self._rows(*waiting.pop())
            waiting.append((outputs, len(images)))
        if waiting:
            yield self._rows(*waiting.pop())

    def single(self) -> TorchRuntime:
        """The same network, which is held once, for one image at a time."""
        if self.batch == 1:
            return self
        single = copy.copy(self)
        single.batch = 1
        return single

    def save(self, folder: Path) -> None:
        """Write the network into ``folder``, and its graph where there is OpenVINO to make one."""
        folder.mkdir(parents=True, exist_ok=True)
        frozen = copy.deepcopy(self._frozen).to("cpu").to(memory_format=torch.contiguous_format)
        (conversion if graph.available() else saved).write(frozen, self._identity, folder)

    def _forward(self, images: Pixels) -> tuple[Tensor, ...]:
        not_forked()
        half = torch.autocast(self._device, dtype=torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), half, self._repeatable():
            outputs: tuple[Tensor, ...] = self._frozen(torch.from_numpy(images).to(self._device))
            return outputs

    @contextmanager
    def _repeatable(self) -> Iterator[None]:
        """cuDNN's repeatable kernels, which are switched for the whole process, so that one thread at a time may."""
        if self._device != "cuda":
            yield
            return
        with self._lock, torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
            yield

    def _rows(self, outputs: tuple[Tensor, ...], count: int) -> Outputs:
        return {name: output[:count].float().cpu().numpy() for name, output in zip(self.widths, outputs, strict=True)}
