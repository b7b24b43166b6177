"""Whether what was exported answers as the model does: its golden pictures, and any others, through both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from headstart.deploy import golden
from headstart.deploy.manifest import Precision
from headstart.deploy.model import Model, Prediction
from headstart.deploy.portable import Portable, open_onnx, open_openvino
from headstart.deploy.remote import Remote
from headstart.deploy.verify import LARGEST_DIFFERENCE, LEAST_AGREEMENT, Agreement, agreement, golden_agreement
from headstart.errors import OptionError, UnreadableImageError
from headstart.files import display, plain
from headstart.images.decode import decode
from headstart.images.formats.unlabelled import pictures_of
from headstart.progress import Progress, Silent
from headstart.workflows.export_web import MODEL

ADDRESS = ("http://", "https://")
"""What the address of a server begins with."""
TOGETHER = 8
"""Pictures that are decoded in full at a time."""


@dataclass(frozen=True, kw_only=True)
class Verified:
    """What was compared, and how it agrees."""

    file: str
    runtime: str
    """What answered for the file."""
    golden: Agreement | None
    """Of the file's answers with those it must give; None of a model folder, which was looked at when it was loaded."""
    model: Agreement | None
    """Of the file's answers with the model's, both of the same pixels; None where no run was given."""
    as_files: Agreement | None
    """Of the file's answers for full pixels with the model's for the files, of which it decodes a large JPEG at a
    fraction of its size. It is no part of the verdict."""

    @property
    def holds(self) -> bool:
        """Whether everything that was compared agrees."""
        return all(part.holds for part in (self.golden, self.model) if part is not None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {**plain(self), "holds": self.holds}


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Something that answers pictures and claims to be a certain model; a new kind of it is added to `opened`."""

    runtime: str
    classes: tuple[str, ...]
    golden: Agreement | None
    decodes: Callable[[Path | bytes], Any]
    """What is made of a picture before it is answered, by this and by the model that it is held against."""
    answers: Callable[[Sequence[Any]], list[Prediction]]
    precision: Literal["auto", "f32"]
    """What the model that it is held against is run in: as it is used, or in float32."""
    kept: Precision = "f32"
    """What its numbers are kept in, by which it is judged."""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Golden pictures that it brings, by name."""


def opened(file: str, token: str | None = None) -> Answering:
    """A file or folder that was exported, a model folder, or the address of a server.

    Raises:
        ModelError, MissingPackageError: it cannot be opened.
        OptionError: there is no such file.
    """
    if file.startswith(ADDRESS):
        remote = Remote(address=file, token=token)
        return Answering(
            runtime=file,
            classes=remote.classes(),
            golden=None,
            decodes=lambda picture: picture,
            answers=lambda pictures: [remote.answer(picture) for picture in pictures],
            precision="auto",
        )
    path = Path(file)
    if not path.exists():
        expected = "what `headstart export` wrote, a file or a folder; a model folder; or the address of a server"
        raise OptionError.of(display(path), expected=expected, found="no such file or folder", todo="check the path")
    if (path / MODEL).is_file():  # an export for the web or a hub
        path = path / MODEL
    if path.suffix in (".onnx", ".xml"):
        portable = open_onnx(path) if path.suffix == ".onnx" else open_openvino(path)
        return _of_portable(portable)
    model = Model.load(path)
    return Answering(
        runtime=model.space.runtime.name,
        classes=model.classes,
        golden=None,
        decodes=lambda picture: picture,
        answers=model.predict,
        precision="auto",
    )


def _of_portable(portable: Portable) -> Answering:
    levels = portable.manifest.geometry.levels
    return Answering(
        runtime=portable.runtime,
        classes=portable.manifest.classes,
        golden=golden_agreement(portable),
        decodes=lambda picture: decode(picture, levels=levels),
        answers=lambda pictures: list(portable.answers(pictures)),
        precision="f32",
        kept=portable.manifest.precision,
        pictures=portable.manifest.pictures(),
    )


def verify(
    file: str | Path,
    run: Path | None = None,
    photos: Sequence[str | Path] = (),
    *,
    token: str | None = None,
    progress: Progress | None = None,
) -> Verified:
    """Compare what ``file`` answers with its golden pictures, and with the model of ``run``.

    Args:
        file: an exported file or folder, a model folder, or the address of a server.
        run: a run or model folder; an exported file is held against its model in float32, all else as it is used.
        photos: pictures that both answer, see `pictures_of`; the golden pictures if there are none.
        token: that a server asks for.
        progress: told how far it is.

    Raises:
        ModelError, MissingPackageError: the file or the model cannot be opened.
        OptionError: no such file; pictures without a run; classes of another model.
    """
    file = str(file)
    is_server = file.startswith(ADDRESS)
    if run is None and (photos or is_server):
        expected, found = "a run to hold it against", f"{'a server' if is_server else 'pictures'} and no run"
        raise OptionError.of("verify", expected=expected, found=found, todo="give the run before the pictures")
    other = opened(file, token)
    if run is None:
        return Verified(file=file, runtime=other.runtime, golden=other.golden, model=None, as_files=None)
    model = Model.load(run, precision=other.precision)
    if model.classes != other.classes:
        expected, found = f"the classes of {run}: {', '.join(model.classes)}", ", ".join(other.classes)
        raise OptionError.of(f"{file} is of another model", expected=expected, found=found, todo="give its own run")
    asked = pictures_of(photos)
    brought = other.pictures or golden.pictures(model.space.geometry.levels)
    pictures = {asked.name(i): path for i, path in enumerate(asked.paths)} if photos else brought
    same, as_files = _both(other, model, pictures, progress or Silent())
    return Verified(file=file, runtime=other.runtime, golden=other.golden, model=same, as_files=as_files)


def _both(
    other: Answering, model: Model, pictures: Mapping[str, Path] | Mapping[str, bytes], progress: Progress
) -> tuple[Agreement, Agreement]:
    """How ``other`` agrees with the model on pictures by name: of the same pixels, and of the files."""
    theirs: list[Prediction] = []
    ours: list[Prediction] = []
    of_files: list[Prediction] = []
    with progress.stage("comparing", len(pictures)) as advance:
        waiting: Iterator[Path | bytes] = iter(pictures.values())
        while block := list(islice(waiting, TOGETHER)):
            decoded = [_decoded(other, picture) for picture in block]
            readable = [pixels for pixels in decoded if not isinstance(pixels, Prediction)]
            for answers, answer in ((theirs, other.answers), (ours, model.predict)):
                answered = iter(answer(readable))
                answers += [pixels if isinstance(pixels, Prediction) else next(answered) for pixels in decoded]
            of_files += model.predict(block)
            advance(len(theirs))
    names = list(pictures)
    tolerance, least = LARGEST_DIFFERENCE[other.kept], LEAST_AGREEMENT[other.kept]
    same = agreement(names, theirs, ours, tolerance=tolerance, least=least)
    return same, agreement(names, theirs, of_files, tolerance=tolerance, least=least)


def _decoded(other: Answering, picture: Path | bytes) -> Any:
    """What is answered; of a picture that cannot be read a prediction with the reason."""
    try:
        return other.decodes(picture)
    except UnreadableImageError as error:
        return Prediction(proba=None, reason=error.reason)
