"""`headstart train` beside what else people use: time, memory and accuracy on the same pictures, in turn.

    python benchmarks/peers.py {pytorch-frozen,pytorch-full,keras,fastai,autogluon,ultralytics,all} DATA
        [--rounds 3] [--epochs 1] [--cache FOLDER] [--out benchmarks/results]

DATA holds train/ and val/. Each peer runs in an environment of its own, which the command makes in ``--cache`` with uv
from the versions below, its program in `benchmarks/peers/`. A round is headstart with an empty cache, headstart again
with what that left, and the peer. Seconds are those of the whole process, its start and its reading among them, without
making the environment; memory is the peak of the largest process. Where pretrained weights cannot be had, the peer
starts from random ones of the same network, which take the same time, and no accuracy is given. ``--epochs`` shortens
every phase of the peer; what the whole would take is then scaled from seconds an epoch, marked as such, and no accuracy
given. Writes peers-DATE.json and peers-DATE.md, which hold all rows of that day, a repeated one once. Nothing else
should run on the machine.

Measured on 2 cores, one round each. Of 245 ants and bees: the tutorial's loop frozen 332 s, Keras 96 s, fastai 114 s,
AutoGluon about 256 s and Ultralytics about 933 s (scaled from 1 and 2 epochs); headstart's first answer 5.5 to 6.1 s
and everything 16 to 18 s with an empty cache, 2 and 4 s again. Of 2,000 cats and dogs: Keras about 417 s (scaled from 3
epochs of each phase), headstart 23.7 and 27.3 s, again 3.3 and 4.8 s. See `benchmarks/results`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

import headstart
from headstart.evaluation.intervals import wilson
from headstart.workflows.train import surroundings

HERE = Path(__file__).resolve().parent
FETCH_S = 180.0
"""Seconds to wait for pretrained weights. Chosen: enough for 100 MB, and for a network that never answers."""
FLAGS = ("avx2", "fma", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimd", "bf16")
"""Instructions that make networks fast."""


@dataclass(frozen=True)
class Peer:
    """A program in `benchmarks/peers/`, the packages it needs, and what it does in words."""

    program: str
    pins: tuple[str, ...]
    procedure: str
    options: tuple[str, ...] = ()


_TORCH = ("torch==2.15.0", "torchvision==0.29.2")
_TUTORIAL = "PyTorch's transfer-learning tutorial, 25 epochs, ResNet-18"
_KERAS = "Keras' transfer-learning tutorial, MobileNetV2, 10 epochs of the head, then 10 from layer 100 up"
_FASTAI = "fastai `vision_learner(resnet18).fine_tune(4)`"
_YOLO = "Ultralytics `YOLO('yolo26n-cls')`, 100 epochs"
_AUTOGLUON = (
    "AutoGluon `MultiModalPredictor`, `medium_quality` (MobileNetV3), at most 20 epochs, fewer if it stops early"
)
PEERS = {
    "pytorch-frozen": Peer("pytorch_tutorial.py", _TORCH, f"{_TUTORIAL} as fixed feature extractor"),
    "pytorch-full": Peer("pytorch_tutorial.py", _TORCH, f"{_TUTORIAL} trained whole", ("--full",)),
    "keras": Peer("keras_two_phase.py", ("tensorflow-cpu==2.21.0", "keras==3.15.1"), _KERAS),
    "fastai": Peer("fastai_fine_tune.py", ("fastai==2.8.12", *_TORCH), _FASTAI),
    "autogluon": Peer("autogluon_multimodal.py", ("autogluon.multimodal==1.6.3", "torch==2.13.0"), _AUTOGLUON),
    "ultralytics": Peer("ultralytics_classify.py", ("ultralytics==8.4.190", *_TORCH), _YOLO),
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One process from its start to its end."""

    seconds: float
    peak: float
    """Gigabytes."""
    first: float | None = None
    """Seconds until the first answer is there; None where there is none before the end."""
    accuracy: float | None = None
    """On the validation pictures, of what is left at the end; None where it would say nothing."""
    best: float | None = None
    """After the best epoch, chosen on those same pictures."""
    whole: float | None = None
    """Seconds of the whole procedure: ``seconds``, or scaled from them where epochs were left out."""
    epochs: tuple[tuple[int, int, float], ...] = ()
    """Of each phase: epochs that were run, epochs that the procedure has, seconds of one on average."""


def watched(command: Sequence[str], environment: Mapping[str, str]) -> tuple[float, float, list[dict[str, Any]]]:
    """Seconds and peak gigabytes of a process, and the events it told on stderr, each with its ``at`` in seconds."""
    events, said = [], []
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        output = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "encoding": "utf-8", "errors": "replace"}
        process = subprocess.Popen(command, cwd=folder, env={**os.environ, **environment}, **output)  # type: ignore[call-overload]
        for line in process.stderr:
            said.append(line)
            if line.startswith('{"event": '):
                events.append({**json.loads(line), "at": time.monotonic() - began})
        _, status, used = os.wait4(process.pid, 0)
        seconds, process.returncode = time.monotonic() - began, os.waitstatus_to_exitcode(status)
        process.stderr.close()
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{''.join(said[-30:])}")
    return seconds, used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e9, events


def ours(data: Path, cache: Path) -> Run:
    """One run of headstart, with what ``cache`` holds."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "headstart", "train", str(data), "-o", f"{folder}/run", "--json"]
        environment = {"HEADSTART_CACHE": str(cache), "PYTHONPATH": str(Path(headstart.__file__).parents[1])}
        seconds, peak, events = watched(command, environment)
        accuracy = json.loads(Path(folder, "run", "metrics.json").read_text())["accuracy"]["value"]
    first = next(event["at"] for event in events if event.get("state") == "first")
    return Run(seconds=seconds, peak=peak, first=first, accuracy=accuracy, whole=seconds)


def of_peer(seconds: float, peak: float, events: Sequence[Mapping[str, Any]], *, short: bool, random: bool) -> Run:
    """A peer's run from what it told: a phase begins, an epoch ends, an answer that is not the last epoch's.

    ``short``: not all epochs were asked for. No accuracy is taken from such a run, nor from ``random`` weights.
    """
    phases: list[tuple[int, list[float], float]] = []
    for event in events:
        if event["event"] == "phase":
            phases.append((event["whole"], [], event["at"]))
        elif event["event"] == "epoch":
            phases[-1][1].append(event["at"])
    epochs = tuple((len(ends), whole, (ends[-1] - begin) / len(ends)) for whole, ends, begin in phases)
    told = [] if short or random else [event for event in events if event.get("accuracy") is not None]
    accuracy = told[-1]["accuracy"] if told else None
    best = max((event["accuracy"] for event in told if event["event"] == "epoch"), default=None)
    whole = seconds + sum((whole - run) * each for run, whole, each in epochs) * short
    return Run(seconds=seconds, peak=peak, accuracy=accuracy, best=best, whole=whole, epochs=epochs)


class Environment:
    """A Python with a peer's packages in ``cache``, made here where it is not there yet."""

    def __init__(self, peer: Peer, cache: Path) -> None:
        self._peer, self._folder = peer, cache / Path(peer.program).stem
        self.python = self._folder / "bin/python"
        homes = ("TORCH_HOME", "KERAS_HOME", "HF_HOME", "FASTAI_HOME", "YOLO_CONFIG_DIR", "XDG_CACHE_HOME")
        self._variables = {name: str(cache / "weights") for name in homes}
        self._variables |= {"PYTHONPATH": "", "YOLO_AUTOINSTALL": "false", "TF_CPP_MIN_LOG_LEVEL": "2"}
        if not (pins := self._folder / "pins.txt").exists() or pins.read_text().split() != list(peer.pins):
            self._make()
            pins.write_text("\n".join(peer.pins))

    def _make(self) -> None:
        uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        if uv is None:
            raise SystemExit("uv makes the environments of the peers and is not there: pip install uv")
        folder, to = str(self._folder), ("--quiet", "--compile-bytecode", "--python", str(self.python))
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", *to, *self._peer.pins], check=True)

    def has_weights(self, data: Path) -> bool:
        """Whether pretrained weights are there, or could be fetched."""
        command, environment = [*self._command(data), "--fetch"], {**os.environ, **self._variables}
        with contextlib.suppress(subprocess.SubprocessError):
            subprocess.run(command, env=environment, cwd=self._folder, capture_output=True, check=True, timeout=FETCH_S)
            return True
        return False

    def run(self, data: Path, epochs: int | None, *, random: bool) -> Run:
        """One run of the peer, of no more than so many ``epochs`` a phase."""
        words = [*self._peer.options, *(["--epochs", str(epochs)] if epochs else []), *(["--random"] if random else [])]
        done = watched([*self._command(data), *words], self._variables)
        return of_peer(*done, short=epochs is not None, random=random)

    def _command(self, data: Path) -> list[str]:
        return [str(self.python), str(HERE / "peers" / self._peer.program), str(data)]


def machine() -> dict[str, str]:
    """Processor, instructions, cores, memory, system and versions of ours, in words."""
    info = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in info.splitlines())}
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "processor": fields.get("model name") or platform.processor() or platform.machine(),
        "instructions": " ".join(flag for flag in FLAGS if flag in flags),
        "cores": str(os.cpu_count()),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 1e9:.1f} GB",
        "system": platform.platform(),
        "versions": ", ".join(f"{name} {version}" for name, version in surroundings().items()),
    }


def pictures(data: Path) -> dict[str, int]:
    """How many files ``data`` has of either. Reads them all, so that no run is the first to."""
    files = {split: list(data.glob(f"{split}/*/*")) for split in ("train", "val")}
    counts = {split: sum(len(path.read_bytes()) > 0 for path in paths) for split, paths in files.items()}
    if not all(counts.values()):
        raise SystemExit(f"expected class folders in {data}/train and {data}/val")
    return counts


def row(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """All rounds of one peer and ours, in turn."""
    data, load, rounds = options.data.resolve(), round(os.getloadavg()[0], 2), []
    counts, environment = pictures(data), Environment(PEERS[name], options.cache.resolve())
    random = not environment.has_weights(data)
    for number in range(1, options.rounds + 1):
        with tempfile.TemporaryDirectory() as cache:
            runs = {"cold": ours(data, Path(cache)), "warm": ours(data, Path(cache))}
        runs["peer"] = environment.run(data, options.epochs, random=random)
        print(f"{name}, round {number}: " + "; ".join(f"{of} {run}" for of, run in runs.items()), flush=True)
        rounds.append({key: asdict(run) for key, run in runs.items()})
    kept = {"peer": name, "data": data.name, **counts, "epochs": options.epochs, "random weights": random}
    return {**kept, "load": load, "pins": PEERS[name].pins, "rounds": rounds}


def middle(found: Mapping[str, Any], of: str, key: str) -> float | None:
    """The median of ``key`` over the rounds that have it."""
    values = [one[of][key] for one in found["rounds"] if one[of][key] is not None]
    return median(values) if values else None


def times(found: Mapping[str, Any], of: str, key: str) -> str:
    """How many times as long a whole run of the peer takes, paired by round: median, and least and most."""
    ratios = [one["peer"]["whole"] / one[of][key] for one in found["rounds"]]
    return f"{median(ratios):.1f}" + (f" ({min(ratios):.1f}–{max(ratios):.1f})" if len(ratios) > 1 else "")


def page(document: Mapping[str, Any]) -> Iterator[str]:
    """The page in Markdown, line by line."""
    yield f"# headstart and its peers, {document['date']}\n"
    yield from (f"- {key}: {value}" for key, value in document["machine"].items())
    yield "\nMedians over rounds in which all took turns. Seconds of the whole process; memory of its largest part."
    yield "× is how many times as long the peer takes in the same round: median (least–most)."
    for found in document["rows"]:
        yield from _section(found)


def _section(found: Mapping[str, Any]) -> Iterator[str]:
    rounds, name, phases = found["rounds"], found["peer"], found["rounds"][0]["peer"]["epochs"]
    scaled = found["epochs"] is not None
    mark = "≈ " if scaled else ""
    yield f"\n## {name}, {found['data']}: {found['train']} to train on, {found['val']} to validate on\n"
    yield f"{PEERS[name].procedure}. {', '.join(found['pins'])}. Rounds: {len(rounds)}. Load before: {found['load']}.\n"
    yield "| | first answer, s | × | everything, s | × | peak GB | accuracy on val |\n|---|---|---|---|---|---|---|"
    for of, label in (("cold", "headstart, empty cache"), ("warm", "headstart, again")):
        cells = [f"{middle(found, of, key):.1f} | {mark}{times(found, of, key)}" for key in ("first", "whole")]
        yield f"| {label} | {' | '.join(cells)} | {middle(found, of, 'peak'):.2f} | {_accuracy(found, of)} |"
    whole = f"{mark}{middle(found, 'peer', 'whole'):.1f}"
    yield f"| {name} | – | | {whole} | | {middle(found, 'peer', 'peak'):.2f} | {_accuracy(found, 'peer')} |\n"
    told = "; ".join(f"{run} of {whole} epochs, {each:.1f} s each" for run, whole, each in phases)
    yield f"The peer in round 1: {told}, {rounds[0]['peer']['seconds']:.1f} s in all."
    if scaled:
        yield "Scaled (≈): to what ran, seconds an epoch are added for each epoch that did not. No accuracy."
    if found["random weights"]:
        yield "Random weights of the same network: pretrained ones could not be had, so its accuracy is left out."


def _accuracy(found: Mapping[str, Any], of: str) -> str:
    accuracy, best = (middle(found, of, key) for key in ("accuracy", "best"))
    if accuracy is None:
        return "not measured"
    low, high = wilson(accuracy * found["val"], found["val"])
    return f"{accuracy:.3f} [{low:.3f}, {high:.3f}]" + ("" if best is None else f", best epoch {best:.3f}")


def write(found: Mapping[str, Any], out: Path) -> Path:
    """Add a row to the page of today; one of the same peer, pictures and epochs is replaced. Returns the page."""
    document: dict[str, Any] = {"date": datetime.now(timezone.utc).date().isoformat(), "machine": machine()}
    kept, same = out / f"peers-{document['date']}.json", ("peer", "data", "epochs")
    before = json.loads(kept.read_text()) if kept.exists() else {}
    others = before["rows"] if before.get("machine") == document["machine"] else []
    document["rows"] = [*(one for one in others if any(one[key] != found[key] for key in same)), found]
    out.mkdir(parents=True, exist_ok=True)
    kept.write_text(json.dumps(document, indent=1) + "\n")
    kept.with_suffix(".md").write_text("\n".join(page(json.loads(kept.read_text()))) + "\n")
    return kept.with_suffix(".md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=[*PEERS, "all"])
    parser.add_argument("data", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="of each phase, at most")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "headstart-peers")
    parser.add_argument("--out", type=Path, default=HERE / "results")
    options = parser.parse_args()
    for name in PEERS if options.peer == "all" else [options.peer]:
        print(f"written to {write(row(name, options), options.out)}", flush=True)


if __name__ == "__main__":
    main()
