"""What a GPU is worth: features and fine-tuning there, against this machine's processor, and what is the limit.

    python benchmarks/gpu.py PHOTOS [--pictures 6000] [--devices cuda openvino] [--scratch FOLDER]

Crops of PHOTOS with colours shifted, all different, are drawn. For each device: the network from pixels in memory,
files decoded with their notes, and from files to a store on disk; pictures a second. Then the network is fine-tuned
from blocks.4 on 2,048 of them, four epochs of two views in batches of 32, in bf16, in f32, and in bf16 under
``torch.compile``; seconds of each epoch, of which the first holds the frozen part and what is compiled.

Measured with one H200 and 16 cores (AMX), efficientnet_lite0 at 224: from memory 12,500 pictures a second on the GPU
and 1,850 on the processor; decoding 2,900; from files to the store 1,857 and 830 (in threads, before decoding had
processes: 207 on the GPU). So decoding is the limit, and 5,000 a second need more cores. Fine-tuning: an epoch 1.0 s in
bf16, 0.9 s in f32 and 1.0 s compiled, for steps of 32 are too small to keep the GPU busy; compiling takes 20 s more.
``headstart train`` on the 6,016, fine-tuning aside, makes the same choice on both and finds the same copies; the GPU's
first answer comes later, by the 15 s that torch and the GPU take to start.
"""

from __future__ import annotations

import argparse
import os
import runpy
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart import pipeline
from headstart.backbones.space import NetworkSpec
from headstart.features.extract import extract_to_store
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.finetune.plan import Augment, Optimiser, Phase, Plan
from headstart.finetune.trainable import Trainable
from headstart.images.folder import ImageSet, scan
from headstart.images.notes import load_with_notes
from headstart.images.processes import shared_out
from headstart.images.transforms import View
from headstart.store import FeatureStore

_folder_of = runpy.run_path(str(Path(__file__).with_name("growth.py")))["folder_of"]
LEARNING, HELD_OUT = 2_048, 64


def told(what: str, count: int, began: float) -> None:
    print(f"  {what:<28}{count / (time.perf_counter() - began):8,.0f} pictures/s", flush=True)


def features(images: ImageSet, network: NetworkSpec, scratch: Path) -> None:
    began = time.perf_counter()
    space = network.at(224).open()
    print(f"{space.runtime.name}, opened in {time.perf_counter() - began:.1f} s")
    batch, size = space.runtime.batch, space.geometry.size
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), np.uint8)
    for times in (1, max(1, len(images) // batch)):  # the first is not like the others
        began = time.perf_counter()
        count = sum(batch for _ in space.runtime.run(pixels for _ in range(times)))
    told("from memory", count, began)
    began = time.perf_counter()
    decode = partial(load_with_notes, geometry=space.geometry, views=(View.CENTRE,), notes=pipeline.NOTES)
    told("decoding alone", sum(1 for _ in shared_out(decode, images.paths, lost=decode)), began)
    with tempfile.TemporaryDirectory(dir=scratch) as folder, FeatureStore(Path(folder)) as store:
        began = time.perf_counter()
        assert not extract_to_store(images.paths, images.digests, space, store, notes=pipeline.NOTES)
        told("from files to the store", len(images), began)


def fine_tuning(images: ImageSet, network: NetworkSpec) -> None:
    optimiser = Optimiser(name="adamw", lr=3e-4)
    phase = Phase(train_from="blocks.4", epochs=4, batch_size=32, optimiser=optimiser)
    plan = Plan(size=224, augment=Augment(kind="crop", views=2), phases=(phase,))
    val, train, _ = np.split(np.random.default_rng(0).permutation(len(images)), [HELD_OUT, HELD_OUT + LEARNING])
    eager = Trainable.suffix

    def compiled(self: Trainable, phase: int) -> Any:
        return torch.compile(eager(self, phase))

    for name, precision, suffix in (("bf16", "auto", eager), ("f32", "f32", eager), ("compiled", "auto", compiled)):
        setattr(Trainable, "suffix", suffix)  # noqa: B010, which the product never replaces
        done = finetune(
            Job(network=replace(network, precision=precision), images=images, train=train, val=val, plan=plan)
        )
        seconds = "  ".join(f"{epoch.seconds:.2f}" for epoch in done.history.epochs)
        print(
            f"  fine-tuning, {name:<15}{seconds}  s an epoch, last loss {done.history.epochs[-1].train_loss:.3f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=6_000)
    parser.add_argument("--devices", nargs="+", default=["cuda", "openvino"])
    parser.add_argument("--scratch", type=Path, help="Where pictures are drawn; a temporary folder by default.")
    options = parser.parse_args()
    photos = scan(options.photos)
    photos = photos.subset(np.random.default_rng(0).permutation(len(photos)))
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        images = scan(_folder_of(photos, options.pictures, Path(name)))
        print(f"{len(images):,} pictures, {os.cpu_count()} processors")
        network = NetworkSpec.named("efficientnet_lite0", cache=Path(name) / "cache")
        for device in options.devices:
            features(images, replace(network, device=device), Path(name))
        fine_tuning(images, replace(network, device=options.devices[0]))


if __name__ == "__main__":
    main()
