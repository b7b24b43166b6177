from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from headstart.abstain.abstention import Abstention, Judgement, Kept, learn_abstention, measure_abstention
from headstart.abstain.conformal import TooFewPictures
from headstart.abstain.costs import Costs
from headstart.errors import ModelError, OptionError
from headstart.evaluation.calibration import softmax
from headstart.evaluation.measured_on import MeasuredOn
from headstart.schema import read_record

NEW = MeasuredOn(kind="pictures", source="new")

FOLDS = MeasuredOn(kind="cross-validation", folds=5)

CLASSES = ("ants", "bees")
COSTS = Costs(classes=CLASSES, answers=("keep", "throw"), matrix=((0, 1), (5, 0)))


def pictures(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows (n, 20) around two means, probabilities that are right about four times out of five, and the truth."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rows = rng.normal(0, 1, (n, 20)) + 5 * np.eye(2, 20)[y]
    return rows.astype(np.float32), softmax(rng.normal(0, 1, (n, 2)) + 1.2 * np.eye(2)[y]), y


@pytest.fixture(scope="module")
def abstention() -> Abstention:
    rows, proba, y = pictures(300, 0)
    return learn_abstention(rows, y, CLASSES, proba=proba, costs=COSTS)


def test_every_answer_is_judged(abstention: Abstention) -> None:
    rows = np.stack([5 * np.eye(20)[0], -30 * np.ones(20)]).astype(np.float32)
    sure, torn = abstention.judge(np.array([[0.97, 0.03], [0.45, 0.55]]), rows)
    assert (sure.unsure, sure.unfamiliar, sure.prediction_set, sure.answer) == (False, False, ("ants",), "keep")
    assert (torn.unsure, torn.unfamiliar, torn.prediction_set, torn.answer) == (True, True, ("bees", "ants"), "throw")
    assert sure.novelty is not None
    assert torn.novelty is not None
    assert sure.novelty < 1 < torn.novelty


def test_without_rows_nothing_is_called_unfamiliar(abstention: Abstention) -> None:
    (one,) = abstention.judge(np.array([[0.9, 0.1]]))
    assert one.unfamiliar is one.novelty is None
    assert one.unsure is False


def test_one_that_knows_nothing_says_nothing() -> None:
    assert Abstention().judge(np.array([[0.9, 0.1]]), np.ones((1, 4), np.float32)) == [Judgement()]
    with pytest.raises(OptionError, match="this model keeps none"):
        Abstention().require(0.9)


def kept(document: object) -> Kept:
    return read_record(Kept, document, "abstention", todo="-", error=ModelError)


def test_what_is_kept_judges_the_same(abstention: Abstention) -> None:
    document = json.loads(json.dumps(abstention.to_dict()))
    rows, proba, _ = pictures(60, 1)
    again = Abstention.from_parts(kept(document), abstention.tensors(), CLASSES, width=rows.shape[1])
    assert again.judge(proba, rows, coverage=0.95) == abstention.judge(proba, rows, coverage=0.95)
    few = replace(Abstention(classes=CLASSES), no_sets=TooFewPictures(counts={"ants": 3}))
    assert Abstention.from_parts(kept(json.loads(json.dumps(few.to_dict()))), {}, CLASSES, width=4) == few
    nothing = Abstention.from_parts(kept(json.loads(json.dumps(Abstention().to_dict()))), {}, (), width=4)
    assert nothing == Abstention()


def test_too_few_pictures_leave_out_the_sets_and_the_error_says_why() -> None:
    rows, proba, y = pictures(30, 2)
    few = learn_abstention(rows, y, CLASSES, proba=proba)
    assert few.sets is None
    assert few.judge(proba, rows)[0].prediction_set is None
    with pytest.raises(OptionError, match="ants has 15, bees has 15"):
        few.judge(proba, rows, coverage=0.9)


def test_only_some_pictures_may_have_been_judged() -> None:
    rows, proba, y = pictures(300, 0)
    some = np.random.default_rng(1).permutation(300)[:100]
    part = learn_abstention(rows, y, CLASSES, proba=proba[some], held_out=some)
    whole = learn_abstention(rows[some], y[some], CLASSES, proba=proba[some])
    assert part.sure_from == whole.sure_from
    assert part.novelty is not None
    assert part.novelty.n == 300
    np.testing.assert_array_equal(part.tensors()["conformal.scores"], whole.tensors()["conformal.scores"])


def test_the_report_measures_all_of_it_on_new_pictures(abstention: Abstention) -> None:
    rows, proba, y = pictures(400, 3)
    assert abstention.novelty is not None
    novelty = abstention.novelty.measure(rows)
    report = measure_abstention(
        abstention,
        proba[None],
        y,
        measured_on=NEW,
        prior=[0.5, 0.5],
        new=True,
        novelty=novelty,
    )
    assert report.sure is not None
    assert report.covered is not None
    assert report.unfamiliar is not None
    assert report.costs is not None
    assert report.sure.accuracy.value > report.curve.at[0].accuracy.value + 0.05
    assert 0.85 < report.covered.value < 0.95
    assert report.unfamiliar.low < 0.03 < report.unfamiliar.high
    assert sum(report.set_sizes) == pytest.approx(1)
    assert 1 < report.mean_set_size < 2
    assert report.costs.cheapest.value < report.costs.blind.value
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["prediction_sets"]["coverage"] == 0.9
    judged = abstention.judge(proba, rows)
    assert np.mean([not one.unsure for one in judged]) == report.sure.share.value
    assert np.mean([len(one.prediction_set or ()) for one in judged]) == pytest.approx(report.mean_set_size)


def test_out_of_fold_nothing_is_claimed_that_holds_by_construction(abstention: Abstention) -> None:
    _, proba, y = pictures(300, 0)
    report = measure_abstention(
        abstention,
        np.stack([proba, proba]),
        y,
        measured_on=FOLDS,
        prior=[0.5, 0.5],
        new=False,
    )
    assert report.covered is None
    assert report.unfamiliar is None
    assert report.sure is not None
    bare = measure_abstention(
        Abstention(),
        proba[None],
        y,
        measured_on=FOLDS,
        prior=[0.5, 0.5],
        new=False,
    )
    assert bare.sure is bare.costs is None
    assert bare.set_sizes == ()
    json.dumps(bare.to_dict(), allow_nan=False)


def test_judging_needs_numpy_only() -> None:
    script = (
        "import sys, numpy as np\n"
        "from headstart.abstain.abstention import Abstention\n"
        "from headstart.abstain.novelty import Novelty\n"
        "novelty = Novelty(means=np.eye(2, 4, dtype='f4'), axes=np.eye(1, 4, dtype='f4') / 2, ridge=1.0)\n"
        "abstention = Abstention(classes=('a', 'b'), sure_from=0.6, novelty=novelty)\n"
        "abstention.judge(np.array([[0.5, 0.5]]), np.ones((1, 4)))\n"
        "print(sorted({'torch', 'sklearn', 'scipy', 'matplotlib'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
