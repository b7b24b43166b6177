"""What computing features through Ray costs on one machine, against doing it in this process.

    python benchmarks/ray_cost.py PHOTOS [--pictures 5000] [--rounds 3] [--scratch FOLDER]

Crops of PHOTOS with colours shifted, all different, are drawn; then both ways go from files to a store on disk, in
turns, each with an empty store and the network compiled before. Printed are pictures per second, with and without the
start of Ray and of its workers, and their ratios to the median without Ray. Nothing else should run on the machine.

Expected on two cores: 0.85 or more of the rate without Ray, its start not counted; and the same rows, which is checked.
Measured, crops of cats and dogs, two rounds: 209 and 198 pictures a second without, 187 and 186 with Ray, 0.914; 0.83
with its start.
"""

from __future__ import annotations

import argparse
import runpy
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from headstart import pipeline
from headstart.backbones.space import NetworkSpec, Space
from headstart.features.cluster import connected
from headstart.features.extract import Engine, extract_to_store
from headstart.images.folder import ImageSet, scan
from headstart.images.transforms import View
from headstart.store import FeatureStore

_folder_of = runpy.run_path(str(Path(__file__).with_name("growth.py")))["folder_of"]


def seconds(images: ImageSet, space: Space, folder: Path, engine: Engine | None) -> float:
    """To compute the rows of all ``images`` into a store in ``folder``."""
    with FeatureStore(folder) as store:
        began = time.perf_counter()
        left_out = extract_to_store(images.paths, images.digests, space, store, notes=pipeline.NOTES, engine=engine)
        assert not left_out
        return time.perf_counter() - began


def rows(images: ImageSet, space: Space, folder: Path) -> bytes:
    with FeatureStore(folder) as store:
        return store.read(space.key(View.CENTRE, "last"), images.digests, space.runtime.widths["last"]).tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scratch", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch:
        images = scan(_folder_of(scan(options.photos), options.pictures, Path(scratch) / "pictures"))
        network = NetworkSpec.named("efficientnet_lite0", cache=Path(scratch) / "cache")
        space = network.at(network.backbone.input_size).open()
        seconds(images.subset(np.arange(64)), space, Path(scratch) / "warm", None)
        rates: dict[str, list[float]] = {"without": [], "with": [], "with, its start counted": []}
        for number in range(options.rounds):
            stores = [Path(scratch) / f"{way}{number}" for way in ("without", "with")]
            rates["without"].append(len(images) / seconds(images, space, stores[0], None))
            began = time.perf_counter()
            with connected("ray") as engine:
                few = seconds(images.subset(np.arange(64)), space, Path(scratch) / f"few{number}", engine)
                start = time.perf_counter() - began - few
                taken = seconds(images, space, stores[1], engine)
            rates["with"].append(len(images) / taken)
            rates["with, its start counted"].append(len(images) / (taken + start))
            assert rows(images, space, stores[0]) == rows(images, space, stores[1])
    middle = statistics.median(rates["without"])
    for name, values in rates.items():
        ratio = statistics.median(values) / middle
        print(f"{ratio:.3f}  {name}: {' '.join(f'{value:.1f}' for value in values)} pictures/s")


if __name__ == "__main__":
    main()
