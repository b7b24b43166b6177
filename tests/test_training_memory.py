"""Memory between steps: kept while training, given back afterwards."""

from __future__ import annotations

import platform
import resource

import pytest
import torch

from headstart.training import memory

TIMES, NUMBERS = 8, 16 * 1024 * 1024
PAGES = 4 * NUMBERS // resource.getpagesize()


def faults() -> int:
    """Pages that the kernel cleared for blocks taken and given back in turn."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(TIMES):
        torch.ones(NUMBERS)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a matter of glibc")
def test_pages_are_cleared_once() -> None:
    outside = faults()
    if outside < TIMES * PAGES / 2:
        pytest.skip("huge pages are on everywhere")
    with memory.kept():
        assert min(faults() for _ in range(4)) < outside / 4, "once blocks have found their places"
