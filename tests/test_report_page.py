import base64
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from headstart.evaluation.measured_on import MeasuredOn
from headstart.evaluation.metrics import evaluate
from headstart.probe.trials import Score
from headstart.report.page import Mistake, ReportContent, write_report
from headstart.report.section import Thumbnail

TEST = MeasuredOn(kind="split", split="test")

JPEG = b"\xff\xd8\xff\xe0 not much of a picture"
EVIL = "<script>alert('ants')</script>"
SECTIONS = ["answer", "notes", "classes", "pictures", "choice", "metrics", "confusion", "reliability", "mistakes"]
SECTIONS += ["left-out", "made"]


class Page(HTMLParser):
    """What a browser would see: identifiers, addresses, tags, and the text."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.addresses, self.tags, self.alts, self.text = [], [], [], [], ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append(tag)
        self.ids += [found["id"]] if "id" in found else []
        self.addresses += [found[name] for name in ("src", "href", "srcset", "action", "xlink:href") if name in found]
        self.alts += [found.get("alt")] if tag == "img" else []

    def handle_data(self, data):
        self.text += data


def evaluation(right=147, n=153, classes=("ants", "bees"), measured_on=TEST):
    y = np.r_[np.zeros(70), np.ones(n - 70)].astype(int)
    guess = np.where(np.arange(n) < n - right, 1 - y, y)
    proba = np.eye(len(classes))[guess] * 0.8 + 0.2 / len(classes)
    return evaluate(proba, y, classes, measured_on=measured_on, majority=1, resamples=50)


def score(candidate, log_loss, n, **more):
    known = {"strength": 1.0, "temperature": 1.0, "proba": np.full((n, 2), 0.5), **more}
    return Score(candidate=candidate, losses=np.full(n, log_loss), **known)


def content(**changed):
    one = Thumbnail(jpeg=JPEG, caption="ants")
    best = score("last layer", 0.1, 245, standard_error=0.01, accuracy=0.96)
    everything = {
        "title": "A few insects",
        "evaluation": evaluation(),
        "other_evaluations": (evaluation(right=150, measured_on=MeasuredOn(kind="split", split="val")),),
        "audit_lines": ("3 pairs of identical pictures.",),
        "notes": ("Bees are few.",),
        "class_counts": {"train": {"ants": 124, "bees": 121}, "test": {"ants": 70, "bees": 83}},
        "samples": (one,) * 9,
        "augmented": (one,) * 9,
        "mistakes": (Mistake(thumbnail=one, truth="ants", predicted="bees", probability=0.987),),
        "candidates": (best, score("all depths", 0.2, 245, standard_error=0.02, accuracy=0.9, screened=True)),
        "chosen": best,
        "choice_reason": "It was the best.",
        "left_out": (("train/ants/empty.jpg", "empty file"),),
        "made": {"seed": "0"},
        "timings": {"features": 3.25, "head": 1.0},
        "command": "headstart train photos --seed 0",
    }
    return ReportContent(**everything | changed)


@pytest.fixture
def written(tmp_path):
    def write(**changed):
        path = tmp_path / "report.html"
        write_report(path, content(**changed))
        return Page(path.read_text(encoding="utf-8"))

    return write


def test_the_answer_comes_first_in_plain_words(written):
    text = written().text
    sentence = (
        "Of 153 pictures judged by a model that had never seen them, 147 were right. "
        "On new pictures like these expect between 91.7\u202f% and 98.2\u202f%. "
        "Always answering “bees” would be right for 54.2\u202f%."
    )
    assert sentence in text
    assert text.index(sentence) < text.index("Bees are few.")
    assert "accuracy · the test split · 153 pictures" in text


@pytest.mark.parametrize(
    ("n", "right", "sentence"),
    [
        (1, 0, "Of 1 picture judged by a model that had never seen it, 0 were right. "),
        (1, 1, "Of 1 picture judged by a model that had never seen it, 1 was right. "),
        (2, 1, "Of 2 pictures judged by a model that had never seen them, 1 was right. "),
        (2, 2, "Of 2 pictures judged by a model that had never seen them, 2 were right. "),
    ],
)
def test_a_few_pictures_are_counted(written, n, right, sentence):
    proba = np.eye(2)[[0] * right + [1] * (n - right)] * 0.8 + 0.1
    few = evaluate(proba, np.zeros(n, int), ("ants", "bees"), measured_on=TEST, majority=0, resamples=10)
    text = written(evaluation=few, left_out=(("a.jpg", "empty file"),) * n, mistakes=()).text
    counted = f"{n} picture{'s' if n > 1 else ''}"
    assert sentence in text
    assert f"accuracy · the test split · {counted} · the bar" in text
    assert f"the test split, {counted}value" in text
    assert ("1 file was left out" if n == 1 else "2 files were left out") in text
    assert (f"None. Every answer was right, for {counted}." in text) == (right == n)


def test_a_chosen_epoch_is_called_too_optimistic_at_once(written):
    best = MeasuredOn(kind="split", split="val", epoch="best")
    text = written(evaluation=evaluation(measured_on=best)).text
    assert "Of 153 pictures not trained on, 147 were right. " in text
    assert "98.2\u202f%, and less, because the epoch was chosen on these pictures." in text
    assert "never seen" not in text


def test_sections_are_all_there_in_order(written):
    ids = written().ids
    assert [one for one in ids if one in SECTIONS] == SECTIONS
    assert {"samples", "augmented"} <= set(ids)
    assert len(ids) == len(set(ids))


def test_what_was_passed_is_shown(written):
    text = written().text
    for words in (
        "3 pairs of identical pictures.",
        "1 file was left out",
        "It was the best.",
        "In numbers: 2 candidates",
        "quick look",
        "Beside it: the validation split, accuracy 98.0\u202f%",
        "99\u202f% bees",
        "labelled ants",
        "train/ants/empty.jpg",
        "headstart train photos --seed 0",
        "4.2",  # seconds in all
    ):
        assert words in text, words


def test_empty_parts_say_so_or_stay_away(written):
    page = written(
        evaluation=evaluation(right=153), other_evaluations=(), audit_lines=(), notes=(), class_counts={}, samples=(),
        augmented=(), mistakes=(), candidates=(), chosen=None,
        choice_reason="", left_out=(), made={}, timings={}, command="",
    )  # fmt: skip
    assert [one for one in page.ids if one in SECTIONS] == [
        "answer", "metrics", "confusion", "reliability", "mistakes", "left-out", "made",
    ]  # fmt: skip
    assert "None. Every answer was right, for 153 pictures." in page.text
    assert "None. Every picture found was used." in page.text


def test_a_model_no_better_than_the_majority_class_is_called_that(written):
    assert "this does not show that anything was learned" in written(evaluation=evaluation(right=90)).text
    assert "this does not show that anything was learned" not in written().text


def test_nothing_is_loaded_from_anywhere(written):
    page = written()
    assert page.addresses
    assert all(address.startswith(("data:image/jpeg;base64,", "#")) for address in page.addresses)
    assert page.addresses.count("data:image/jpeg;base64," + base64.b64encode(JPEG).decode()) == 19
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(page.alts)


def test_names_are_text_wherever_they_stand(written):
    one, best = Thumbnail(jpeg=JPEG, caption=EVIL), score(EVIL, 1.0, 9, standard_error=0.1, accuracy=0.5)
    page = written(
        title=EVIL, evaluation=evaluation(classes=("ants", EVIL)), notes=(EVIL,), audit_lines=(EVIL,), samples=(one,),
        class_counts={EVIL: {EVIL: 1}}, mistakes=(Mistake(thumbnail=one, truth=EVIL, predicted=EVIL, probability=1.0),),
        choice_reason=EVIL, left_out=((EVIL, EVIL),), made={EVIL: EVIL}, timings={EVIL: 1.0}, command=EVIL,
        candidates=(best,), chosen=best,
    )  # fmt: skip
    assert "script" not in page.tags
    assert page.text.count(EVIL) > 15


def test_names_that_are_not_utf8_and_very_long_ones_survive(written):
    page = written(left_out=(("caf\udce9.jpg", "empty"), ("x" * 300, "empty")), title="a\udce9\x00")
    assert "caf\ufffd.jpg" in page.text
    assert "a\ufffd\ufffd" in page.text
    assert "x" * 300 in page.text


def test_many_left_out_are_folded_away(tmp_path):
    path = tmp_path / "report.html"
    write_report(path, content(left_out=tuple((f"{i}.jpg", "empty") for i in range(200))))
    assert "<details><summary>200 files" in path.read_text(encoding="utf-8")
    write_report(path, content())
    assert "<details open><summary>1 file<" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("n", "said"), [(1_000, ""), (1_001, "1 more is in"), (3_000, "2,000 more are in")])
def test_so_many_left_out_that_the_page_would_not_end_are_counted(n, said, written):
    text = written(left_out=tuple((f"{i}.jpg", "empty") for i in range(n))).text
    assert "999.jpg" in text
    assert "1000.jpg" not in text
    assert (f"{said} data.json." in text) if said else ("in data.json" not in text)


def test_undefined_metrics_say_why(written):
    one_class = evaluate(
        [[0.9, 0.1], [0.8, 0.2]],
        [0, 0],
        ("ants", "bees"),
        measured_on=TEST,
        majority=0,
    )
    page = written(evaluation=one_class)
    assert "undefined: only one class" in page.text
    assert "nan" not in page.text


def test_the_same_content_gives_the_same_bytes(tmp_path):
    for name in ("one.html", "two.html"):
        write_report(tmp_path / name, content())
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.html", "two.html"]


def test_a_page_that_cannot_be_finished_leaves_the_old_one(tmp_path):
    path = tmp_path / "report.html"
    write_report(path, content())
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_report(path, content(samples=(None,)))
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["report.html"]


def test_importing_the_page_loads_neither_matplotlib_nor_scipy():
    code = "import sys, headstart.report.page; sys.exit(bool({'matplotlib', 'scipy', 'jinja2'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
