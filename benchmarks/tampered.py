"""Model directories that somebody has tampered with: each is refused with a ModelError, or answers as it did.

    python benchmarks/tampered.py RUN PICTURE [PICTURE …] [--tampered 300] [--seed 0]

RUN is a run or model folder with an OpenVINO graph. Each time a copy of it is tampered with in one of the ways below,
half of the time with all hashes written anew, as somebody would who knows the format; a process of its own loads it, in
every fourth case with torch, and answers the pictures. Python's audit hooks count what is opened outside of the copy,
and every address that is asked for or connected to. What compiled libraries open by themselves the hooks do not see.

A right answer has probabilities within 0.02 of those of the untouched model, which is to be one trained in float32:
where its graph is refused, torch answers. Hashes that are written anew hide a number that was changed in a file of
numbers; what then notices it are the golden answers, and they are of four pictures: an answer that is wrong by more is
counted, and listed, on its own.

Expected: 0 tracebacks, crashes, hangs, addresses and outside files; no wrong answer without hashes written anew.
Measured for ants and bees, 300 copies: 263 ModelErrors and 37 right answers, no address and no outside file.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import random
import signal
import struct
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from headstart.deploy.directory import find_model
from headstart.deploy.model import Model
from headstart.errors import ModelError
from headstart.files import digest, sha256

RIGHT = 0.02
"""Of a probability."""
PATIENCE = 60.0
"""Seconds after which a process hangs."""
DOCUMENTS = ("model.json", "network.json", "graph.json")
WRONG: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 1e308, -0.5, 2**63, 10**400, float("nan"), float("inf"), "", "x", "\ud800", "a\0b",
    "../outside", [], [[]], [1], ["x"], {}, {"x": 1}, {"": None},
)  # fmt: skip
NAMES = (
    "/etc/passwd", "../outside/secret.png", "golden/../../outside/secret.png", "a\0b", "\udcff", "x" * 5000, ".", "",
    "hf-hub:timm/resnet18.a1_in1k", "hf_hub:timm/resnet18", "local-dir:/", "timm/resnet18", "resnet18.a1_in1k",
    "vit_giant_patch14_dinov2.lvd142m", "tf_efficientnet_lite0", "http://127.0.0.1:9/x", "file:///etc/passwd",
)  # fmt: skip
Draw = random.Random


# ---------------------------------------------------------------- ways to tamper


def write(path: Path, data: bytes) -> None:
    """The copy is made of hard links: a file is replaced, never written into."""
    path.unlink(missing_ok=True)
    path.write_bytes(data)


def file(folder: Path, rng: Draw) -> Path:
    return rng.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def bits(folder: Path, rng: Draw) -> str:
    path = file(folder, rng)
    data = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 1, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    write(path, bytes(data))
    return f"bits of {path.name}"


def cut(folder: Path, rng: Draw) -> str:
    path = file(folder, rng)
    data = path.read_bytes()
    way = rng.choice(("nothing", "the beginning", "twice", "zeros", "gone"))
    begin = data[: rng.randrange(len(data))]
    write(path, {"nothing": b"", "the beginning": begin, "twice": 2 * data}.get(way, bytes(len(data))))
    if way == "gone":
        path.unlink()
    return f"{path.name}: {way}"


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in list(items):
        yield document, key
        if isinstance(value, (dict, list)):
            yield from places(value)


def value(folder: Path, rng: Draw) -> str:
    name = rng.choice(DOCUMENTS)
    document = json.loads((folder / name).read_text())
    parent, key = rng.choice([place for place in places(document) if place[1] != "class_counts"])
    parent[key] = new = rng.choice(WRONG)
    write(folder / name, json.dumps(document).encode())
    return f"{name}: {key} = {new!r:.40}"


def keys(folder: Path, rng: Draw) -> str:
    name = rng.choice(DOCUMENTS)
    text = (folder / name).read_text()
    document = json.loads(text)
    parent, key = rng.choice([place for place in places(document) if isinstance(place[0], dict)])
    way = rng.choice(("lacks", "has more in", "twice", "deep", "utf-16", "latin", "half", "digits", "more"))
    if way == "lacks":
        del parent[key]
    elif way == "has more in":
        parent["x"] = 1
    new: str | bytes = json.dumps(document)
    if way == "twice":
        new = text.rstrip().removesuffix("}") + f', "{next(iter(document))}": 1}}'
    elif way == "deep":
        new = "[" * 200_000
    elif way == "utf-16":
        new = text.encode("utf-16")
    elif way == "latin":
        new = text.replace("1", "é", 1).encode("latin-1")
    elif way == "half":
        new = text[: len(text) // 2]
    elif way == "digits":
        new = text.replace(": ", ": " + "9" * 5000, 1)
    elif way == "more":
        new = text + "x"
    write(folder / name, new if isinstance(new, bytes) else new.encode())
    return f"{name}: {way} {key}"


def names(folder: Path, rng: Draw) -> str:
    new, way = rng.choice(NAMES), rng.choice(("architecture", "files", "golden", "output", "train_from", "sha256"))
    model, network, graph = (json.loads((folder / name).read_text()) for name in DOCUMENTS)
    if way == "architecture":
        network["architecture"] = new
    elif way == "train_from":
        network["tuned"] = {"train_from": new, "reads_map": False, "cut_at": 3, "layers": []}
    elif way == "output":
        model["output"] = new
    elif way == "sha256":
        graph["sha256"][new] = sha256(folder / "graph.bin")
    else:
        model["files"][new] = "0" * 64
    if way == "golden":
        for answers in (model["golden"], model["golden_f32"]):
            answers[new] = next(iter(answers.values()))
    for name, document in zip(DOCUMENTS, (model, network, graph), strict=True):
        write(folder / name, json.dumps(document).encode())
    return f"{way} = {new!r:.40}"


def links(folder: Path, rng: Draw) -> str:
    path = file(folder, rng)
    way = rng.choice(("link out", "link to itself", "pipe", "folder", "device", "linked folder"))
    outside = folder.parent / "outside"
    if way == "linked folder":
        path = folder / "golden"
        path.rename(outside / "golden")
        path.symlink_to(outside / "golden")
        return "golden: linked folder"
    data = path.read_bytes()
    path.unlink()
    if way == "link out":
        (outside / path.name).write_bytes(data)
        path.symlink_to(outside / path.name)
    elif way == "link to itself":
        path.symlink_to(path)
    elif way == "pipe":
        os.mkfifo(path)
    elif way == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    return f"{path.name}: {way}"


def swaps(folder: Path, rng: Draw) -> str:
    first, second = file(folder, rng), file(folder, rng)
    one, other = first.read_bytes(), second.read_bytes()
    write(first, other)
    write(second, one)
    return f"{first.name} and {second.name} swapped"


def tensors(folder: Path, rng: Draw) -> str:
    path = rng.choice(sorted(folder.glob("*.safetensors")))
    kept = load_file(path)
    name = rng.choice(sorted(kept))
    array = kept[name].copy()
    ways: dict[str, Callable[[], Any]] = {
        "nan": lambda: np.full_like(array, np.nan) if array.dtype.kind == "f" else array,
        "zeros": lambda: np.zeros_like(array),
        "negative": lambda: -array,
        "float64": lambda: array.astype(np.float64),
        "whole": lambda: array.astype(np.int64),
        "another shape": lambda: array.ravel()[: array.size // 2],
        "one more axis": lambda: array[None],
        "shuffled": lambda: np.roll(array, 1),
        "empty": lambda: array[:0],
    }
    way = rng.choice([*ways, "gone", "one more", "header"])
    if way == "header":  # a size of the header that no file has
        data = path.read_bytes()
        write(path, struct.pack("<Q", rng.choice((0, 2**40, 2**63, len(data)))) + data[8:])
        return f"{path.name}: header"
    if way in ways:
        kept[name] = np.ascontiguousarray(ways[way]())
    elif way == "gone":
        del kept[name]
    else:
        kept["x"] = array
    path.unlink()
    save_file(kept, path)
    return f"{path.name}: {name} {way}"


def graph(folder: Path, rng: Draw) -> str:
    path = folder / "graph.xml"
    text = path.read_text()
    way = rng.choice(("number", "operation", "set", "doctype", "loop", "offset", "edge", "line"))
    lines = text.splitlines(keepends=True)
    spot = {"number": "<data ", "offset": "offset=", "edge": "<edge ", "line": "<"}.get(way, "<layer ")
    at = rng.choice([i for i, line in enumerate(lines) if spot in line and any(map(str.isdigit, line))])
    line = lines[at]
    if way in ("number", "offset", "edge"):
        numbers = [i for i, c in enumerate(line) if c.isdigit()]
        i = rng.choice(numbers)
        lines[at] = line[:i] + rng.choice(("0", "9", "-1", "99999999", "nan")) + line[i + 1 :]
    elif way == "operation":
        other = rng.choice(("Loop", "ReadValue", "Broadcast", "Exp", "NonZero", "Result", "Nothing"))
        lines[at] = line.replace('type="', f'type="{other}" was="', 1)
    elif way == "set":
        lines[at] = line.replace('version="', rng.choice(('version="extension" was="', 'version="opset99" was="')), 1)
    elif way == "doctype":
        lines[1:1] = ['<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n']
    elif way == "loop":
        lines[at] = line.replace('type="', 'type="TensorIterator" was="', 1)
    else:
        del lines[at]
    write(path, "".join(lines).encode("utf-8"))
    return f"graph.xml: {way}: {line.strip():.50}"


WAYS = (bits, cut, value, keys, names, links, swaps, tensors, graph)


def hashed_anew(folder: Path) -> None:
    """All hashes as they would be if nothing had been tampered with."""
    for name, field in (("network.json", "sha256"), ("graph.json", "sha256"), ("model.json", "files")):
        if (folder / name).is_symlink() or not (folder / name).is_file():
            continue
        try:
            document = json.loads((folder / name).read_text())
            listed = document[field]
            if isinstance(listed, dict):
                document[field] = {each: hash_or(folder, each, was) for each, was in listed.items()}
            else:
                document[field] = hash_or(folder, "network.safetensors", listed)
            if name == "model.json":
                document.pop("checksum", None)
                document["checksum"] = digest(document)
            write(folder / name, json.dumps(document).encode())
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue


def hash_or(folder: Path, name: str, was: Any) -> Any:
    try:
        return sha256(folder / name) if (folder / name).is_file() and not (folder / name).is_symlink() else was
    except (OSError, ValueError):
        return was


# ---------------------------------------------------------------- trying it


def answers(folder: Path, pictures: list[Path], device: str, results: Any) -> None:
    """In a process of its own: what comes of loading and answering, and what was touched meanwhile."""
    touched: list[str] = []
    inside = (str(folder.resolve()), *(str(path.parent.resolve()) for path in pictures))
    own = (*sys.path[1:], sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev/null", "/dev/shm")

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event.startswith(("socket.connect", "socket.getaddrinfo", "socket.bind")):
            touched.append(f"{event} {args[1:]}")
        elif event == "open" and isinstance(args[0], (str, bytes)):
            name = os.path.realpath(os.fsdecode(args[0]))
            if not name.startswith((*inside, *filter(None, own))):
                touched.append(f"open {name}")

    sys.addaudithook(hook)
    try:
        proba = [prediction.proba for prediction in Model.load(folder, device=device).predict(pictures)]
        results.send(("answers", np.array(proba), touched))
    except ModelError as error:
        results.send(("ModelError", str(error), touched))
    except BaseException:
        results.send(("traceback", traceback.format_exc(), touched))


def tried(folder: Path, pictures: list[Path], device: str) -> tuple[str, Any, list[str]]:
    context = get_context("fork")  # torch is imported once, here; OpenVINO begins in each process
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=answers, args=(folder, pictures, device, there))
    process.start()
    there.close()
    try:
        came = here.recv() if here.poll(PATIENCE) else ("hang", f"{PATIENCE} s", [])
    except EOFError:
        process.join()
        came = ("crash", signal.Signals(-(process.exitcode or 0)).name if process.exitcode else "no answer", [])
    process.kill()
    process.join()
    return came  # type: ignore[no-any-return]


def copied(model: Path, folder: Path) -> Path:
    (folder / "outside").mkdir(parents=True)
    (folder / "outside" / "secret.png").write_bytes(b"secret")
    for path in model.rglob("*"):
        if path.is_file():
            copy = folder / "model" / path.relative_to(model)
            copy.parent.mkdir(parents=True, exist_ok=True)
            write(copy, path.read_bytes())
    return folder / "model"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--tampered", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    import timm  # noqa: F401  with torch, in every process that comes of this one
    import torch

    torch.set_num_threads(1)
    model, counts, bad = find_model(options.run), collections.Counter[str](), 0
    with tempfile.TemporaryDirectory() as scratch:
        kind, right, touched = tried(copied(model, Path(scratch) / "whole"), options.pictures, "auto")
        if kind != "answers" or touched:
            sys.exit(f"the model itself: {kind} {right} {touched}")
        for number in range(options.tampered):
            rng, began = Draw(f"{options.seed}-{number}"), time.monotonic()
            folder = copied(model, Path(scratch) / str(number))
            did, anew = WAYS[number % len(WAYS)](folder, rng), rng.random() < 0.5
            if anew:
                hashed_anew(folder)
            kind, came, touched = tried(folder, options.pictures, "torch" if number % 4 == 3 else "auto")
            if kind == "answers":
                same = came.shape == right.shape and np.abs(came - right).max() <= RIGHT
                kind = "right answer" if same else f"wrong answer{' with hashes written anew' if anew else ''}"
            counts[kind] += 1
            counts["addresses or outside files"] += len(touched)
            if kind not in ("ModelError", "right answer") or touched:
                bad += 1
                print(f"{number}: {did}, {'hashes anew' if anew else ''}: {kind}\n{came}\n{touched}", flush=True)
            elif number % 10 == 0:
                print(f"{number}: {did}: {kind}, {time.monotonic() - began:.1f} s", flush=True)
            for path in sorted(folder.parent.rglob("*"), reverse=True):
                path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
    print(", ".join(f"{count} {kind}" for kind, count in sorted(counts.items())))
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
