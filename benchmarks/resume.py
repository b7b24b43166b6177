"""``kill -9`` at random moments of ``headstart recipes run``: going on must end at the weights of an undisturbed run.

    python benchmarks/resume.py PHOTOS [--kills 10] [--epochs 2] [--views 2]

The run has two phases, a frozen part that is computed once, and a cut inside the network. First it runs undisturbed,
with a cache of its own. Then, for each kill, it is started in a new folder and killed at a random moment: every other
time with an empty cache, so that kills fall into every stage. The same command then goes on, and every tensor of its
last checkpoint, its curves but for their seconds, and predictions.csv must equal those of the undisturbed run bit for
bit. It prints one line per kill, with how many epochs were finished when it came, and fails at the first difference.
A run that ends before its moment has come does not count. Every run is a process of its own, forked from one that has
imported what it needs: kills then fall into the work and not into the loading of torch. Expected: all the
same. On 244 + 153 ants and bees 10 of 10 were, after 0 to 4 of the 4 epochs.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headstart.cli
import headstart.finetune.loop
import headstart.recipes.runner
from headstart.finetune.checkpoint import Snapshot


def command(options: argparse.Namespace, out: Path) -> list[str]:
    words = ["recipes", "run", "mobilenetv2-two-phase", str(options.photos)]
    words += ["--backbone", "efficientnet_lite0", "--epochs", str(options.epochs), "--views", str(options.views)]
    return [*words, "-o", str(out)]


def snapshot(run: Path) -> dict[str, Any]:
    file = run / "checkpoint"
    return vars(Snapshot.load(file, torch.load(file, weights_only=True)["run"]))


def differences(run: Path, expected: Path) -> list[str]:
    """Names of whatever is not the same.

    NumPy compares: torch would start threads to do it, and a process forked from one with threads waits for them.
    """
    a, b = snapshot(run), snapshot(expected)
    found = [
        f"{part} {name}"
        for part in ("weights", "best")
        for name in a[part].keys() | b[part].keys()
        if not np.array_equal(a[part].get(name, torch.empty(0)).numpy(), b[part].get(name, torch.empty(0)).numpy())
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
        log = Path(scratch) / "log"
        cold = finish(command(options, whole), Path(scratch) / "first", log)
        print(f"undisturbed: {cold:.1f} s, {len(snapshot(whole)['epochs'])} epochs", flush=True)
        kills = 0
        while kills < options.kills:
            if kills % 2 == 0:
                shutil.rmtree(cache, ignore_errors=True)
            shutil.rmtree(killed, ignore_errors=True)
            moment = rng.uniform(0, cold)
            if not killed_at(moment, command(options, killed), cache, log):
                continue
            kills += 1
            finished = len(snapshot(killed)["epochs"]) if (killed / "checkpoint").is_file() else 0
            finish(command(options, killed), cache, log)
            if different := differences(killed, whole):
                sys.exit(f"kill {kills} at {moment:.1f} s: {', '.join(different)} differ")
            print(f"{kills:>2}: killed at {moment:5.1f} s, {finished} epochs finished, same", flush=True)


def begin(words: list[str], cache: Path, log: Path) -> int:
    """The id of a process that runs the command."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        with log.open("w") as stream:
            os.dup2(stream.fileno(), 1)
            os.dup2(stream.fileno(), 2)
        os.environ["HEADSTART_CACHE"] = str(cache)
        sys.argv = ["headstart", *words]
        headstart.cli.main()
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    finally:
        os._exit(code)


def finish(words: list[str], cache: Path, log: Path) -> float:
    """Run the command to its end; its seconds."""
    began = time.monotonic()
    _, status = os.waitpid(begin(words, cache, log), 0)
    if os.waitstatus_to_exitcode(status):
        sys.exit(f"{' '.join(words)} failed\n{log.read_text()}")
    return time.monotonic() - began


def killed_at(moment: float, words: list[str], cache: Path, log: Path) -> bool:
    """Whether the kill came before the end."""
    child, ends = begin(words, cache, log), time.monotonic() + moment
    while time.monotonic() < ends:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.02)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


if __name__ == "__main__":
    main()
