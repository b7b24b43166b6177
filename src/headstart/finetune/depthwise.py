"""Depthwise convolutions as a CPU trains them best: in f32, and the gradient of wide kernels three columns at a time.

oneDNN has a kernel of its own for the gradient of depthwise weights up to three columns wide. Wider ones, the 5×5 of
EfficientNets and the 7×7 of ConvNeXt, fall to one that takes every channel for a block of 16 × 16, and need some ten
times as long: 9.2 ms against 0.6 ms for 5×5 and 5×3 on (32, 672, 10, 10), two Zen 4 cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional
from torch.nn.modules.utils import _pair
from torch.overrides import TorchFunctionMode

NARROW = 3
"""Columns of a kernel whose gradient oneDNN is fast at."""

_conv2d: Any = functional.conv2d
_backward: Any = torch.ops.aten.convolution_backward


class DepthwiseOnCpu(TorchFunctionMode):
    """Within it ``conv2d`` leaves autocast where it is grouped, and has `_Wide`'s gradient where it is wide as well.

    In bf16 the gradient of a depthwise convolution takes a CPU several times as long, that of others half as long.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is not functional.conv2d:
            return func(*args, **options)
        return self._conv2d(*args, **options)

    @staticmethod
    def _conv2d(
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        if groups == 1:
            out: Tensor = _conv2d(x, weight, bias, stride, padding, dilation, groups)
            return out
        with torch.autocast("cpu", enabled=False):
            x, weight, bias = x.float(), weight.float(), None if bias is None else bias.float()
            depthwise = weight.shape[1] == 1 and len(weight) == groups
            if depthwise and weight.shape[3] > NARROW and not isinstance(padding, str) and _pair(dilation) == (1, 1):
                out = _Wide.apply(x, weight, bias, _pair(stride), _pair(padding))
            else:
                out = _conv2d(x, weight, bias, stride, padding, dilation, groups)
        return out


class _Wide(torch.autograd.Function):
    """A depthwise convolution; the gradient of its weight comes in parts `NARROW` columns wide."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.geometry = stride, padding
        out: Tensor = _conv2d(x, weight, bias, stride, padding, 1, len(weight))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (x, weight), (stride, padding) = ctx.saved_tensors, ctx.geometry
        wants_x, wants_weight, wants_bias = ctx.needs_input_grad[:3]
        of_x = of_weight = None
        if wants_x:
            of_x = _gradient(gradient, x, weight, stride, padding, [True, False, False])[0]
        if wants_weight:
            of_weight = _weight_gradient(gradient, x, weight, stride, padding)
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
        part = _gradient(gradient, seen, weight[..., columns], stride, (padding[0], 0), [False, True, False])[1]
        whole[..., columns] = part
    return whole


def _gradient(
    gradient: Tensor, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int], wanted: Sequence[bool]
) -> tuple[Tensor, ...]:
    gradients: tuple[Tensor, ...] = _backward(
        gradient, x, weight, None, stride, padding, [1, 1], False, [0, 0], len(weight), wanted
    )
    return gradients
