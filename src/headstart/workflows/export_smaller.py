"""Whether a model whose network is kept in fewer bits still answers as it did, on pictures held out of its training."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart.backbones import saved
from headstart.deploy import smaller
from headstart.deploy.directory import find_model
from headstart.deploy.export import Exported, in_onnx
from headstart.deploy.manifest import Manifest, Precision
from headstart.deploy.model import Prediction
from headstart.deploy.portable import Portable
from headstart.deploy.smaller import Opened
from headstart.deploy.verify import LEAST_AGREEMENT, agreement
from headstart.errors import ModelError, OptionError, UnreadableImageError
from headstart.files import display, plain
from headstart.images.decode import decode
from headstart.images.folder import ImageSet, scan
from headstart.images.formats.given import Given
from headstart.progress import Progress, Silent
from headstart.untrusted import read_json

LARGEST_LOSS = 0.005
"""Of held-out accuracy: what is lost beyond it is refused. Chosen: of 200 pictures one."""
CALIBRATED_ON = 64
"""Training pictures that the ranges of int8 are measured on. Chosen."""
MOST_HELD_OUT = 500
"""Pictures that both are held against. Chosen for time."""


@dataclass(frozen=True, kw_only=True)
class Beside:
    """A file in fewer bits beside the one in float32, on n labelled pictures."""

    precision: Precision
    split: str
    """Of the pictures: test, val; train where there is no other."""
    n: int
    accuracy: tuple[float, float]
    """In float32, and in fewer bits; so are the next two."""
    bytes: tuple[int, int]
    milliseconds: tuple[float, float]
    """For a picture on this machine, decoded already."""
    same_label: float
    """Share of the pictures, 0 to 1."""
    largest: float
    """Difference of a probability."""

    @property
    def holds(self) -> bool:
        """Whether held-out accuracy does not suffer."""
        lost = self.accuracy[0] - self.accuracy[1]
        return self.same_label >= LEAST_AGREEMENT[self.precision] and lost <= LARGEST_LOSS

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**plain(self), "holds": self.holds}


def in_fewer_bits(
    exported: Exported,
    precision: Precision,
    run: Path,
    photos: str | Path | None,
    opened: Opened = in_onnx,
    *,
    progress: Progress | None = None,
) -> tuple[Exported, Beside]:
    """The file in fewer bits, and what it costs.

    Held-out pictures are those of the test split, else of the validation split, else those of training, but for int8
    of a network that was fine-tuned: what it learned by heart it answers alike in fewer bits too. Of one trained on
    200 pictures 99 % of the answers to these stayed the same, and 98.4 % of those to 508 others.

    Args:
        exported: in float32.
        precision: fp16 or int8.
        run: the run whose pictures are answered, where ``photos`` are not given.
        photos: labelled pictures, as for training.
        opened: the runtime that both are measured in.
        progress: told how far it is.

    Raises:
        OptionError: no labelled pictures of the model's classes, or none but those a network was fine-tuned on.
        ModelError: held-out accuracy suffers, with the figures.
    """
    images = _images(run, photos, exported.manifest.classes)
    split = next(name for name in ("test", "val", "train") if len(images.in_split(name)))
    held_out = _spread(images.in_split(split), MOST_HELD_OUT)
    if precision == "int8" and split == "train" and photos is None and _is_tuned(run):
        expected, found = "labelled pictures that the network was not fine-tuned on", "those it was fine-tuned on alone"
        raise OptionError.of("int8", expected=expected, found=found, todo="name others with --photos, or take fp16")
    progress = progress or Silent()
    if precision == "int8":
        train = images.in_split("train") if len(images.in_split("train")) else held_out
        paths = [images.paths[i] for i in _spread(train, CALIBRATED_ON)]
        calibrating = (pixels for path in paths if (pixels := _pixels(path, exported.manifest)) is not None)
        with progress.stage(f"measuring ranges on {len(paths)} pictures, and rounding", None):
            small = smaller.int8(exported, calibrating, opened)
    else:
        with progress.stage("rounding", None):
            small = smaller.half(exported, opened)
    with progress.stage(f"answering held-out pictures in f32 and in {precision}", len(held_out)) as advance:
        beside = _beside((opened(exported), opened(small)), images, held_out, split, precision, advance)
    if not beside.holds:
        same = LEAST_AGREEMENT[precision]
        raise ModelError.of(
            f"{precision} is refused",
            expected=f"{same:.1%} of held-out answers as in float32, at most {LARGEST_LOSS:.1%} lost",
            found=f"{beside.same_label:.1%} as in float32, accuracy {beside.accuracy[0]:.3f} → "
            f"{beside.accuracy[1]:.3f} (n={beside.n}, {split})",
            todo="export without it" + (", or with fp16" if precision == "int8" else ""),
        )
    return small, beside


def _images(run: Path, photos: str | Path | None, classes: Sequence[str]) -> ImageSet:
    """Labelled pictures of the model's classes. Raises OptionError."""
    try:
        source = Given.of(photos) if photos else _recorded(read_json(run, "run.json"))
        if source.path is not None and not source.path.exists():
            raise ValueError(f"{display(source.address)}, which is not there")
        images = scan(source, for_training=False)
        if not {*images.classes} <= {*classes}:
            raise ValueError(f"the classes {', '.join(images.classes)}")
    except (ValueError, KeyError, TypeError) as error:
        expected = f"labelled pictures of {', '.join(classes)}"
        todo = "name them with --photos: fewer bits are kept only where held-out accuracy does not suffer"
        raise OptionError.of("fewer bits", expected=expected, found=str(error), todo=todo) from error
    numbers = np.array([classes.index(name) for name in images.classes])
    return replace(images, y=numbers[images.y], classes=tuple(classes))


def _is_tuned(run: Path) -> bool:
    return read_json(find_model(run), saved.DOCUMENT).get("tuned") is not None


def _recorded(run: dict[str, Any]) -> Given:
    return Given(address=run["source"], **run.get("reading", {}))


def _spread(index: Any, most: int) -> list[int]:
    """At most so many of the positions, evenly from first to last."""
    return [int(index[i]) for i in np.unique(np.linspace(0, len(index) - 1, min(most, len(index))).astype(int))]


def _pixels(path: Path, manifest: Manifest) -> Any:
    try:
        return decode(path, levels=manifest.geometry.levels)
    except UnreadableImageError:
        return None


def _beside(
    both: tuple[Portable, Portable],
    images: ImageSet,
    held_out: list[int],
    split: str,
    precision: Precision,
    advance: Callable[[int], None],
) -> Beside:
    answers: tuple[list[Prediction], list[Prediction]] = ([], [])
    seconds, truth = [0.0, 0.0], []
    for done, position in enumerate(held_out, 1):
        advance(done)
        if (pixels := _pixels(images.paths[position], both[0].manifest)) is None:
            continue
        truth.append(int(images.y[position]))
        for place, portable in enumerate(both):
            began = time.perf_counter()
            answers[place].extend(portable.answers([pixels]))
            seconds[place] += time.perf_counter() - began
    found = agreement([str(i) for i in range(len(truth))], *answers, tolerance=1.0)
    right = [
        sum(int(p.proba.argmax()) == y for p, y in zip(each, truth, strict=True) if p.proba is not None)
        for each in answers
    ]
    n = max(len(truth), 1)
    return Beside(
        precision=precision,
        split=split,
        n=len(truth),
        accuracy=(right[0] / n, right[1] / n),
        bytes=(both[0].bytes, both[1].bytes),
        milliseconds=(1000 * seconds[0] / n, 1000 * seconds[1] / n),
        same_label=found.share,
        largest=found.largest,
    )
