"""Label pictures with a saved model: an answer for each input, in the order given."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.deploy import predictions as table
from headstart.deploy.answer_log import AnswerLog
from headstart.deploy.model import ANSWERED_TOGETHER, Model, Prediction
from headstart.errors import OptionError
from headstart.features.cluster import Cluster, connected
from headstart.files import digest, display, plain
from headstart.images.formats.unlabelled import Pictures, pictures_of
from headstart.output_folder import check_files
from headstart.progress import Progress, Silent

PARQUET = ".parquet"
_OTHERS = (".xlsx", ".xls", ".ods", ".json", ".jsonl", ".ndjson", ".feather", ".arrow", ".html", ".xml", ".sqlite")
"""Endings of tables that are not written."""
TOGETHER = 2_048
"""Pictures that are answered before the next are looked for: what is known of each stays in memory as long."""
MOST_TOGETHER = 65_536
"""The same, where more workers of a cluster are to have work. Chosen for memory: some 60 MB."""


@dataclass(frozen=True, kw_only=True)
class PredictOptions:
    """How pictures are answered."""

    coverage: float | None = None
    """How often, 0 to 1, the true class is to be in the prediction set; 0.9 unless told otherwise."""
    costs: Path | None = None
    """A file with what mistakes cost, to decide by in place of the model's own."""
    top: int = 1
    """How many of the most probable classes a row names."""


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many pictures were answered, and how many of the answers are doubtful."""

    pictures: int
    unread: int
    unsure: int
    unfamiliar: int

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, Any]]) -> Tally:
        """Of rows as `deploy.predictions.row` describes them."""
        counts: Counter[str] = Counter()
        for row in rows:
            counts.update(["pictures", *(name for name in ("unsure", "unfamiliar") if row[name])])
            counts["unread"] += row["label"] is None
        return cls(**{name: counts[name] for name in ("pictures", "unread", "unsure", "unfamiliar")})

    @property
    def complete(self) -> bool:
        """Whether there are pictures, and all of them could be read."""
        return self.pictures > 0 and not self.unread


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """The answers for n pictures."""

    classes: tuple[str, ...]
    coverage: float | None
    """Of the prediction sets; None for a model that gives none."""
    predictions: tuple[Prediction, ...]
    """(n,)"""
    rows: tuple[dict[str, Any], ...]
    """(n,) the same in plain JSON types, as `deploy.predictions.row` describes them."""

    @property
    def tally(self) -> Tally:
        """How many they are."""
        return Tally.of(self.rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return plain(self, "classes", "coverage", predictions=self.rows)

    def write(self, path: Path) -> None:
        """Write a line per picture, whole or not at all, as `predict_to_file` does."""
        pairs = zip(self.predictions, self.rows, strict=True)
        rows = (table.with_proba(prediction, self.classes) | {"path": row["path"]} for prediction, row in pairs)
        _write(path, rows, self.classes)


def predict(
    model: Model,
    inputs: Sequence[str | Path],
    options: PredictOptions,
    *,
    progress: Progress | None = None,
    engine: str | None = None,
) -> Predicted:
    """Answer ``inputs``, see `pictures_of`. What cannot be read has a reason in its place.

    ``engine``: where features are computed, see `cluster.connected`.

    Raises:
        OptionError: a coverage that the model cannot have, or costs that do not fit its classes.
    """
    model = model.with_costs(options.costs) if options.costs else model
    with connected(engine) as computing:
        found = pictures_of(inputs)
        predictions = model.predict(found.paths, coverage=options.coverage, progress=progress, engine=computing)
    return Predicted(
        classes=model.classes,
        coverage=model.abstention.covers(options.coverage),
        predictions=tuple(predictions),
        rows=tuple(
            _called(table.row(prediction, model.classes, top=options.top), found, i)
            for i, prediction in enumerate(predictions)
        ),
    )


def predict_to_file(
    model: Model,
    inputs: Sequence[str | Path],
    path: Path,
    options: PredictOptions,
    *,
    progress: Progress | None = None,
    engine: str | None = None,
) -> Tally:
    """Answer ``inputs`` as `predict` does, and write the table ``path``: CSV, or Parquet where its name says so.

    Memory does not grow with the answers. They are kept beside ``path`` as they come; where the process is killed, the
    same call goes on after the last of them, as long as model, options and list of pictures are the same. ``top`` of
    the options has no meaning here.

    Raises:
        OptionError: as `predict`; another process writes this table.
        MissingPackageError: Parquet without pyarrow.
    """
    model = model.with_costs(options.costs) if options.costs else model
    model.abstention.require(options.coverage)
    found = pictures_of(inputs, without=path)
    paths = found.files
    names = hashlib.sha256()
    for named in paths:
        names.update(display(named).encode() + b"\0")
    for i, name in found.names.items():
        names.update(f"{i} {name}\0".encode())
    key = digest([model.fingerprint(), options.coverage, names.hexdigest()])
    with connected(engine) as computing, AnswerLog.beside(path, key) as log:
        with (progress or Silent()).stage("predicting", len(paths)) as advance:
            advance(log.count)
            while log.count < len(paths):
                rows: list[dict[str, Any]] = []
                asked = paths[log.count : log.count + _together(computing, model)]
                answers = model.answers(asked, coverage=options.coverage, engine=computing, of=len(paths))
                for prediction, _ in answers:
                    at = log.count + len(rows)
                    rows.append(_called(table.with_proba(prediction, model.classes), found, at))
                    if len(rows) == ANSWERED_TOGETHER:
                        log.write(rows)
                        advance(log.count)
                        rows = []
                log.write(rows)
                advance(log.count)
        _write(path, log.rows(), model.classes)
        return Tally.of(log.rows())


def _together(cluster: Cluster | None, model: Model) -> int:
    """Pictures that are answered before the next are looked for: enough for all workers of a cluster."""
    return TOGETHER if cluster is None else max(TOGETHER, min(cluster.enough(model.space), MOST_TOGETHER))


def _called(row: dict[str, Any], found: Pictures, position: int) -> dict[str, Any]:
    """A row with the name that its picture has in its source."""
    return {**row, "path": found.names.get(position, row["path"])}


def check_table(path: Path | None, option: str) -> None:
    """Refuse a table that cannot be written, or that was written by something else; raises OptionError."""
    if path is not None and path.suffix.lower() in _OTHERS:
        todo = f"call it {display(path.stem)}.csv or {display(path.stem)}{PARQUET}"
        expected, found = f"a table in CSV or Parquet after {option}", f"a name that ends in {path.suffix}"
        raise OptionError.of("where to write", expected=expected, found=found, todo=todo)
    if path is not None and path.suffix.lower() == PARQUET:
        check_files({option: path}, {option: ""})
        table.import_pyarrow()
        if path.exists() and not table.is_parquet_of_ours(path):
            expected, found = f"a new file, or one that {option} wrote", f"{display(path)}, which is something else"
            todo = f"choose another name with {option}"
            raise OptionError.of("where to write", expected=expected, found=found, todo=todo)
    else:
        check_files({option: path}, {option: ",".join(table.COLUMNS)})


def _write(path: Path, rows: Iterable[Mapping[str, Any]], classes: Sequence[str]) -> None:
    write = table.write_parquet if path.suffix.lower() == PARQUET else table.write_csv
    write(path, rows, classes)
