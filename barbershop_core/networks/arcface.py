"""ArcFace identity network: an improved residual network with squeeze-and-excitation.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition" (CVPR 2019); the
network is IR-SE-50 of InsightFace_Pytorch (``model_ir_se50.pth``), which StyleCLIP, e4e and pSp use
for their identity loss.  Its units are also the backbone of the e4e encoder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import layout
from .resample import area_pool

WHAT = "ArcFace identity network"
CROP = (35, 223, 32, 220)  # top, bottom, left, right of the face in an aligned 256 px portrait


class SqueezeExcite(nn.Module):
    """Weights each channel by a small network of the channels' means (Hu et al. 2018); no biases."""

    def __init__(self, channels: int, reduction: int):
        super().__init__()
        squeezed = max(channels // reduction, 1)
        self.fc1 = nn.Conv2d(channels, squeezed, 1, bias=False)
        self.fc2 = nn.Conv2d(squeezed, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        weight = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * torch.sigmoid(weight)


class Unit(nn.Module):
    """Improved residual unit: norm, conv, PReLU, conv with stride, norm, squeeze-excite."""

    def __init__(self, inputs: int, outputs: int, stride: int, reduction: int | None):
        super().__init__()
        if inputs == outputs:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inputs),
            nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False),
            nn.PReLU(outputs),
            nn.Conv2d(outputs, outputs, 3, stride, 1, bias=False),
            nn.BatchNorm2d(outputs),
            *([SqueezeExcite(outputs, reduction)] if reduction else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


def stem(channels: int) -> nn.Sequential:
    """First layer: [B,3,S,S] -> [B,channels,S,S]."""
    return nn.Sequential(nn.Conv2d(3, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.PReLU(channels))


def trunk(channels: Sequence[int], blocks: Sequence[int], reduction: int | None) -> nn.Sequential:
    """The units of all stages; the first of each stage halves the size.

    Raises ValueError if two consecutive stages have the same width: in the weights, only the change of
    width marks a new stage.
    """
    if len(channels) != len(blocks) or any(a == b for a, b in zip(channels, channels[1:])):
        raise ValueError("each stage needs a number of blocks and a width other than the one before")
    units, before = [], channels[0]
    for width, n in zip(channels, blocks):
        units += [Unit(before if i == 0 else width, width, 2 if i == 0 else 1, reduction) for i in range(n)]
        before = width
    return nn.Sequential(*units)


class ArcFace(nn.Module):
    """Identity network.

    channels, blocks: width and number of units of each stage; each stage halves the size.  Default
        is IR-SE-50.  For a CPU: ``channels=(16, 32, 64, 128), blocks=(1, 1, 2, 1), input_size=64``.
    input_size: px, a multiple of 2 ** number of stages.
    embedding: length of the output vectors.
    reduction: of squeeze-excite; ``None`` for plain IR.
    dropout: before the last layer, in training only.
    """

    def __init__(
        self,
        channels: Sequence[int] = (64, 128, 256, 512),
        blocks: Sequence[int] = (3, 4, 14, 3),
        input_size: int = 112,
        embedding: int = 512,
        reduction: int | None = 16,
        dropout: float = 0.6,
    ):
        super().__init__()
        if input_size % 2 ** len(channels):
            raise ValueError(f"the input size {input_size} cannot be halved {len(channels)} times")
        self.input_size, self.embedding = input_size, embedding
        self.input_layer = stem(channels[0])
        self.body = trunk(channels, blocks, reduction)
        side = input_size // 2 ** len(channels)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(channels[-1]),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(channels[-1] * side * side, embedding),
            nn.BatchNorm1d(embedding),
        )

    def forward(self, x: Tensor) -> Tensor:
        """[B,3,S,S] RGB in -1..1, S = ``input_size``, cropped as ``identity_crop`` does -> unit
        vectors [B,embedding]."""
        if x.shape[-2:] != (self.input_size, self.input_size):
            raise ValueError(f"the identity network takes {self.input_size} px, not {tuple(x.shape[-2:])}")
        x = self.output_layer(self.body(self.input_layer(x)))
        return x / x.norm(dim=1, keepdim=True)  # no epsilon, as published


def identity_crop(image: Tensor, size: int) -> Tensor:
    """Crop the face out of aligned portraits for the identity network.

    image: [B,3,H,W]; resized to 256 px first, as published.
    Returns [B,3,size,size].
    """
    if image.shape[-2:] != (256, 256):
        image = area_pool(image, 256)
    top, bottom, left, right = CROP
    return area_pool(image[..., top:bottom, left:right], size)


def identity_embedding(net: ArcFace, image: Tensor) -> Tensor:
    """[B,3,H,W] aligned portraits in -1..1, any size -> unit vectors [B,D]."""
    return net(identity_crop(image, net.input_size))


def identity_loss(net: ArcFace, image: Tensor, reference: Tensor) -> Tensor:
    """Mean over the samples of 1 - cosine of the identities (StyleCLIP, equation 2).

    image: [B,3,H,W] in -1..1.  reference: images likewise, or their embeddings [B,D], computed once.
    No gradient flows to the reference.  Returns a scalar.
    """
    if reference.dim() == 4:
        with torch.no_grad():
            reference = identity_embedding(net, reference)
    return (1 - (identity_embedding(net, image) * reference.detach()).sum(1)).mean()


def read_trunk(state: Mapping[str, Tensor], what: str) -> tuple[list[int], list[int], int | None]:
    """(channels, blocks, reduction) of ``stem`` and ``trunk`` from the shapes of their weights.

    A stage begins at the first unit and wherever a unit has a convolution in its shortcut.
    Raises errors.WeightCorrupt.
    """
    inputs = layout.shape_of(state, "input_layer.0.weight", what, 4)[1]
    if inputs != 3:
        raise layout.wrong(what, f"they take {inputs} channels instead of the 3 of an RGB image")
    channels, blocks = [], []
    for i in range(layout.count(state, "body.")):
        width = layout.shape_of(state, f"body.{i}.res_layer.1.weight", what, 4)[0]
        if i == 0 or f"body.{i}.shortcut_layer.0.weight" in state:
            channels.append(width)
            blocks.append(0)
        blocks[-1] += 1
    if not channels:
        raise layout.wrong(what, "'body.0' is missing")
    if "body.0.res_layer.5.fc1.weight" not in state:
        return channels, blocks, None
    last = f"body.{sum(blocks) - 1}.res_layer.5.fc1.weight"
    squeezed, width = layout.shape_of(state, last, what, 4)[:2]
    return channels, blocks, width // squeezed


def from_state(checkpoint: Any) -> ArcFace:
    """An identity network from a state dict; all sizes, including the input's, are read from the weights.

    Raises errors.WeightCorrupt for any other weights.
    """
    state = layout.state_of(checkpoint, WHAT)
    channels, blocks, reduction = read_trunk(state, WHAT)
    embedding, flat = layout.shape_of(state, "output_layer.3.weight", WHAT, 2)
    side = round((flat / channels[-1]) ** 0.5)
    size = side * 2 ** len(channels)
    return layout.build(lambda: ArcFace(channels, blocks, size, embedding, reduction), state, WHAT)
