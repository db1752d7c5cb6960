"""One StyleGAN2 layer with its own backward pass: the same function as ``stylegan2_ops``, in fewer passes.

At 1024 px every element-wise pass over an activation moves 134 MB, and autograd keeps a copy for most of
them.  Here a layer keeps only its output (which the next layer keeps as its input anyway), gradients of
weights are computed only for weights that require them, and element-wise operations run on slices that
stay in the cache.

With m = leaky ReLU's slope at each place, out = m * z for the pre-activation z, so the backward pass
needs no z: grad_z = m * grad_out, and sum(grad_z * z) = sum(grad_out * out).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from .stylegan2_ops import GAIN, SLOPE, TAPS

CACHED = 2**18  # elements per slice: 1 MB, what a core's second-level cache holds


def _pixels(x: Tensor) -> Tensor:
    """``[B, C, H, W]`` channels-last -> view ``[B, H*W, C]``."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _slices(x: Tensor) -> Iterator[slice]:
    """Ranges of pixels of ``[B, N, C]``, small enough for the cache; one range off the CPU."""
    batch, count, channels = x.shape
    step = count if x.device.type != "cpu" else max(1, CACHED // (batch * channels))
    return (slice(at, min(at + step, count)) for at in range(0, count, step))


def _blur(x: Tensor, padding: int, bias: Tensor | None = None) -> Tensor:
    """The 4x4 low-pass filter times 4, per channel.  It is symmetric: padding 1 after up-sampling, 2 for
    the gradient of that."""
    taps = x.new_tensor(TAPS) * 2
    kernel = torch.outer(taps, taps).expand(x.shape[1], 1, 4, 4).contiguous()
    return F.conv2d(x, kernel, bias, padding=padding, groups=x.shape[1])


class StyledLayer(Function):
    """``apply(x, style, demod, weight, bias, noise, strength, rgb, up, clamp, dtype)`` -> out, colours.

    x ``[B, I, H, W]``, style ``[B, I]`` (run-time scale included), demod ``[B, O]``, weight
    ``[O, I, 3, 3]``, bias ``[O]``, noise ``[B or 1, 1, H', W']`` or None, strength ``[1]``, rgb
    ``[B, 3, O]`` (a modulated to-RGB weight) or None.  out ``[B, O, H', W']`` of type ``dtype``, in
    which activations are computed; colours ``[B, H'*W', 3]`` or None, of rgb's type.  Differentiable
    once, in everything but noise.  Sums over pixels are of demod's type.
    """

    @staticmethod
    def forward(ctx, x, style, demod, weight, bias, noise, strength, rgb, up, clamp, dtype):
        x = x.to(dtype, memory_format=torch.channels_last)
        gain, factor, kernel = demod * GAIN, style.to(dtype), weight.to(dtype)
        offset = (bias * GAIN).to(dtype)
        # One sample and a large picture: scaling the weight is cheaper than scaling the activations.
        fold = x.shape[0] == 1 and 9 * weight.shape[0] < x.shape[2] * x.shape[3]
        if fold:
            kernel = (weight * style[0, :, None, None] * gain[0, :, None, None, None]).to(dtype)
        scaled = x if fold else x * factor[:, :, None, None]
        if up:
            out = F.conv_transpose2d(scaled, kernel.transpose(0, 1), stride=2)
            out = _blur(out, 1, offset if fold else None)
        else:
            out = F.conv2d(scaled, kernel, offset if fold else None, padding=1)
        del scaled, kernel
        out = out.contiguous(memory_format=torch.channels_last)

        flat = _pixels(out)
        grain = None if noise is None else (noise.flatten(1)[:, :, None] * (strength * GAIN)).to(dtype)
        gain = gain.to(dtype)[:, None]
        colours = None if rgb is None else rgb.new_empty(*flat.shape[:2], 3)
        light = None if rgb is None else rgb.to(dtype).transpose(1, 2)
        for part in _slices(flat):
            piece = flat[:, part]
            if not fold:
                piece.mul_(gain).add_(offset)
            if grain is not None:
                piece.add_(grain[:, part])
            F.leaky_relu_(piece, SLOPE)
            if clamp is not None:
                piece.clamp_(-clamp, clamp)
            if rgb is not None:
                colours[:, part] = piece @ light

        ctx.save_for_backward(x, style, demod, weight, bias, noise, strength, rgb, out)
        ctx.up, ctx.clamp = up, clamp
        ctx.set_materialize_grads(False)
        return out, colours

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out, grad_colours):
        x, style, demod, weight, bias, noise, strength, rgb, out = ctx.saved_tensors
        if grad_out is None and grad_colours is None:
            return (None,) * 11
        flat = _pixels(out)
        batch, count, _ = flat.shape
        if grad_out is not None:
            grad_out = _pixels(grad_out.contiguous(memory_format=torch.channels_last))

        # Gradient of the convolution's output, and all sums over pixels, in one pass.
        gradient = torch.empty_like(out)
        flat_gradient = _pixels(gradient)
        basis = flat.new_ones(batch, 2, count)  # rows: one, noise
        basis[:, 1] = 0 if noise is None else noise.flatten(1)
        sums = demod.new_zeros(batch, 2, demod.shape[1])
        product = torch.zeros_like(demod)
        gain = (demod * GAIN).to(flat.dtype)[:, None]
        grad_rgb = None
        if grad_colours is not None:
            grad_rgb, rgb = torch.zeros_like(rgb), rgb.to(flat.dtype)
            grad_colours = grad_colours.to(flat.dtype)
        for part in _slices(flat):
            value = flat[:, part]
            if grad_colours is None:
                above = grad_out[:, part]
            else:
                light = grad_colours[:, part]
                above = light @ rgb if grad_out is None else torch.baddbmm(grad_out[:, part], light, rgb)
                grad_rgb += light.transpose(1, 2) @ value
            if ctx.clamp is not None:
                above = above.masked_fill(value.abs() >= ctx.clamp, 0)
            product += (above * value).sum(1, dtype=product.dtype)
            below = torch.ops.aten.leaky_relu_backward(above, value, SLOPE, True)
            sums += basis[:, :, part] @ below
            torch.mul(below, gain, out=flat_gradient[:, part])
        del grad_out, flat, flat_gradient, basis

        shift = bias * sums[:, 0] + strength * sums[:, 1]
        grad_demod = (product - GAIN * shift) / demod
        grad_bias = GAIN * sums[:, 0].sum(0) if ctx.needs_input_grad[4] else None
        grad_strength = GAIN * sums[:, 1].sum().reshape(1) if ctx.needs_input_grad[6] else None

        if ctx.up:
            gradient = _blur(gradient, 2)
            kernel, geometry = weight.to(x.dtype).transpose(0, 1), ([2, 2], [0, 0], [1, 1], True, [0, 0], 1)
        else:
            kernel, geometry = weight.to(x.dtype), ([1, 1], [1, 1], [1, 1], False, [0, 0], 1)
        grad_weight, factor = None, style.to(x.dtype)
        if ctx.needs_input_grad[3]:
            scaled = x * factor[:, :, None, None]
            grad_x, grad_weight, _ = torch.ops.aten.convolution_backward(
                gradient, scaled, kernel, None, *geometry, [True, True, False]
            )
            grad_weight = grad_weight.transpose(0, 1) if ctx.up else grad_weight
            del scaled
        else:
            grad_x = torch.ops.aten.convolution_backward(gradient, x, kernel, None, *geometry, [True, False, False])[0]
        del gradient

        grad_x = grad_x.contiguous(memory_format=torch.channels_last)
        flat_x, flat_grad = _pixels(x), _pixels(grad_x)
        grad_style = torch.zeros_like(style)
        for part in _slices(flat_x):
            piece = flat_grad[:, part]
            grad_style += (piece * flat_x[:, part]).sum(1, dtype=grad_style.dtype)
            if ctx.needs_input_grad[0]:
                piece.mul_(factor[:, None])
        return (
            grad_x if ctx.needs_input_grad[0] else None,
            grad_style,
            grad_demod,
            grad_weight,
            grad_bias,
            None,
            grad_strength,
            grad_rgb,
            None,
            None,
            None,
        )
