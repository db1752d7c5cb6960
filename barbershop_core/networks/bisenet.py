"""BiSeNet, the face parser.

Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation" (ECCV 2018)
in the form published as face-parsing.PyTorch: a ResNet-18 context path with attention refinement,
whose 1/8 features also serve as the spatial path, a feature fusion module and three heads.  The
published files are plain state dicts with 19 (``79999_iter.pth``) or 16 classes (``seg.pth``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import layout

WHAT = "BiSeNet face parser"


class ConvBNReLU(nn.Module):
    """Convolution without bias, batch norm, ReLU; keeps the size."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class BasicBlock(nn.Module):
    """Residual block of ResNet-18 (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if inputs != outputs or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet(nn.Module):
    """Backbone; returns the features at 1/8, 1/16 and 1/32 of the input's size."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int]):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        before = widths[0]
        for i, (width, n) in enumerate(zip(widths, blocks)):
            strides = [1 if i == 0 else 2] + [1] * (n - 1)
            stage = nn.Sequential(*[BasicBlock(before if j == 0 else width, width, s) for j, s in enumerate(strides)])
            self.add_module(f"layer{i + 1}", stage)
            before = width

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        x = self.layer1(F.max_pool2d(x, 3, 2, 1))
        eighth = self.layer2(x)
        sixteenth = self.layer3(eighth)
        return eighth, sixteenth, self.layer4(sixteenth)


class AttentionRefinement(nn.Module):
    """A convolution, its channels weighted by a function of their means over the image."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv = ConvBNReLU(inputs, outputs)
        self.conv_atten = nn.Conv2d(outputs, outputs, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        weight = self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(weight)


class ContextPath(nn.Module):
    """Backbone, global mean, and refinement from 1/32 up to 1/8 (nearest-neighbour resizing)."""

    def __init__(self, widths: Sequence[int], blocks: Sequence[int], context: int):
        super().__init__()
        self.resnet = ResNet(widths, blocks)
        self.arm16 = AttentionRefinement(widths[2], context)
        self.arm32 = AttentionRefinement(widths[3], context)
        self.conv_head32 = ConvBNReLU(context, context)
        self.conv_head16 = ConvBNReLU(context, context)
        self.conv_avg = ConvBNReLU(widths[3], context, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """[B,3,H,W] -> features at 1/8 of the backbone, 1/8 and 1/16 of the context."""
        eighth, sixteenth, last = self.resnet(layout.channels_last(x))
        mean = self.conv_avg(last.mean((2, 3), keepdim=True))
        up = F.interpolate(self.arm32(last) + mean, sixteenth.shape[2:], mode="nearest")
        context16 = self.conv_head32(up)
        up = F.interpolate(self.arm16(sixteenth) + context16, eighth.shape[2:], mode="nearest")
        return eighth, self.conv_head16(up), context16


class FeatureFusion(nn.Module):
    """Joins spatial and context features, channels weighted by a function of their means."""

    def __init__(self, inputs: int, outputs: int, squeezed: int):
        super().__init__()
        self.convblk = ConvBNReLU(inputs, outputs, 1)
        self.conv1 = nn.Conv2d(outputs, squeezed, 1, bias=False)
        self.conv2 = nn.Conv2d(squeezed, outputs, 1, bias=False)

    def forward(self, spatial: Tensor, context: Tensor) -> Tensor:
        x = self.convblk(torch.cat([spatial, context], 1))
        weight = self.conv2(F.relu(self.conv1(x.mean((2, 3), keepdim=True))))
        return x + x * torch.sigmoid(weight)


class Head(nn.Module):
    """Logits of the classes [B,C,H,W] from features [B,I,H,W]."""

    def __init__(self, inputs: int, middle: int, n_classes: int):
        super().__init__()
        self.conv = ConvBNReLU(inputs, middle)
        self.conv_out = nn.Conv2d(middle, n_classes, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv_out(self.conv(x))


class BiSeNet(nn.Module):
    """Face parser.

    n_classes: rows of the label table.
    widths: channels of the four ResNet stages; the default is the published network, (16, 32, 64, 128)
        can be trained on a CPU.
    blocks: residual blocks of each stage.
    context, fusion, auxiliary: channels of the context path, of the fusion and its head, and inside
        the two auxiliary heads; by default widths[1], [2] and [0], as published (128, 256, 64).
    """

    def __init__(
        self,
        n_classes: int = 19,
        widths: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (2, 2, 2, 2),
        *,
        context: int | None = None,
        fusion: int | None = None,
        auxiliary: int | None = None,
    ):
        super().__init__()
        if len(widths) != 4 or len(blocks) != 4:
            raise ValueError("BiSeNet has four stages")
        context = context or widths[1]
        fusion = fusion or widths[2]
        auxiliary = auxiliary or widths[0]
        self.n_classes, self.widths = n_classes, tuple(widths)
        self.cp = ContextPath(widths, blocks, context)
        self.ffm = FeatureFusion(widths[1] + context, fusion, max(fusion // 4, 1))
        self.conv_out = Head(fusion, fusion, n_classes)
        self.conv_out16 = Head(context, auxiliary, n_classes)
        self.conv_out32 = Head(context, auxiliary, n_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """[B,3,H,W], RGB normalised with ImageNet's mean and standard deviation -> logits of the first
        head [B,n_classes,H,W].  H and W need not be multiples of 32."""
        eighth, context8, _ = self.cp(x)
        return _resize(self.conv_out(self.ffm(eighth, context8)), x)

    def forward_all(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits of all three heads, each [B,n_classes,H,W], for training."""
        eighth, context8, context16 = self.cp(x)
        heads = (self.conv_out(self.ffm(eighth, context8)), self.conv_out16(context8), self.conv_out32(context16))
        return _resize(heads[0], x), _resize(heads[1], x), _resize(heads[2], x)


def _resize(logits: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(logits, like.shape[2:], mode="bilinear", align_corners=True)


def from_state(checkpoint: Any) -> BiSeNet:
    """A parser from a state dict; classes, widths and depths are read from the weights.

    Raises errors.WeightCorrupt for any other weights.
    """
    state = layout.state_of(checkpoint, WHAT)
    stages = [f"cp.resnet.layer{i}." for i in (1, 2, 3, 4)]
    widths = [layout.shape_of(state, s + "0.conv1.weight", WHAT, 4)[0] for s in stages]
    blocks = [layout.count(state, s) for s in stages]
    n_classes = layout.shape_of(state, "conv_out.conv_out.weight", WHAT, 4)[0]
    context = layout.shape_of(state, "cp.arm16.conv.conv.weight", WHAT, 4)[0]
    fusion = layout.shape_of(state, "ffm.convblk.conv.weight", WHAT, 4)[0]
    auxiliary = layout.shape_of(state, "conv_out16.conv.conv.weight", WHAT, 4)[0]
    return layout.build(
        lambda: BiSeNet(n_classes, widths, blocks, context=context, fusion=fusion, auxiliary=auxiliary), state, WHAT
    )
