"""Sizes that are refused, and memory that threads share."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from headstart.errors import UnreadableImageError
from headstart.images import limits
from headstart.images.decode import decode
from headstart.images.limits import MAX_BYTES, MAX_MEMORY, MAX_PIXELS, MAX_SIDE, Budget
from zoo import png


@pytest.mark.parametrize(
    ("width", "height", "found"),
    [
        (MAX_SIDE, 1, ""),
        (MAX_SIDE + 1, 1, "too large: 65536×1 pixels; at most 65535 a side: make it smaller"),
        (1, MAX_SIDE + 1, "too large: 1×65536 pixels; at most 65535 a side: make it smaller"),
        (10_000, 17_895, ""),
        (10_000, 17_896, "too large: 10000×17896 pixels; at most 178956970: make it smaller"),
        (1 << 31, 1 << 31, f"too large: {1 << 31}×{1 << 31} pixels; at most 178956970: make it smaller"),
    ],
)
def test_sizes(width: int, height: int, found: str) -> None:
    reason = ""
    try:
        limits.check_size(width, height)
    except UnreadableImageError as error:
        reason = error.reason
    assert reason == found


def test_files_and_memory() -> None:
    limits.check_file(MAX_BYTES)
    with pytest.raises(UnreadableImageError, match=r"too large: a file of 0\.60 GB; at most 0\.54 GB: save it smaller"):
        limits.check_file(600_000_000)
    limits.check_memory(1000, 1000, MAX_MEMORY)
    expected = r"too large: 9000×9000 pixels take 1\.8 GB to decode; at most 0.8 GB: make it smaller"
    with pytest.raises(UnreadableImageError, match=expected):
        limits.check_memory(9000, 9000, 1_800_000_000)
    assert limits.MAX_BYTES >= 3 * MAX_PIXELS
    assert 4 * MAX_PIXELS < MAX_MEMORY


@pytest.mark.parametrize("threads", [2, 16])
def test_threads_never_hold_more_than_the_budget(threads: int) -> None:
    budget, lock = Budget(100), threading.Lock()
    held, most = 0, 0

    def work(amount: int) -> None:
        nonlocal held, most
        with budget.share(amount):
            with lock:
                held += amount
                most = max(most, held)
            time.sleep(0.001)
            with lock:
                held -= amount

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [1, 60, 100, 30, 45, 7] * 10))
    assert held == 0
    assert 45 < most <= 100


def test_what_was_held_is_given_back_after_an_error() -> None:
    budget = Budget(10)
    with pytest.raises(ValueError, match="broken"), budget.share(10):
        raise ValueError("broken")
    with budget.share(10):
        pass


def test_a_picture_counts_while_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    side, shares = 400, []
    budget = Budget(3 * 4 * side * side)  # of three pictures
    share = budget.share
    monkeypatch.setattr(limits, "PIXELS", budget)
    monkeypatch.setattr(budget, "share", lambda amount: shares.append(amount) or share(amount))
    content = png(np.zeros((side, side, 3), np.uint8))
    with ThreadPoolExecutor(16) as pool:
        assert {pixels.shape for pixels in pool.map(decode, [content] * 40)} == {(side, side, 3)}
    assert shares == [4 * side * side] * 40
