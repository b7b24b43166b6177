"""Pictures per second through the network alone, by how many are computed together.

    python benchmarks/batches.py [--rounds 3]

Made-up pictures, efficientnet_lite0 in the precision that the product takes on this machine and in float32, at 224 and
384 pixels; two batches more are under way than cores. The sizes alternate; medians are printed. Nothing else should run
on the machine.

Measured on 2 cores with 2 MB of second-level cache each, AVX512-BF16:

    | | 1 | 2 | 4 | 8 | 16 | 32 |
    |---|---|---|---|---|---|---|
    | 224, bf16 | 335 | 364 | 363 | 345 | 325 | 295 |
    | 384, bf16 | 122 | 118 | 101 | 104 | 94 | 94 |
    | 224, f32 | 200 | 198 | 183 | 170 | 159 | 160 |
    | 384, f32 | 63 | 58 | 55 | 53 | 50 | 50 |
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import deque
from pathlib import Path

import numpy as np
import openvino

from headstart.backbones.graph import computes_in_bf16
from headstart.backbones.space import NetworkSpec

NETWORK, SIZES, BATCHES = "efficientnet_lite0", (224, 384), (1, 2, 4, 8, 16, 32)
PICTURES = 224 * 224 * 800
"""Pixels of each measurement, whatever the size of the pictures: some two seconds."""


def rate(graph: Path, *, size: int, batch: int, precision: str) -> float:
    """Pictures per second."""
    core = openvino.Core()
    model = core.read_model(graph)
    model.reshape([batch, size, size, 3])
    options = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": precision}
    compiled = core.compile_model(model, "CPU", options)
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3), dtype=np.uint8)
    at_a_time = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS")) + 2
    idle = deque(compiled.create_infer_request() for _ in range(at_a_time))
    number = max(at_a_time, PICTURES // (size * size * batch))
    start = time.perf_counter()
    for _ in range(number):
        request = idle.popleft()
        request.wait()
        request.start_async({0: pixels})
        idle.append(request)
    for request in idle:
        request.wait()
    return number * batch / (time.perf_counter() - start)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        NetworkSpec.named(NETWORK, cache=Path(folder)).prepare(SIZES[0])
        (graph,) = Path(folder).glob("graphs/*/graph.xml")
        print("| | " + " | ".join(map(str, BATCHES)) + " |")
        for precision in ("bf16", "f32") if computes_in_bf16() else ("f32",):
            for size in SIZES:
                found = [
                    [rate(graph, size=size, batch=batch, precision=precision) for batch in BATCHES]
                    for _ in range(rounds)
                ]
                medians = [statistics.median(of) for of in zip(*found, strict=True)]
                print(f"| {size}, {precision} | " + " | ".join(f"{each:.0f}" for each in medians) + " |", flush=True)
