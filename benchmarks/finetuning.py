"""Training pictures per second: the upper part on kept maps, against the whole network in eager torch.

    python benchmarks/finetuning.py [PHOTOS] [--train-from blocks.6] [--pictures 512] [--rounds 3]

Both sides train efficientnet_lite0 at 224 with batches of 32, AdamW and batch norms in inference mode. headstart's side
is the product's own loop, an epoch from files to files with validation left out of the time; its maps are kept
beforehand, as in every epoch but the first, and how long that took is printed too. The other side is what tutorials do,
done well: float32, channels last, decoded pictures in memory, so that it is timed on training alone. The two alternate;
medians and their ratio are printed. Nothing else should run on the machine. Without PHOTOS the demo's pictures
are used.

Measured from blocks.6, with 2 AMD Zen 4 cores that compute in bf16: 485 and 11.7 pictures a second, 41 times as fast.
With 2 Zen 3 cores in f32: 356 and 10.3, 34 times.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from headstart.backbones import catalog
from headstart.backbones.network import Normalise, build
from headstart.backbones.space import NetworkSpec
from headstart.backbones.weights import locate
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.finetune.plan import Augment, Optimiser, Phase, Plan
from headstart.images.folder import ImageSet, scan
from headstart.images.transforms import Geometry, load
from headstart.workflows.demo import pictures as demo_pictures

NAME = "efficientnet_lite0"
BATCH = 32


def ours(images: ImageSet, train_from: str, cache: Path, epochs: int) -> list[float]:
    """Pictures per second of each epoch."""
    phase = Phase(train_from=train_from, epochs=epochs, batch_size=BATCH, optimiser=Optimiser(name="adamw", lr=1e-4))
    plan = Plan(size=224, augment=Augment(kind="crop", views=1), phases=(phase,))
    val, train = np.split(np.arange(len(images)), [2])
    job = Job(network=NetworkSpec.named(NAME, cache=cache), images=images, train=train, val=val, plan=plan)
    done = finetune(job)
    return [(len(images) - 2) / epoch.seconds for epoch in done.history.epochs]


def eager(images: ImageSet, steps: int) -> float:
    """Pictures per second of the whole network."""
    backbone = catalog.get(NAME)
    network = build(backbone, locate(backbone)).to(memory_format=torch.channels_last)
    model = nn.Sequential(Normalise(backbone), network, nn.Linear(1280, 2)).train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    geometry = Geometry(size=224, crop_pct=backbone.crop_pct, interpolation=backbone.interpolation)
    x = torch.from_numpy(np.concatenate([load(path, geometry) for path in images.paths[:BATCH]]))
    y = torch.arange(BATCH) % 2
    start = 0.0
    for step in range(steps + 1):
        if step == 1:  # the first step is not like the others
            start = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(x), y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return BATCH * steps / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="?")
    parser.add_argument("--train-from", default="blocks.6")
    parser.add_argument("--pictures", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    images = scan(options.photos or demo_pictures())
    order = np.random.default_rng(0).permutation(len(images))[: options.pictures]
    images = replace(images.subset(order), split=np.full(len(order), "train"))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        ours(images, options.train_from, Path(folder), 1)
        print(f"keeping the maps of {len(images)} pictures, converting included: {time.perf_counter() - start:.1f} s")
        whole: list[float] = []
        upper: list[float] = []
        for _ in range(options.rounds):
            whole.append(eager(images, 4))
            upper.append(statistics.median(ours(images, options.train_from, Path(folder), 3)))
    for name, values in {"whole, eager f32": whole, f"from {options.train_from}": upper}.items():
        print(f"{name:<18} {statistics.median(values):7.1f} pictures/s   {' '.join(f'{rate:.1f}' for rate in values)}")
    slow, fast = statistics.median(whole), statistics.median(upper)
    print(f"{fast / slow:.1f} times as fast")


if __name__ == "__main__":
    main()
