"""The layers of StyleGAN2; parameters have the names of rosinality's checkpoints.

What they compute is in `stylegan2_ops`, and with fewer passes over the activations in `stylegan2_fused`.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import stylegan2_ops as ops
from .stylegan2_fused import StyledLayer


class EqualLinear(nn.Module):
    """Linear layer with equalized learning rate: stored weights are unit normal over ``lr``."""

    def __init__(self, inputs: int, outputs: int, bias: float = 0.0, lr: float = 1.0, activate: bool = False):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = nn.Parameter(torch.full((outputs,), bias))
        self.scale, self.lr, self.activate = lr / math.sqrt(inputs), lr, activate

    def forward(self, x: Tensor) -> Tensor:
        out = F.linear(x, self.weight * self.scale, self.bias * self.lr)
        return ops.lrelu(out) if self.activate else out


class PixelNorm(nn.Module):
    """First layer of the mapping network; it has no parameters, but takes the name ``style.0``."""

    def forward(self, z: Tensor) -> Tensor:
        return ops.pixel_norm(z)


class Kernel(nn.Module):
    """The low-pass kernel as a buffer, because the published state dicts have it; not used otherwise."""

    def __init__(self):
        super().__init__()
        taps = torch.tensor(ops.TAPS)
        self.register_buffer("kernel", torch.outer(taps, taps) * 4)


class ModulatedConv(nn.Module):
    """Parameters of a modulated convolution: weight ``[1, O, I, k, k]`` and the style's linear layer."""

    def __init__(self, inputs: int, outputs: int, kernel: int, style_dim: int, up: bool = False):
        super().__init__()
        # In memory the channels (inputs, or outputs if transposed) come last, the format of the
        # convolutions; otherwise every call would copy the weight.
        if up:
            weight = torch.randn(1, inputs, kernel, kernel, outputs).permute(0, 4, 1, 2, 3)
        else:
            weight = torch.randn(1, outputs, kernel, kernel, inputs).permute(0, 1, 4, 2, 3)
        self.weight = nn.Parameter(weight)
        self.modulation = EqualLinear(style_dim, inputs, bias=1.0)
        self.scale = 1 / math.sqrt(inputs * kernel**2)  # equalized learning rate, applied to the style
        self._power: tuple[tuple, Tensor] | None = None
        if up:
            self.blur = Kernel()

    def power(self) -> Tensor:
        """Squared weights summed over the kernel ``[O, I]``; cached while the weight is frozen."""
        if self.weight.requires_grad or self.weight.is_inference() or torch.is_inference_mode_enabled():
            return self.weight[0].square().sum(dim=(2, 3))
        key = (self.weight.data_ptr(), self.weight._version, self.weight.dtype)
        if self._power is None or self._power[0] != key:
            self._power = key, self.weight[0].square().sum(dim=(2, 3))
        return self._power[1]


class Noise(nn.Module):
    """Holds the strength of a layer's noise [1]; `StyledConv` adds it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))


class Activation(nn.Module):
    """Holds a layer's bias [C]; `StyledConv` applies it with the leaky ReLU."""

    def __init__(self, channels: int):
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; doubles the resolution if ``up``."""

    def __init__(self, inputs: int, outputs: int, style_dim: int, up: bool = False):
        super().__init__()
        self.conv = ModulatedConv(inputs, outputs, 3, style_dim, up)
        self.noise = Noise()
        self.activate = Activation(outputs)
        self.up = up
        self.clamp: float | None = None  # NVIDIA's conv_clamp, of networks trained in half precision

    def forward(
        self, x: Tensor, style: Tensor, noise: Tensor | None, rgb: Tensor | None = None, fused: bool = True
    ) -> tuple[Tensor, Tensor | None]:
        """See ``stylegan2_ops.styled_layer``; ``fused`` is ignored if gradients of noise are needed."""
        style = style * self.conv.scale
        demod = ops.demodulation(style, self.conv.power())
        shared = (self.conv.weight[0], self.activate.bias, noise, self.noise.weight, rgb, self.up, self.clamp)
        if not fused or (noise is not None and noise.requires_grad):
            return ops.styled_layer(x, style, demod, *shared)
        kind = x.device.type
        autocast = torch.is_autocast_enabled(kind)
        dtype = torch.get_autocast_dtype(kind) if autocast else self.conv.weight.dtype
        return StyledLayer.apply(x, style.to(demod.dtype), demod, *shared, dtype)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB, added to the up-sampled RGB of the block below.

    The styled convolution before it multiplies the activations with ``weight`` while they are in the
    cache; ``forward`` adds the products up.
    """

    def __init__(self, inputs: int, style_dim: int, up: bool = True):
        super().__init__()
        if up:
            self.upsample = Kernel()
        self.conv = ModulatedConv(inputs, 3, 1, style_dim)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.clamp: float | None = None

    def weight(self, style: Tensor) -> Tensor:
        """Style ``[B, C]`` -> per-sample weight ``[B, 3, C]``; to-RGB is not demodulated."""
        return self.conv.weight[:, :, :, 0, 0] * (style * self.conv.scale)[:, None, :]

    def forward(self, colours: Tensor, skip: Tensor | None) -> Tensor:
        """Products ``[B, H*W, 3]`` and the RGB below ``[B, 3, H/2, W/2]`` or None -> ``[B, 3, H, W]``."""
        side = math.isqrt(colours.shape[1])
        rgb = colours.transpose(1, 2).unflatten(2, (side, side)).to(self.bias.dtype) + self.bias
        if self.clamp is not None:
            rgb = rgb.clamp(-self.clamp, self.clamp)
        return rgb if skip is None else rgb + ops.upsample_rgb(skip)


class ConstantInput(nn.Module):
    """The learnt constant [1,C,4,4] that synthesis starts from."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))
