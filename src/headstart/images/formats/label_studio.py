"""Exports of Label Studio: JSON, JSON-MIN and CSV, of the choices that annotators made.

The files that its addresses name are looked for beside the export: ``/data/local-files/?d=photos/1.jpg`` as
``photos/1.jpg``, and uploads without the eight digits that were put before their names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from headstart.errors import DataError
from headstart.files import display, some
from headstart.images.formats.asked import Asked, Part, document_of, each_part
from headstart.images.formats.glance import Glance
from headstart.images.formats.one_hot import rows_of
from headstart.images.formats.said import Listing, Said, classes_in, gathered
from headstart.images.labelled import Entries, Understood
from headstart.images.walk import LeftOut

_Chosen = tuple[str, ...] | None
"""The classes that are the answer to a question; None where the answer is none."""
_UPLOADED = re.compile(r"[0-9a-f]{8}-")
_LOCAL = "/data/local-files/"
_PICTURES = ("image", "img", "picture", "photo", "url")
"""Names of what is labelled, the likeliest first."""
_OF_MIN = {"annotation_id", "annotator", "lead_time", "created_at", "updated_at", "id", "agreement", "comments", "user"}
"""What a flat export says of an annotation beside the picture and its class."""
_TASK, _CLASS = "every record is a task with a picture", "every choice is a text or a number"
_RULES = {_TASK: "export the project again", _CLASS: "correct the choice, or take it out"}


def is_label_studio(glance: Glance) -> bool:
    """Whether a JSON list holds tasks, or annotations told flat, or a CSV has the columns of such an export."""
    items = glance.document if isinstance(glance.document, list) else []
    first = next((item for item in items if isinstance(item, dict)), {})
    if isinstance(first.get("data"), dict) and ("annotations" in first or "completions" in first):
        return True
    columns = set(first) if items else set(next(iter(glance.rows), []))
    return "annotation_id" in columns and bool(columns & {"annotator", "lead_time"})


def read_label_studio(asked: Asked) -> Entries:
    """The entries of an export; tasks that nobody has answered are left out.

    Raises:
        DataError: several questions were asked of a picture and none was named; bad records, all of them, with their
            numbers; also pictures of several classes, and annotators who do not agree.
    """
    left_out: list[LeftOut] = []
    together = partial(
        gathered,
        what=asked.what,
        root=asked.root,
        layout="label-studio",
        inside=asked.inside,
        rules=_RULES,
        understood=Understood(label_files=asked.label_files),
        left_out=left_out,
    )
    return each_part(asked, lambda part: _listing(part, asked, left_out), together)


def _listing(part: Part, asked: Asked, left_out: list[LeftOut]) -> Listing:
    if Glance(part.file).text.lstrip()[:1] in ("[", "{"):
        answers = list(_of_json(_listed(document_of(part, asked))))
    else:
        (_, header), *rows = rows_of(part.file, asked.what) or [(1, [])]
        answers = [_flat(at, dict(zip(header, row, strict=False))) for at, (_, row) in enumerate(rows, 1)]
    question = _question(asked, answers)
    said = []
    for answer in answers:
        labels = answer.choices.get(question, ())
        if answer.names and labels == ():
            left_out.append(LeftOut(part.file.parent / answer.names[-1], "not answered in the export"))
        else:
            said.append(_said(answer, labels, part))
    return Listing(file=part.file, folder=part.file.parent, said=said)


class _Answer:
    """What one annotation, or one task without any, says."""

    def __init__(self, at: int, names: tuple[str, ...], choices: dict[str, _Chosen]) -> None:
        self.at, self.names, self.choices = at, names, choices


def _said(answer: _Answer, labels: _Chosen, part: Part) -> Said:
    broken = {} if answer.names else {_TASK: "none"}
    names = answer.names or ("",)
    if labels is None:
        broken[_CLASS] = display(names[0])
    return Said(at=answer.at, names=names, labels=labels or (), split=part.split or "train", broken=broken)


def _question(asked: Asked, answers: Sequence[_Answer]) -> str:
    """The name of the question that classes are the answers to."""
    questions = sorted({name for answer in answers for name in answer.choices})
    wanted = asked.given.label_column
    if wanted in questions or (not wanted and len(questions) == 1):
        return wanted or questions[0]
    if not questions:
        expected, found = "answers to a question with choices", f"none in {len(answers)} tasks"
        raise DataError.of(asked.what, expected=expected, found=found, todo="label pictures as a whole: Choices")
    found, todo = some([*map(display, questions)]), f"say which: --label-column {display(questions[0])}"
    raise DataError.of(asked.what, expected="one question to which classes are the answer", found=found, todo=todo)


def _of_json(items: Sequence[Any]) -> Iterator[_Answer]:
    for at, item in enumerate(items, 1):
        if not isinstance(item, Mapping):
            yield _Answer(at, (), {})
        elif not isinstance(item.get("data"), Mapping):
            yield _flat(at, item)
        else:
            names = _names(_picture(item["data"]))
            given = _listed(item.get("annotations") or item.get("completions"))
            kept = [each for each in given if isinstance(each, Mapping) and not each.get("was_cancelled")]
            for annotation in kept or [{}]:
                yield _Answer(at, names, _choices(_listed(annotation.get("result"))))


def _listed(value: Any) -> list[Any]:
    """A list as it is; of anything else none."""
    return value if isinstance(value, list) else []


def _choices(results: Sequence[Any]) -> dict[str, _Chosen]:
    """The choices of an annotation by question."""
    found: dict[str, _Chosen] = {}
    for result in results:
        value = result.get("value") if isinstance(result, Mapping) else None
        if isinstance(value, Mapping) and isinstance(value.get("choices"), list):
            name = str(result.get("from_name", "choice"))
            before, more = found.get(name, ()), classes_in(value["choices"])
            found[name] = None if before is None or more is None else (*before, *more)
    return found


def _flat(at: int, row: Mapping[str, Any]) -> _Answer:
    """An annotation of JSON-MIN or CSV: the picture, and each question under its name."""
    data = {name: value for name, value in row.items() if name not in _OF_MIN}
    picture = _picture(data)
    choices = {}
    for name, value in data.items():
        if value and value != picture:
            choices[name] = _chosen(value)
    return _Answer(at, _names(picture), choices)


def _chosen(value: Any) -> _Chosen:
    """The classes of a cell: a text, or an object of several choices, which CSV holds as text."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return (value,)
    if isinstance(value, Mapping):
        value = value.get("choices")
    return classes_in(value)


def _picture(data: Mapping[str, Any]) -> str:
    """The address of what was labelled."""
    texts = {name: value for name, value in data.items() if isinstance(value, str)}
    named = [texts[name] for name in _PICTURES if name in texts]
    return (named or [value for value in texts.values() if "/" in value] or [*texts.values(), ""])[0]


def _names(address: str) -> tuple[str, ...]:
    """What the file of an address may be called here."""
    if not address:
        return ()
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that are those of no address
        return (address,)
    if parts.path.endswith(_LOCAL):
        return tuple(parse_qs(parts.query).get("d", ())) or (address,)
    is_path = len(parts.scheme) < 2  # of one letter is a drive
    name = unquote(address if is_path else f"{parts.netloc}{parts.path}").removeprefix("/data/")
    folder, _, last = name.rpartition("/")
    original = _UPLOADED.sub("", last, count=1) if _UPLOADED.match(last) else last
    return tuple(dict.fromkeys((name, last, f"{folder}/{original}" if folder else original, original)))
