import numpy as np
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


def test_a_figure_is_drawn_once_of_the_same_arguments() -> None:
    calls: list[int] = []

    @drawing.drawn
    def figure(values: np.ndarray, *, name: str) -> str:
        calls.append(len(values))
        return f"{name} {values.sum()}"

    assert figure(np.ones(3), name="a") == figure(np.ones(3), name="a") == "a 3.0"
    assert (figure(np.ones(3), name="b"), figure(np.zeros(3), name="a")) == ("b 3.0", "a 0.0")
    assert calls == [3, 3, 3]
    for n in range(drawing.FIGURES_KEPT + 1):  # older ones are forgotten
        figure(np.ones(n), name="c")
    figure(np.zeros(3), name="a")
    assert calls[-1] == 3
