"""What is done with one batch: a gradient, or probabilities; and in which arithmetic, which is measured on a CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart import cache_folder
from headstart.arrays import Floats
from headstart.backbones.graph import computes_in_bf16
from headstart.files import digest
from headstart.finetune.activations import ActivationCache
from headstart.finetune.cpu import DepthwiseOnCpu
from headstart.finetune.job import Arithmetic
from headstart.finetune.trainable import Trainable
from headstart.finetune.views import PLAIN

EVALUATION_BATCH = 64
"""Pictures that are evaluated together. Chosen, not measured: it bounds the memory, and moves the last bits."""
LEAST_MEASURED = 2_000
"""Pictures to learn from, over all epochs of a phase, below which arithmetic is not measured. Chosen: measuring takes
eight steps, as much as 128 pictures, which is 6 % of this many."""
STEP_PICTURES = 16
"""Pictures in a step that is measured, at most; as in ``benchmarks/arithmetic.py``."""
REPEATS = 3
"""Measured steps in each arithmetic, of which the shortest counts. Chosen for its cost."""
MOST_TIME = 0.8
"""bf16 is taken where its step lasts at most this share of one in f32. Timings spread by 2 to 5 % and bf16 takes
between 0.5 and 2 times as long (``benchmarks/arithmetic.py``): the same choice is to come out again."""
LEAST_COSINE = 0.98
"""Least cosine of its gradient to that in f32; 0.999 and more was measured (``benchmarks/arithmetic.py``)."""


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
class BatchGradient:
    """A batch whose gradient was computed."""

    loss: float
    """Summed over the batch, weighted, in nats."""
    right: int
    """How many were classified correctly."""
    micro_batch: int | None
    """How many pictures went through at a time; None for all."""


def gradient_that_fits(
    suffix: nn.Module, x: Tensor, y: Tensor, weight: Tensor, micro_batch: int | None, *, bf16: bool, least: int
) -> BatchGradient:
    """`gradient`, in parts half as large as often as memory does not suffice; never below ``least`` pictures."""
    while True:
        try:
            return gradient(suffix, x, y, weight, micro_batch, bf16=bf16)
        except RuntimeError as error:
            current = min(micro_batch or len(x), len(x))
            full = isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)  # GPU, CPU
            if not full or current <= least:
                raise
            micro_batch = max(current // 2, least)


def gradient(
    suffix: nn.Module, x: Tensor, y: Tensor, weight: Tensor, micro_batch: int | None = None, *, bf16: bool = False
) -> BatchGradient:
    """Leave the gradient of a batch's mean weighted loss in the parameters of ``suffix``.

    Args:
        suffix: what is trained, on the device that computes.
        x: (n, …) what it is given.
        y: (n,) labels.
        weight: (n,) what each counts in the loss.
        micro_batch: how many go through at a time; None for all.
        bf16: compute in that, see `computing`.
    """
    suffix.zero_grad(set_to_none=True)
    device, loss, right, start = device_of(suffix), 0.0, 0, 0
    for size in batch_sizes(len(x), micro_batch or len(x)):
        part = slice(start, start + size)
        with computing(device, bf16=bf16):
            logits = suffix(placed(x[part], device)).float()
        labels = y[part].to(device)
        losses = losses_of(logits, labels) * weight[part].to(device)
        (losses.sum() / len(x)).backward()  # type: ignore[no-untyped-call]
        chosen = (logits[:, 0] > 0).long() if logits.shape[1] == 1 else logits.argmax(dim=1)
        loss, right = loss + float(losses.detach().sum()), right + int((chosen == labels).sum())
        start += size
    return BatchGradient(loss=loss, right=right, micro_batch=micro_batch)


def device_of(module: nn.Module) -> str:
    """``cpu``, ``cuda`` or ``mps``: where the parameters of a module are."""
    return next(module.parameters()).device.type


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


def predict(suffix: nn.Module, activations: ActivationCache, rows: Sequence[int], *, bf16: bool) -> Floats:
    """Probabilities (n, k) of the plain views of ``rows`` in ``activations``; ``suffix`` is in inference mode."""
    device, proba = device_of(suffix), []
    for x in activations.batches([(row, PLAIN) for row in rows], batch_sizes(len(rows), EVALUATION_BATCH)):
        with torch.inference_mode(), computing(device, bf16=bf16):
            proba.append(proba_of(suffix(placed(x, device)).float()))
    return np.concatenate(proba)


def proba_of(logits: Tensor) -> Floats:
    """Probabilities (n, k) of logits (n, k), or of one logit (n, 1) that speaks for the second class."""
    wide: Any = logits.cpu().double()
    if wide.shape[1] == 1:
        second = torch.sigmoid(wide)
        return np.asarray(torch.cat([1 - second, second], dim=1).numpy())
    return np.asarray(torch.softmax(wide, dim=1).numpy())


@dataclass(frozen=True, kw_only=True)
class ArithmeticTiming:
    """What a few steps in f32 and in bf16 showed."""

    f32: float
    """Shortest step, in seconds of processor time."""
    bf16: float
    cosine: float
    """Of the gradient in bf16 to that in f32."""

    @property
    def choice(self) -> Arithmetic:
        """bf16 if it is sound and worth it."""
        return "bf16" if self.cosine >= LEAST_COSINE and self.bf16 <= MOST_TIME * self.f32 else "f32"


def measured(trainable: Trainable, phase: int, x: Tensor, y: Tensor, *, cache: Path) -> ArithmeticTiming | None:
    """Whether a phase should compute in f32 or in bf16 on this CPU, by a few steps; None: it has no bf16.

    A CPU that computes in bf16 trains dense convolutions and matrices in half the time, but moves more bytes where
    those are not what takes the time: no rule about the hardware alone is right. Times vary from run to run, though,
    and the same seed is to give the same weights; so bf16 has to be clearly faster and its gradient nearly that of f32,
    the choice is kept in the cache for every later run of the same shape, and a checkpoint holds the one it was begun
    with. Processor time is measured, not the clock's: on a busy machine the clock has taken the faster of the two for
    the slower.

    No parameter moves; statistics of batch norms may.

    Args:
        trainable: as it is when the phase begins.
        phase: its position in the plan.
        x: what the suffix is given, `STEP_PICTURES` pictures or fewer.
        y: their labels.
        cache: folder in which the choice is kept.
    """
    if not computes_in_bf16():
        return None
    options, split = trainable.plan.phases[phase], trainable.splits[phase]
    identity = {
        "network": trainable.backbone.architecture,
        "cut": split.at,
        "learns": list(split.trained),
        "head": asdict(trainable.plan.head),
        "batch norm": options.batch_norm,
        "x": list(x.shape),
        "depthwise": "f32, wide gradients in parts",
        "machine": [torch.__version__, torch.backends.cpu.get_cpu_capability(), torch.get_num_threads()],
    }
    file = cache / "arithmetic" / f"{digest(identity)}.json"
    if (kept := cache_folder.kept(file)) is not None:
        return ArithmeticTiming(**kept)
    suffix, weight = trainable.suffix(phase), torch.ones(len(y))
    trainable.mode(options)

    def step(half: bool) -> None:
        torch.manual_seed(0)  # the same dropout every time
        gradient(suffix, x, y, weight, bf16=half)

    timing = _measure(step, list(suffix.parameters()))
    suffix.zero_grad(set_to_none=True)
    cache_folder.keep(file, asdict(timing))
    return timing


def _measure(step: Callable[[bool], None], parameters: Sequence[nn.Parameter]) -> ArithmeticTiming:
    gradients = []
    for half in (False, True):  # and warm up
        step(half)
        gradients.append(torch.cat([p.grad.flatten().double() for p in parameters if p.grad is not None]))
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(REPEATS):  # in turn, so that whatever else the machine does falls on both
        for half, seconds in times.items():
            began = time.process_time()
            step(half)
            seconds.append(time.process_time() - began)
    cosine = float(functional.cosine_similarity(gradients[0], gradients[1], dim=0))
    cosine = cosine if math.isfinite(cosine) else 0.0
    return ArithmeticTiming(f32=min(times[False]), bf16=min(times[True]), cosine=cosine)
