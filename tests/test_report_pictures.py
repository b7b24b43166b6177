"""What was found about the pictures, said in sentences whose grammar fits the number."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from headstart.audit.decisions import Applied
from headstart.audit.duplicates import deduplicate
from headstart.audit.findings import Findings, LooksLike, MixedSizes, Poor, Suspect
from headstart.audit.leak import Leak
from headstart.audit.shortcuts import BORDER, DATE, Shortcut
from headstart.audit.summary import audit
from headstart.claims.alarms import alarms_of_pictures
from headstart.evaluation.intervals import Estimate
from headstart.evaluation.paired import paired_difference
from headstart.images.decode import encode
from headstart.images.folder import ImageSet, LeftOut, scan
from headstart.report.alarms import alarm_lines
from headstart.report.pictures import (
    applied_line,
    copy_lines,
    finding_lines,
    folder_lines,
    leak_sentence,
    mixed_sentence,
    review_reasons,
    shortcut_sentence,
    showing_little,
    suspect_reasons,
)
from pictures import draw, scan_by_name, write_folder
from test_audit_duplicates import copies
from test_audit_findings import checked, facts_of, sure
from test_audit_summary import ROOT
from test_audit_summary import images as listed


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> ImageSet:
    root = tmp_path_factory.mktemp("splits")
    for split, first in (("train", 0), ("val", 100), ("test", 200)):
        write_folder(root / split, {"rings": 6, "stripes": 6}, first_seed=first)
    return scan(root)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    images = scan_by_name(write_folder(tmp_path_factory.mktemp("sound"), {"rings": 30, "stripes": 30}, side=160))
    return checked(images, *sure(images), facts=facts_of(images))


# ---------------------------------------------------------------- the folder


def test_a_sound_folder_has_nothing_to_say() -> None:
    assert folder_lines(audit(listed("1 a train p\n2 b train q\n3 a test r\n4 b test s"))) == []


def test_copies_across_splits_and_within() -> None:
    assert folder_lines(audit(listed("1 a train p\n2 b train q\n3 a train p\n4 a test p\n5 b test s"))) == [
        "Same picture in more than one split (1): [1, 3, 4]. What is measured on it looks better than it is.",
        "Same picture more than once in a split (1): [1, 3]. Cross-validation keeps such copies in one fold.",
    ]


def test_conflicting_labels_and_groups() -> None:
    found = audit(listed("1 a train p\n2 b train p\n3 b train q"))
    assert folder_lines(found)[0] == (
        "Same picture under different labels (1): [1, 2]. At least one of the labels is wrong."
    )
    found = audit(listed("1 a train p g\n2 b train q\n3 a test r g\n4 b test s"))
    assert folder_lines(found)[0].startswith("Group in more than one split (1): [1, 3]. ")


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "Left out (1): 0.jpg (empty file). Nothing was put in their place."),
        (2, "Left out (2): 0.jpg (empty file), 1.jpg (empty file). Nothing was put in their place."),
        (
            5,
            "Left out (5): 0.jpg (empty file), 1.jpg (empty file), 2.jpg (empty file) and 2 more. "
            "Nothing was put in their place.",
        ),
    ],
)
def test_left_out_is_named_with_reasons(count: int, said: str) -> None:
    left = tuple(LeftOut(ROOT / f"{n}.jpg", "empty file") for n in range(count))
    assert folder_lines(audit(listed("1 a train p\n2 b train q", left))) == [said]


def test_uneven_classes() -> None:
    rows = "\n".join(f"{n} {'a' if n < 9 else 'b'} train d{n}" for n in range(12))
    assert folder_lines(audit(listed(rows))) == [
        "Classes are uneven: 9 pictures of a, 3 of b. Trust balanced accuracy more than accuracy."
    ]


# ---------------------------------------------------------------- copies


def test_what_was_done_about_copies(splits: ImageSet) -> None:
    across = [("train/rings/000.jpeg", "test/rings/003.jpeg"), ("train/rings/001.jpeg", "val/stripes/002.jpeg")]
    found = copies(splits, *across, ("train/stripes/004.jpeg", "train/stripes/005.jpeg"))
    assert copy_lines(deduplicate(found)) == [
        "Copies across splits (2): training pictures that are copies of 1 in test and 1 in val are not trained on, "
        "so that nothing is tested that was learned by heart.",
        "Near copies within a split (1): [train/stripes/004.jpeg, train/stripes/005.jpeg]. No fold tears them apart.",
        "Near copies under different labels (1): [train/rings/001.jpeg, val/stripes/002.jpeg]. "
        "At least one of the labels may be wrong.",
    ]
    assert copy_lines(deduplicate(copies(splits, across[0]))) == [
        "Copies across splits (1): a training picture that is a copy of 1 in test is not trained on, "
        "so that nothing is tested that was learned by heart."
    ]
    assert copy_lines(deduplicate(copies(splits))) == []


def test_copies_in_val_and_test_and_a_series_are_told(splits: ImageSet) -> None:
    assert copy_lines(deduplicate(copies(splits, ("val/rings/000.jpeg", "test/rings/001.jpeg")))) == [
        "Near copies lie in both the validation and the test split, so the two are not independent."
    ]
    assert copy_lines(deduplicate(copies(splits, series=tuple(range(30))))) == [
        "30 pictures look alike without being copies of each other, as those of one scene or one machine do, so they "
        "count as separate. If they belong together, name what they share with --group-by."
    ]


@pytest.mark.parametrize(
    ("number", "said"),
    [(1, "1 more pair"), (2, "2 more pairs"), (2000, "2,000 more pairs")],
)
def test_pairs_that_were_not_compared_are_counted(splits: ImageSet, number: int, said: str) -> None:
    assert copy_lines(deduplicate(replace(copies(splits), uncompared=number))) == [
        "So many pictures are alike that only the nearest were compared, 100,000 pairs: copies may be left among "
        f"{said}."
    ]


def test_a_leak_is_worth_points_and_sure_or_not() -> None:
    both = np.repeat([1, 1, 0], [85, 10, 5]), np.repeat([1, 0, 0], [85, 10, 5])
    leak = Leak(
        split="test", optimism=paired_difference(*both), leaky=0.95, deduplicated=0.85, copied=10,
    )  # fmt: skip
    # 10/102 ± 1.95996 √(12 − 10²/100)/102
    assert leak_sentence(leak) == (
        "10 of 100 pictures of test had a copy in training. Trained on them, the accuracy of the head on frozen "
        "features would have been 95.0%; it is 85.0% without. The leak was worth 10.0 points "
        "(95 % interval 3.4 to 16.2). That is a real difference."
    )
    assert leak_sentence(replace(leak, split="folds")).startswith(
        "10 of 100 pictures have a near copy. Had folds torn the copies apart, the accuracy"
    )
    assert leak_sentence(replace(leak, split="folds", copied=1)).startswith("1 of 100 pictures has a near copy.")


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0.0, -0.02, 0.02), "was worth 0.0 points (95 % interval -2.0 to 2.0). It cannot be told from zero."),
        ((-0.01, -0.03, 0.01), "cost 1.0 points (95 % interval -1.0 to 3.0). It cannot be told from zero."),
        ((-0.05, -0.09, -0.01), "cost 5.0 points (95 % interval 1.0 to 9.0). That is a real difference."),
        ((0.02, 0.01, 0.03), "was worth 2.0 points (95 % interval 1.0 to 3.0). That is a real difference."),
        ((0.01, -0.0004, 0.02), "was worth 1.0 points (95 % interval 0.0 to 2.0). It cannot be told from zero."),
    ],
)
def test_a_leak_that_took_accuracy_away_is_said_to_cost(numbers: tuple[float, float, float], said: str) -> None:
    leak = Leak(
        split="val", optimism=Estimate(*numbers, 100, ""), leaky=0.9, deduplicated=0.9, copied=2,
    )  # fmt: skip
    assert leak_sentence(leak).endswith(f"The leak {said}")


# ---------------------------------------------------------------- doubts


def suspect(index: int, *, suggested: str = "", like: LooksLike | None = None, unlike: bool = False) -> Suspect:
    return Suspect(
        index=index, suspicion=0.9, suggested=suggested, blank=False, copy=None, looks_like=like, unlike_others=unlike
    )


def test_sound_pictures_give_nothing_to_say(sound: Findings) -> None:
    assert finding_lines(sound) == []
    assert review_reasons(sound) == {}


@pytest.mark.parametrize(
    ("doubted", "interval", "said"),
    [
        (0, (0.0, 0.0, 2.0), []),
        (1, (0.2, 0.0, 3.0), ["{one}; nothing shows that {wrong}."]),
        (2, (0.2, 0.0, 3.0), ["{two}; nothing shows that {wrong}."]),
        (0, (1.2, 1.0, 4.0), ["Between 1 and 4 of 2,000 {wrong} (estimated 1)."]),
        (1, (1.2, 1.0, 4.0), ["Between 1 and 4 of 2,000 {wrong} (estimated 1); {one}."]),
        (2, (99.6, 80.0, 1234.0), ["Between 80 and 1,234 of 2,000 {wrong} (estimated 100); {two}."]),
    ],
)
def test_labels_are_called_wrong_only_where_the_interval_excludes_none(
    sound: Findings, doubted: int, interval: tuple[float, float, float], said: list[str]
) -> None:
    suspects = tuple(suspect(i, suggested="rings") for i in range(doubted))
    doubtful = replace(sound, suspects=suspects, wrong_labels=Estimate(*interval, 2000, ""))
    words = {
        "wrong": "labels are wrong",
        "one": "1 picture looks like another class and is worth a look",
        "two": "2 pictures look like another class and are worth a look",
    }
    assert finding_lines(doubtful) == [line.format(**words) for line in said]


def test_a_copy_under_another_label_shows_more_than_nothing(sound: Findings) -> None:
    twins = replace(sound, suspects=tuple(replace(suspect(i, suggested="rings"), copy=i + 1) for i in range(2)))
    (line,) = finding_lines(twins)
    assert line == "2 pictures look like another class and are worth a look; nothing else shows that labels are wrong."


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, []),
        (1, ["Pictures unlike the others: 1. See whether it belongs here."]),
        (2, ["Pictures unlike the others: 2. See whether they belong here."]),
    ],
)
def test_pictures_unlike_the_others_are_counted(sound: Findings, count: int, said: list[str]) -> None:
    assert finding_lines(replace(sound, suspects=tuple(suspect(i, unlike=True) for i in range(count)))) == said


def test_the_reasons_of_a_suspect_the_weightiest_first(sound: Findings) -> None:
    like = LooksLike(label=1, proba=0.999, confident=True)
    assert suspect_reasons(sound, suspect(4, like=like)) == ("looks confidently like “stripes” (99.9%)",)
    rather = replace(like, label=0, proba=0.8, confident=False)
    assert suspect_reasons(sound, suspect(40, like=rather)) == ("looks rather like “rings” (80.0%)",)
    assert suspect_reasons(sound, suspect(20, unlike=True)) == ("unlike all the other pictures",)
    assert suspect_reasons(sound, replace(suspect(3, unlike=True), blank=True, copy=50)) == (
        "blank: one colour nearly all over",
        "the same picture is labelled “stripes”: 020.jpeg",
        "unlike all the other pictures",
    )
    assert suspect_reasons(sound, suspect(5)) == ("somewhat unlike the others, and its label is in some doubt",)


def test_pictures_that_show_little_are_counted_and_join_the_review(sound: Findings) -> None:
    poor = (Poor(index=1, kind="blank"), Poor(index=2, kind="blank"), Poor(index=3, kind="tiny"))
    little = replace(sound, poor=poor, grey=(3, 5), suspects=(replace(suspect(1, unlike=True), blank=True),))
    lines = finding_lines(little)
    assert lines[1:] == [
        "Pictures that are blank: 2.",
        "Pictures that are tiny: 1.",
        "Grey pictures among coloured ones: 2.",
    ]
    assert showing_little(little)[3] == "tiny: 160 × 160 pixels"
    assert review_reasons(little) == {
        1: ("blank: one colour nearly all over", "unlike all the other pictures"),
        2: ("blank: one colour nearly all over",),
        3: ("tiny: 160 × 160 pixels",),
        5: ("grey, where the others are in colour",),
    }


def test_mixed_sizes_are_said(sound: Findings) -> None:
    mixed = MixedSizes(small=(160, 120), large=(960, 720))
    assert mixed_sentence(mixed).startswith("Sizes are mixed: from 160 × 120 to 960 × 720 pixels")
    assert finding_lines(replace(sound, mixed=mixed)) == [mixed_sentence(mixed)]


def test_a_shortcut_is_an_alarm_with_what_it_may_teach(tmp_path: Path) -> None:
    root = write_folder(tmp_path, {"rings": 30})
    (root / "stripes").mkdir()
    for i in range(30):
        (root / "stripes" / f"{i:03d}.jpeg").write_bytes(encode(draw("stripes", i), quality=50))
    images = scan(root)
    findings = checked(images, *sure(images))
    first = alarm_lines(alarms_of_pictures(findings, None), images.classes)
    assert any(line.startswith("Shortcut: the JPEG quality alone gives “") for line in first)
    assert len(first) == len(findings.alarms)
    assert not any("Shortcut" in line for line in finding_lines(findings))
    by_date = Shortcut(fact=DATE, effect=0.9, label=1, recognised=0.95, mistaken=0.05, least=0.8, p=0.001, needed=0.8)
    assert shortcut_sentence(by_date, images.classes) == (
        "Shortcut: the date and time alone gives “stripes” away. It recognises 95% of these pictures and takes 5% of "
        "the others for them. Each class seems to have been taken in one go, so light or place may be learned in place "
        "of the subject."
    )
    of_the_subject = replace(by_date, fact=BORDER)
    assert shortcut_sentence(of_the_subject, images.classes).endswith(
        "for them. If that is how the pictures were made and not what they show, a network may learn it in place of "
        "the subject."
    )


@pytest.mark.parametrize(("pictures", "said"), [(0, "0 pictures"), (1, "1 picture"), (2000, "2,000 pictures")])
def test_what_decisions_changed(pictures: int, said: str) -> None:
    applied = Applied(table=Path("pictures.csv"), pictures=pictures, relabelled=2, dropped=1)
    assert applied_line(applied) == f"{said} in pictures.csv: 2 relabelled, 1 dropped"
