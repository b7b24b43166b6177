"""The sentences that stand beside an accuracy."""

from __future__ import annotations

import pytest

from headstart.audit.leak import Leak
from headstart.audit.shortcuts import Shortcut
from headstart.claims.alarms import Alarms, alarms_of_figures
from headstart.evaluation.intervals import Estimate
from headstart.report.alarms import alarm_lines
from test_claims_alarms import measured


def test_there_is_nothing_to_say_where_nothing_is_wrong() -> None:
    assert alarm_lines(Alarms(), ("a", "b")) == ()


def test_shortcuts_come_first_then_leaks() -> None:
    border = Shortcut(
        fact="border", effect=0.9, label=1, recognised=0.95, mistaken=0.05, least=0.8, p=0.001, needed=0.4
    )
    leak = Leak(split="test", optimism=Estimate(0.1, 0.05, 0.15, 100, ""), leaky=0.95, deduplicated=0.85, copied=10)
    lines = alarm_lines(Alarms(shortcuts=(border,), leak=leak, known=2, shared=1), ("a", "b"))
    assert lines[0].startswith("Shortcut: the border alone gives “b” away.")
    assert lines[1].startswith("Leak: 10 of 100 pictures of test had a copy in training. Trained on them, the accuracy")
    assert lines[2:] == (
        "Leak: the model was trained on 2 of these pictures, so what is measured looks better than it is.",
        "Leak: pictures that belong together lie in more than one split (1 group), so what is measured looks better "
        "than it is.",
    )


@pytest.mark.parametrize(("groups", "said"), [(1, "(1 group)"), (2, "(2 groups)")])
def test_groups_in_several_splits_are_counted(groups: int, said: str) -> None:
    assert said in alarm_lines(Alarms(shared=groups), ("a", "b"))[0]


def test_a_class_that_fails_and_an_accuracy_that_hides_it() -> None:
    evaluation = measured((950, 950), (0, 50))
    assert alarm_lines(alarms_of_figures(evaluation), evaluation.classes) == (
        "A class fails: none of 50 pictures of “class 1” is recognised.",
        "Classes are recognised unequally: with every class counting the same, the accuracy is 50.0% "
        f"(95 % interval {evaluation.balanced_accuracy.low:.1%} to {evaluation.balanced_accuracy.high:.1%}) in place "
        "of 95.0%.",
    )
    evaluation = measured((50, 50), (2, 60), (50, 50))
    assert alarm_lines(alarms_of_figures(evaluation), evaluation.classes)[0] == (
        "A class fails: 3.3% of 60 pictures of “class 1” are recognised, fewer than by guessing (33.3%)."
    )
