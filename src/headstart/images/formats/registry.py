"""The formats there are, and how one is told from another: by what files hold, never by their names alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from headstart.images.formats.asked import Asked
from headstart.images.formats.coco import is_coco, read_coco
from headstart.images.formats.fiftyone import is_labels, is_samples, read_labels, read_samples
from headstart.images.formats.glance import Glance
from headstart.images.formats.label_studio import is_label_studio, read_label_studio
from headstart.images.formats.one_hot import is_one_hot, read_one_hot
from headstart.images.formats.parquet import is_parquet, read_parquet
from headstart.images.formats.table import is_records, is_table, read_records, read_table
from headstart.images.formats.webdataset import is_webdataset, read_webdataset
from headstart.images.formats.xml_labels import is_cvat, is_voc, read_cvat, read_voc
from headstart.images.labelled import Entries


@dataclass(frozen=True, kw_only=True)
class Format:
    """A way of writing down which class pictures are of."""

    name: str
    """As in ``--format``."""
    recognises: Callable[[Glance], bool]
    read: Callable[[Asked], Entries]
    endings: tuple[str, ...]
    """Of label files that lie in a folder; others there are not looked at. A file that is given may have any."""
    in_parts: bool = False
    """Whether several label files of one split belong together."""
    is_general: bool = False
    """Whether other formats are written in it, which go before it."""


_CSV, _JSON, _TARS = (".csv", ".tsv", ".txt", ".tab"), (".json",), (".tar", ".tgz", ".gz")

FORMATS = (
    Format(name="one-hot", recognises=is_one_hot, read=read_one_hot, endings=(".csv",)),
    Format(name="label-studio", recognises=is_label_studio, read=read_label_studio, endings=(".json", ".csv")),
    Format(name="cvat", recognises=is_cvat, read=read_cvat, endings=(".xml",)),
    Format(name="voc", recognises=is_voc, read=read_voc, endings=(".xml",), in_parts=True),
    Format(name="coco", recognises=is_coco, read=read_coco, endings=_JSON),
    Format(name="fiftyone", recognises=is_labels, read=read_labels, endings=_JSON),
    Format(name="fiftyone-samples", recognises=is_samples, read=read_samples, endings=_JSON),
    Format(name="parquet", recognises=is_parquet, read=read_parquet, endings=(".parquet",), in_parts=True),
    Format(name="webdataset", recognises=is_webdataset, read=read_webdataset, endings=_TARS, in_parts=True),
    Format(name="table", recognises=is_table, read=read_table, endings=_CSV, is_general=True),
    Format(
        name="jsonl", recognises=is_records, read=read_records, endings=(".jsonl", ".ndjson", ".json"), is_general=True
    ),
)
"""In the order in which they are looked for."""
FOLDERS, ZIP, TAR = "folders", "zip", "tar"
"""Class folders, which have no label file, and archives, in which lies any of these."""
NAMES = (FOLDERS, ZIP, TAR, *(each.name for each in FORMATS))
"""What ``--format`` may be."""


def recognised(glance: Glance) -> list[Format]:
    """The formats that a file may be of."""
    return special(glance) or [each for each in FORMATS if each.is_general and each.recognises(glance)]


def special(glance: Glance) -> list[Format]:
    """The same, of those in which no other is written; a table is not read for it."""
    return [each for each in FORMATS if not each.is_general and each.recognises(glance)]
