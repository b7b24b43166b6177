"""Features of large pictures against decoding them alone, in processor seconds.

Pictures of FOLDER are enlarged to 12 megapixels as JPEGs of quality 90. Three things are done to all of them, in turn:
they are decoded in full, as whoever opens them does; decoded at the fraction of their size that the network needs; and
turned into features and notes in an empty store, everything that `headstart train` wants of a file. The network is the
default one at 224 pixels.

    python benchmarks/decoding.py FOLDER [--pictures 500] [--rounds 3]

Expected, with 100 pictures of ants and bees on 2 cores with AMX, beside other work: 71 ms of a processor a picture
decoded in full, 17 ms decoded small, 29 ms for features. So features are 2.5 times as fast as decoding in full, and 0.6
times as fast as decoding small: of the other 12 ms, hashing, resampling and notes take 5, the network and the store the
rest.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from headstart.features.extract import extract_to_store
from headstart.files import sha256
from headstart.images.decode import DecodedImage, decode, encode, resample
from headstart.images.folder import scan
from headstart.images.threads import in_order
from headstart.options import FitOptions
from headstart.pipeline import NOTES, workbench
from headstart.store import FeatureStore

PIXELS = 12_000_000
SIZE = 224


def enlarged(source: Path, path: Path) -> Path:
    pixels = decode(source)
    height, width = pixels.shape[:2]
    times = (PIXELS / (height * width)) ** 0.5
    path.write_bytes(encode(resample(pixels, size=(round(width * times), round(height * times))), quality=90))
    return path


def decoded(path: Path, at_least: int | None) -> None:
    with DecodedImage.read(path.read_bytes(), at_least=at_least):
        pass


def all_decoded(paths: Sequence[Path], at_least: int | None) -> None:
    for _ in in_order(partial(decoded, at_least=at_least), paths):
        pass


def seconds(work: Callable[[], None]) -> tuple[float, float]:
    """Of all processors together, and by the clock."""
    cpu, clock = time.process_time(), time.perf_counter()
    work()
    return time.process_time() - cpu, time.perf_counter() - clock


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    sources = scan(arguments.folder).paths
    with tempfile.TemporaryDirectory() as scratch, workbench(FitOptions()) as bench:
        space = bench.space(SIZE)
        numbers = range(arguments.pictures)
        paths = [enlarged(sources[i % len(sources)], Path(scratch) / f"{i}.jpg") for i in numbers]
        digests = [sha256(path) for path in paths]

        def features(number: int) -> None:
            with FeatureStore(Path(scratch) / f"store {number}") as store:
                failed = extract_to_store(paths, digests, space, store, notes=NOTES)
            assert not failed

        spent: dict[str, list[tuple[float, float]]] = {"decoded in full": [], "decoded small": [], "features": []}
        features(0)  # warm up
        for number in range(1, arguments.rounds + 1):
            spent["decoded in full"].append(seconds(partial(all_decoded, paths, None)))
            spent["decoded small"].append(seconds(partial(all_decoded, paths, space.geometry.resized)))
            spent["features"].append(seconds(partial(features, number)))
    n, (cpu, clock) = len(paths), ({name: _median(of, at) for name, of in spent.items()} for at in (0, 1))
    for name in spent:
        ratio = f"{cpu[name] / cpu['features']:.2f}, {clock[name] / clock['features']:.2f} of the time of features"
        print(f"{name:<16} {1e3 * cpu[name] / n:6.1f} ms of a processor, {n / clock[name]:6.1f} pictures/s   {ratio}")


def _median(pairs: Sequence[tuple[float, float]], at: int) -> float:
    return statistics.median(pair[at] for pair in pairs)


if __name__ == "__main__":
    main()
