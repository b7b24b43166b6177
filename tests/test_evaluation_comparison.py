import json

import numpy as np
import pytest

from headstart.errors import DataError, OptionError
from headstart.evaluation.comparison import Result, check_claim, compare_results
from headstart.evaluation.paired import mcnemar_exact

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
        any(
            pair.significant
            for pair in compare_results(simulated(np.random.default_rng(i), [0] * 3, seeds, seed_sd)).pairs
        )
        for i in range(sets)
    )
    assert false <= 0.05 * sets


@pytest.mark.parametrize(("seeds", "least"), [(1, 0.25), (3, 0.45), (5, 0.85)])
def test_four_points_are_told_the_better_the_more_seeds(seeds, least):
    sets = 100
    found = [compare_results(simulated(np.random.default_rng(i), [0, -0.7], seeds, 0.0)) for i in range(sets)]
    assert sum(one.pairs[0].significant for one in found) >= least * sets
    assert all(one.settings[0].name == "setting 0" for one in found if one.pairs[0].significant)


@pytest.mark.parametrize(("seeds", "seed_sd"), [(1, 0.0), (3, 0.4), (5, 0.4)])
def test_intervals_cover_other_pictures_and_other_seeds(seeds, seed_sd):
    rng = np.random.default_rng(0)
    many = [simulated(rng, [0], 20, seed_sd) for _ in range(60)]
    truth = np.mean([row.correct.mean() for rows in many for row in rows])
    intervals = [
        compare_results(simulated(np.random.default_rng(i), [0], seeds, seed_sd)).settings[0].accuracy
        for i in range(200)
    ]
    assert np.mean([one.low <= truth <= one.high for one in intervals]) >= 0.92


def test_one_seed_gets_wilson_and_says_what_is_missing():
    one = compare_results([result("a", range(6))])
    assert str(one.settings[0].accuracy) == "0.961 [0.917, 0.982] (n=153)"
    assert one.settings[0].accuracy.method.endswith(", pictures alone")
    assert one.settings[0].between_seeds is None
    assert one.seed_deviation is one.fewest_to_tell is None


def test_seeds_widen_the_interval_by_how_much_they_differ():
    steady = compare_results([result("a", range(10), seed) for seed in range(3)]).settings[0]
    wild = compare_results([result("a", range(5 * seed + 5), seed) for seed in range(3)]).settings[0]
    assert steady.accuracy.value == wild.accuracy.value
    assert wild.accuracy.high - wild.accuracy.low > 1.5 * (steady.accuracy.high - steady.accuracy.low)
    assert wild.between_seeds == pytest.approx(5 / N)


def test_six_fixed_and_none_broken_is_the_least_that_can_be_told():
    six, five = (compare_results([result("probe", range(n)), result("tuned", [])]) for n in (6, 5))
    assert six.pairs[0].significant
    assert not five.pairs[0].significant
    assert (six.pairs[0].a, six.pairs[0].only_a, six.pairs[0].only_b) == ("tuned", 6, 0)
    assert six.fewest_to_tell == five.fewest_to_tell == 6


@pytest.mark.parametrize("settings", [2, 3, 5, 9])
def test_the_fewest_pictures_that_can_tell_are_mcnemars(settings):
    found = compare_results([result(f"s{i}", [i]) for i in range(settings)])
    pairs = settings * (settings - 1) // 2
    k = found.fewest_to_tell
    assert mcnemar_exact(k, 0) * pairs < 0.05 <= mcnemar_exact(k - 1, 0) * pairs


def chain():
    """The first and the last can be told apart, neighbours cannot."""
    return compare_results([result("low", range(12)), result("high", []), result("middle", range(6))])


def test_settings_share_a_letter_exactly_if_they_cannot_be_told_apart():
    found = chain()
    letters = {one.name: set(one.letters) for one in found.settings}
    assert [one.name for one in found.settings] == ["high", "middle", "low"]
    assert letters == {"high": {"a"}, "middle": {"a", "b"}, "low": {"b"}}
    assert found.leaders == ("high", "middle")


def test_letters_agree_with_the_pairs_for_any_pattern():
    for i in range(10):
        rng = np.random.default_rng(i)
        found = compare_results(
            [result(f"s{j}", rng.choice(N, rng.integers(40), replace=False)) for j in range(9)], level=0.5
        )
        letters = {one.name: set(one.letters) for one in found.settings}
        assert all(letters.values())
        for pair in found.pairs:
            assert pair.significant != bool(letters[pair.a] & letters[pair.b])


def test_p_values_are_corrected_for_the_number_of_pairs():
    alone = compare_results([result("a", []), result("b", range(7))]).pairs[0]
    among = compare_results([result("a", []), result("b", range(7)), *(result(f"c{i}", [i]) for i in range(6))]).pair(
        "a", "b"
    )
    assert alone.p == among.p
    assert alone.significant
    assert not among.significant
    assert among.p_adjusted == pytest.approx(28 * among.p)


def test_what_seeds_and_the_best_epoch_add_is_a_number():
    best = {"best_accuracy": 1.0, "last_accuracy": 0.98}
    found = compare_results([result("A", [0], **best), result("B", [1, 2], **best)])
    assert found.best_epoch_optimism == pytest.approx(0.02)
    rows = [result(name, range(wrong + seed), seed) for name, wrong in (("A", 3), ("B", 5)) for seed in range(3)]
    assert compare_results(rows[:-2]).seed_deviation == pytest.approx(1 / N)


def test_published_claims_are_judged():
    found = chain()
    held = check_claim(found, "high", "low")
    assert (held.outcome, held.holds, [pair.only_a for pair in held.pairs]) == ("holds", True, [12])
    against = check_claim(found, "low", "high")
    assert (against.outcome, against.holds, against.above) == ("opposite", False, ("high",))
    unclear = check_claim(found, "high", "middle")
    assert (unclear.outcome, unclear.holds, unclear.level_with) == ("cannot be told", None, ("middle",))
    assert unclear.pairs[0].p < unclear.level


def test_better_than_all_others_holds_only_against_every_other():
    results = [result(name, range(wrong)) for name, wrong in (("a", 0), ("b", 40), ("c", 2))]
    found = compare_results(results)
    best = check_claim(found, "a")
    assert (best.outcome, best.holds, best.level_with, best.above) == ("cannot be told", None, ("c",), ())
    worst = check_claim(found, "b")
    assert (worst.outcome, worst.holds, worst.above) == ("opposite", False, ("a", "c"))
    assert check_claim(compare_results(results[:2]), "a").outcome == "holds"


def test_claims_without_a_result_are_not_checkable_and_of_one_setting_refused():
    check = check_claim(chain(), "huge", "tiny")
    assert (check.outcome, check.holds, check.missing) == ("not checkable", None, ("huge", "tiny"))
    assert check_claim(compare_results([result("a", [])]), "a").outcome == "not checkable"
    with pytest.raises(OptionError, match="high twice"):
        check_claim(chain(), "high", "high")


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
        compare_results([result("a", []), result("a", []), short, floats])
    text = str(caught.value)
    assert "3 problems" in text
    assert "two results for a, seed 0" in text
    assert "bool of shape (9,) for b, seed 1" in text
    assert "float64 of shape (153,) for c, seed 2" in text
    with pytest.raises(DataError, match="at least one result"):
        compare_results([])
    with pytest.raises(OptionError, match="a level between 0 and 1"):
        compare_results([result("a", [])], level=5)
