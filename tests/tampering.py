"""Model directories changed by somebody who knows how they are written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from headstart.files import digest


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edit ``model.json`` of ``folder``, with the checksum that it has then."""
    document = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    edit(document)
    document.pop("checksum", None)
    document["checksum"] = digest(document)
    (folder / "model.json").write_text(json.dumps(document), encoding="utf-8")
