"""A run folder while ``headstart train`` writes it, and after ``kill -9``: one state, whole, at any instant.

    python benchmarks/anytime.py PHOTOS [--kills 20] [--size 224 --size 384] [--seed 0]

First a run into a new folder, then one into the folder that it left, each read all the time by a reader of its own: it
goes by run.json to the other files, which must have the hashes that it says, and loads the model, which must have the
head that it says. A reader that saw run.json change meanwhile looks again, as one who reads several files of a folder
must; how often is counted. Then runs are killed at random moments, every other time one into a folder that already
holds a run, and the folder is read once more.

Expected: 0 errors and 0 mixes; after each of 20 kills a whole state, or none where the first answer had not come yet.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from headstart.deploy.model import Model
from headstart.files import sha256


def read(run: Path) -> str:
    """The state in ``run`` in one word; "none" before there is any; raises where it is no whole one."""
    try:
        record = (run / "run.json").read_text()
    except FileNotFoundError:
        return "none"
    try:
        said = json.loads(record)
        wrong = [name for name, digest in said["files"].items() if sha256(run / name) != digest]
        if wrong or Model.load(run).training["head"] != said["choice"]["candidate"]:
            raise ValueError(f"a mix: {wrong or 'another head'}, where run.json says {said['state']}")
    except Exception:
        if record != (run / "run.json").read_text():
            return "changed meanwhile"
        raise
    return str(said["state"])


def started(options: argparse.Namespace, run: Path, cache: Path) -> subprocess.Popen[bytes]:
    sizes = [word for size in options.size for word in ("--size", str(size))]
    command = [sys.executable, "-m", "headstart", "train", str(options.photos), "-o", str(run), *sizes]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env={**os.environ, "HEADSTART_CACHE": str(cache)}, **quiet)  # type: ignore[call-overload, no-any-return]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--size", type=int, action="append", default=[])
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        run, cache = Path(scratch) / "run", Path(scratch) / "cache"
        for name in ("a new folder", "the same folder again"):
            began, process, seen = time.monotonic(), started(options, run, cache), Counter[str]()
            while process.poll() is None:
                seen[read(run)] += 1
            if process.returncode:
                raise SystemExit(f"{name}: exit code {process.returncode}")
            seconds = time.monotonic() - began
            print(f"{name}, {seconds:.0f} s, read: {dict(seen)}; in the end: {read(run)}", flush=True)
        after = Counter[str]()
        for number in range(options.kills):
            folder = run if number % 2 else Path(scratch) / "new"
            shutil.rmtree(Path(scratch) / "new", ignore_errors=True)
            process = started(options, folder, cache)
            time.sleep(rng.uniform(0.2, seconds))
            process.send_signal(signal.SIGKILL)
            process.wait()
            state = read(folder)
            if number % 2 and state == "none":
                raise SystemExit("a run that was there is gone")
            after[state] += 1
        print(f"after {options.kills} kills: {dict(after)}")


if __name__ == "__main__":
    main()
