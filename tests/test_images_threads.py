from __future__ import annotations

import threading
import time

import pytest

from headstart.images.threads import in_order


def test_results_come_in_order_whichever_is_ready_first() -> None:
    def slow_first(i: int) -> int:
        time.sleep(0.02 if i % 4 == 0 else 0.0)
        return i * i

    assert list(in_order(slow_first, range(20), window=6)) == [i * i for i in range(20)]
    assert list(in_order(slow_first, [], window=6)) == []


def test_no_more_is_begun_than_the_window_allows() -> None:
    begun: list[int] = []
    results = in_order(begun.append, iter(range(100)), window=5)
    next(results)
    time.sleep(0.05)
    assert len(begun) == 5
    results.close()
    assert len(begun) == 5
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("headstart")]


def test_an_error_reaches_who_asks() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda i: 1 // i, [1, 0], window=2))
