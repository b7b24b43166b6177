"""How many pictures are taken for copies where nothing is a copy, though all are alike.

Six kinds of pictures are drawn, in which no two show the same: panels (bars and a frame in common, blotches and grain
of their own), grids (a fixed grid, grain of their own), stripes (random period and phase), discs (in random places),
pages (one form, other words) and noise. A folder of your own may be given in their place; then the pairs are listed,
to be looked at. The features are those of the default network.

    python benchmarks/false_copies.py [FOLDER] [--pictures 200] [--seed 0]

Expected: no pair in any drawn kind. In the 2,624 pictures of solar cells of the package ``elpv-dataset`` (for measuring
only, its licence is non-commercial): 11,565 pairs look alike at 64 pixels, 1,048 are compared at full size, and 0 are
called copies.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from headstart.audit.duplicates import Duplicates, find_duplicates
from headstart.features.table import FeatureTable
from headstart.images.decode import encode
from headstart.images.folder import scan
from headstart.options import FitOptions
from headstart.pipeline import workbench

SIDE = 160
Draw = Callable[[np.random.Generator], np.ndarray]


def framed() -> np.ndarray:
    picture = np.full((SIDE, SIDE), 150.0)
    picture[40::40, 8:-8] = 60
    picture[:5] = picture[-5:] = picture[:, :5] = picture[:, -5:] = 40
    return picture


def panels(rng: np.random.Generator) -> np.ndarray:
    from scipy.ndimage import gaussian_filter

    blotches = gaussian_filter(rng.normal(0, 1, (SIDE, SIDE)), 5)
    return np.asarray(framed() + 6 * blotches / blotches.std() + rng.normal(0, 2, (SIDE, SIDE)))


def grids(rng: np.random.Generator) -> np.ndarray:
    return framed() + rng.normal(0, 3, (SIDE, SIDE))


def stripes(rng: np.random.Generator) -> np.ndarray:
    angle, period, phase = rng.uniform(0, np.pi), rng.uniform(10, 30), rng.uniform(0, 2 * np.pi)
    y, x = np.mgrid[:SIDE, :SIDE]
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period + phase)
    return np.asarray(128 + 80 * wave + rng.normal(0, 5, (SIDE, SIDE)))


def discs(rng: np.random.Generator) -> np.ndarray:
    picture = 90 + rng.normal(0, 10, (SIDE, SIDE))
    y, x = np.mgrid[:SIDE, :SIDE]
    for row, column in rng.uniform(30, SIDE - 30, (3, 2)):
        picture[(x - column) ** 2 + (y - row) ** 2 < 20**2] = 200
    return picture


def pages(rng: np.random.Generator) -> np.ndarray:
    picture = np.full((SIDE, SIDE), 245.0)
    picture[10:16, 10:-10] = picture[30:150:20, 10:40] = 20
    for row in range(30, 150, 20):
        ends = 50 + np.cumsum(rng.integers(4, 12, 8))
        for start, end in zip(ends[::2], ends[1::2], strict=True):
            picture[row : row + 5, start:end] = 20
    return picture


def noise(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0, 255, (SIDE, SIDE))


KINDS: tuple[Draw, ...] = (panels, grids, stripes, discs, pages, noise)


def found_in(folder: Path) -> Duplicates:
    with workbench(FitOptions()) as bench:
        table = FeatureTable(scan(folder), bench)
        table.fill(224)
        return find_duplicates(table, 224)


def report(name: str, found: Duplicates) -> None:
    near = [pair for pair in found.pairs if pair.kind == "near"]
    largest = max(map(len, found.clusters), default=0)
    print(f"{name:<8} {len(found.images)} pictures, {len(near)} near pairs, largest cluster {largest}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.folder:
        found = found_in(options.folder)
        report(options.folder.name, found)
        for pair in found.pairs:
            print(f"  {pair.kind} {pair.score:.3f}", *(found.images.paths[i] for i in (pair.first, pair.second)))
        return
    for draw in KINDS:
        rng = np.random.default_rng(options.seed)
        with tempfile.TemporaryDirectory() as scratch:
            for i in range(options.pictures):
                here = Path(scratch) / "ab"[i % 2]
                here.mkdir(exist_ok=True)
                grey = np.clip(draw(rng), 0, 255).astype(np.uint8)
                (here / f"{i}.png").write_bytes(encode(np.repeat(grey[..., None], 3, axis=2), format="PNG"))
            report(draw.__name__, found_in(Path(scratch)))


if __name__ == "__main__":
    main()
