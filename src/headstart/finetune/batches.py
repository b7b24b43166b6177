"""What is done with one batch: a gradient, or probabilities."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from headstart.finetune.activations import ActivationCache
from headstart.finetune.depthwise import DepthwiseOnCpu
from headstart.finetune.views import PLAIN

EVALUATED = 64
"""Pictures that are evaluated together."""


def batch_sizes(n: int, batch_size: int) -> list[int]:
    """Sizes of the batches of n pictures; one that would be left alone joins those before it.

    A batch of one has no spread for a batch norm to divide by.
    """
    full, rest = divmod(n, batch_size)
    sizes = [batch_size] * full + [rest] * (rest > 0)
    if len(sizes) > 1 and sizes[-1] == 1:
        sizes[-2:] = [sizes[-2] + 1]
    return sizes


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A batch whose gradient was computed."""

    loss: float
    """Summed over the batch, weighted, in nats."""
    right: int
    """How many were classified correctly."""
    micro_batch: int | None
    """How many pictures went through at a time; None for all."""


def gradient_that_fits(
    suffix: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    micro_batch: int | None,
    *,
    device: str,
    bf16: bool = False,
    least: int = 1,
) -> Fitted:
    """`gradient`, in parts half as large as often as memory does not suffice; never below ``least`` pictures."""
    while True:
        try:
            loss, right = gradient(suffix, optimiser, x, y, weight, micro_batch, device, bf16=bf16)
            return Fitted(loss=loss, right=right, micro_batch=micro_batch)
        except RuntimeError as error:
            current = min(micro_batch or len(x), len(x))
            if not out_of_memory(error) or current <= least:
                raise
            micro_batch = max(current // 2, least)


def gradient(
    suffix: nn.Module,
    optimiser: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    weight: Tensor,
    micro_batch: int | None,
    device: str,
    *,
    bf16: bool = False,
) -> tuple[float, int]:
    """Leave the gradient of a batch's mean weighted loss; returns the summed loss and how many were right.

    ``bf16``: compute in that, see `computing`.
    """
    optimiser.zero_grad(set_to_none=True)
    loss_sum, right, start = 0.0, 0, 0
    for size in batch_sizes(len(x), micro_batch or len(x)):
        part = slice(start, start + size)
        with computing(device, bf16=bf16):
            logits = suffix(placed(x[part], device)).float()
        labels = y[part].to(device)
        losses = losses_of(logits, labels) * weight[part].to(device)
        (losses.sum() / len(x)).backward()  # type: ignore[no-untyped-call]
        chosen = (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)
        loss_sum, right = loss_sum + float(losses.detach().sum()), right + int((chosen == labels).sum())
        start += size
    return loss_sum, right


@contextmanager
def computing(device: str, *, bf16: bool) -> Iterator[None]:
    """All in f32, or in bf16 what torch deems safe; on a CPU depthwise convolutions stay in f32, which is faster."""
    autocast = torch.autocast(device, dtype=torch.bfloat16, enabled=bf16)
    with autocast, DepthwiseOnCpu() if device == "cpu" else nullcontext():
        yield


def losses_of(logits: Tensor, y: Tensor) -> Tensor:
    """(n,) log-loss in nats of logits (n, k), or of one logit (n, 1) that speaks for the second class."""
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0], y.float(), reduction="none")
    return functional.cross_entropy(logits, y, reduction="none")


def placed(x: Tensor, device: str) -> Tensor:
    """``x`` on the device, maps with their channels last in memory, as the network's kernels are."""
    is_map = x.ndim == 4 and x.dtype != torch.uint8
    return x.to(device, memory_format=torch.channels_last) if is_map else x.to(device)


def predict(suffix: nn.Module, activations: ActivationCache, rows: Sequence[int], *, bf16: bool) -> NDArray[np.float64]:
    """Probabilities (n, k) of the plain views of ``rows`` in ``activations``; ``suffix`` is in inference mode."""
    device = next(suffix.parameters()).device.type

    def parts() -> Iterator[NDArray[np.float64]]:
        for x in activations.batches([(row, PLAIN) for row in rows], batch_sizes(len(rows), EVALUATED)):
            with torch.inference_mode(), computing(device, bf16=bf16):
                yield proba_of(suffix(placed(x, device)).float())

    return np.concatenate(list(parts()))


def proba_of(logits: Tensor) -> NDArray[np.float64]:
    """Probabilities (n, k) of logits (n, k), or of one logit (n, 1) that speaks for the second class."""
    wide: Any = logits.cpu().double()
    if wide.shape[1] == 1:
        second = torch.sigmoid(wide)
        return np.asarray(torch.cat([1 - second, second], dim=1).numpy())
    return np.asarray(torch.softmax(wide, dim=1).numpy())


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch, on a GPU or the CPU, could not get the memory it asked for."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
