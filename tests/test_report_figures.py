import re
import xml.etree.ElementTree as ElementTree
from importlib import resources

import matplotlib
import numpy as np
import pytest

from headstart.evaluation.intervals import Estimate
from headstart.evaluation.metrics import ReliabilityBin
from headstart.probe.trials import Score
from headstart.report import figures

HOSTILE = ["$x_1$", "#040404", ' id="x"', "<script>&\"'", "名字\udce9\x07", "long " * 40]


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


def candidate(name, log_loss, **more):
    known = {"strength": 1.0, "temperature": 1.0, "proba": np.full((100, 2), 0.5), "accuracy": 0.9, **more}
    return Score(candidate=name, losses=np.full(100, log_loss), standard_error=0.01, **known)


def drawn(names=("ants", "bees")):
    counts = {split: {name: 3 + i for i, name in enumerate(names)} for split in ("train", "test")}
    board = [candidate(name, 0.1 + i / 50) for i, name in enumerate(names)]
    bins = [ReliabilityBin(confidence=0.7 + 0.1 * i, accuracy=0.8, low=0.6, high=0.9, count=20) for i in range(3)]
    return {
        "class-counts": figures.class_counts(counts),
        "candidates": figures.candidates(board, board[0]),
        "confusion": figures.confusion([[i * j for j in range(len(names))] for i in range(len(names))], names),
        "reliability": figures.reliability(bins),
        "interval": figures.interval_bar(Estimate(0.96, 0.92, 0.98, 153, "Wilson"), "92 % to 98 %", 0.5, names[0]),
    }


@pytest.mark.parametrize("name", drawn())
def test_every_figure_is_accessible_themed_and_loads_nothing(name):
    svg = drawn()[name]
    root = ElementTree.fromstring(svg)
    assert root.get("class") == name
    assert root.get("role") == "img"
    assert root.get("aria-label")
    assert "://" not in svg
    assert "DejaVu" not in svg
    assert not re.search(r"#[0-9a-f]{6}\b", svg)  # colours come from the page
    if name != "interval":
        assert "var(--accent)" in svg


def test_the_same_numbers_give_the_same_bytes():
    assert drawn() == drawn()


def test_identifiers_are_unique_within_a_page():
    found = re.findall(r' id="([^"]*)"', "".join(drawn().values()))
    assert len(found) == len(set(found)) > 0


def test_hostile_names_stay_text():
    for name, svg in drawn(HOSTILE).items():
        ElementTree.fromstring(svg)
        assert "<script>" not in svg, name
        svg.encode()
    assert set(HOSTILE[:2]) < set(texts(figures.confusion([[1, 0], [0, 1]], HOSTILE[:2])))
    assert 'id="x"' in texts(figures.class_counts({"train": {HOSTILE[2]: 1}}))


def test_settings_of_matplotlib_are_neither_obeyed_nor_changed():
    plain = drawn()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert drawn() == plain
        assert dict(matplotlib.rcParams) == before


def test_counts_are_written():
    assert {"train 7", "test 7", "ants", "bees", "3", "4"} <= set(texts(drawn()["class-counts"]))


def test_confusion_writes_counts_and_leaves_zeros_empty():
    found = texts(figures.confusion([[7, 0], [1.5, 4.96]], ["a", "b"]))
    assert {"7", "1.5", "5", "a", "b"} <= set(found)
    assert "0" not in found


@pytest.mark.parametrize("k", [2, 5, 30])
def test_confusion_of_any_size_keeps_its_names_inside(k):
    names = [f"class number {i}" for i in range(k)]
    root = ElementTree.fromstring(figures.confusion([[int(i == j) for j in range(k)] for i in range(k)], names))
    width = float(root.get("viewBox").split()[2])
    assert width < 900
    written = [element for element in root.iter() if element.tag.endswith("text") and element.get("x")]
    assert len(written) > k
    assert all(0 <= float(element.get("x")) <= width for element in written)


def test_many_candidates_are_cut_but_the_chosen_one_stays():
    rows = [candidate(f"head {i}", 0.1 + i / 100, screened=i == 2) for i in range(40)]
    found = texts(figures.candidates(rows, rows[30]))
    assert "head 0" in found
    assert "head 30" in found
    assert "head 29" not in found
    assert "head 2  (quick look)" in found


def test_interval_bar_is_drawn_to_scale():
    svg = ElementTree.fromstring(drawn()["interval"])
    bar = next(element for element in svg if element.get("class") == "range")
    baseline = next(element for element in svg if element.get("class") == "baseline")
    assert (bar.get("x"), bar.get("width"), baseline.get("x1")) == ("92.00%", "6.00%", "50.00%")


def test_every_part_of_an_interval_has_a_style_on_the_page():
    style = resources.files("headstart.report").joinpath("style.css.j2").read_text("utf-8")
    parts = {element.get("class") for element in ElementTree.fromstring(drawn()["interval"])}
    assert parts == {"track", "range", "mark", "baseline", "ink", "muted"}
    assert all(f".{part} " in style or f".{part}," in style for part in parts)
