"""A kit and a web export where there is no network: installed, opened, and held against the model.

    python benchmarks/air_gap.py RUN PHOTOS --runtime examples/node_modules [--full]

Needs "headstart[onnx]", Chromium and Linux. Here `headstart pack` downloads the wheels, `headstart export --to web`
writes the page, and the model answers PHOTOS. All else happens in a network namespace without routes, whose loopback
device alone is up: the kit is installed with the Python of the system and answers PHOTOS; the page is opened in
headless Chromium from a host on loopback, answers its golden pictures, and some of PHOTOS one by one. ``--full`` packs
all of headstart, which answers files as `headstart predict` does here.

Expected: the kit's and the page's answers within 0.01 of the model's for the same pixels, the full kit's of those for
the same files, equal labels, and no request but for the page's own files. Exit code 1 where one of them does not hold.
Measured with efficientnet_lite0 and 153 pictures of ants and bees: a kit of 69 MB, a full one of 3.5 GB that is
installed in a minute; every label is the same, the largest difference of a probability 0.00011 in the kit, 0.00000 in
the full one and 0.00009 on the page.
"""

from __future__ import annotations

import argparse
import csv
import fcntl
import json
import runpy
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from headstart.deploy.kit import MOST_RUN
from headstart.deploy.model import Model
from headstart.images.decode import decode
from headstart.images.walk import find_images
from headstart.workflows.export import ExportOptions, export
from headstart.workflows.pack import PackOptions, pack

SAME = 0.01
"""Largest difference of a probability, as in `headstart.deploy.verify`."""
ON_THE_PAGE = 8
"""Pictures that are chosen on the page."""
ELSEWHERE = ("192.0.2.1", 80)
"""An address that stands for all others (RFC 5737)."""
_SIOCSIFFLAGS, _IFF_UP = 0x8914, 1
_BARS = "[...document.querySelectorAll('#bars li')].map(li => [li.firstChild.textContent, li.lastChild.value])"


def outside(run: Path, photos: Path, runtime: Path, scratch: Path, *, full: bool) -> None:
    """Pack, export, and keep what the model answers."""
    begun = time.perf_counter()
    packed = pack(run, scratch / "kit.zip", PackOptions(full=full))
    print(f"packed in {time.perf_counter() - begun:.0f} s: {packed.path.stat().st_size / 1e6:.0f} MB", flush=True)
    export(run, "web", scratch / "web", ExportOptions(runtime=runtime))
    exact, paths = Model.load(run, precision="f32"), find_images([photos])
    of_pixels = [exact.predict([decode(path, levels=exact.space.geometry.levels)])[0].proba for path in paths]
    of_files = [each.proba for each in Model.load(run).predict(paths)] if full else of_pixels
    for name, answers in (("pixels", of_pixels), ("files", of_files)):
        known = {
            str(path): dict(zip(exact.classes, proba.tolist(), strict=True))
            for path, proba in zip(paths, answers, strict=True)
            if proba is not None
        }
        (scratch / f"{name}.json").write_text(json.dumps(known))


def alone() -> None:
    """Bring the loopback device up, and see that there is nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", _IFF_UP))
    try:
        socket.create_connection(ELSEWHERE, timeout=5)
    except OSError as error:
        print(f"to any other address: {error.strerror}")
    else:
        raise SystemExit("there is a network")


def kit(photos: Path, scratch: Path, known: dict[str, dict[str, float]], *, full: bool) -> bool:
    """Install and predict; whether the answers are the model's. A full kit answers the files, as `predict` does."""
    begun = time.perf_counter()
    python = sys._base_executable  # type: ignore[attr-defined]
    packed = scratch / "kit.zip"
    if packed.stat().st_size > MOST_RUN:
        subprocess.run([python, "-m", "zipfile", "-e", str(packed), str(packed := scratch / "kit")], check=True)
    subprocess.run([python, str(packed), "install", str(scratch / "there")], check=True)
    print(f"installed in {time.perf_counter() - begun:.0f} s", flush=True)
    command = [str(scratch / "there" / "classify"), str(photos), "-o", str(scratch / "answers.csv")]
    subprocess.run(command, check=not full)
    with (scratch / "answers.csv").open(newline="", encoding="utf-8") as file:
        answers = {row["path"]: row for row in csv.DictReader(file)}
    return shown(
        "kit", {path: {name: float(answers[path][name]) for name in proba} for path, proba in known.items()}, known
    )


def page(scratch: Path, known: dict[str, dict[str, float]]) -> bool:
    """Open the page and choose pictures; whether the answers are the model's, and nobody else was asked."""
    browser = runpy.run_path(str(Path(__file__).parents[1] / "tests" / "browser.py"))
    answered = {}
    with browser["host"](scratch / "web") as address, browser["browser"](scratch / "profile") as tab:
        tab.open(f"{address}/index.html")
        tab.until("document.querySelector('#file')?.disabled === false")
        tab.run("document.querySelector('#check').click()")
        tab.until("document.querySelector('#checked').dataset.apart")
        print(tab.run("document.querySelector('#checked').textContent"))
        for path in list(known)[:: max(1, len(known) // ON_THE_PAGE)][:ON_THE_PAGE]:
            tab.run("document.querySelector('#answer').hidden = true")
            tab.choose("#file", Path(path).resolve())
            tab.until("!document.querySelector('#answer').hidden")
            answered[path] = dict(tab.run(_BARS))
        own = all(request.startswith((address, "blob:", "data:")) for request in tab.requests)
    return shown("page", answered, {path: known[path] for path in answered}) and own


def shown(what: str, answered: dict[str, dict[str, float]], known: dict[str, dict[str, float]]) -> bool:
    """Print how they agree; whether it holds."""
    apart = max(abs(answered[path][name] - p) for path, proba in known.items() for name, p in proba.items())
    labels = sum(
        max(answered[p], key=answered[p].__getitem__) == max(known[p], key=known[p].__getitem__) for p in known
    )
    print(f"{what}: {labels} of {len(known)} labels are the same, largest difference {apart:.5f}", flush=True)
    return labels == len(known) and apart <= SAME


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--runtime", type=Path, required=True, help="the folder of onnxruntime-web")
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        alone()
        of_pixels, of_files = (
            json.loads((options.inside / f"{name}.json").read_text()) for name in ("pixels", "files")
        )
        holds = kit(options.photos, options.inside, of_files, full=options.full)
        sys.exit(0 if page(options.inside, of_pixels) and holds else 1)
    with tempfile.TemporaryDirectory() as scratch:
        outside(options.run, options.photos, options.runtime, Path(scratch), full=options.full)
        namespace = ["unshare", "--map-root-user", "--net"]
        command = [*namespace, sys.executable, *sys.argv, "--inside", scratch]
        sys.exit(subprocess.run(command, check=False).returncode)


if __name__ == "__main__":
    main()
