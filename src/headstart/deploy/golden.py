"""Pictures drawn by formula that travel with a model, and the probabilities that they must give wherever it is used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Lock

import numpy as np

from headstart.arrays import Floats
from headstart.backbones.runtime import Runtime
from headstart.deploy.directory import COPY, Document
from headstart.errors import ModelError, Problem
from headstart.images.decode import encode
from headstart.images.grey_levels import FULL, Levels
from headstart.untrusted import file_in

Ask = Callable[[Sequence[bytes]], Sequence[Floats | None]]
"""The probabilities (k,) that a model gives for each picture; None for one that it cannot read."""
FOLDER = "golden"
MOST_BYTES = 4 << 20
"""Of one picture. Those that are drawn have up to 110 kB."""
SAME_PRECISION_TOLERANCE = 1e-3
"""Between two runtimes of one precision, of a probability. Measured with lite0: OpenVINO and torch in float32, 3e-6."""
OTHER_PRECISION_TOLERANCE = 2e-2
"""Of bfloat16 from float32, of a probability; where it is more, float32 is used. Measured with lite0: 0.002 to 0.05."""

SAME_LOG_TOLERANCE, OTHER_LOG_TOLERANCE = 0.02, 1.0
"""Of the logarithm of a probability, as a share of it, or of 1 where it is smaller: in float32, and in bfloat16. Of
answers near 0 and 1 it sees what the probability hides. Measured with lite0: between OpenVINO and torch in float32
1e-5, of bfloat16 from float32 0.4."""
_TINY = 1e-300  # below it a probability is taken for this


@cache
def pictures(levels: Levels | None = None) -> Mapping[str, bytes]:
    """Pictures as files: ``{name: bytes}``. Between them they pass through the steps of decoding and geometry: JPEG,
    transparency, one channel, a tall format; 16 bits where the model has levels. Of a size that loads soon: none is so
    large that it would be decoded at a fraction of it.
    """
    y, x = np.mgrid[0:600, 0:900].astype(np.float64)
    wave = 127.5 + 127.5 * np.sin(x / 37.0) * np.cos(y / 23.0)
    disc = np.hypot(x - 450.0, y - 300.0)
    colour = np.stack([wave, 255.0 * x / 899.0, np.where(disc < 180.0, 230.0, 40.0)], axis=-1).astype(np.uint8)
    rings = (127.5 + 127.5 * np.sin(disc[:320, 290:610] / 6.0)).astype(np.uint8)
    alpha = np.dstack([colour[:320, :320], rings])
    tall = np.ascontiguousarray(colour[:, 300:500])
    black, white = levels.of("uint16") or FULL if levels else FULL
    sixteen = np.clip(black + rings / 255.0 * (white - black), *FULL).astype(np.uint16)
    return {
        **({"sixteen.png": encode(sixteen, format="PNG")} if levels else {}),
        "colour.jpg": encode(colour, format="JPEG", quality=90),
        "rings.png": encode(np.repeat(rings[..., None], 3, axis=-1), format="PNG"),
        "transparent.png": encode(alpha, format="PNG"),
        "tall.jpg": encode(tall, format="JPEG", quality=75),
    }


def write(folder: Path, levels: Levels | None = None) -> None:
    """Write `pictures` into a model directory."""
    (folder / FOLDER).mkdir()
    for name, data in pictures(levels).items():
        (folder / FOLDER / name).write_bytes(data)


def read(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The pictures of these names in a model directory. Raises ModelError."""
    try:
        return {name: file_in(folder, f"{FOLDER}/{name}", most=MOST_BYTES).read_bytes() for name in names}
    except ValueError as error:
        expected, found = f"pictures in {FOLDER}", str(error)
        raise ModelError.of(f"{folder} is damaged", expected=expected, found=found, todo=COPY) from error


def answers(ask: Ask, pictures: Mapping[str, bytes], *, at_least: int = 1) -> dict[str, list[float]]:
    """What ``ask`` answers for the pictures, by name; nan for one it cannot read.

    It is asked about ``at_least`` so many together, the same several times where there are fewer.
    """
    names = list(pictures) * -(-at_least // len(pictures))
    answered = ask([pictures[name] for name in names])
    return {
        name: [float("nan")] if proba is None else proba.tolist() for name, proba in zip(names, answered, strict=True)
    }


class Once:
    """A check that is made by the first of several threads that ask for it, and not again once it has held."""

    def __init__(self, check: Callable[[], None]) -> None:
        self._lock, self._todo = Lock(), [check]

    def __call__(self) -> None:
        """Make the check, or wait for the thread that makes it. Raises what it raises."""
        with self._lock:
            for check in self._todo:
                check()
            self._todo = []


class GoldenError(ModelError):
    """A model that does not give its golden answers; ``precision`` is what it was run in."""

    def __init__(self, folder: Path, problems: Sequence[Problem], *, precision: str) -> None:
        super().__init__(f"{folder} does not give the answers it gave when it was trained", problems)
        self.precision = precision


def check_answers(
    ask: Ask, here: Runtime, folder: Path, document: Document, pictures: Mapping[str, bytes], *, at_least: int = 1
) -> None:
    """Let a model loaded from ``folder`` answer its ``pictures`` again, and compare with what ``document`` says.

    A runtime of the same name is held against that runtime's answers, any other against those in float32. ``at_least``
    as in `answers`.

    Raises:
        GoldenError: naming every picture.
    """
    same = here.name == document.runtime
    expected = document.golden if same else document.golden_f32
    tolerance = SAME_PRECISION_TOLERANCE if same or here.precision == "f32" else OTHER_PRECISION_TOLERANCE
    log_tolerance = SAME_LOG_TOLERANCE if here.precision == "f32" else OTHER_LOG_TOLERANCE
    problems = []
    for name, proba in answers(ask, pictures, at_least=at_least).items():
        found, wanted = np.array(proba), np.array(expected[name])
        difference, apart = np.abs(found - wanted).max(), _apart(found, wanted)
        if not (difference <= tolerance and apart <= log_tolerance):
            problems.append(
                Problem(
                    expected=f"golden/{name} gives {np.round(expected[name], 4).tolist()} within {tolerance}",
                    found=f"a difference of {difference:.4f}, of logarithms {apart:.2g}",
                    todo="train again here, or use the versions named in model.json",
                )
            )
    if problems:
        raise GoldenError(folder, problems, precision=here.precision)


def _apart(proba: Floats, expected: Floats) -> float:
    """How far the logarithms of probabilities (k,) are apart, as a share of what they should be, or of 1 if more."""
    found, wanted = (np.log(np.maximum(p, _TINY)) for p in (proba, expected))
    return float((np.abs(found - wanted) / np.maximum(1, np.abs(wanted))).max())
