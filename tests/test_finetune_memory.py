"""Memory between steps: kept while training, given back afterwards."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

MEASURED = """
import json, resource, torch
from headstart.finetune import memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(16 * 1024 * 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

outside = faults()
with memory.kept():
    inside = min(faults() for _ in range(4))  # once blocks have found their places
    held = resident()
print(json.dumps([outside, inside, held, resident()]))
"""
PAGES = 64 * 1024 * 1024 // 4096
"""Of a block that is taken and given back, in a fresh process, with pages of 4 kB."""


def huge_pages() -> bool:
    try:
        return "[always]" in Path("/sys/kernel/mm/transparent_hugepage/enabled").read_text()
    except OSError:
        return False


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc" or huge_pages(), reason="a matter of glibc and small pages")
def test_pages_are_cleared_once_and_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURED], stdout=subprocess.PIPE, text=True, check=True)
    outside, inside, held, afterwards = json.loads(done.stdout)
    assert outside > 8 * PAGES * 0.9
    assert inside < outside / 4
    assert afterwards < held - PAGES / 2
