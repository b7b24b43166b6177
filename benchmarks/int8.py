"""What computing in 8 bits gains, and what it does to the figure: float32, bf16 where there is one, and int8.

    python benchmarks/int8.py PHOTOS [--size 224] [--rounds 3] [--without-bf16]

For each precision, in turns: images a second through the network alone, from memory; pictures of PHOTOS a second from
their files, with an empty store. Then the out-of-fold log-loss of logistic regression on the training pictures, on the
last layer and on all depths, and its paired difference from float32. With ``--without-bf16`` and in the environment
``ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI`` it shows a processor without bf16, with ``AVX512_CORE`` one without VNNI, with
``AVX2`` one without AVX-512.

Expected: int8 faster than float32, and no log-loss worse than in float32 beyond two standard errors.
Measured with efficientnet_lite0 on 2 cores with AVX512-BF16, pictures a second alone and from files, and the difference
in log-loss on the last layer and on all depths:

    | | f32 | bf16 | int8 |
    |---|---|---|---|
    | ants and bees, 224 | 183, 150 | 263, 199; .000 ± .001, +.006 ± .003 | 398, 227; -.001 ± .003, +.001 ± .003 |
    | the same at 384 | 63, 57 | 114, 95; +.002 ± .001, +.003 ± .001 | 112, 89; +.002 ± .003, -.003 ± .003 |
    | cats and dogs, 224 | 192, 154 | 271, 221; -.001 ± .001, -.001 ± .000 | 363, 235; -.002 ± .001, -.001 ± .001 |
    | ants and bees, AVX512_CORE_VNNI | 180, 141 | | 353, 193 |
    | ants and bees, AVX512_CORE | 171, 137 | | 284, 178 |
    | ants and bees, AVX2 | 192, 144 | | 287, 186; -.001 ± .003, +.001 ± .003 |
    | the same at 384 | 62, 55 | | 84, 70; +.002 ± .003, -.003 ± .003 |

So 8 bits are computed in only where they are asked for. Where there is bf16 they gain little from files and nothing at
384 pixels. Where there is none (AVX2), `headstart train` of the 2,000 cats and dogs with an empty cache gave its first
answer after 23.2 and 24.1 s in 8 bits, 21.0 and 22.2 s in float32, for 300 pictures are computed both ways; with
the demo's 2,000 and their larger pictures it ended after 60.5 s for 63.9 s. And an exported file, which computes in
float32, answers otherwise than a model in 8 bits by up to 0.166, where it follows one in float32 to 0.001.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart import pipeline
from headstart.backbones import graph
from headstart.backbones.runtime import synthetic_images
from headstart.evaluation.losses import mean_and_error
from headstart.features.table import FeatureTable
from headstart.images.grouping import read
from headstart.options import FitOptions
from headstart.probe.trials import Candidate, ProbeOptions, Sample, Trials


def main() -> None:
    """See the head of this file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-bf16", action="store_true")
    args = parser.parse_args()
    if args.without_bf16:  # OpenVINO says that there is bf16 where it is only told that there is not
        graph.computes_in_bf16 = lambda: False
    images = read(args.photos)
    train = images.in_split("train")
    alone: dict[str, list[float]] = {}
    files: dict[str, list[float]] = {}
    losses: dict[tuple[str, str], np.ndarray] = {}
    groups = images.groups[train]
    with tempfile.TemporaryDirectory() as graphs:
        for number in range(args.rounds):
            for precision in ("f32", "int8") if args.without_bf16 else ("f32", "bf16", "int8"):
                options = FitOptions(sizes=(args.size,), precision=precision, cache=graphs)
                with pipeline.workbench(options) as bench:
                    runtime = bench.space(args.size).runtime
                    batch = np.concatenate([synthetic_images(args.size)] * 25)
                    began = time.perf_counter()
                    for _ in runtime.run(batch[i : i + runtime.batch] for i in range(0, len(batch), runtime.batch)):
                        pass
                    alone.setdefault(runtime.name, []).append(len(batch) / (time.perf_counter() - began))
                with tempfile.TemporaryDirectory() as scratch:
                    given = replace(options, cache=scratch)
                    with pipeline.workbench(given) as bench:
                        table = FeatureTable(images, bench)
                        name = table.space(args.size).runtime.name
                        began = time.perf_counter()
                        table.fill(args.size)
                        files.setdefault(name, []).append(len(images) / (time.perf_counter() - began))
                        if number == 0:
                            probe = ProbeOptions.of(given, bench.network.backbone)
                            trials = Trials(table, Sample.of(table, train, probe), probe)
                            for output in ("last", "depths"):
                                one = Candidate(size=args.size, output=output, family="logistic regression")
                                losses[name, output] = trials.trail(one).overall.losses
    for name, rates in alone.items():
        print(f"{name}: {statistics.median(rates):.0f}/s alone, {statistics.median(files[name]):.0f}/s from files")
    for (name, output), of in losses.items():
        mean, error = mean_and_error(of - losses["openvino f32", output], groups)
        print(f"{name}, {output}: log-loss {of.mean():.4f}, {mean:+.4f} ± {error:.4f}")


if __name__ == "__main__":
    main()
