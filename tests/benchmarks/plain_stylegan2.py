"""StyleGAN2 written down plainly: what the fast generator is checked against and timed against.

The formulation of most PyTorch ports: a weight per sample, modulated and demodulated (Karras et al. 2020,
equations 1 and 3), grouped convolutions, the 4x4 filter as a two-dimensional convolution after padding
and zero insertion, all weights requiring gradients.
"""

import math

import torch
import torch.nn.functional as F

FILTER = torch.outer(torch.tensor([1.0, 3, 3, 1]), torch.tensor([1.0, 3, 3, 1])) / 64


def upfirdn(x, kernel, up, before, after):
    """Zero insertion by ``up``, padding, and the filter."""
    batch, channels, height, width = x.shape
    x = x.reshape(-1, height, 1, width, 1)
    x = F.pad(x, (0, up - 1, 0, 0, 0, up - 1)).reshape(-1, 1, height * up, width * up)
    x = F.conv2d(F.pad(x, (before, after, before, after)), kernel.flip(0, 1)[None, None].to(x))
    return x.reshape(batch, channels, *x.shape[2:])


def modulated_conv(x, style, weight, demodulate, up):
    """x ``[B, I, H, W]``, style ``[B, I]``, weight ``[1, O, I, k, k]``: a weight and a group per sample."""
    batch, inputs, height, width = x.shape
    outputs, size = weight.shape[1], weight.shape[-1]
    weight = weight / math.sqrt(inputs * size**2) * style[:, None, :, None, None]
    if demodulate:
        weight = weight * torch.rsqrt(weight.pow(2).sum([2, 3, 4], keepdim=True) + 1e-8)
    x = x.reshape(1, batch * inputs, height, width)
    if up:
        weight = weight.transpose(1, 2).reshape(batch * inputs, outputs, size, size)
        x = F.conv_transpose2d(x, weight, stride=2, groups=batch)
        return upfirdn(x.reshape(batch, outputs, *x.shape[2:]), FILTER * 4, 1, 1, 1)
    x = F.conv2d(x, weight.reshape(batch * outputs, inputs, size, size), padding=size // 2, groups=batch)
    return x.reshape(batch, outputs, *x.shape[2:])


class PlainGenerator:
    """``synthesis(w_plus)`` from a state dict in rosinality's layout; parameters are in ``weights``."""

    def __init__(self, state, requires_grad=True):
        self.weights = {k: v.detach().clone().contiguous() for k, v in state.items()}
        for name, value in self.weights.items():
            value.requires_grad_(requires_grad and not name.startswith("noises.") and "kernel" not in name)
        self.blocks = sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in state)

    def style(self, name, w):
        weight = self.weights[f"{name}.conv.modulation.weight"]
        bias = self.weights[f"{name}.conv.modulation.bias"]
        return F.linear(w, weight / math.sqrt(weight.shape[1]), bias)

    def conv(self, name, x, style, noise, up=False):
        x = modulated_conv(x, style, self.weights[f"{name}.conv.weight"], True, up)
        if noise is not None:
            x = x + self.weights[f"{name}.noise.weight"] * noise
        return F.leaky_relu(x + self.weights[f"{name}.activate.bias"][None, :, None, None], 0.2) * 2**0.5

    def to_rgb(self, name, x, style, skip):
        x = modulated_conv(x, style, self.weights[f"{name}.conv.weight"], False, False)
        x = x + self.weights[f"{name}.bias"]
        return x if skip is None else x + upfirdn(skip, FILTER * 4, 2, 2, 1)

    def mapping(self, z):
        x = z * torch.rsqrt(z.pow(2).mean(1, keepdim=True) + 1e-8)
        layer = 1
        while f"style.{layer}.weight" in self.weights:
            weight, bias = self.weights[f"style.{layer}.weight"], self.weights[f"style.{layer}.bias"]
            x = F.linear(x, weight * 0.01 / math.sqrt(weight.shape[1]), bias * 0.01)
            x = F.leaky_relu(x, 0.2) * 2**0.5
            layer += 1
        return x

    def partial_images(self, w_plus, noise=True):
        """The RGB sum after each resolution, and the activations of each block."""
        get = (lambda i: self.weights[f"noises.noise_{i}"]) if noise else (lambda i: None)
        x = self.weights["input.input"].repeat(len(w_plus), 1, 1, 1)
        x = self.conv("conv1", x, self.style("conv1", w_plus[:, 0]), get(0))
        skip = self.to_rgb("to_rgb1", x, self.style("to_rgb1", w_plus[:, 1]), None)
        images, features = [skip], [x]
        for k in range(self.blocks):
            up, conv, rgb = f"convs.{2 * k}", f"convs.{2 * k + 1}", f"to_rgbs.{k}"
            x = self.conv(up, x, self.style(up, w_plus[:, 2 * k + 1]), get(2 * k + 1), up=True)
            x = self.conv(conv, x, self.style(conv, w_plus[:, 2 * k + 2]), get(2 * k + 2))
            skip = self.to_rgb(rgb, x, self.style(rgb, w_plus[:, 2 * k + 3]), skip)
            images.append(skip)
            features.append(x)
        return images, features

    def synthesis(self, w_plus):
        return self.partial_images(w_plus)[0][-1]
