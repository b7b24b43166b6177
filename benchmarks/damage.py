"""Damaged caches: every command must end as if nothing had happened, with the same rows and the same answers.

    python benchmarks/damage.py [--cases 300] [--seed 0]

A few drawn pictures are trained on with a small network and random weights, fine-tuning included, which leaves every
kind of file in a cache. Its rows, probabilities and fine-tuned weights are those that count. Then, for each case, a
copy of that cache is damaged: one file of it, drawn at random by kind, gets a few flipped bits, zeros over a page,
its end cut off or garbage in its place, is emptied, removed or replaced by a folder; of the store also a byte of a
value, and its journal. The same work is done with it, and again with what that left behind. It prints the first
cases, each failure, and a line for each kind of file: cases, of how many something was said, tracebacks, wrong
results. It fails where there is any of the last two.

Expected: 0 tracebacks and 0 wrong results, as measured in 300 cases; a case takes about 1.5 seconds of processor time.
"""

from __future__ import annotations

import argparse
import collections
import shutil
import sqlite3
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator

from headstart.backbones.space import NetworkSpec
from headstart.cache_folder import Troubles, troubles
from headstart.features.table import FeatureTable, Workbench
from headstart.finetune.job import Job
from headstart.finetune.loop import finetune
from headstart.finetune.plan import Augment, Phase, Plan
from headstart.images.decode import encode
from headstart.images.folder import ImageSet, scan

NETWORK, SIZE, PICTURES = "test_efficientnet.r160_in1k", 32, 24
PLAN = Plan(
    size=SIZE,
    augment=Augment(kind="crop", views=2),
    phases=(Phase(train_from="head", epochs=1), Phase(train_from="blocks.4", epochs=2)),
)
Result = dict[str, bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    count: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    with tempfile.TemporaryDirectory() as scratch:
        images, whole = drawn(Path(scratch) / "photos"), Path(scratch) / "whole"
        expected = worked(images, whole)
        if worked(images, whole) != expected or troubles() != Troubles():
            raise SystemExit("the undamaged cache gives other results")
        for case in range(options.cases):
            cache = Path(scratch) / "cache"
            shutil.copytree(whole, cache)
            kind, what = damage(cache, rng)
            outcome, said = attempt(images, cache, expected)
            count[kind].update(["cases", *(["said"] if said != Troubles() else []), *outcome])
            if outcome or case < 5:
                print(f"{case:>4}: {what}: {', '.join(outcome) or 'same'}; {said}", flush=True)
            shutil.rmtree(cache, ignore_errors=True)
    print(f"\n{'':<14}cases  said  traceback  wrong")
    for kind, of in sorted(count.items()):
        print(f"{kind:<14}{of['cases']:>5}{of['said']:>6}{of['traceback']:>11}{of['wrong']:>7}")
    if any(of["traceback"] or of["wrong"] for of in count.values()):
        raise SystemExit(1)


def drawn(folder: Path) -> ImageSet:
    """Pictures of noise, dark ones and light ones."""
    rng = np.random.default_rng(0)
    for number in range(PICTURES):
        light = number % 2
        path = folder / ("light" if light else "dark") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(rng.integers(60 * light, 160 + 60 * light, (40, 40, 3)).astype(np.uint8)))
    return scan(folder)


def worked(images: ImageSet, cache: Path) -> Result:
    """What comes of extracting rows, remembering values and fine-tuning, as bytes."""
    network = NetworkSpec.named(NETWORK, "random", cache=cache, device="openvino", precision="f32")
    every = np.arange(len(images))
    with Workbench.open(network) as bench:
        table = FeatureTable(images, bench)
        depths = repr(network.depth_channels())
        rows = [table.rows(SIZE, output, every) for output in ("last", "depths")]
        values = list(table.remembered("size", lambda path: str(path.stat().st_size).encode(), stage="sizes"))
        job = Job(network=network, images=images, train=every[every % 4 > 0], val=every[every % 4 == 0], plan=PLAN)
        checkpoints = cache / "checkpoints"
        if not checkpoints.is_file():
            checkpoints.mkdir(parents=True, exist_ok=True)
        tuned = finetune(job, checkpoint=checkpoints if checkpoints.is_dir() else None)
    weights = {name: value.numpy().tobytes() for name, value in tuned.last.items()}
    return {
        "depths": depths.encode(),
        "rows": b"".join(part.tobytes() for part in rows),
        "values": repr(values).encode(),
        "answers": tuned.val_proba().tobytes(),
        **weights,
    }


def attempt(images: ImageSet, cache: Path, expected: Result) -> tuple[list[str], Troubles]:
    """What went wrong with a damaged cache, and what was said of it; used again, it is to be sound."""
    try:
        first = worked(images, cache)
        said = troubles()
        second = worked(images, cache)
        again = troubles()
    except Exception:
        traceback.print_exc()
        return ["traceback"], troubles()
    wrong = [f"{name} differs" for result in (first, second) for name in expected if result[name] != expected[name]]
    if again.damaged or again.store_damaged:
        wrong.append("said twice")
    return (["wrong", *wrong] if wrong else []), said


def damage(cache: Path, rng: Generator) -> tuple[str, str]:
    """Damage one file of ``cache``; the kind of file and what was done, in words."""
    files = sorted(path for path in cache.rglob("*") if path.is_file())
    kinds = sorted({path.relative_to(cache).parts[0] for path in files})
    kind = kinds[rng.integers(len(kinds))]
    of_kind = [path for path in files if path.relative_to(cache).parts[0] == kind]
    path = of_kind[rng.integers(len(of_kind))]
    ways: dict[str, Callable[[], object]] = {
        "bits": lambda: bits(path, rng),
        "page": lambda: page(path, rng),
        "cut": lambda: path.write_bytes(path.read_bytes()[: int(rng.integers(path.stat().st_size + 1))]),
        "garbage": lambda: path.write_bytes(rng.bytes(path.stat().st_size)),
        "empty": lambda: path.write_bytes(b""),
        "removed": path.unlink,
        "a folder": lambda: in_its_place(path),
    }
    if path.name == "features.sqlite":
        ways |= {"a value": lambda: value(path, rng), "journal": lambda: journal(path, rng)}
    chosen = list(ways)[rng.integers(len(ways))]
    ways[chosen]()
    if kind == "maps":  # else the finished checkpoint would do without them
        shutil.rmtree(cache / "checkpoints")
    return kind, f"{path.relative_to(cache)}, {chosen}"


def in_its_place(path: Path) -> None:
    path.unlink()
    path.mkdir()


def bits(path: Path, rng: Generator) -> None:
    data = bytearray(path.read_bytes())
    for place in rng.integers(max(len(data), 1), size=int(rng.integers(1, 9))) if data else ():
        data[place] ^= 1 << int(rng.integers(8))
    path.write_bytes(data)


def page(path: Path, rng: Generator) -> None:
    data = bytearray(path.read_bytes())
    start = 4096 * int(rng.integers(len(data) // 4096 + 1))
    data[start : start + 4096] = bytes(len(data[start : start + 4096]))
    path.write_bytes(data)


def value(path: Path, rng: Generator) -> None:
    """Flip a bit of a stored value, so that SQLite notices nothing."""
    with sqlite3.connect(path) as db:
        numbers = [number for (number,) in db.execute("SELECT rowid FROM features")]
        number = numbers[rng.integers(len(numbers))]
        data = bytearray(db.execute("SELECT value FROM features WHERE rowid = ?", [number]).fetchone()[0])
        data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
        db.execute("UPDATE features SET value = ? WHERE rowid = ?", [bytes(data), number])
    db.close()


def journal(path: Path, rng: Generator) -> None:
    """Garbage where SQLite keeps what is not in its file yet."""
    for name in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + name).write_bytes(rng.bytes(int(rng.integers(1, 100_000))))


if __name__ == "__main__":
    main()
