import pytest

from headstart.report import drawing


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("ants", 10, "ants"), ("abcdefghijkl", 7, "abcd…kl"), ("a\n b", 9, "a b"), ("名" * 9, 9, "名名名…名")],
)
def test_short_names(text, most, expected):
    assert drawing.short(text, most) == expected


def test_printable_replaces_what_utf8_cannot_hold():
    assert drawing.printable("a\udce9\x00b\n") == "a\ufffd\ufffdb\n"
