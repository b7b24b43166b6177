"""``kill -9`` at random moments of ``headstart recipes run``: going on must end at the weights of an undisturbed run.

    python benchmarks/resume.py PHOTOS [--kills 10] [--epochs 2] [--views 2]

The run has two phases, a frozen part that is computed once, and a cut inside the network. First it runs undisturbed,
with a cache of its own. Then, for each kill, it is started in a new folder and killed at a random moment: every other
time with an empty cache, so that kills fall into every stage. The same command then goes on, and every tensor of its
last checkpoint, its curves but for their seconds, and predictions.csv must equal those of the undisturbed run bit for
bit. It prints one line per kill, with how many epochs were finished when it came, and fails at the first difference.
A run that ends before its moment has come does not count. On ants and bees: EXPECTED.
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
from pathlib import Path
from typing import Any

import torch


def command(options: argparse.Namespace, out: Path) -> list[str]:
    words = [sys.executable, "-m", "headstart", "recipes", "run", "mobilenetv2-two-phase", str(options.photos)]
    words += ["--backbone", "efficientnet_lite0", "--epochs", str(options.epochs), "--views", str(options.views)]
    return [*words, "-o", str(out)]


def snapshot(run: Path) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(run / "checkpoint", weights_only=True)["snapshot"]
    return found


def differences(run: Path, expected: Path) -> list[str]:
    """Names of whatever is not the same."""
    a, b = snapshot(run), snapshot(expected)
    found = [
        f"{part} {name}"
        for part in ("weights", "best")
        for name in a[part].keys() | b[part].keys()
        if not torch.equal(a[part].get(name, torch.empty(0)), b[part].get(name, torch.empty(0)))
    ]
    if (run / "predictions.csv").read_bytes() != (expected / "predictions.csv").read_bytes():
        found.append("predictions.csv")
    if curves(run) != curves(expected):
        found.append("history.json")
    return found


def curves(run: Path) -> Any:
    history = json.loads((run / "history.json").read_text())
    for epoch in history["epochs"]:
        del epoch["seconds"]
    return history


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--views", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as scratch:
        whole, killed, cache = Path(scratch) / "whole", Path(scratch) / "killed", Path(scratch) / "cache"
        environment = {**os.environ, "HEADSTART_CACHE": str(Path(scratch) / "first")}
        cold = timed(command(options, whole), environment)
        environment["HEADSTART_CACHE"] = str(cache)
        print(f"undisturbed: {cold:.1f} s, {len(snapshot(whole)['epochs'])} epochs", flush=True)
        kills = 0
        while kills < options.kills:
            if kills % 2 == 0:
                shutil.rmtree(cache, ignore_errors=True)
            shutil.rmtree(killed, ignore_errors=True)
            moment = rng.uniform(0, cold)
            if not killed_at(moment, command(options, killed), environment):
                continue
            kills += 1
            finished = len(snapshot(killed)["epochs"]) if (killed / "checkpoint").is_file() else 0
            again = subprocess.run(command(options, killed), env=environment, capture_output=True, text=True)
            if again.returncode:
                sys.exit(f"kill {kills} at {moment:.1f} s: going on failed\n{again.stderr}")
            if different := differences(killed, whole):
                sys.exit(f"kill {kills} at {moment:.1f} s: {', '.join(different)} differ")
            print(f"{kills:>2}: killed at {moment:5.1f} s, {finished} epochs finished, same", flush=True)


def timed(words: list[str], environment: dict[str, str]) -> float:
    began = time.monotonic()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    return time.monotonic() - began


def killed_at(moment: float, words: list[str], environment: dict[str, str]) -> bool:
    process = subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


if __name__ == "__main__":
    main()
