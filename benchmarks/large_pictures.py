"""The first answer, the end and the memory of ``headstart train`` on large JPEGs, as people fetch them from the web.

    python benchmarks/large_pictures.py PHOTOS [PHOTOS ...] [--pictures 2382] [--width 1600] [--rounds 1]
                                        [--scratch FOLDER] [-- OPTION ...]

The classes of all PHOTOS, folders of labelled pictures, make one set: of each so large a share that there are so many
pictures. They are enlarged to ``--width`` pixels, a quarter more or less, and saved as JPEGs of quality 80 to 95. Each
round begins with an empty cache. What follows ``--`` goes to ``headstart train``. Nothing else should run then.

Measured on 2 cores with AVX512, ants and bees with cats and dogs, at an error of 1.5 %, so that no fine-tuning is
tried: of 1600 pixels the first answer after 44 s, all after 51 s; of 1100 pixels after 34 and 39 s; 0.6 GB. Before what
is noted of a picture came from one that is averaged first, it was 57 and 64 s of 1600 pixels.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from headstart.images.decode import decode, encode, resample
from headstart.images.folder import ImageSet, scan

WIDER = 0.25
"""Share of the width by which pictures differ."""
FIRST = "first answer after"


def enlarged(source: Path, target: Path, width: int, number: int) -> None:
    rng = np.random.default_rng(number)
    pixels = decode(source)
    times = width * rng.uniform(1 - WIDER, 1 + WIDER) / pixels.shape[1]
    size = round(times * pixels.shape[1]), round(times * pixels.shape[0])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(encode(resample(pixels, size=size), quality=int(rng.integers(80, 96))))


def composed(folders: Sequence[ImageSet], count: int, width: int, scratch: Path) -> Path:
    """A folder of ``count`` pictures, the same share of every class."""
    share = count / sum(len(images) for images in folders)
    number = 0
    for images in folders:
        for label, name in enumerate(images.classes):
            paths = [path for path, y in zip(images.paths, images.y, strict=True) if y == label]
            for path in paths[: round(share * len(paths))]:
                number += 1
                if not (target := scratch / "photos" / name / f"{number:05d}.jpg").exists():
                    enlarged(path, target, width, number)
    return scratch / "photos"


def measured(photos: Path, scratch: Path, options: Sequence[str]) -> tuple[float, float, float]:
    """Seconds to the first answer and to the end, with the start of Python, and GB."""
    command = [sys.executable, "-m", "headstart", "train", str(photos), "-o", str(scratch / "run"), *options]
    environment = {**os.environ, "HEADSTART_CACHE": str(scratch / "cache"), "PYTHONUNBUFFERED": "1"}
    began, first = time.monotonic(), float("nan")
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(FIRST):
                first = time.monotonic() - began
            print(line, end="", flush=True)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return first, time.monotonic() - began, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--pictures", type=int, default=2382)
    parser.add_argument("--width", type=int, default=1600)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--scratch", type=Path, help="Where the set is made, and kept; a temporary folder by default.")
    given = [*sys.argv[1:], "--"]
    end = given.index("--")
    options, others = parser.parse_args(given[:end]), given[end + 1 : -1]
    with tempfile.TemporaryDirectory() as temporary:
        scratch = options.scratch or Path(temporary)
        photos = composed([scan(folder) for folder in options.photos], options.pictures, options.width, scratch)
        rounds = []
        for _ in range(options.rounds):
            with tempfile.TemporaryDirectory() as empty:
                rounds.append(measured(photos, Path(empty), others))
        first, end, memory = (statistics.median(values) for values in zip(*rounds, strict=True))
        print(f"first answer after {first:.1f} s, all after {end:.1f} s, {memory:.2f} GB")


if __name__ == "__main__":
    main()
