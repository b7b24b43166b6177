"""Is a run over when it was said to be? The forecast before it begins, against the first answer and the end.

    python benchmarks/forecast.py PHOTOS [PHOTOS …] [--options "--finetune never"]

Each folder is trained on twice with one cache that is empty at first: so the first run of all is foreseen from the
pace of the network alone, later ones from the runs before them, and every second one finds its features in the cache.
It prints the seconds that were foreseen and those that it took. Nothing else should run.

Expected: the first answer within 30 % of the forecast, the end within 30 % of its two ends. Measured on two cores, of
ants and bees, cats and dogs, and both enlarged to 1600 and to 1100 pixels (`large_pictures.py`): first answers foreseen
after 4.3, 21.2, 38.5 and 29.5 s came after 3.8, 18.7, 42.9 and 32.7; with features in the cache 0.9, 2.1, 2.7 and 2.5
after 1.3, 2.5, 3.6 and 3.3. Ends foreseen at 9 to 15, 26 to 77, 44 to 110 and 35 to 96 s came at 12, 22, 50 and 38.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def trained(photos: Path, scratch: Path, options: list[str]) -> tuple[dict[str, float], float, float]:
    """The forecast, and the seconds to the first answer and to the end."""
    command = [sys.executable, "-m", "headstart", "train", str(photos), "-o", str(scratch / "run"), "--json", *options]
    environment = {**os.environ, "HEADSTART_CACHE": str(scratch / "cache")}
    began = time.monotonic()
    process = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    taken = time.monotonic() - began
    events = [json.loads(line) for line in process.stderr.splitlines() if line.startswith("{")]
    (foreseen,) = (event for event in events if event["event"] == "forecast")
    first = next(event["seconds"] for event in events if event["event"] == "state")
    return foreseen, first, taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, nargs="+")
    parser.add_argument("--options", default="--finetune never", type=shlex.split)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for photos in options.photos:
            for store in ("features to compute", "features in the cache"):
                foreseen, first, taken = trained(photos, Path(scratch), options.options)
                said = f"first {foreseen['first']:.1f} s foreseen, {first:.1f} taken; all {foreseen['least']:.1f} to "
                said += f"{foreseen['most']:.1f} foreseen, {taken:.1f} taken"
                print(f"{photos}, {store}: {said}", flush=True)


if __name__ == "__main__":
    main()
