"""Do several threads that share a loaded model get what one thread gets, bit for bit?

    python benchmarks/threads.py RUN PHOTOS [--threads 8] [--predictions 200] [--devices openvino torch cuda]

RUN is a run folder of `headstart train`, PHOTOS a folder of pictures, of which the first 16 are asked about. On each
device there is (OpenVINO, torch on the CPU, CUDA) a model is loaded once; one thread answers every picture, alone and
all 16 together, then 8 threads answer at once, 200 predictions each, every fiftieth of them all pictures together. Ends
with 1 if any probability differs in any bit.

Expected: 0 differ, whatever the machine. Measured with a run of ants and bees at 384 pixels on two busy cores: openvino
0 of 1,600 in 263 s, torch 0 of 1,600 in 541 s; a fraction of that on an idle machine. CUDA: not measured.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from headstart.arrays import Floats
from headstart.backbones.graph import available
from headstart.deploy.model import Model
from headstart.device import seen
from headstart.images.folder import scan

PICTURES = 16
"""As many as a batch holds."""
TOGETHER = 50
"""Of so many predictions one is of all pictures together."""


def probabilities(model: Model, paths: Sequence[Path]) -> Floats:
    return np.stack([answer.proba for answer in model.predict(paths)])  # type: ignore[misc]


def differing(run: Path, paths: Sequence[Path], device: str, *, threads: int, predictions: int) -> int:
    """How many of threads × predictions differ from those of one thread on a model of its own."""
    alone, shared = Model.load(run, device=device), Model.load(run, device=device)
    expected, expected_together = [probabilities(alone, [path]) for path in paths], probabilities(alone, paths)

    def wrong(thread: int) -> int:
        count = 0
        for turn in range(predictions):
            i = (thread + turn) % len(paths)
            together = turn % TOGETHER == TOGETHER - 1
            found = probabilities(shared, paths if together else [paths[i]])
            count += not np.array_equal(found, expected_together if together else expected[i])
        return count

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(wrong, range(threads)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--predictions", type=int, default=200, help="of each thread")
    parser.add_argument("--devices", nargs="+", choices=("openvino", "torch", "cuda"), help="all there are if left out")
    options = parser.parse_args()
    paths, bad = scan(options.photos, for_training=False).paths[:PICTURES], 0
    devices = {"openvino": available(), "torch": True, "cuda": seen()["cuda"]}
    for device in options.devices or [name for name, there in devices.items() if there]:
        began = time.monotonic()
        wrong = differing(options.run, paths, device, threads=options.threads, predictions=options.predictions)
        bad += wrong
        count = options.threads * options.predictions
        print(f"{device}: {wrong} of {count} predictions differ, {time.monotonic() - began:.0f} s", flush=True)
    sys.exit(1 if bad else 0)
