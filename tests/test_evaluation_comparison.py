import json

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.evaluation.comparison import Result, compare, published_claim

N = 153


def result(name, wrong, seed=0, **more):
    """A model that errs on these pictures."""
    correct = np.ones(N, dtype=bool)
    correct[list(wrong)] = False
    accuracy = float(correct.mean())
    plain = {"last_accuracy": accuracy, "best_accuracy": accuracy, "seconds": 10.0}
    return Result(name=name, seed=seed, correct=correct, **{**plain, **more})


def simulated(rng, shifts, seeds, seed_sd):
    """Settings that differ by ``shifts`` in logits, on pictures of very different difficulty, about 94 % right."""
    ease = 4 + 2.5 * rng.standard_normal(N)
    rows = []
    for name, shift in enumerate(shifts):
        for seed in range(seeds):
            logits = 3 * (ease + shift + seed_sd * rng.standard_normal() + 0.7 * rng.standard_normal(N))
            wrong = np.flatnonzero(rng.random(N) > 1 / (1 + np.exp(-logits)))
            rows.append(result(f"setting {name}", wrong, seed))
    return rows


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (3, 0.0), (3, 0.4), (5, 0.4)])
def test_equal_settings_are_told_apart_in_at_most_5_percent_of_sets(seeds, seed_sd):
    sets = 200
    false = sum(
        any(pair.significant for pair in compare(simulated(np.random.default_rng(i), [0] * 3, seeds, seed_sd)).pairs)
        for i in range(sets)
    )
    assert false <= 0.05 * sets


@pytest.mark.parametrize(("seeds", "least"), [(1, 0.25), (3, 0.45), (5, 0.85)])
def test_four_points_are_told_the_better_the_more_seeds(seeds, least):
    sets = 100
    found = [compare(simulated(np.random.default_rng(i), [0, -0.7], seeds, 0.0)) for i in range(sets)]
    assert sum(one.pairs[0].significant for one in found) >= least * sets
    assert all(one.settings[0].name == "setting 0" for one in found if one.pairs[0].significant)


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (3, 0.4), (5, 0.4)])
def test_intervals_cover_other_pictures_and_other_seeds(seeds, seed_sd):
    rng = np.random.default_rng(0)
    many = [simulated(rng, [0], 20, seed_sd) for _ in range(60)]
    truth = np.mean([row.correct.mean() for rows in many for row in rows])
    intervals = [
        compare(simulated(np.random.default_rng(i), [0], seeds, seed_sd)).settings[0].accuracy for i in range(200)
    ]
    assert np.mean([one.low <= truth <= one.high for one in intervals]) >= 0.92


def test_one_seed_gets_wilson_and_says_what_is_missing():
    one = compare([result("a", range(6))])
    assert str(one.settings[0].accuracy) == "0.961 [0.917, 0.982] (n=153)"
    assert "1 seed, whose luck is not in it" in one.settings[0].accuracy.method
    assert one.settings[0].between_seeds is None
    assert one.conclusions[0] == "“a” is alone: there is nothing to compare it with."


def test_seeds_widen_the_interval_by_how_much_they_differ():
    steady = compare([result("a", range(10), seed) for seed in range(3)]).settings[0]
    wild = compare([result("a", range(5 * seed + 5), seed) for seed in range(3)]).settings[0]
    assert steady.accuracy.value == wild.accuracy.value
    assert wild.accuracy.high - wild.accuracy.low > 1.5 * (steady.accuracy.high - steady.accuracy.low)
    assert wild.between_seeds == pytest.approx(5 / N)


def test_six_fixed_and_none_broken_is_the_least_that_can_be_told():
    six, five = (compare([result("probe", range(n)), result("tuned", [])]) for n in (6, 5))
    assert six.pairs[0].significant
    assert not five.pairs[0].significant
    assert six.pairs[0].text == (
        "“tuned” is better than “probe”: 6 of 153 pictures differ (6 right with the first alone, 0 with the second), "
        "p = 0.031."
    )
    assert any("can be told below 6 pictures put right and none put wrong" in said for said in five.conclusions)


def chain():
    """The first and the last can be told apart, neighbours cannot."""
    return compare([result("low", range(12)), result("high", []), result("middle", range(6))])


def test_settings_share_a_letter_exactly_if_they_cannot_be_told_apart():
    found = chain()
    letters = {one.name: set(one.letters) for one in found.settings}
    assert [one.name for one in found.settings] == ["high", "middle", "low"]
    assert letters == {"high": {"a"}, "middle": {"a", "b"}, "low": {"b"}}
    assert found.leaders == ("high", "middle")


def test_letters_agree_with_the_pairs_for_any_pattern():
    for i in range(10):
        rng = np.random.default_rng(i)
        found = compare([result(f"s{j}", rng.choice(N, rng.integers(40), replace=False)) for j in range(9)], level=0.5)
        letters = {one.name: set(one.letters) for one in found.settings}
        assert all(letters.values())
        for pair in found.pairs:
            assert pair.significant != bool(letters[pair.a] & letters[pair.b])


def test_p_values_are_corrected_for_the_number_of_pairs():
    alone = compare([result("a", []), result("b", range(7))]).pairs[0]
    among = compare([result("a", []), result("b", range(7)), *(result(f"c{i}", [i]) for i in range(6))]).pair("a", "b")
    assert alone.p == among.p
    assert alone.significant
    assert not among.significant
    assert among.p_adjusted == pytest.approx(28 * among.p)


def test_conclusions_are_plain_sentences():
    best = {"best_accuracy": 1.0, "last_accuracy": 0.98}
    found = compare([result("A", [0], **best), result("B", [1, 2], **best)])
    assert found.conclusions == (
        "The two settings cannot be told apart.",
        "“A” has the highest accuracy; “B” cannot be told from it.",
        "“A” and “B” cannot be told apart: 3 of 153 pictures differ (2 right with the first alone, 1 with the second), "
        "p = 1.",
        "One seed each: this compares the models there are. Another seed may reverse the order.",
        "One picture is 0.65 points; no difference can be told below 6 pictures put right and none put wrong.",
        "The best epoch on validation is 2.0 points above the last on average: it flatters.",
    )


def test_conclusions_over_seeds():
    rows = [result(name, range(wrong + seed), seed) for name, wrong in (("A", 3), ("B", 5)) for seed in range(3)]
    said = compare(rows[:-2]).conclusions
    assert any("1.0 more of 153 pictures right with the first, on average over seeds" in one for one in said)
    assert "From seed to seed the accuracy of a setting varies by 0.7 points (sd)." in said
    assert "A setting with one seed is taken to vary as settings usually do here." in said


def test_published_claims_are_judged():
    found = chain()
    assert published_claim(found, "high", "low").startswith(
        "The published conclusion “high” is better than “low” holds here: 12 of 153 pictures differ"
    )
    assert published_claim(found, "low", "high").startswith(
        "The opposite of the published conclusion “low” is better than “high” holds here."
    )
    unclear = published_claim(found, "high", "middle")
    assert "does not hold here. “high” and “middle” cannot be told apart" in unclear
    assert unclear.endswith("(p = 0.031 if this were the only pair).")


def test_claims_about_other_settings_are_refused():
    with pytest.raises(OptionError) as caught:
        published_claim(chain(), "huge", "tiny")
    assert str(caught.value).count("expected: one of high, middle, low") == 2
    with pytest.raises(OptionError, match="high twice"):
        published_claim(chain(), "high", "high")


def test_table_and_json_hold_the_same_numbers():
    found = chain()
    rows = found.table()
    assert [row["rank"] for row in rows] == ["a", "a b", "b"]
    assert rows[0] == {
        "rank": "a",
        "setting": "high",
        "seeds": 1,
        "accuracy": 1.0,
        "low": pytest.approx(0.9755, abs=1e-4),
        "high": 1.0,
        "between_seeds": None,
        "last_epoch": 1.0,
        "best_epoch": 1.0,
        "seconds": 10.0,
    }
    plain = found.to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["settings"] == rows


def test_every_result_that_does_not_fit_is_named():
    short = Result(name="b", seed=1, correct=np.ones(9, dtype=bool), last_accuracy=1, best_accuracy=1, seconds=1)
    floats = Result(name="c", seed=2, correct=np.ones(N), last_accuracy=1, best_accuracy=1, seconds=1)
    with pytest.raises(DataError) as caught:
        compare([result("a", []), result("a", []), short, floats])
    text = str(caught.value)
    assert "3 problems" in text
    assert "two results for a, seed 0" in text
    assert "bool of shape (9,) for b, seed 1" in text
    assert "float64 of shape (153,) for c, seed 2" in text
    with pytest.raises(DataError, match="at least one result"):
        compare([])
    with pytest.raises(OptionError, match="a level between 0 and 1"):
        compare([result("a", [])], level=5)
