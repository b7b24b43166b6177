"""What do the thresholds of the probe save, and what do they lose?

    python benchmarks/probe.py PHOTOS [--sizes 224] [--seeds 3]

PHOTOS is a folder of class folders, used as one set. All figures are log-losses in nats on pictures that no head was
fitted or chosen on, means over the seeds, each of which draws other pictures; in brackets, processor seconds.

families    heads on the last layer fitted on n pictures: where is shrunk LDA ahead (`SHRUNK_LDA_UP_TO`)?
enough      the choice on half of the pictures where dearer candidates are skipped up to that error (`enough`)
screen      the same where they are first tried on so many pictures (`screen`); nothing is skipped
few         six views of each training picture against one, n pictures of each class (`few`)

Measured at 224 pixels with efficientnet_lite0 on 398 ants and bees and 2,500 cats and dogs; half a minute of processor
time each, features in the store. ± is the standard deviation over three seeds.

families    shrunk LDA, logistic regression: ants and bees 0.174, 0.188 at 50; 0.120, 0.145 at 100; 0.116, 0.109 at 200.
            Cats and dogs 0.0466, 0.0476 at 50; 0.0340, 0.0350 at 200; 0.0326, 0.0299 at 500; 0.0339, 0.0302 at 1,000;
            0.0309, 0.0275 at 1,500 (1.3 and 1.0 s). Ahead up to 100 to 200 pictures, within the spread (0.002 to 0.005)
            and dearer above: 1,000 is on the safe side, and what skipping it above loses is not seen.
enough      no difference at any value from none to 0.1 on ants and bees (0.1095 ± 0.024); on cats and dogs 0.0305 with
            nothing skipped (1.6 s) and 0.0306 from 0.01 up (0.8 s): 0.02 loses nothing that can be seen.
screen      0.1095 for every sample on ants and bees; 0.0305 or 0.0306 for every sample on cats and dogs, 0.8 s at 125,
            1.3 s at 500, 1.7 s on all: 500 is not critical. Where larger sizes are tried, it saves computing their
            features, which is not measured here.
few         one view, six views: ants and bees 5.3, 0.89 at 4 of each class; 2.2, 0.37 at 8; 0.33, 0.18 at 16; 0.137,
            0.141 at 32. Cats and dogs 7.9, 0.90; 0.38, 0.14; 0.115, 0.054; 0.0443, 0.0459. So up to 16.
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
