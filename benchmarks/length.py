"""Whether prediction of very many pictures needs no more memory, and loses or doubles no row where it is killed.

    python benchmarks/length.py MODEL PHOTOS [--pictures 100000] [--kills 10] [--seed 0] [--parquet]

MODEL is a run or a model, PHOTOS a folder of pictures, which are linked under as many names as are asked for. First
1,000 of them are answered, then all, each in a process of its own: peak memory, and pictures a second. Then all once
more, killed at random instants, the same command again each time: the table must be the same, byte for byte.

Measured with 100,000 names of 30 drawn pictures of 64 pixels and a model of a small network: 162 MB for 1,000 and 175
for all, 1.08 times. With 10,000 of them, killed 10 times: the same table, no file left over. With efficientnet_lite0
and 4,000 names of 153 ants and bees, killed twice: the same table.
Expected: memory of all within 1.2 times that of 1,000, and the same table. Where a kill fell on the moment in which the
table itself is written, an unfinished file with a hidden name is left beside it.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from headstart.files import sha256
from headstart.images.walk import files_below

FEW = 1_000


def linked(photos: Path, folder: Path, count: int) -> Path:
    """A folder of so many names, in parts of 1,000."""
    pictures, _ = files_below(photos.resolve())
    for number in range(count):
        part = folder / f"{number // FEW:04d}"
        part.mkdir(parents=True, exist_ok=True)
        (part / f"{number:06d}{pictures[number % len(pictures)].suffix}").symlink_to(pictures[number % len(pictures)])
    return folder


def command(model: Path, folder: Path, table: Path) -> Sequence[str]:
    return [sys.executable, "-m", "headstart", "predict", str(model), str(folder), "-o", str(table)]


def answered(model: Path, folder: Path, table: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of a process that answers all of ``folder``."""
    began = time.monotonic()
    process = subprocess.Popen(command(model, folder, table), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode in (0, 1)  # 1: some cannot be read, and have a row that says why
    return time.monotonic() - began, used.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def killed(model: Path, folder: Path, table: Path, seconds: float, kills: int, rng: random.Random) -> int:
    """Answer all of ``folder``, killed at up to so many random instants; how often it was."""
    done = 0
    for _ in range(kills):
        process = subprocess.Popen(command(model, folder, table), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(1 + rng.random() * 2 * seconds / kills)
            break
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            done += 1
    answered(model, folder, table)
    return done


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--parquet", action="store_true")
    options = parser.parse_args()
    ending = "parquet" if options.parquet else "csv"
    with tempfile.TemporaryDirectory() as scratch:
        few = linked(options.photos, Path(scratch) / "few", FEW)
        all_ = linked(options.photos, Path(scratch) / "all", options.pictures)
        tables = [Path(scratch) / f"{name}.{ending}" for name in ("few", "all", "killed")]
        for folder, table, count in ((few, tables[0], FEW), (all_, tables[1], options.pictures)):
            seconds, megabytes = answered(options.model, folder, table)
            print(f"{count} pictures: {megabytes:.0f} MB, {count / seconds:.0f} pictures/s", flush=True)
        rng = random.Random(options.seed)
        times = killed(options.model, all_, tables[2], seconds, options.kills, rng)
        same = sha256(tables[1]) == sha256(tables[2])
        left = [path.name for path in Path(scratch).glob(".*")]
        print(f"killed {times} times: {'the same table' if same else 'ANOTHER TABLE'}, {len(left)} files left over")


if __name__ == "__main__":
    main()
