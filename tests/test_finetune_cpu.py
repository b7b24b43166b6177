"""The gradient of wide depthwise convolutions, beside torch's own; memory kept while training, given back after."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.finetune.batches import computing
from headstart.finetune.cpu import DepthwiseOnCpu


def gradients(convolution: nn.Conv2d, x: Tensor) -> tuple[Tensor, ...]:
    x = x.clone(memory_format=torch.channels_last).requires_grad_()
    out = convolution(x)
    wanted = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    return out.detach(), *torch.autograd.grad(out, [x, *convolution.parameters()], wanted.to(out.dtype))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(5, 1, 2), (5, 2, 2), (5, 2, 0), (7, 1, 3), (4, 1, 0), ((3, 5), (1, 2), (1, 2)), ((5, 3), 1, 1), (9, 1, 0)],
)
def test_the_same_as_torch(kernel: Any, stride: Any, padding: Any, bias: bool) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(24, 24, kernel, stride, padding, groups=24, bias=bias)
    x = torch.randn(3, 24, 11, 13)
    expected = gradients(convolution, x)
    with DepthwiseOnCpu():
        found = gradients(convolution, x)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("padding", "dilation"), [("same", 1), (4, 2)])
def test_what_it_does_not_know_is_torchs(padding: int | str, dilation: int) -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(8, 16, 5, padding=padding, dilation=dilation, groups=8)
    x = torch.randn(2, 8, 12, 12)
    expected = gradients(convolution, x)
    with DepthwiseOnCpu():
        found = gradients(convolution, x)
    assert all(torch.equal(one, other) for one, other in zip(found, expected, strict=True))


def test_only_what_the_weight_needs_is_computed() -> None:
    weight = torch.randn(8, 1, 5, 5)
    with DepthwiseOnCpu():
        out = functional.conv2d(torch.randn(1, 8, 9, 9, requires_grad=True), weight, padding=2, groups=8)
    out.sum().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None


def test_stays_in_f32_where_the_rest_is_bf16() -> None:
    x = torch.randn(2, 8, 9, 9)
    with computing("cpu", bf16=True):
        wide = functional.conv2d(x, torch.randn(8, 1, 5, 5), groups=8)
        narrow = functional.conv2d(x, torch.randn(8, 1, 3, 3), groups=8)
        dense = functional.conv2d(x, torch.randn(8, 8, 1, 1))
    assert (wide.dtype, narrow.dtype, dense.dtype) == (torch.float32, torch.float32, torch.bfloat16)


MEASURED = """
import json, resource, torch
from headstart.finetune.cpu import memory_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(16 * 1024 * 1024)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1])

outside = faults()
with memory_kept():
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
