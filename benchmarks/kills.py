"""``kill -9`` at random moments of ``headstart train``: every rerun must complete with the same model.

    python benchmarks/kills.py PHOTOS [--kills 20] [--size 224]

First an undisturbed run with a store of its own. Then, for each kill, a run is started and killed at a random moment
of the time the first one took; the store is kept, and now and then emptied so that kills fall into every stage. After
each kill the same command runs to its end, and its model and metrics must equal those of the undisturbed run byte for
byte. It prints one line per kill, with how many feature rows the rerun found ready, and fails at the first difference.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAME = ("metrics.json", "model/head.safetensors", "model/model.json")


def command(options: argparse.Namespace, out: Path) -> list[str]:
    words = [sys.executable, "-m", "headstart", "train", str(options.photos), "-o", str(out)]
    return [*words, *(["--size", str(options.size)] if options.size else [])]


def rows(cache: Path) -> int:
    if not (cache / "features.sqlite").exists():
        return 0
    with sqlite3.connect(cache / "features.sqlite") as store:
        try:
            return int(store.execute("SELECT count(*) FROM features").fetchone()[0])
        except sqlite3.OperationalError:  # killed before there was a table
            return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--size", type=int)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed, cache = Path(scratch) / "whole", Path(scratch) / "killed", Path(scratch) / "cache"
        environment = {**os.environ, "HEADSTART_CACHE": str(Path(scratch) / "first")}
        began = time.monotonic()
        subprocess.run(command(options, whole), env=environment, check=True, capture_output=True)
        took = time.monotonic() - began
        expected = {name: (whole / name).read_bytes() for name in SAME}
        print(f"undisturbed: {took:.1f} s, {rows(Path(scratch) / 'first')} rows")
        environment["HEADSTART_CACHE"] = str(cache)
        for number in range(options.kills):
            if number % 4 == 0:
                shutil.rmtree(cache, ignore_errors=True)
            moment = rng.uniform(0, took if number % 4 == 0 else took / 2)
            process = subprocess.Popen(
                command(options, killed), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(moment)
            alive = process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait()
            ready, began = rows(cache), time.monotonic()
            again = subprocess.run(command(options, killed), env=environment, capture_output=True, text=True)
            if again.returncode:
                sys.exit(f"kill {number + 1} at {moment:.1f} s: the rerun failed\n{again.stderr}")
            if different := [name for name in SAME if (killed / name).read_bytes() != expected[name]]:
                sys.exit(f"kill {number + 1} at {moment:.1f} s: {', '.join(different)} differ")
            state = "killed" if alive else "had ended"
            print(
                f"{number + 1:>2}: {state} at {moment:5.1f} s, {ready:>6} rows ready, "
                f"rerun {time.monotonic() - began:5.1f} s, same model",
                flush=True,
            )


if __name__ == "__main__":
    main()
