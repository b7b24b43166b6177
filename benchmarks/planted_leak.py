"""Whether copies of test pictures in training are found, taken out, and their worth is told with a true interval.

From the pictures of FOLDER, a training and a test split are drawn many times. Of one test picture in ten a copy is put
into training under another name: half of them the same bytes, half recompressed with JPEG quality 60. Then:

- found: the share of the copies that are left out of training, and pictures left out that are no copies;
- true optimism: the head chosen and trained on the split as it was given, against the head chosen and trained on the
  training pictures without the copies (the simulation knows them), both on the test split: in every draw, and as a mean
  over all draws, which is the optimism to be expected;
- covered: in how many draws the interval reported by `headstart.audit.leak` holds either.

    python benchmarks/planted_leak.py FOLDER [--draws 20] [--train 400] [--test 200] [--seed 0]

Expected with the options named: every copy left out, and the interval true in 19 or 20 of 20 draws.

    set                          options                   left out     true optimism, points   holds own, average
    fabric                                               400 of 400   +1.20 (−3.50 to +3.50)         19, 20 of 20
    ants and bees   --train 200 --test 150               300 of 300   +0.60 (−0.67 to +2.00)         19, 20 of 20
    cats and dogs                                        400 of 400   +0.00 (−0.50 to +0.50)         20, 20 of 20

Since copies are confirmed at full size, four draws of ants and bees were made again: 60 of 60 left out and no other
picture, the interval true in 4 and 4 of 4. In the two draws that are missed, the copies
changed which head was chosen, while the report keeps the choice fixed.
In cats and dogs one more picture is left out, once: the data hold one photograph twice, and it fell into both splits.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np

from headstart.features.table import FeatureTable, Workbench
from headstart.images.decode import decode, encode
from headstart.images.folder import ImageSet, scan
from headstart.options import FitOptions
from headstart.pipeline import Fitted, doubt_images, fit, workbench
from headstart.probe.choice import choose
from headstart.probe.trials import ProbeOptions


def plant(images: ImageSet, folder: Path, rng: np.random.Generator, *, train: int, test: int) -> None:
    """Splits drawn from the pictures, as links; copies in training are named ``copy NUMBER``."""
    drawn = rng.permutation(len(images))[: train + test]
    for place, i in enumerate(drawn):
        split = "test" if place < test else "train"
        here = folder / split / images.classes[images.y[i]]
        here.mkdir(parents=True, exist_ok=True)
        (here / f"picture {place}").symlink_to(images.paths[i].resolve())
    for place in rng.choice(test, test // 10, replace=False):
        path, label = images.paths[drawn[place]], images.classes[images.y[drawn[place]]]
        data = path.read_bytes() if place % 2 else encode(decode(path), quality=60)
        (folder / "train" / label / f"copy {place}").write_bytes(data)


def is_copy(images: ImageSet) -> np.ndarray:
    return np.array([path.name.startswith("copy") for path in images.paths])


def true_optimism(fitted: Fitted, bench: Workbench) -> float:
    """Accuracy trained on the split as given, less that trained without the copies, with all choices made anew."""
    given, accuracy = fitted.deduplicated.copies.images, {}
    options, table = ProbeOptions.of(fitted.options, fitted.network.backbone), FeatureTable(given, bench)
    test = np.flatnonzero(given.split == "test")
    in_train = given.split == "train"
    for name, train in {"leaky": in_train, "clean": in_train & ~is_copy(given)}.items():
        choice = choose(table, np.flatnonzero(train), options)
        X = table.rows(choice.candidate.size, choice.candidate.output, test)
        accuracy[name] = float((choice.head.predict_proba(X).argmax(axis=1) == given.y[test]).mean())
    return accuracy["leaky"] - accuracy["clean"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--test", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    pictures, rng = scan(options.photos), np.random.default_rng(options.seed)
    planted = found = wrong = 0
    truths, reports = [], []
    for draw in range(options.draws):
        with tempfile.TemporaryDirectory() as scratch:
            plant(pictures, Path(scratch), rng, train=options.train, test=options.test)
            fit_options = FitOptions(sizes=(224,), finetune="never", random_state=draw)
            with workbench(fit_options) as bench:
                fitted = fit(scan(Path(scratch)), fit_options, bench, evaluate=False)
                copies, dropped = is_copy(fitted.deduplicated.copies.images), fitted.deduplicated.dropped
                planted, found = planted + int(copies.sum()), found + int(copies[dropped].sum())
                wrong += int((~copies[dropped]).sum())
                _, leak = doubt_images(fitted, bench)
                truths.append(true_optimism(fitted, bench))
        assert leak is not None
        reports.append(leak.optimism)
        print(f"draw {draw:2d}: true {100 * truths[-1]:+.2f} points, reported {leak.optimism}", flush=True)
    mean = float(np.mean(truths))
    own = sum(leak.low <= truth <= leak.high for leak, truth in zip(reports, truths, strict=True))
    expected = sum(leak.low <= mean <= leak.high for leak in reports)
    print(f"{found} of {planted} copies left out of training, and {wrong} pictures that are no planted copies")
    print(
        f"true optimism {100 * mean:+.2f} points on average, from {100 * min(truths):+.2f} to {100 * max(truths):+.2f}"
    )
    print(f"interval holds the draw's own optimism in {own} of {options.draws}, the average one in {expected}")


if __name__ == "__main__":
    main()
