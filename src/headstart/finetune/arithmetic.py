"""Whether what learns computes in f32 or in bf16 on a CPU: measured on a few steps, once, and remembered.

A CPU that computes in bf16 trains dense convolutions and matrices in half the time, but moves more bytes where those
are not what takes the time: no rule about the hardware alone is right. Times vary from run to run, though, and the same
seed is to give the same weights; so bf16 has to be clearly faster and its gradient nearly that of f32, the choice is
kept in the cache for every later run of the same shape, and a checkpoint holds the one it was begun with. Processor
time is measured, not the clock's: on a busy machine the clock has taken the faster of the two for the slower.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from headstart.backbones.graph import computes_in_bf16
from headstart.files import digest, write_json
from headstart.finetune.batches import gradient
from headstart.finetune.job import Arithmetic
from headstart.finetune.trainable import Trainable

FEWEST = 2_000
"""Pictures to learn from, over all epochs of a phase, below which measuring costs more than it could save."""
MOST = 16
"""Pictures in a step that is measured."""
REPEATS = 3
WORTH = 0.8
"""bf16 is taken where its step lasts at most this share of one in f32."""
SOUND = 0.98
"""Least cosine of its gradient to that in f32."""


@dataclass(frozen=True, kw_only=True)
class ArithmeticTiming:
    """What the steps showed."""

    f32: float
    """Shortest step, in seconds of processor time."""
    bf16: float
    cosine: float
    """Of the gradient in bf16 to that in f32."""

    @property
    def choice(self) -> Arithmetic:
        """bf16 if it is sound and worth it."""
        return "bf16" if self.cosine >= SOUND and self.bf16 <= WORTH * self.f32 else "f32"


def measured(
    trainable: Trainable, phase: int, optimiser: torch.optim.Optimizer, x: Tensor, y: Tensor, *, cache: Path
) -> ArithmeticTiming | None:
    """What the cache remembers about phases of this shape, else what a few steps show; None: this CPU has no bf16.

    No parameter moves; statistics of batch norms may.

    Args:
        trainable: as it is when the phase begins.
        phase: its position in the plan.
        optimiser: of the phase.
        x: what the suffix is given, `MOST` pictures or fewer.
        y: their labels.
        cache: folder of the memory.
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
    try:
        return ArithmeticTiming(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        pass
    suffix, weight = trainable.suffix(phase), torch.ones(len(y))
    trainable.mode(options)

    def step(half: bool) -> None:
        torch.manual_seed(0)  # the same dropout every time
        gradient(suffix, optimiser, x, y, weight, None, "cpu", bf16=half)

    timing = _measure(step, [parameter for group in optimiser.param_groups for parameter in group["params"]])
    optimiser.zero_grad(set_to_none=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_json(file, asdict(timing))
    return timing


def _measure(step: Callable[[bool], None], parameters: Sequence[nn.Parameter]) -> ArithmeticTiming:
    gradients = [_gradient(step, parameters, half) for half in (False, True)]  # and warm up
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(REPEATS):  # in turn, so that whatever else the machine does falls on both
        for half, seconds in times.items():
            began = time.process_time()
            step(half)
            seconds.append(time.process_time() - began)
    cosine = float(torch.nn.functional.cosine_similarity(gradients[0], gradients[1], dim=0))
    return ArithmeticTiming(
        f32=min(times[False]), bf16=min(times[True]), cosine=cosine if math.isfinite(cosine) else 0.0
    )


def _gradient(step: Callable[[bool], None], parameters: Sequence[nn.Parameter], half: bool) -> Tensor:
    step(half)
    return torch.cat([p.grad.flatten().double() for p in parameters if p.grad is not None])
