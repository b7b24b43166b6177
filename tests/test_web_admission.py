from __future__ import annotations

import pytest

from headstart.web.admission import Admission
from headstart.web.refusals import RETRY_AFTER_S, Refusal


def test_what_is_held_is_given_back_however_the_request_ends() -> None:
    admission = Admission(most_pictures=3, most_bytes=10)
    with admission.share() as share:
        share.add(pictures=2, bytes_=10)
        assert (admission.pictures, admission.bytes) == (3, 10)
    with pytest.raises(Refusal), admission.share() as share:
        share.add(pictures=1, bytes_=11)
    assert (admission.pictures, admission.bytes) == (0, 0)


@pytest.mark.parametrize(
    ("more", "expected", "found"),
    [
        ({"pictures": 3}, "at most 3 pictures under way", "1 and 3 more"),
        ({"bytes_": 11}, "at most 10 bytes under way", "0 and 11 more"),
    ],
)
def test_for_more_than_there_is_room_for_one_is_told_when_to_come_again(
    more: dict[str, int], expected: str, found: str
) -> None:
    admission = Admission(most_pictures=3, most_bytes=10)
    with admission.share() as share, pytest.raises(Refusal) as refusal:
        share.add(**more)
    assert (refusal.value.status, refusal.value.headers) == (503, {"Retry-After": str(RETRY_AFTER_S)})
    (problem,) = refusal.value.problems
    assert (problem.expected, problem.found, problem.todo) == (expected, found, f"send it again in {RETRY_AFTER_S} s")
    assert admission.pictures == 0
