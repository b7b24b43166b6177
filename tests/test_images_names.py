from __future__ import annotations

import os

from headstart.files import display
from headstart.images.names import class_name, some


def test_what_cannot_be_printed_is_escaped() -> None:
    assert display("plain name.jpg") == "plain name.jpg"
    assert display("圆 环") == "圆 环"
    assert display(os.fsdecode(b"\xff.jpg")) == r"\udcff.jpg"
    assert display("two\nlines") == r"two\nlines"
    display(os.fsdecode(bytes(range(1, 256)))).encode("utf-8")


def test_names_that_look_the_same_are_the_same_class() -> None:
    assert class_name("Ame\u0301lie") == class_name("Am\u00e9lie") == "Am\u00e9lie"


def test_a_long_list_is_cut_and_says_by_how_much() -> None:
    assert some(["a", "b"]) == "a, b"
    assert some([str(i) for i in range(12)]) == "0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 more"
