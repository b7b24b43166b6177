"""What do the thresholds of the probe save, and what do they lose?

    python benchmarks/probe.py PHOTOS [--sizes 224] [--seeds 3]

PHOTOS is a folder of class folders, used as one set. All figures are log-losses in nats on pictures that no head was
fitted or chosen on, means over the seeds, each of which draws other pictures; in brackets, processor seconds.

families    heads on the last layer fitted on n pictures: where is shrunk LDA ahead (`SHRUNK_LDA_UP_TO`)?
enough      the choice on half of the pictures where dearer candidates are skipped up to that error (`enough`)
screen      the same where they are first tried on so many pictures (`screen`); nothing is skipped
few         six views of each training picture against one, n pictures of each class (`few`)

PLACEHOLDER
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart.arrays import Index
from headstart.evaluation.losses import log_losses
from headstart.features.table import FeatureTable
from headstart.images.folder import scan
from headstart.images.transforms import FEW_SHOT_VIEWS
from headstart.options import FitOptions
from headstart.pipeline import workbench
from headstart.probe.choice import choose, probe_with
from headstart.probe.heads import Family, LinearHead
from headstart.probe.trials import Candidate, ProbeOptions

FAMILIES: tuple[Family, ...] = ("nearest mean", "shrunk LDA", "logistic regression")


class Bench:
    def __init__(self, table: FeatureTable, options: ProbeOptions, seeds: int) -> None:
        self.table, self.options, self.seeds = table, options, seeds
        self.n, self.size = len(table.images), options.sizes[0]

    def parts(self, count: int) -> Iterator[tuple[Index, Index]]:
        """``count`` pictures drawn at random, and the others, for each seed."""
        for seed in range(self.seeds):
            order = np.random.default_rng(seed).permutation(self.n)
            yield np.sort(order[:count]), np.sort(order[count:])

    def per_class(self, count: int) -> Iterator[tuple[Index, Index]]:
        """``count`` pictures of each class, and the others, for each seed."""
        y = self.table.images.y
        for seed in range(self.seeds):
            order = np.random.default_rng(seed).permutation(self.n)
            train = np.sort(np.concatenate([order[y[order] == c][:count] for c in range(y.max() + 1)]))
            yield train, np.setdiff1d(order, train)

    def loss(self, head: LinearHead, candidate: Candidate, test: Index) -> float:
        X = self.table.rows(candidate.size, candidate.output, test)
        return float(log_losses(head.predict_proba(X), self.table.images.y[test]).mean())

    def probed(self, train: Index, test: Index, candidate: Candidate) -> float:
        return self.loss(probe_with(self.table, train, candidate, self.options), candidate, test)

    def chosen(self, train: Index, test: Index, options: ProbeOptions) -> float:
        choice = choose(self.table, train, options)
        return self.loss(choice.head, choice.candidate, test)

    def said(self, parts: Iterator[tuple[Index, Index]], measure: Callable[[Index, Index], float]) -> str:
        """Mean and standard deviation over the seeds, and processor seconds of one."""
        began = time.process_time()
        losses = [measure(train, test) for train, test in parts]
        return f"{np.mean(losses):.4f} ± {np.std(losses):.4f} ({(time.process_time() - began) / len(losses):.1f} s)"

    def families(self) -> None:
        for count in (50, 100, 200, 500, 1000, 1500):
            if count <= 0.8 * self.n:
                for family in FAMILIES:
                    candidate = Candidate(size=self.size, output="last", family=family)
                    said = self.said(self.parts(count), lambda a, b, c=candidate: self.probed(a, b, c))  # type: ignore[misc]
                    print(f"families  {count:>5} {family:<20} {said}", flush=True)

    def enough(self) -> None:
        for enough in (-1.0, 0.01, 0.02, 0.05, 0.1):
            options = replace(self.options, enough=enough)
            said = self.said(self.parts(self.n // 2), lambda a, b, o=options: self.chosen(a, b, o))  # type: ignore[misc]
            print(f"enough    {enough:>5} {said}", flush=True)

    def screen(self) -> None:
        for screen in (125, 250, 500, 1000, self.n):
            options = replace(self.options, enough=-1.0, screen=screen)
            said = self.said(self.parts(self.n // 2), lambda a, b, o=options: self.chosen(a, b, o))  # type: ignore[misc]
            print(f"screen    {screen:>5} {said}", flush=True)

    def few(self) -> None:
        one = Candidate(size=self.size, output="last", family="shrunk LDA")
        for count in (4, 8, 16, 32):
            for candidate in (one, replace(one, views=FEW_SHOT_VIEWS)):
                said = self.said(self.per_class(count), lambda a, b, c=candidate: self.probed(a, b, c))  # type: ignore[misc]
                print(f"few       {count:>5} {len(candidate.views)} views {said}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[224])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    images, fit_options = scan(arguments.photos), FitOptions(sizes=tuple(arguments.sizes))
    images = replace(images, split=np.full(len(images), "train"))
    with workbench(fit_options) as opened:
        table = FeatureTable(images, opened).readable(arguments.sizes[0])
        probe = ProbeOptions.of(fit_options, opened.network.backbone)
        bench = Bench(table, probe, arguments.seeds)
        for section in (bench.families, bench.enough, bench.screen, bench.few):
            section()
