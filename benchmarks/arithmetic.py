"""What a training step costs in f32 and bf16, channels last or first in memory: CPU time a picture, of one thread.

    OMP_NUM_THREADS=1 python benchmarks/arithmetic.py [--networks lite0 others]

Forward and backward of a batch of 16 (8 for a whole network) from the cut up, variants in turn, median of 4 rounds;
the cosine is that of the gradient in bf16 to the one in f32 on pictures of noise. CPU time, because it depends less
than the clock's on what else runs; the spread between rounds is 2 to 5 %. Measured on a Zen 4 EPYC with
AVX512-BF16, milliseconds, from before wide depthwise gradients came in parts and memory was kept, which by another
measurement made a whole step of lite0 1.3 to 2 times as fast (columns "torch alone" and "cosine" are new since):

                                        f32 last   f32 first   bf16 last  bf16 first
    efficientnet_lite0 blocks.6 224          3.8         4.2         2.5         2.6
    efficientnet_lite0 blocks.5 224         15.0        20.0        29.8        21.7
    efficientnet_lite0 blocks.4 224         30.1        38.7        44.2        33.0
    efficientnet_lite0 all 224              77.5        78.2        98.4        98.4
    mobilenetv2_100 blocks.4.1 160           6.1         7.8         6.7         8.0
    resnet18 all 224                       121.5       123.8        60.8        62.1

On a busy machine all of it is slower by up to a third, in the same order. Cosines from blocks.6 and blocks.5: 0.9998
and 0.9991.

So channels last is never clearly slower in f32, and is a rule; whether bf16 wins depends on the layers, and is measured
by `headstart.finetune.batches.measured`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext

import torch
from torch import nn

from headstart.backbones import catalog
from headstart.backbones.network import Normalise
from headstart.backbones.weights import locate
from headstart.finetune.batches import computing
from headstart.finetune.cpu import memory_kept
from headstart.finetune.plan import Phase, Plan
from headstart.finetune.trainable import Trainable

CASES = {
    "lite0": [("efficientnet_lite0", cut, 224) for cut in ("blocks.6", "blocks.5", "blocks.4", "all")],
    "others": [
        ("mobilenetv2_100", "blocks.4.1.conv_dw", 160),
        ("resnet18", "all", 224),
    ],
}
VARIANTS = {
    "torch alone": (None, torch.channels_last),
    "f32 last": (False, torch.channels_last),
    "f32 first": (False, torch.contiguous_format),
    "bf16 last": (True, torch.channels_last),
    "bf16 first": (True, torch.contiguous_format),
}
ROUNDS = 4


def step(suffix: nn.Module, x: torch.Tensor, y: torch.Tensor, *, half: bool | None) -> torch.Tensor:
    """The gradient of everything that learns, as one vector; ``half`` None: as torch alone computes it, in f32."""
    parameters = [tensor for tensor in suffix.parameters() if tensor.requires_grad]
    for tensor in parameters:
        tensor.grad = None
    with nullcontext() if half is None else computing("cpu", bf16=half):
        logits = suffix(x).float()
    nn.functional.cross_entropy(logits, y).backward()  # type: ignore[no-untyped-call]
    return torch.cat([tensor.grad.flatten() for tensor in parameters if tensor.grad is not None])


def timed(suffix: nn.Module, x: torch.Tensor, y: torch.Tensor, *, half: bool | None) -> float:
    """Seconds of processor time of the second of two steps: in the first, memory finds its place."""
    with nullcontext() if half is None else memory_kept():
        step(suffix, x, y, half=half)
        began = time.process_time()
        step(suffix, x, y, half=half)
        return time.process_time() - began


def prepared(name: str, cut: str, size: int, layout: torch.memory_format) -> tuple[nn.Module, torch.Tensor]:
    """What is trained, and a batch of what goes into it."""
    backbone = catalog.get(name)
    plan = Plan(size=size, phases=(Phase(train_from=cut),))
    trainable = Trainable(backbone, locate(backbone, random=name != "efficientnet_lite0"), plan, num_classes=2)
    trainable.network.to(memory_format=layout)
    trainable.begin(0)
    trainable.mode(plan.phases[0])
    n = 8 if cut == "all" else 16
    x = torch.randint(0, 256, (n, size, size, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    prefix = trainable.splits[0].prefix
    if prefix is not None:
        with torch.no_grad():
            x = prefix(Normalise(backbone)(x))
        x = x.contiguous(memory_format=layout) if x.ndim == 4 else x
    return trainable.suffix(0), x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="*", choices=list(CASES), default=list(CASES))
    options = parser.parse_args()
    print(f"{'':38}" + "".join(f"{kind:>12}" for kind in (*VARIANTS, "cosine")))
    for case in (case for group in options.networks for case in CASES[group]):
        parts = {layout: prepared(*case, layout) for layout in (torch.channels_last, torch.contiguous_format)}
        y = torch.arange(len(parts[torch.channels_last][1])) % 2
        exact, half_precise = (step(*parts[torch.channels_last], y, half=half) for half in (False, True))
        cosine = float(nn.functional.cosine_similarity(exact, half_precise, dim=0))
        times: dict[str, list[float]] = {kind: [] for kind in VARIANTS}
        for _ in range(ROUNDS):
            for kind, (half, layout) in VARIANTS.items():
                times[kind].append(timed(*parts[layout], y, half=half))
        shown = [1000 * statistics.median(seconds) / len(y) for seconds in times.values()]
        print(f"{' '.join(map(str, case)):38}" + "".join(f"{ms:12.1f}" for ms in shown) + f"{cosine:12.4f}", flush=True)


if __name__ == "__main__":
    main()
