"""How time, memory and the report grow with the number of pictures: exponents of each stage of a run.

    python benchmarks/growth.py PHOTOS [--sizes 1000,3000,10000,30000,100000] [--scratch FOLDER]
    python benchmarks/growth.py --rows 1280 [--sizes 1000,3000,10000,30000,100000] [--scratch FOLDER]

With PHOTOS, a folder of labelled pictures, each set holds so many different ones: crops of these with colours shifted,
drawn into the scratch folder, each set holding the smaller ones. ``headstart train --finetune never`` runs with an
empty cache on each. With ``--rows`` no network runs: the store is filled with made-up rows of that width, and made-up
notes, so that everything but extraction is measured; no picture is needed.

Printed are the seconds of each stage by the run's own clock, the peak memory of the process, the size of the report,
and for each stage with a second or more the exponent of n in a law fitted through its logarithms. Everything runs in
processes of their own, one after the other; nothing else should run on the machine.

Expected: exponents up to 1.05 for extraction and 1.15 for all else, 3 GB at 100,000 pictures, a report below 5 MB.
Measured on two cores that others used too: of 1,000, 10,000 and 100,000 crops of cats and dogs extraction took 5, 61
and 499 s (exponent 1.00), all else 13, 85 and 791 s (0.90), of which the search for copies 0.7, 22 and 408 s: in 50
crops of each photograph there are pairs without end, of which 100,000 were compared closely. Memory 0.6, 1.4 and
3.0 GB; of the 100,000 once more, with two matrices fewer at a time, 2.8 GB. The report has 0.7 MB. With ``--rows 1280``
the search takes 98 s of 100,000, and all of it 2.5 GB at most.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart import pipeline
from headstart.images.folder import ImageSet, scan
from headstart.images.transforms import View
from headstart.options import FitOptions
from headstart.store import FeatureStore

CLASSES = ("a", "b", "c")
WRONG = 0.01
"""Share of made-up pictures whose label is another: few enough that the last layer at the base size is kept."""
LEAST_S = 1.0
"""Seconds of a stage, at the largest size, from which its exponent is told."""
TOGETHER = 2_000


# ── pictures ────────────────────────────────────────────────────────────────────────────────────────────────────────


def drawn(photos: ImageSet, number: int, path: Path) -> None:
    """Write picture ``number``: a crop of one of ``photos``, colours shifted; another number, another picture."""
    rng = np.random.default_rng(number)
    with Image.open(photos.paths[number % len(photos)]) as picture:
        pixels = picture.convert("RGB")
    width, height = (round(side * rng.uniform(0.5, 0.9)) for side in pixels.size)
    left, top = (int(rng.integers(0, side + 1)) for side in (pixels.width - width, pixels.height - height))
    part = np.asarray(pixels.crop((left, top, left + width, top + height)), np.float32)
    shifted = part * rng.uniform(0.7, 1.2, 3) + rng.uniform(-20, 20, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(shifted, 0, 255).astype(np.uint8)).save(path, quality=90)


def folder_of(photos: ImageSet, count: int, scratch: Path) -> Path:
    """A folder of ``count`` pictures; those that a smaller one has are linked."""
    for number in range(count):
        name = f"{photos.classes[photos.y[number % len(photos)]]}/{number:06d}.jpg"
        drawing, link = scratch / "all" / name, scratch / str(count) / name
        if not drawing.exists():
            drawn(photos, number, drawing)
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(drawing, link)
    return scratch / str(count)


# ── rows without pictures ───────────────────────────────────────────────────────────────────────────────────────────


def made_up(count: int, folder: Path) -> ImageSet:
    """Labelled pictures of which there is only the name: every one leads to the same small file."""
    rng = np.random.default_rng(0)
    file = folder / "picture.png"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(file)
    paths = tuple(folder / "pictures" / f"{number:06d}.png" for number in range(count))
    paths[0].parent.mkdir()
    for path in paths:
        path.symlink_to(file)
    return ImageSet(
        root=folder / "pictures",
        classes=CLASSES,
        paths=paths,
        y=rng.integers(0, len(CLASSES), count),
        split=np.full(count, "train", "U5"),
        groups=np.arange(count),
        group_names=("",) * count,
        digests=tuple(f"{number:064x}" for number in range(count)),
        layout="class folders",
    )


def fill(store: FeatureStore, images: ImageSet, keys: Sequence[str], width: int) -> None:
    """Keep made-up rows ``last`` and notes: classes apart, most of the spread along few axes, as features have it.

    Of ``depths``, the second of ``keys``, nobody asks more than whether there is a row.
    """
    rng = np.random.default_rng(1)
    key, depths = keys
    axes = rng.normal(size=(64, width)) * (1 / np.arange(1, 65))[:, None]
    centres = rng.normal(size=(len(CLASSES), width)) * 0.3
    bases = rng.normal(size=(64, 8, 8, 3))
    miniature, colours, facts = (note.space(None) for note in (*pipeline.NOTES[1:], pipeline.NOTES[0]))
    for start in range(0, len(images), TOGETHER):
        part = range(start, min(start + TOGETHER, len(images)))
        y = np.where(rng.random(len(part)) < WRONG, rng.integers(0, len(CLASSES), len(part)), images.y[part])
        rows = centres[y] + rng.normal(size=(len(part), 64)) @ axes + 0.05 * rng.normal(size=(len(part), width))
        small = np.tensordot(rng.normal(size=(len(part), 64)), bases, 1)
        small = (128 + 40 * small / small.std(axis=(1, 2, 3), keepdims=True)).clip(0, 255).astype(np.uint8)
        luminance, patches = small[..., 0].repeat(8, 1).repeat(8, 2), small.repeat(2, 1).repeat(2, 2)
        noise = rng.integers(0, 8, luminance.shape).astype(np.uint8)
        values: dict[str, dict[str, Any]] = {name: {} for name in (key, depths, miniature, colours, facts)}
        for row, number in enumerate(part):
            digest = images.digests[number]
            values[key][digest] = rows[row].astype(np.float32)
            values[depths][digest] = b"none"
            values[miniature][digest] = (luminance[row] ^ noise[row]).tobytes() + patches[row].tobytes()
            values[colours][digest] = rng.random(118).astype(np.float32).tobytes()
            values[facts][digest] = json.dumps(made_up_facts(rng)).encode()
        store.write(values)


def made_up_facts(rng: np.random.Generator) -> dict[str, Any]:
    """What `headstart.images.facts.FACTS` keeps of a picture."""
    width, height = (int(side) for side in rng.integers(300, 800, 2))
    size, (sharpness, contrast, colour) = int(width * height * rng.uniform(0.1, 0.3)), rng.uniform(0.2, 0.9, 3)
    return {
        "size": size, "width": width, "height": height, "format": "JPEG", "quality": float(rng.integers(70, 96)),
        "camera": "", "taken": float("nan"), "sharpness": sharpness, "contrast": 30 + 30 * contrast,
        "colour": 10 + 40 * colour, "border": tuple(rng.uniform(0, 255, 3)), "border_spread": rng.uniform(5, 50),
    }  # fmt: skip


def train_on_rows(count: int, width: int, scratch: Path, run: Path) -> None:
    """The run that `headstart train` makes of made-up rows; the network has random weights, and is not asked."""
    from headstart.workflows import train as workflow

    images = made_up(count, scratch)
    options = FitOptions(weights="random", cache=str(scratch / "cache"))
    with pipeline.workbench(options) as bench:
        size = bench.network.backbone.sizes[0]
        space = bench.space(size)
        assert space.runtime.widths["last"] == width, (
            f"the network gives rows of {space.runtime.widths['last']} numbers"
        )
        fill(bench.store, images, [space.key(View.CENTRE, output) for output in ("last", "depths")], width)
    setattr(workflow, "read", lambda *_: images)  # noqa: B010, which takes the place of what reads a folder
    workflow.train(scratch / "pictures", run, options)


# ── measuring ───────────────────────────────────────────────────────────────────────────────────────────────────────


def measured(command: Sequence[str], scratch: Path, run: Path) -> dict[str, float]:
    """Seconds by stage of the run that ``command`` makes, its peak memory in GB, and its report in MB."""
    environment = {**os.environ, "HEADSTART_CACHE": str(scratch / "cache"), "HEADSTART_CACHE_GB": "200"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, command
    seconds = json.loads((run / "run.json").read_text())["seconds"]
    unit = 1 if sys.platform == "darwin" else 1024
    memory, report = used.ru_maxrss * unit / 1e9, (run / "report.html").stat().st_size / 1e6
    return {**seconds, "memory, GB": memory, "report, MB": report}


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Of n in a power law fitted to values by least squares of the logarithms; values at 0 are left out."""
    known = [(n, value) for n, value in zip(sizes, values, strict=True) if value > 0.05]
    if len(known) < 2:
        return float("nan")
    n, value = np.log(np.array(known)).T
    return float(np.polyfit(n, value, 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="?", type=Path)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--sizes", default="1000,3000,10000,30000,100000")
    parser.add_argument("--scratch", type=Path, help="Where sets are drawn; a temporary folder by default.")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        train_on_rows(options.one, options.rows, options.scratch, options.scratch / "run")
        return
    sizes = [int(size) for size in options.sizes.split(",")]
    found: list[dict[str, float]] = []
    photos = None if options.rows else scan(options.photos)
    if photos:  # mixed, so that a small set has every class
        photos = photos.subset(np.random.default_rng(0).permutation(len(photos)))
    with tempfile.TemporaryDirectory(dir=options.scratch) as drawn_in:
        for size in sizes:
            with tempfile.TemporaryDirectory(dir=options.scratch) as name:
                scratch, run = Path(name), Path(name) / "run"
                if photos is None:
                    words = [__file__, "--rows", str(options.rows), "--one", str(size), "--scratch", name]
                else:
                    source = folder_of(photos, size, Path(drawn_in))
                    words = ["-m", "headstart", "train", str(source), "-o", str(run), "--finetune", "never"]
                found.append(measured([sys.executable, *words], scratch, run))
            print(size, *(f"{name} {value:.2f}" for name, value in found[-1].items() if value >= 0.05), sep="\n  ")
            sys.stdout.flush()
    for name in dict.fromkeys(name for values in found for name in values):
        values = [each.get(name, 0.0) for each in found]
        if "," in name or values[-1] >= LEAST_S:
            print(f"{exponent(sizes, values):5.2f}  {name}: {' '.join(f'{value:.2f}' for value in values)}")


if __name__ == "__main__":
    main()
