"""Peak memory of ``headstart train`` on a folder, and on ten times as many files.

    python benchmarks/memory.py PHOTOS [--times 10]

The larger folder holds copies of the pictures that differ by a trailing byte, so that each is decoded and computed
anew. Both runs start with an empty store. Prints peak resident memory (of the process and, by the kernel's count, of
nothing else) and the ratio. Measured on 2,500 pictures of cats and dogs: 1.5 GB, and
1.25 times that on 25,000.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def copies(source: Path, target: Path, times: int) -> int:
    count = 0
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        folder = target / path.parent.relative_to(source)
        folder.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        for number in range(times):
            (folder / f"{path.stem}-{number}{path.suffix}").write_bytes(data + bytes([number]) * (number > 0))
            count += 1
    return count


def peak(photos: Path, scratch: Path) -> tuple[float, float]:
    """Gigabytes and seconds of one run in a process of its own."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True, stdout=sys.stderr)\n"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)\n"
    )
    words = [sys.executable, "-m", "headstart", "train", str(photos), "-o", str(scratch / "run")]
    environment = {**os.environ, "HEADSTART_CACHE": str(scratch / "cache"), "HEADSTART_CACHE_GB": "50"}
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, *words], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1e9, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as many:
        small, seconds = peak(options.photos, Path(one))
        print(f"the folder itself: {small:.2f} GB, {seconds:.0f} s", flush=True)
        count = copies(options.photos, Path(many) / "photos", options.times)
        large, seconds = peak(Path(many) / "photos", Path(many))
        print(f"{count} files: {large:.2f} GB, {seconds:.0f} s; {large / small:.2f} times as much", flush=True)


if __name__ == "__main__":
    main()
