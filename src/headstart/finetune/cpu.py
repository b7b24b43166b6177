"""What makes training fast on a CPU: the gradient of wide depthwise kernels in parts, and memory that is kept.

oneDNN has a kernel of its own for the gradient of depthwise weights up to three columns wide. Wider ones, the 5×5 of
EfficientNets and the 7×7 of ConvNeXt, fall to one that takes every channel for a block of 16 × 16, and need some ten
times as long: 9.2 ms against 0.6 ms for 5×5 and 5×3 on (32, 672, 10, 10), two Zen 4 cores.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode

NARROW = 3
"""Columns of a kernel whose gradient oneDNN is fast at."""

# Options of mallopt(3), and the values that glibc starts with.
_TRIM_THRESHOLD, _TRIMMED = -1, 128 * 1024
_MMAP_MAX, _MAPPED = -4, 65_536

_conv2d: Any = functional.conv2d
_backward: Any = torch.ops.aten.convolution_backward


class DepthwiseOnCpu(TorchFunctionMode):
    """Within it ``conv2d`` leaves autocast where it is grouped, and has `_Wide`'s gradient where it is wide as well.

    In bf16 the gradient of a depthwise convolution takes a CPU several times as long, that of others half as long.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        return (_grouped_conv2d if func is functional.conv2d else func)(*args, **(kwargs or {}))


def _grouped_conv2d(
    x: Tensor, weight: Tensor, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    if groups == 1:
        return _conv2d(x, weight, bias, stride, padding, dilation, groups)
    with torch.autocast("cpu", enabled=False):
        x, weight, bias = x.float(), weight.float(), None if bias is None else bias.float()
        depthwise = weight.shape[1] == 1 and len(weight) == groups
        if depthwise and weight.shape[3] > NARROW and not isinstance(padding, str) and _pair(dilation) == (1, 1):
            return _Wide.apply(x, weight, bias, _pair(stride), _pair(padding))
        return _conv2d(x, weight, bias, stride, padding, dilation, groups)


class _Wide(torch.autograd.Function):
    """A depthwise convolution; the gradient of its weight comes in parts `NARROW` columns wide."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding
        return _conv2d(x, weight, bias, stride, padding, 1, len(weight))  # type: ignore[no-any-return]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), (stride, padding) = ctx.saved_tensors, ctx.geometry
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        of_x = _gradient(gradient, x, weight, stride, padding, [True, False, False])[0] if wants_x else None
        of_weight = _weight_gradient(gradient, x, weight, stride, padding) if wants_weight else None
        return of_x, of_weight, gradient.sum((0, 2, 3)) if wants_bias else None, None, None


def _weight_gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: tuple[int, int], padding: tuple[int, int]
) -> Tensor:
    """Gradient (c, 1, h, w) of a depthwise ``weight`` of more than `NARROW` columns.

    Args:
        gradient: of what the convolution gave, (n, c, rows, columns).
        x: what it was given, (n, c, rows, columns).
        weight: of the convolution.
        stride: in pixels, of rows and columns.
        padding: with zeros, of rows and columns.
    """
    width = weight.shape[3]
    whole = torch.empty_like(weight)
    reach = (gradient.shape[3] - 1) * stride[1] + NARROW
    for first in dict.fromkeys(min(first, width - NARROW) for first in range(0, width, NARROW)):
        begin = first - padding[1]
        seen = functional.pad(x, (-begin, begin + reach - x.shape[3]))  # a negative number cuts off
        seen = seen.contiguous(memory_format=torch.channels_last)
        columns = slice(first, first + NARROW)
        asked = [False, True, False]
        whole[..., columns] = _gradient(gradient, seen, weight[..., columns], stride, (padding[0], 0), asked)[1]
    return whole


def _gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int], wanted: Sequence[bool]
) -> tuple[Tensor, ...]:
    where = stride, padding, [1, 1], False, [0, 0], len(weight)
    return _backward(gradient, x, weight, None, *where, wanted)  # type: ignore[no-any-return]


@contextmanager
def memory_kept() -> Iterator[None]:
    """Memory that one step of training gives back stays with the process for the next, until the end.

    glibc returns blocks of many megabytes to the kernel at once, which clears them anew, page by page, for every map of
    every batch. Where a whole network learns, that is about a third of a step in f32, and a tenth of one in bf16. Where
    the C library is not glibc, nothing is changed.

    glibc no longer adapts its thresholds by itself afterwards: they stay where they were or began.
    """
    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_MAX, _MAPPED)
        libc.mallopt(_TRIM_THRESHOLD, _TRIMMED)
        libc.malloc_trim(0)
