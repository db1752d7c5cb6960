"""The operations of StyleGAN2 in plain PyTorch.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (2020), section 2.2 and
appendix B.  Modulation is done on the activations: scale the input by the style, convolve with the
constant weight, scale the output by the demodulation factor.  This equals convolving with
per-sample modulated weights, for any batch size, without grouped convolutions.  Activations are
channels-last, the format in which convolutions on CPUs and tensor cores are fastest.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

GAIN = math.sqrt(2.0)
SLOPE = 0.2
TAPS = (0.125, 0.375, 0.375, 0.125)  # [1, 3, 3, 1], normalised: the only low-pass filter of StyleGAN2


def pixel_norm(x: Tensor) -> Tensor:
    """``[B, D]`` scaled to unit mean square per sample."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + 1e-8)


def lrelu(x: Tensor) -> Tensor:
    """Leaky ReLU (0.2) times sqrt(2), which keeps the variance."""
    return F.leaky_relu(x, SLOPE) * GAIN


def demodulation(style: Tensor, power: Tensor) -> Tensor:
    """``[B, I]`` styles, ``[O, I]`` squared weights summed over the kernel -> ``[B, O]``: 1 / (spread of
    each output channel)."""
    style = style.to(power.dtype)
    with torch.autocast(style.device.type, enabled=False):
        return torch.rsqrt(style.square() @ power.t() + 1e-8)


def blur_after_up(x: Tensor) -> Tensor:
    """``[B, C, 2H+1, 2W+1]`` out of a stride-2 transposed convolution -> ``[B, C, 2H, 2W]``.

    The 4-tap filter times 4 (for the inserted zeros), as a vertical and a horizontal pass, with one
    zero row and column assumed on each side.
    """
    channels = x.shape[1]
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device) * 2
    column = taps.view(1, 1, 4, 1).expand(channels, 1, 4, 1)
    row = taps.view(1, 1, 1, 4).expand(channels, 1, 1, 4)
    x = F.conv2d(x, column, padding=(1, 0), groups=channels)
    return F.conv2d(x, row, padding=(0, 1), groups=channels)


def upsample_rgb(x: Tensor) -> Tensor:
    """``[B, 3, H, W]`` -> ``[B, 3, 2H, 2W]``: zero insertion and the 4-tap filter.

    Bilinear interpolation of the zero-padded image.
    """
    up = F.interpolate(F.pad(x, (1, 1, 1, 1)), scale_factor=2, mode="bilinear", align_corners=False)
    return up[..., 2:-2, 2:-2]


def styled_layer(
    x: Tensor,
    style: Tensor,
    demod: Tensor,
    weight: Tensor,
    bias: Tensor,
    noise: Tensor | None,
    strength: Tensor,
    rgb: Tensor | None,
    up: bool,
    clamp: float | None,
) -> tuple[Tensor, Tensor | None]:
    """Modulate, convolve (3x3), demodulate, add noise and bias, leaky ReLU; and the to-RGB product.

    x ``[B, I, H, W]``, style ``[B, I]``, demod ``[B, O]``, weight ``[O, I, 3, 3]``, bias ``[O]``, noise
    ``[B or 1, 1, H', W']`` or None, strength ``[1]``, rgb ``[B, 3, O]`` or None; returns
    ``[B, O, H', W']``, where H' = 2H if ``up``, and ``[B, H'*W', 3]`` or None.  The reference for
    ``stylegan2_fused``; used if second derivatives or gradients of noise are needed.
    """
    x = (x * style.to(x.dtype)[:, :, None, None]).contiguous(memory_format=torch.channels_last)
    if up:
        x = blur_after_up(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
    else:
        x = F.conv2d(x, weight, padding=1)
    x = x * demod.to(x.dtype)[:, :, None, None]
    shift = bias[:, None, None] if noise is None else bias[:, None, None] + strength * noise
    x = lrelu(x + shift.to(x.dtype))
    if clamp is not None:
        x = x.clamp(-clamp, clamp)
    if rgb is None:
        return x, None
    return x, x.permute(0, 2, 3, 1).flatten(1, 2) @ rgb.to(x.dtype).transpose(1, 2)
