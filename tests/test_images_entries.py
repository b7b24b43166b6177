from __future__ import annotations

from pathlib import Path

from headstart.images.entries import Entries, Entry


def test_a_list_declares_the_classes_of_its_rows() -> None:
    rows = [Entry(path=Path("1.png"), label="b"), Entry(path=Path("2.png"), label="a", split="test")]
    labelled = Entries.listed(rows, root=Path("here"), layout="table")
    assert labelled.declared == {"train": {"b"}, "test": {"a"}}
    assert (labelled.root, labelled.layout, labelled.left_out) == (Path("here"), "table", ())
    assert labelled.entries == tuple(rows)


def test_training_is_always_declared() -> None:
    assert Entries.listed([], root=None, layout="arrays").declared == {"train": set()}
