"""The file of a graph holds a network and nothing else, or is refused before OpenVINO sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from headstart.backbones.graph_file import check

WHOLE = """<?xml version="1.0"?>
<net name="frozen" version="11"><layers>
<layer id="0" name="x" type="Parameter" version="opset1"><data shape="?,4,4,3" element_type="u8" /></layer>
<layer id="1" type="Const" version="opset1"><data element_type="f32" shape="2, 3" offset="8" size="24" /></layer>
<layer id="2" name="s" type="Const" version="opset1"><data element_type="i64" shape="" offset="0" size="8" /></layer>
</layers></net>"""


def checked(folder: Path, xml: str | bytes, size: int = 32) -> None:
    (folder / "graph.xml").write_bytes(xml.encode() if isinstance(xml, str) else xml)
    (folder / "graph.bin").write_bytes(bytes(size))
    check(folder / "graph.xml", folder / "graph.bin")


def test_a_network_is_let_through(tmp_path: Path) -> None:
    checked(tmp_path, WHOLE)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"Parameter" version="opset1"', '"Parameter" version="extension"', "^the operation Parameter of extension$"),
        ('"Parameter" version="opset1"', '"Parameter"', "^the operation Parameter of None$"),
        ('"Parameter"', '"Loop"', "^the operation Loop of opset1$"),
        ('"Parameter"', '"TensorIterator"', "^the operation TensorIterator of opset1$"),
        ('"Parameter"', '"If"', "^the operation If of opset1$"),
        ('"2, 3"', '"2, 4"', "^a constant that is not in 32 bytes: "),
        ('"2, 3"', '"-2, -3"', "^a constant that is not in 32 bytes: "),
        ('offset="8"', 'offset="9"', "^a constant that is not in 32 bytes: "),
        ('offset="8"', 'offset="-8"', "^a constant that is not in 32 bytes: "),
        ('offset="8"', 'offset="x"', "invalid literal"),
        ('"f32"', '"string"', "^a constant that is not in 32 bytes: "),
        ("<net ", '<!DOCTYPE net SYSTEM "/etc/passwd"><net ', "^a document type, which a graph does not need$"),
        ("</layers>", "", "^no XML: mismatched tag"),
    ],
)
def test_what_no_network_needs_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        checked(tmp_path, WHOLE.replace(old, new, 1))


def test_a_file_that_is_no_xml_or_lacks_numbers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no XML"):
        checked(tmp_path, b"\0\0")
    with pytest.raises(ValueError, match="not in 31 bytes"):
        checked(tmp_path, WHOLE, size=31)
