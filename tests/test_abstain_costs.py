from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from headstart.abstain.costs import Costs, measure_costs, read_costs
from headstart.errors import OptionError
from headstart.files import plain

CLASSES = ("edible", "poisonous")
TABLE = "truth,edible,poisonous,ask\nedible,0,1,0.4\npoisonous,100,0,0.4\n"


@pytest.fixture
def costs(tmp_path: Path) -> Costs:
    (tmp_path / "costs.csv").write_text(TABLE)
    return read_costs(tmp_path / "costs.csv", CLASSES)


def test_the_answer_is_the_one_that_costs_least_on_average(costs: Costs) -> None:
    proba = np.array([[0.999, 0.001], [0.9, 0.1], [0.3, 0.7]])
    np.testing.assert_allclose(costs.expected(proba)[1], [10.0, 0.9, 0.4])
    assert [costs.answers[i] for i in costs.decide(proba)] == ["edible", "ask", "poisonous"]


def test_json_csv_and_what_is_kept_say_the_same(costs: Costs, tmp_path: Path) -> None:
    (tmp_path / "costs.json").write_text(
        '{"poisonous": {"edible": 100, "poisonous": 0, "ask": 0.4},'
        ' "edible": {"ask": 0.4, "edible": 0, "poisonous": 1}}'
    )
    other = read_costs(tmp_path / "costs.json", CLASSES)
    assert other.to_dict() == costs.to_dict()
    assert Costs.from_dict(costs.to_dict(), CLASSES) == costs
    with pytest.raises(ValueError, match="do not say what each answer costs for each class"):
        Costs.from_dict(costs.to_dict(), ["edible", "another"])
    with pytest.raises(ValueError, match="costs below 0"):
        Costs.from_dict({name: {"a": -1.0, "b": 0.0} for name in CLASSES}, CLASSES)
    (tmp_path / "windows.csv").write_bytes(b"\xef\xbb\xbf" + TABLE.replace("\n", "\r\n").encode())
    assert read_costs(tmp_path / "windows.csv", CLASSES) == costs
    for number, encoding in enumerate(("utf-8", "utf-16", "utf-16-le")):
        file = tmp_path / f"spreadsheet{number}.csv"
        file.write_bytes(TABLE.replace(",", ";\t"[number % 2]).encode(encoding))
        assert read_costs(file, CLASSES) == costs


def test_deciding_by_cost_costs_less_than_the_most_probable_class(costs: Costs) -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(0.5, 0.5, 400)
    y = (rng.random(400) < p).astype(int)
    report = measure_costs(costs, np.stack([1 - p, p], axis=1), y, prior=[0.5, 0.5])
    assert report.most_probable is not None
    assert report.cheapest.value < report.blind.value < report.most_probable.value
    assert report.blind_answer == "ask"
    assert report.blind.value == report.blind.low == report.blind.high == 0.4
    for one in (report.cheapest, report.most_probable):
        assert 0 <= one.low <= one.value <= one.high <= 100
        assert one.low < one.high


def test_intervals_of_the_mean_cost_cover_it(costs: Costs) -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(0.5, 0.5, 200_000)
    proba = np.stack([1 - p, p], axis=1)
    flat = Costs(classes=CLASSES, answers=CLASSES, matrix=((0, 1), (4, 0)))
    y = (rng.random(len(p)) < p).astype(int)
    truth = measure_costs(flat, proba, y, prior=[0.5, 0.5]).cheapest.value
    parts = [slice(i, i + 150) for i in range(0, 60_000, 150)]
    found = [measure_costs(flat, proba[part], y[part], prior=[0.5, 0.5]).cheapest for part in parts]
    assert 0.92 <= np.mean([one.low <= truth <= one.high for one in found]) <= 0.98


def test_no_cost_seen_is_not_known_to_be_none() -> None:
    flat = Costs(classes=CLASSES, answers=CLASSES, matrix=((0, 1), (4, 0)))
    report = measure_costs(flat, np.array([[0.9, 0.1], [0.2, 0.8]] * 20), np.array([0, 1] * 20), prior=[0.5, 0.5])
    assert report.cheapest.value == 0
    assert 0.2 < report.cheapest.high < 0.5


def test_costs_without_the_classes_as_answers_have_no_most_probable() -> None:
    costs = Costs(classes=CLASSES, answers=("keep", "throw"), matrix=((0, 1), (5, 0)))
    report = measure_costs(costs, np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([0, 1]), prior=[0.5, 0.5])
    assert report.most_probable is None
    assert plain(report)["blind_answer"] == "throw"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["an empty file", "write a CSV whose first row is truth,ANSWER"]),
        ("truth,edible\nedible,0\npoisonous,3", ["two answers or more", "found: edible"]),
        ("truth,a,b\nedible,0,-1\ntoad,1,2\n", ["none for poisonous", "found: toad", "'-1' for edible answered b"]),
        ("truth,a,b\nedible,0,x\nedible,1,2\n", ["none for poisonous", "2 for edible", "'x' for edible answered b"]),
        ("truth,a,b\nedible,0,1\npoisonous,nan,inf\n", ["'nan' for poisonous", "'inf' for poisonous"]),
        ("truth,a,a\nedible,0,1\npoisonous,1,0,7\n", ["2 × 'a'", "expected: 2 costs after poisonous"]),
        ("truth,a,b\nedible,0,0\npoisonous,0,0\n", ["a cost above 0"]),
        ('{"edible": {"a": 1, "b": true}, "poisonous": {"a": 1}}', ["True for edible", "0 of b for poisonous"]),
        ('{"edible": 3, "poisonous": {"a": 1, "b": 0}}', ["something else for edible"]),
        ('{"edible": ', ["expected: JSON"]),
    ],
)
def test_everything_that_is_wrong_with_a_file_is_said(tmp_path: Path, text: str, words: list[str]) -> None:
    (tmp_path / "costs").write_text(text)
    with pytest.raises(OptionError) as error:
        read_costs(tmp_path / "costs", CLASSES)
    for word in words:
        assert word in str(error.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"gone\.csv: No such file"):
        read_costs(tmp_path / "gone.csv", CLASSES)
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(OptionError, match="not UTF-8 text"):
        read_costs(tmp_path / "picture.csv", CLASSES)


@pytest.mark.parametrize("text", ['{"a":' * 100_000, "truth,a,b\n" + '"' + "x" * 200_000])
def test_what_no_reader_takes_is_an_error_in_words(tmp_path: Path, text: str) -> None:
    (tmp_path / "costs").write_text(text)
    with pytest.raises(OptionError, match=r"(?s)the costs in .*found: "):
        read_costs(tmp_path / "costs", CLASSES)
