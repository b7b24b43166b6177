"""Pictures made for the tests: three kinds of pattern that a pretrained network tells apart with ease."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from headstart.images.decode import encode
from headstart.images.folder import ImageSet, scan
from headstart.images.shortfalls import MIN_PER_CLASS


def draw(kind: str, seed: int, *, side: int = 96) -> NDArray[np.uint8]:
    """One picture (side, side, 3): ``rings``, ``stripes`` or ``blobs`` in random colours, with noise."""
    rng = np.random.default_rng([seed, sum(kind.encode())])
    y, x = np.mgrid[0:side, 0:side].astype(np.float64)
    cx, cy, period, phase = (
        rng.uniform(0.3, 0.7) * side,
        rng.uniform(0.3, 0.7) * side,
        rng.uniform(8, 16),
        rng.uniform(0, 6),
    )
    if kind == "rings":
        pattern = np.sin(np.hypot(x - cx, y - cy) * 2 * np.pi / period + phase)
    elif kind == "stripes":
        angle = rng.uniform(0, np.pi)
        pattern = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period + phase)
    else:
        pattern = np.sin(x * 2 * np.pi / period) * np.sin(y * 2 * np.pi / period)
    dark, light = rng.uniform(0, 120, 3), rng.uniform(130, 255, 3)
    picture = dark + (light - dark) * (pattern[..., None] + 1) / 2 + rng.normal(0, 18, (side, side, 3))
    return np.clip(picture, 0, 255).astype(np.uint8)


def scene(seed: int, *, size: tuple[int, int] = (120, 140)) -> NDArray[np.uint8]:
    """One picture (height, width, 3) with structure at every scale, as photographs have: no two seeds are alike."""
    rng = np.random.default_rng(seed)
    height, width = size
    picture = np.zeros((height, width, 3))
    for cells in (2, 4, 8, 16, 32):
        noise = rng.normal(0, 1, (cells + 1, cells + 1, 3))
        rows, columns = np.linspace(0, cells - 1e-6, height), np.linspace(0, cells - 1e-6, width)
        picture += noise[rows.astype(int)][:, columns.astype(int)] / np.sqrt(cells)
    low, high = np.quantile(picture, [0.01, 0.99])
    return np.clip((picture - low) / (high - low) * 255, 0, 255).astype(np.uint8)


def write_folder(
    root: Path, counts: dict[str, int], *, first_seed: int = 0, format: str = "JPEG", side: int = 96
) -> Path:
    """``root/<class>/<number>.<format>`` for each class and count; returns root."""
    for kind, count in counts.items():
        folder = root / kind
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            data = encode(draw(kind, first_seed + number, side=side), format=format)
            (folder / f"{number:03d}.{format.lower()}").write_bytes(data)
    return root


def scan_by_name(folder: Path) -> ImageSet:
    """The labelled pictures of a folder, in the order of their names, so that a test knows each by its number."""
    images = scan(folder)
    return images.subset(images.by_name)


def picture(path: Path, number: int, format: str = "PNG") -> Path:
    """A small picture of its own colour: another number, other bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (number % 256, number // 256 % 256, 7)
    stream = io.BytesIO()
    Image.new("RGB", (5, 4), colour).save(stream, format)
    path.write_bytes(stream.getvalue())
    return path


def classes_in(folder: Path, names: str, count: int = MIN_PER_CLASS, start: int = 0) -> Path:
    """``folder/<name>/<number>.png`` for each of the names, blanks between, each of its own colour; returns folder."""
    for place, name in enumerate(names.split()):
        for number in range(count):
            picture(folder / name / f"{number}.png", start + 100 * place + number)
    return folder
