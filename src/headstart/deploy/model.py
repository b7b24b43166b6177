"""A trained model as a directory: JSON, safetensors and the compiled network, no pickle, nothing else needed.

::

    model.json               classes, preprocessing, calibration, versions, hashes of the other files, golden answers
    head.safetensors         weight (d, k), bias (k,)
    abstention.safetensors   what is familiar, and how probable each class was held for its own pictures
    network.*                the network, with its normalisation, from which everything else can be derived
    graph.*                  the same network for OpenVINO, derived
    golden/                  pictures drawn by us, and in model.json the probabilities they must give

Loading checks the hashes and runs the golden pictures through the whole path, from file to probability, one picture at
a time; before the first batch they are run through the network for batches too. Compiling that one takes as long as all
else in loading, and a single picture does not need it. A model that answers gives the answers it gave when it was
trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from headstart.abstain.abstention import Abstention, Judgement
from headstart.abstain.costs import read_costs
from headstart.abstain.novelty import FAMILIAR
from headstart.arrays import Floats, Pixels
from headstart.backbones.graph_folder import DOCUMENT
from headstart.backbones.runtime import Notes, Outputs, RuntimeNote
from headstart.backbones.space import SavedSpec, Space, SpaceSpec
from headstart.deploy import directory, golden
from headstart.errors import ModelError
from headstart.features.extract import Engine, extract, rows_of
from headstart.files import digest
from headstart.images.labels import TEXT, restored
from headstart.images.sources import Source, listed
from headstart.images.transforms import View
from headstart.probe.heads import LinearHead
from headstart.progress import Progress, Silent
from headstart.versions import version

FEW = 16
"""Pictures up to which none is sent to other machines or, where the network takes batches, waits for one to fill."""
ANSWERED_TOGETHER = 64  # pictures; distances cost one pass over a few megabytes, for one picture or for many


@dataclass(frozen=True, kw_only=True)
class Prediction(Judgement):
    """The answer for one picture: probabilities and what is to be said about them, or the reason why there are none."""

    position: int = 0
    """Of the picture among those that were given."""
    path: Path | None = None
    """Of the file, where the picture was given as one."""
    proba: Floats | None
    """(k,) calibrated probabilities in the order of the model's classes."""
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A classifier as it is used: one way from a file to probabilities, the same as in training.

    Several threads may use one model at a time.
    """

    classes: tuple[str, ...]
    space: Space
    output: str
    head: LinearHead
    backbone: Mapping[str, Any]
    """Name, licence, source and hash of the pretrained weights."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """What the model was trained on: class counts, fingerprint, seed, strength."""
    notes: Notes = ()
    """Why it runs otherwise than was asked for, or than in training, where it does."""
    abstention: Abstention = field(default_factory=Abstention)
    """When not to rely on an answer; one that knows nothing says nothing."""
    label_dtype: str = TEXT
    """NumPy's name for the type of the labels that it was trained on."""
    batches: golden.Once | None = field(default=None, repr=False)
    """Looks at the golden answers of a loaded model again, before the first batch."""

    @property
    def labels(self) -> NDArray[Any]:
        """(k,) the labels that it was trained on, of the type they had, in the order of `classes`."""
        return restored(self.classes, self.label_dtype)

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: a copy answers as this one does, so that its golden pictures need no second look."""
        return {**vars(self), "batches": None}

    def __deepcopy__(self, memo: object) -> Model:
        """Itself: nothing of it is ever changed."""
        return self

    def fingerprint(self) -> str:
        """32 digits that are others for a model that answers otherwise."""
        tensors = {"weight": self.head.weight, "bias": self.head.bias, **self.abstention.tensors()}
        hashes = {name: hashlib.sha256(tensor.tobytes()).hexdigest() for name, tensor in tensors.items()}
        reads = self.space.key(View.CENTRE, self.output), self.head.temperature, self.classes
        return digest([*reads, hashes, self.abstention.to_dict()])

    def predict(
        self,
        pictures: Iterable[Source],
        *,
        coverage: float | None = None,
        progress: Progress | None = None,
        engine: Engine | None = None,
    ) -> list[Prediction]:
        """A Prediction for each picture, in the order given.

        The same picture gives the same probabilities in whatever form it comes, with one exception: a JPEG whose
        shorter side is at least eight times what the network is given is decoded at a fraction of its size, which full
        pixels (an array, a Pillow image that was decoded) cannot be. Of 25 photographs enlarged to 6 and 12 megapixels
        their probabilities differed from the file's by 0.0003 on average and by 0.006 at most, and no answer changed.

        A picture's probabilities depend on no other picture. OpenVINO computes every picture alone, so they are the
        same, bit for bit, however many are asked for. torch takes batches of 16, on a GPU 128, and fewer pictures than
        that one by one, which is soonest: rows of the two may differ in the last bits (within 1e-5 of each number in
        float32).

        Args:
            pictures: paths, bytes, files opened in binary mode, Pillow images, arrays (h, w, 3), (h, w, 4) with alpha
                or (h, w) grey, in any mix. Arrays are of uint8 or uint16, grey ones of any number; beyond 8 bits a
                channel, black and white are those of the training pictures.
            coverage: how often, 0 to 1, the true class is to be among the prediction set; 0.9 unless told otherwise.
            progress: told how far it is.
            engine: who computes the features of many; this process if not given.

        Raises:
            OptionError: what is given is no sequence of pictures, or the model cannot have this coverage.
        """
        self.abstention.require(coverage)
        answers = self.answers(pictures, coverage=coverage, progress=progress, engine=engine)
        return [prediction for prediction, _ in answers]

    def answers(
        self,
        pictures: Iterable[Source],
        *,
        coverage: float | None = None,
        stage: str = "predicting",
        progress: Progress | None = None,
        engine: Engine | None = None,
        of: int = 0,
    ) -> Iterator[tuple[Prediction, Outputs]]:
        """As `predict`, one after the other, each with the picture's rows (d,) by output; none of an unreadable one.

        ``of``: how many pictures there are in all, where these are a part of them; the answers are those of all.
        """
        sources = listed(pictures)
        few = max(of, len(sources)) < max(self.space.runtime.batch, FEW)
        if self.batches and not few:
            self.batches()
        block: list[tuple[int, Outputs | str]] = []
        with (progress or Silent()).stage(stage, len(sources)) as advance:
            space, engine = (self.space.single(), None) if few else (self.space, engine)
            for i, views in enumerate(extract(sources, space, engine=engine)):
                block.append((i, views if isinstance(views, str) else views[View.CENTRE]))
                if len(block) == ANSWERED_TOGETHER:
                    yield from self._answered(sources, block, coverage)
                    block = []
                advance(i + 1)
        yield from self._answered(sources, block, coverage)

    def answers_of_pixels(self, pixels: Sequence[Pixels], *, coverage: float | None = None) -> list[Prediction]:
        """As `predict`, of pictures that were decoded elsewhere for ``space.geometry``: each (size, size, 3)."""
        few = len(pixels) < self.space.runtime.batch
        if self.batches and not few:
            self.batches()
        rows = rows_of(pixels, (self.space.single() if few else self.space).runtime)
        return [prediction for prediction, _ in self._answered([None] * len(pixels), [*enumerate(rows)], coverage)]

    def _proba(self, pictures: Sequence[bytes]) -> list[Floats | None]:
        return [prediction.proba for prediction in self.predict(pictures)]

    def _answered(
        self, sources: Sequence[Source | None], block: Sequence[tuple[int, Outputs | str]], coverage: float | None
    ) -> Iterator[tuple[Prediction, Outputs]]:
        judged: Iterator[tuple[Floats, Judgement]] = iter(())
        if readable := [rows for _, rows in block if not isinstance(rows, str)]:
            proba = self.head.predict_proba(np.stack([rows[self.output] for rows in readable]))
            familiar = np.stack([rows[FAMILIAR] for rows in readable])
            judged = zip(proba, self.abstention.judge(proba, familiar, coverage=coverage), strict=True)
        for i, rows in block:
            source = sources[i]
            path = source if isinstance(source, Path) else None
            if isinstance(rows, str):
                yield Prediction(position=i, path=path, proba=None, reason=rows), {}
            else:
                p, judgement = next(judged)
                yield Prediction(position=i, path=path, proba=p, **vars(judgement)), rows

    def with_costs(self, path: Path) -> Model:
        """The same model, deciding by the costs in this file; raises OptionError with all that is wrong with it."""
        return replace(self, abstention=replace(self.abstention, costs=read_costs(path, self.classes)))

    def save(self, folder: Path) -> None:
        """Write the model directory whole or not at all; a model that was there is replaced.

        Raises:
            ModelError: ``folder`` is a file, or holds other things than a model.
        """
        with directory.replacing_model(Path(folder)) as new:
            directory.write_tensors(new / directory.HEAD, {"weight": self.head.weight, "bias": self.head.bias})
            if kept := self.abstention.tensors():
                directory.write_tensors(new / directory.ABSTENTION, kept)
            self.space.runtime.save(new)
            golden.write(new, self.space.geometry.levels)
            drawn = golden.pictures(self.space.geometry.levels)
            fields = {
                "classes": list(self.classes),
                "label_dtype": self.label_dtype,
                "backbone": dict(self.backbone),
                "geometry": asdict(self.space.geometry),
                "output": self.output,
                "temperature": self.head.temperature,
                "abstention": self.abstention.to_dict(),
                "runtime": self.space.runtime.name,
                "training": dict(self.training),
                "versions": versions(),
                "golden": golden.answers(self._proba, drawn),
                "golden_f32": golden.answers(self._in_f32(new)._proba, drawn),
            }
            directory.write_document(new, fields)

    def _in_f32(self, folder: Path) -> Model:
        """The model whose network was saved in ``folder``, on the CPU in float32."""
        if self.space.runtime.precision == "f32":
            return self
        device = "openvino" if (folder / DOCUMENT).is_file() else "torch"
        network = SavedSpec.of(folder, device=device, precision="f32")
        return replace(self, space=SpaceSpec(network=network, geometry=self.space.geometry).open())

    @classmethod
    def load(
        cls, folder: Path | str, *, device: str = "auto", precision: str = "auto", threads: int | None = None
    ) -> Model:
        """Open a model directory, or a run directory that holds one.

        Args:
            folder: the directory.
            device: ``openvino`` (CPU), ``torch`` (CPU), ``cuda``, ``mps``; ``auto`` takes a GPU that torch sees, for
                any but the smallest networks, else OpenVINO where it is installed, else torch.
            precision: ``f32``; ``bf16`` where the hardware computes in it; ``int8`` where it was trained so; ``auto``
                for what it was trained in on a processor, and on a GPU bf16 if it has that.
            threads: most threads of the CPU that compute; all if not given. Torch has one such number for the whole
                process, which is set here.

        Raises:
            ModelError: anything is amiss: a file missing, damaged or elsewhere, another version, another answer for a
                golden picture than when the model was saved.
            OptionError: a device that does not exist or that this machine does not have, or ``threads`` below 1.
        """
        found = directory.find_model(Path(folder))
        while True:
            try:
                return cls._loaded(found, device=device, precision=precision, threads=threads)
            except (ModelError, OSError):
                before, found = found, directory.find_model(Path(folder))
                if found == before:
                    raise  # else a run went on while it was read: its next state is the model now

    @classmethod
    def _loaded(cls, folder: Path, *, device: str, precision: str, threads: int | None) -> Model:
        document = directory.read(folder)
        if precision == "auto" and device != "torch" and document.runtime == "openvino bf16":
            precision = "bf16"
        network = SavedSpec.of(folder, device=device, precision=precision, threads=threads)
        try:
            return cls._opened(folder, document, network)
        except golden.GoldenError as error:
            if error.precision == "f32":
                raise
        model = cls._opened(folder, document, replace(network, precision="f32"))
        return replace(model, notes=(*model.notes, RuntimeNote(what="other answers")))

    @classmethod
    def _opened(cls, folder: Path, document: directory.Document, network: SavedSpec) -> Model:
        """The model in ``folder``, run by ``network``, after a look at its golden answers."""
        space = SpaceSpec(network=network, geometry=document.geometry).open()
        head = _head(folder, document, width=space.runtime.widths.get(document.output))
        runtime, moved = space.runtime, RuntimeNote(what="moved", runtime=document.runtime, here=space.runtime.name)
        model = cls(
            classes=document.classes,
            label_dtype=document.label_dtype,
            space=space,
            output=document.output,
            head=head,
            backbone=document.backbone,
            training=document.training,
            notes=(*runtime.notes, moved) if moved.runtime != moved.here else runtime.notes,
            abstention=_abstention(folder, document, width=runtime.widths.get(FAMILIAR, 0)),
        )
        pictures = golden.read(folder, document.golden)
        check = partial(golden.check_answers, model._proba, runtime, folder, document, pictures)
        check()
        if runtime.batch == 1:
            return model
        return replace(model, batches=golden.Once(partial(check, at_least=runtime.batch)))


def _head(folder: Path, document: directory.Document, *, width: int | None) -> LinearHead:
    """The head in ``folder``, for rows of ``width`` numbers; None where the network gives no such rows."""
    tensors, k = directory.read_tensors(folder, directory.HEAD), len(document.classes)
    weight, bias = tensors.get("weight", np.empty(0)), tensors.get("bias", np.empty(0))
    if (weight.shape, bias.shape) != ((width, k), (k,)) or not weight.dtype == bias.dtype == np.float32:
        expected, found = f"a weight ({width}, {k}) and a bias ({k},) in float32", f"{weight.shape}, {bias.shape}"
        what = f"{folder / directory.HEAD} does not fit"
        raise ModelError.of(what, expected=expected, found=found, todo=directory.COPY)
    return LinearHead(weight=weight, bias=bias, temperature=document.temperature)


def _abstention(folder: Path, document: directory.Document, *, width: int) -> Abstention:
    """When not to answer, for rows `FAMILIAR` of ``width`` numbers."""
    kept = directory.read_tensors(folder, directory.ABSTENTION) if directory.ABSTENTION in document.files else {}
    try:
        return Abstention.from_parts(document.abstention, kept, document.classes, width=width)
    except ValueError as error:
        what, expected = f"{folder} is damaged", "when not to answer"
        raise ModelError.of(what, expected=expected, found=str(error), todo=directory.COPY) from error


def versions() -> dict[str, str]:
    """Versions of headstart and of the packages that take part in a prediction."""
    return {package: version(package) for package in ("headstart", "numpy", "openvino", "pillow", "safetensors")}
