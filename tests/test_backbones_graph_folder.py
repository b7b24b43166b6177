"""The document of a graph: every damage is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headstart.backbones import graph, graph_folder
from headstart.errors import ModelError
from networks import compiled_in_f32, copied, write_vit


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A converted network. Read only."""
    return write_vit(tmp_path_factory.mktemp("graphs") / "vit")


@pytest.fixture(scope="module")
def runtime(folder: Path) -> graph.OpenVinoRuntime:
    return compiled_in_f32(folder)


def test_every_damaged_file_is_named(runtime: graph.OpenVinoRuntime, tmp_path: Path) -> None:
    broken = copied(runtime, tmp_path)
    (broken / "graph.xml").unlink()
    content = bytearray((broken / "graph.bin").read_bytes())
    content[len(content) // 2] ^= 1
    (broken / "graph.bin").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        graph_folder.describe(broken)
    assert [problem.expected.split()[0] for problem in caught.value.problems] == ["graph.xml", "graph.bin"]
    assert caught.value.problems[0].found == "no such file"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("{", r"expected: a readable graph\.json\n   found: Expecting property name"),
        ("{}", "expected: a graph of format 2\n   found: no format"),
        ("[1]", "expected: a graph of format 2\n   found: no format"),
        ('{"format": 2, "sha256": {"x": ""}}', r"graph\.json: 3 problems\nexpected: identity: a value\n   found: None"),
    ],
)
def test_an_unreadable_description_is_refused(tmp_path: Path, content: str, found: str) -> None:
    (tmp_path / "graph.json").write_text(content)
    with pytest.raises(ModelError, match=found):
        graph_folder.describe(tmp_path)


def test_another_format_is_refused(runtime: graph.OpenVinoRuntime, tmp_path: Path) -> None:
    newer = copied(runtime, tmp_path)
    description = json.loads((newer / "graph.json").read_text())
    (newer / "graph.json").write_text(json.dumps({**description, "format": 99}))
    with pytest.raises(ModelError, match="found: format 99"):
        graph_folder.describe(newer)
