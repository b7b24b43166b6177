from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.errors import DataError
from headstart.evaluation.held_out import HeldOut, write_held_out
from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.paired import mcnemar_exact, out_of_fold_p
from headstart.files import plain
from headstart.workflows.compare_runs import compare_runs, is_run

N = 100

TEST = MeasuredOn(kind="split", split="test")


def made(folder: Path, wrong: set[int], *, measured_on: MeasuredOn = TEST, first: int = 0, seed: int = 0) -> Path:
    """A run that was wrong on these of 100 pictures, which it has in an order of its own."""
    order = np.random.default_rng(seed).permutation(N)
    right = np.array([i not in wrong for i in order])
    folder.mkdir(parents=True)
    judged = HeldOut(
        classes=("ants", "bees"),
        names=tuple(f"ants/{i}.jpg" for i in order),
        digests=tuple(f"{i + first:064x}" for i in order),
        labels=("ants",) * N,
        proba=np.where(right[:, None], [0.8, 0.2], [0.3, 0.7]),
    )
    write_held_out(folder / "predictions.csv", judged)
    (folder / "metrics.json").write_text(json.dumps({"measurement": plain(measured_on)}))
    return folder


def test_answers_on_the_same_pictures_are_paired_whatever_their_order(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {0, 1})
    b = made(tmp_path / "b", {1, *range(50, 61)}, seed=1)
    found = compare_runs([a, b])
    (pair,) = found.comparison.pairs
    assert (pair.a, pair.only_a, pair.only_b) == ("a", 11, 1)
    assert pair.p == pytest.approx(mcnemar_exact(11, 1))
    assert pair.significant
    assert "McNemar" in found.content().caveats[0]
    assert found.to_dict()["measured_on"] == "100 test pictures"


def test_a_run_whose_epoch_was_chosen_on_the_pictures_is_named(tmp_path: Path) -> None:
    val = MeasuredOn(kind="split", split="val", epoch="last")
    a = made(tmp_path / "a", {0, 1}, measured_on=val)
    b, c = (made(tmp_path / name, {0}, measured_on=replace(val, epoch="best")) for name in "bc")
    one = compare_runs([a, b]).to_dict()
    assert one["measured_on"] == "100 validation pictures"
    assert one["caveats"][1:] == ["The epoch of “b” was chosen on these pictures: too optimistic."]
    two = compare_runs([b, c]).to_dict()
    assert two["measured_on"] == "100 validation pictures, best epoch: it was chosen on them"
    assert two["caveats"][1:] == ["The epoch of “b” and “c” was chosen on these pictures: too optimistic."]


def test_out_of_fold_answers_need_a_larger_difference(tmp_path: Path) -> None:
    a, b = (
        made(tmp_path / name, wrong, measured_on=MeasuredOn(kind="cross-validation", folds=5, repeats=3))
        for name, wrong in (("a", {0}), ("b", set(range(1, 9))))
    )
    found = compare_runs([a, b])
    (pair,) = found.comparison.pairs
    plain = mcnemar_exact(8, 1)
    assert plain < 0.05 < pair.p == pytest.approx(out_of_fold_p(plain, train_fraction=0.8))
    assert not pair.significant
    assert "Nadeau and Bengio" in found.content().caveats[0]
    assert found.to_dict()["out_of_fold"] is True


def test_other_pictures_are_counted_and_all_problems_named(tmp_path: Path) -> None:
    a = made(tmp_path / "a", {0})
    b = made(tmp_path / "b", {0}, first=10)
    c = made(tmp_path / "c", {0}, measured_on=MeasuredOn(kind="cross-validation", folds=5))
    with pytest.raises(DataError) as caught:
        compare_runs([a, b, c])
    assert "the 100 pictures that" in str(caught.value)
    assert "10 missing, 10 added" in str(caught.value)
    assert f"{c} out of fold, {a} on pictures that were held out" in str(caught.value)


def test_changed_labels_are_no_difference_between_models(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", {0}), made(tmp_path / "b", {0})
    answers = (b / "predictions.csv").read_text().replace(".jpg,ants", ".jpg,bees", 3)
    (b / "predictions.csv").write_text(answers)
    with pytest.raises(DataError, match="another label of 3 pictures in "):
        compare_runs([a, b])


def test_names_are_as_short_as_they_can_be(tmp_path: Path) -> None:
    a, b = made(tmp_path / "x" / "run", {0}), made(tmp_path / "y" / "run", {1})
    assert {one.name for one in compare_runs([a, b]).comparison.settings} == {str(a), str(b)}
    with pytest.raises(DataError, match="expected: different runs"):
        compare_runs([a, a])


def test_a_run_without_answers_is_named(tmp_path: Path) -> None:
    a, b = made(tmp_path / "a", {0}), made(tmp_path / "b", {0})
    (b / "predictions.csv").unlink()
    with pytest.raises(DataError, match="train again"):
        compare_runs([a, b])
    assert is_run(b)
    assert not is_run(tmp_path)


def test_a_run_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    now, before = made(tmp_path / "now", {0}), made(tmp_path / "before", {0})
    (before / "metrics.json").write_text('{"accuracy": {"value": 1.0}}')
    with pytest.raises(DataError, match=r"before.*metrics.json: 1 problem\n.*\n   found: KeyError: 'measurement'"):
        compare_runs([now, before])


def test_the_page_and_the_document(tmp_path: Path) -> None:
    found = compare_runs([made(tmp_path / "a", {0}), made(tmp_path / "b<i>", {0, 1})], command="headstart compare a b")
    found.write(tmp_path / "out")
    page = (tmp_path / "out" / "compare.html").read_text(encoding="utf-8")
    for words in ("Runs compared", "cannot be told apart", "b&lt;i&gt;", "headstart compare a b"):
        assert words in page
    document = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [row["accuracy"] for row in document["settings"]] == [0.99, 0.98]
