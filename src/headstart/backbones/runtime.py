"""A frozen network that is ready to run: what it gives, and whether it gives what torch would.

Whether a runtime is faithful is measured on a few made-up images, by the cosine of its rows with those of torch.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from headstart.arrays import Floats, Pixels
from headstart.errors import ForkedError
from headstart.files import digest

Outputs = dict[str, NDArray[np.float32]]
"""Rows (n, width) of each of a network's outputs, by its name."""

BATCH = 16
"""Images that torch computes together on a CPU: enough to keep two cores busy."""
IMAGES = 8
"""Made-up images that a runtime is compared with torch on."""
LEAST_PARITY = 0.998
"""Least mean cosine to torch in float32. bf16 of a sound network gives 0.999; a wrong graph far less."""
LEAST_PARITY_INT8 = 0.99
"""The same in 8 bits: lite0 gives 0.995 of photographs."""
STATISTICS = 3
"""Numbers that a row ``depths`` has of each channel: mean, maximum, standard deviation."""


@dataclass(frozen=True, kw_only=True)
class RuntimeNote:
    """Why a network runs otherwise than was asked for, or than it did; `headstart.report.words` says it in English."""

    what: Literal["no openvino", "no graph", "no bf16", "no int8", "strays", "other answers", "moved"]
    """OpenVINO is not installed; the folder has no graph; the CPU does not compute in bf16; the
    graph has nothing to compute in 8 bits; a runtime strays from torch
    in float32; rounded, the model gives other answers than when it was trained; it was trained with another runtime."""
    runtime: str = ""
    """Which strays, or which it was trained with."""
    here: str = ""
    """Which it runs with, where that is another."""
    parity: float = 1.0
    """Mean cosine to torch in float32 of one that strays."""


Notes = tuple[RuntimeNote, ...]


class Runtime(Protocol):
    """A frozen network, ready to run."""

    name: str
    """What runs it and how: ``openvino bf16``, ``torch f32 cpu``."""
    precision: str
    """``f32``, ``bf16`` or ``int8``."""
    size: int
    """Side in pixels of its images."""
    batch: int
    """Most images in a batch. A runtime that takes them one by one computes as many at a time as there are cores."""
    widths: dict[str, int]
    """Width of each output: ``last`` and ``depths``, see `network.FrozenNetwork`; or ``map``, see
    `split.FrozenPrefix`; or ``last`` and ``tuned``, see `split.TunedNetwork`."""
    parity: float
    """Mean cosine to torch in float32 on made-up images, at least `least_parity`."""
    notes: Notes
    """What was tried and not used, and why."""

    @property
    def key(self) -> str:
        """Changes with everything that changes the values it gives."""
        ...

    def run(self, batches: Iterable[Pixels]) -> Iterator[Outputs]:
        """Rows for each of ``batches``, in order.

        Images are uint8 (n, size, size, 3), RGB, 1 ≤ n ≤ batch; rows are float32 (n, width) by output. Batches
        are pulled one at a time while earlier ones are computed, and few are in flight. An image's row depends
        neither on its place in the batch nor on the images beside it. Several threads may run one runtime.
        """
        ...

    def single(self) -> Runtime:
        """The same network for one image at a time, which answers soonest; itself where it takes no more.

        Otherwise its rows differ from those of full batches in the last bits, which is why its key is another.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write what `space.SavedSpec` needs to run the same network elsewhere."""
        ...


class RuntimeBase:
    """What every runtime that runs a network itself holds; see `Runtime` for what each attribute is."""

    def __init__(
        self, name: str, identity: Mapping[str, Any], precision: str, widths: dict[str, int], version: str, notes: Notes
    ) -> None:
        self.name, self.precision, self.widths, self.notes = name, precision, widths, notes
        self.size, self.batch, self.parity = int(identity["size"]), BATCH, 0.0  # no parity until it is measured
        self._identity, self._version, self._lock = dict(identity), version, Lock()

    @property
    def key(self) -> str:
        """Kernels are chosen by batch size, which moves the last bits."""
        ran = {"runtime": self.name, "runtime version": self._version, "batch": self.batch}
        return digest({**self._identity, **ran})


_computing: set[int] = set()
"""Numbers of the processes in which a network was opened: this one, and the one that it was forked from."""


def not_forked() -> None:
    """Raise ForkedError in a process forked from one that had opened a network: its threads are not there.

    OpenVINO and torch would wait for them for ever.
    """
    if _computing and os.getpid() not in _computing:
        raise ForkedError
    _computing.add(os.getpid())


def synthetic_images(size: int, count: int = IMAGES) -> Pixels:
    """Structured images, (count, size, size, 3), the same on every machine: gratings, edges, noise.

    Integer arithmetic only, so that no library's rounding can change a byte.
    """
    rng = np.random.default_rng(20240229)
    rows, columns = np.mgrid[:size, :size].astype(np.int64)
    made = np.empty((count, size, size, 3), np.uint8)
    for image in made:
        for channel in range(3):
            a, b, period = *rng.integers(1, 8, 2), rng.integers(size // 8, size)
            grating = (a * rows + b * columns) % period * 255 // period
            top, left = rng.integers(0, size // 2, 2)
            grating[top : top + size // 3, left : left + size // 3] = rng.integers(0, 256)
            image[:, :, channel] = (3 * grating + rng.integers(0, 256, (size, size))) // 4
    return made


def synthetic_rows(runtime: Runtime, count: int = IMAGES) -> Outputs:
    """The rows (count, width) of `synthetic_images` by ``runtime``."""
    made = synthetic_images(runtime.size, count)
    parts = list(runtime.run(made[start : start + runtime.batch] for start in range(0, len(made), runtime.batch)))
    return {name: np.concatenate([part[name] for part in parts]) for name in runtime.widths}


def least_parity(precision: str) -> float:
    """Least mean cosine to torch in float32 with which a runtime of that precision is used."""
    return LEAST_PARITY_INT8 if precision == "int8" else LEAST_PARITY


def agreement(rows: Mapping[str, NDArray[np.float32]], reference: Mapping[str, NDArray[np.float32]]) -> float:
    """Mean cosine between matching rows, of the output that agrees least; in [-1, 1], 1 for equal directions."""
    return min(_mean_cosine(rows[name].astype(np.float64), reference[name].astype(np.float64)) for name in reference)


def _mean_cosine(a: Floats, b: Floats) -> float:
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.divide((a * b).sum(1), norms, out=np.all(a == b, axis=1).astype(np.float64), where=norms > 0)
    return float(cosines.mean())


def stacked(images: Iterable[Pixels], size: int) -> Iterator[Pixels]:
    """Images (s, s, 3) in batches (n, s, s, 3), n ≤ size; none is drawn before its batch is asked for."""
    drawn = iter(images)
    while batch := list(islice(drawn, size)):
        yield np.stack(batch) if size > 1 else batch[0][None]


def padded(images: Pixels, *, batch: int, size: int) -> Pixels:
    """``images`` (n, size, size, 3), n ≤ batch, filled up with black to ``batch``: one shape, one computation.

    Raises:
        ValueError: another shape or type.
    """
    if images.dtype != np.uint8 or images.shape[1:] != (size, size, 3) or not 1 <= len(images) <= batch:
        raise ValueError(
            f"expected uint8 pictures (1 to {batch}, {size}, {size}, 3), found {images.dtype} {images.shape}"
        )
    if len(images) == batch:
        return images
    return np.concatenate([images, np.zeros((batch - len(images), size, size, 3), np.uint8)])


def by_depth(rows: NDArray[np.float32], of: Sequence[tuple[str, int]]) -> dict[str, NDArray[np.float32]]:
    """Rows (n, D) of ``depths`` cut into each depth's own (n, 3·channels), by name, from shallow to deep.

    ``of`` holds the name and channels of each depth, see `space.NetworkSpec.depth_channels`. Raises ValueError if the
    rows have another width.
    """
    ends = np.cumsum([STATISTICS * channels for _, channels in of])
    if not len(ends) or ends[-1] != rows.shape[1]:
        raise ValueError(f"rows of {rows.shape[1]} numbers do not fit depths of {ends[-1] if len(ends) else 0}")
    parts = np.split(rows, ends[:-1], axis=1)
    return {name: part for (name, _), part in zip(of, parts, strict=True)}
