import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

import histories
from headstart.evaluation.comparison import Result, compare_results
from headstart.evaluation.curves import verdict
from headstart.evaluation.history import Epoch, History
from headstart.evaluation.measured_on import MeasuredOn
from headstart.report.curves import REASONS, comparison_figure, curve_verdict, learning_curves
from histories import decay, shaped

TEST = MeasuredOn(kind="split", split="test")
HOSTILE = ["$x_1$", "#040404", ' id="x"', "<script>&\"'", "名字\udce9\x07", "long " * 40]


def history(n=20, starts=(1, 11)):
    losses = 0.1 + 0.6 * np.exp(-np.arange(1, n + 1) / 3)
    epochs = [
        Epoch(
            phase=sum(start <= i for start in starts), epoch=i, train_loss=float(loss), train_accuracy=0.9,
            val_loss=float(loss) + 0.1 * (i == n), val_accuracy=0.955 if i == 7 else 0.93, seconds=1, lr=1e-3,
        )
        for i, loss in enumerate(losses, 1)
    ]  # fmt: skip
    return History(initial_loss=0.9, initial_accuracy=0.42, epochs=tuple(epochs))


def comparison(names=("A", "B", "C"), steps=6, seeds=1):
    same = {"last_accuracy": 0.9, "best_accuracy": 0.95, "seconds": 9}
    return compare_results(
        [
            Result(name=name, seed=seed, correct=np.arange(153) >= steps * i, **same)
            for i, name in enumerate(names)
            for seed in range(seeds)
        ]
    )


def drawn():
    return {"learning-curves": learning_curves(history()), "comparison": comparison_figure(comparison(), TEST)}


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter() if element.tag.endswith("text")]


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
    assert "var(--accent)" in svg


def test_the_same_numbers_give_the_same_bytes_whatever_matplotlib_is_set_to():
    plain = drawn()
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "axes.facecolor": "red"}):
        before = dict(matplotlib.rcParams)
        assert drawn() == plain
        assert dict(matplotlib.rcParams) == before


def test_identifiers_are_unique_within_a_page():
    found = re.findall(r' id="([^"]*)"', "".join(drawn().values()))
    assert len(found) == len(set(found)) > 0


def test_curves_name_their_lines_and_say_which_epoch_was_chosen():
    found = texts(learning_curves(history()))
    assert found.count("training") == found.count("validation") == 2
    assert "start of fine-tuning" in found
    assert "best of 20 epochs, chosen on these pictures: 95.5\u202f%" in found
    assert "last epoch: 93.0\u202f%" in found
    assert "lowest on validation: 0.101, epoch 19" in found


def test_both_curves_are_named_where_they_end_at_the_edge_of_the_plot():
    perfect = [
        replace(epoch, train_loss=0.001, val_loss=0.0, train_accuracy=1.0, val_accuracy=1.0)
        for epoch in history().epochs
    ]
    found = texts(learning_curves(replace(history(), epochs=tuple(perfect))))
    assert found.count("training") == found.count("validation") == 2


def test_curves_are_told_in_words():
    label = ElementTree.fromstring(learning_curves(history())).get("aria-label")
    assert "a new phase starts at epoch 11" in label
    assert "lowest 0.101 at epoch 19" in label
    assert "the best of 20, 95.5%, was chosen on these pictures" in label


def test_phases_are_marked_in_both_plots():
    one, two = (learning_curves(history(starts=starts)) for starts in ((1,), (1, 11)))
    dashes = [svg.count("stroke-dasharray") for svg in (one, two)]
    assert dashes == [0, 2]
    assert "start of fine-tuning" not in texts(one)


def test_names_of_close_phases_neither_overlap_nor_leave_the_figure():
    root = ElementTree.fromstring(learning_curves(history(30, starts=(1, 4, 6, 29))))
    places = {
        element.text: (float(element.get("x")), float(element.get("y")))
        for element in root.iter()
        if element.tag.endswith("text") and (element.text or "").startswith("start of")
    }
    assert list(places) == ["start of fine-tuning", "start of phase 3", "start of phase 4"]
    assert abs(places["start of fine-tuning"][1] - places["start of phase 3"][1]) > 12
    assert places["start of phase 4"][0] + 7 * len("start of phase 4") <= float(root.get("viewBox").split()[2])


@pytest.mark.parametrize("n", [1, 2, 400])
def test_runs_of_any_length_are_drawn(n):
    found = texts(learning_curves(history(n, starts=(1,))))
    assert ("the only epoch" in found) == (n == 1)
    assert {"training", "validation", str(n)} <= set(found)


def test_names_at_the_ends_of_the_lines_keep_apart():
    root = ElementTree.fromstring(learning_curves(history()))
    ends = [
        float(element.get("y") or element.get("transform").split()[1].rstrip(")"))
        for element in root.iter()
        if element.tag.endswith("text") and element.text in ("training", "validation")
    ]
    assert abs(ends[0] - ends[1]) >= 15
    assert abs(ends[2] - ends[3]) >= 15


def test_comparison_shows_shared_ranks():
    svg = comparison_figure(comparison(), TEST)
    found = texts(svg)
    assert {"A", "B", "C", "a", "b", "100.0\u202f%", "96.1\u202f%", "92.2\u202f%"} <= set(found)
    assert "Settings joined by a bar cannot be told apart." in found
    assert "accuracy on 153 test pictures, 1 seed, 95\u202f% interval" in found
    label = ElementTree.fromstring(svg).get("aria-label")
    assert "A 100.0%, rank a; B 96.1%, rank ab; C 92.2%, rank b" in label


def test_many_ranks_become_letters():
    names = [f"setting {i}" for i in range(13)]
    found = texts(comparison_figure(comparison(names, steps=11), TEST))
    assert "Settings that share a letter cannot be told apart." in found
    assert set(names) <= set(found)


def test_seeds_are_counted_and_one_setting_is_enough():
    assert any("3 seeds" in text for text in texts(comparison_figure(comparison(seeds=3), TEST)))
    assert "A" in texts(comparison_figure(comparison(["A"]), TEST))


def test_the_figure_says_which_pictures_its_accuracies_are_of():
    val = texts(comparison_figure(comparison(), MeasuredOn(kind="split", split="val", epoch="last")))
    assert "accuracy on 153 validation pictures, 1 seed, 95\u202f% interval" in val
    folds = texts(comparison_figure(comparison(), MeasuredOn(kind="cross-validation", folds=5)))
    assert "accuracy on 153 training pictures, out of fold, 1 seed, 95\u202f% interval" in folds


def test_hostile_names_stay_text():
    svg = comparison_figure(comparison(HOSTILE, steps=2), TEST)
    ElementTree.fromstring(svg)
    svg.encode()
    assert "<script>" not in svg
    assert set(HOSTILE[:2]) < set(texts(svg))


def said(run, n_val=153):
    return curve_verdict(verdict(run, n_val=n_val))


@pytest.mark.parametrize(
    "kind", ["settled", "with dropout", "stopped early", "learned nothing", "U", "memorised", "diverging"]
)
def test_fit_and_state_come_first_and_the_reason_is_said(kind):
    judged = verdict(shaped(kind, np.random.default_rng(0), 0.02), n_val=153)
    text = curve_verdict(judged)
    assert text.startswith(f"{judged.fit.capitalize()}, {judged.trend.state}. ")
    assert REASONS[judged.reason].split("{")[0] in text
    assert "  " not in text


def test_the_text_tells_of_every_phase():
    train = np.r_[decay(10, 2, 0.2, 0.5), decay(10, 2, 0.1, 0.1), decay(10, 2, 0.05, 0.05)]
    val = train + np.repeat([0.3, 0.1, 0.1], 10)
    text = said(histories.history(train, val, starts=(1, 11, 21)))
    assert "The phase from epoch 11 on narrowed the gap in loss (0.300 before, 0.100 after)." in text
    assert "The phase from epoch 21 on left the gap in loss unchanged" in text


def test_training_figures_worse_than_validation_are_explained():
    text = said(shaped("with dropout", np.random.default_rng(0), 0.02))
    assert "Validation loss is the lower one" in text
    assert "no over-fitting in that" in text


def test_a_rate_far_too_high_is_called_unsteady():
    wild = np.tile([0.2, 5.0, 1.0, 3.0], 5)
    assert "the learning rate looks too high" in said(histories.history(wild, wild))


@pytest.mark.parametrize(("n", "epochs"), [(1, "in 1 epoch."), (2, "in 2 epochs."), (4, "in 4 epochs.")])
def test_few_epochs_show_no_trend_and_it_says_so(n, epochs):
    text = said(histories.history(np.linspace(0.5, 0.4, n), np.linspace(0.5, 0.4, n)))
    assert "Too few epochs to show a trend: that takes 5" in text
    assert epochs in text


def test_a_picture_is_worth_so_many_points():
    run = histories.history(decay(20, 3, 0.04, 0.6), decay(20, 3, 0.2, 0.5))
    assert "one picture is 5.00 points" in said(run, n_val=20)
    assert "one picture is 100.00 points" in said(run, n_val=1)


def test_a_change_is_said_without_a_sign_and_nothing_is_minus_nought():
    falling, rising = decay(20, 5, 0.1, 0.3), decay(20, 5, 0.1, 0.3)[::-1]
    assert "it fell by 0." in said(histories.history(falling, falling), n_val=2000)
    assert "it rose by 0." in said(histories.history(rising, rising), n_val=2000)
    level = np.full(10, 0.3)
    text = said(histories.history(level, level, train_accuracy=np.full(10, 0.9), val_accuracy=np.full(10, 0.9)))
    assert "The gap is 0.000 in loss, less than" in text
    assert "within the luck of 153 pictures; accuracy is the same on validation (luck: " in text
    better = said(
        histories.history(level, level + 1e-6, train_accuracy=np.full(10, 0.89996), val_accuracy=np.full(10, 0.9))
    )
    assert "-0.0" not in better
    worse = said(histories.history(level, level + 0.01, train_accuracy=np.full(10, 0.8), val_accuracy=np.full(10, 0.9)))
    assert "; accuracy is 10.0 points higher on validation (luck: " in worse
    right = [np.full(10, share) for share in (0.9, 0.8)]
    wide = histories.history(level, level + 0.01, train_accuracy=right[0], val_accuracy=right[1])
    assert "within the luck of 1 picture; accuracy is 10.0 points lower on validation (luck: " in said(wide, n_val=1)
    assert "Over the last 5 epochs it hardly changed." in said(wide)


@pytest.mark.parametrize(
    ("n", "words"), [(1, "Learning curves over 1 epoch. "), (2, "Learning curves over 2 epochs. ")]
)
def test_epochs_are_counted_and_only_one_of_several_was_chosen(n, words):
    label = ElementTree.fromstring(learning_curves(history(n, starts=(1,)))).get("aria-label")
    assert label.startswith(words)
    assert ("was chosen on these pictures" in label) == (n > 1)
