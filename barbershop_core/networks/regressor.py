"""Regressor of the portrait world: a picture's parameters, 3D face and landmarks.

It scores edits, and gives PIE's rig its theta, as MoFA does in the article (Tewari et al. 2020, section 3.1).
All sizes are read from the weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from . import layout
from .resample import resize

WHAT = "weights of a portrait regressor"
SIDE = 128  # px of its input
LANDMARKS = 68


@dataclass(frozen=True)
class Reading:
    """p [B,P], the world's parameters each in about [-1,1] (`world.params.uniform`); theta [B,T] in the
    units of `world.render`; landmarks [B,68,2] (x, y), fractions of the image's side, 0..1."""

    p: Tensor
    theta: Tensor
    landmarks: Tensor


class Block(nn.Module):
    """Two 3x3 convolutions with a 1x1 shortcut; halves the resolution."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.short = nn.Conv2d(inputs, outputs, 1, 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(self.conv1(x)).relu()
        return (self.norm2(self.conv2(y)) + self.short(x)).relu()


class Regressor(nn.Module):
    """Image [B,3,R,R] in [-1,1], any R -> `Reading`.

    widths: channels at 1/2, 1/4, ... of 128 px; hidden: width before the outputs;
    outputs: numbers of parameters and of theta.  The buffers hold mean and standard deviation
    of the training data.
    """

    def __init__(
        self, widths: tuple[int, ...] = (16, 32, 64, 128, 160), hidden: int = 192, outputs: tuple[int, int] = (50, 57)
    ):
        super().__init__()
        self.stem = nn.Conv2d(3, widths[0], 5, 2, 2, bias=False)
        self.norm = nn.BatchNorm2d(widths[0])
        self.blocks = nn.ModuleList(Block(a, b) for a, b in zip(widths, widths[1:]))
        side = SIDE >> len(widths)
        self.hidden = nn.Linear(widths[-1] * side * side, hidden)
        self.p_head, self.theta_head = nn.Linear(hidden, outputs[0]), nn.Linear(hidden, outputs[1])
        self.landmarks_head = nn.Linear(hidden, 2 * LANDMARKS)
        self.register_buffer("theta_mean", torch.zeros(outputs[1]))
        self.register_buffer("theta_std", torch.ones(outputs[1]))
        self.register_buffer("landmarks_mean", torch.full((LANDMARKS, 2), 0.5))
        self.register_buffer("landmarks_std", torch.tensor(0.05))

    def raw(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """p [B,P] and standardized theta [B,T] and landmarks [B,68,2], for training."""
        x = image if image.shape[-1] == SIDE else resize(image, SIDE)
        x = self.norm(self.stem(x)).relu()
        for block in self.blocks:
            x = block(x)
        x = nn.functional.leaky_relu(self.hidden(x.flatten(1)), 0.1)
        return self.p_head(x), self.theta_head(x), self.landmarks_head(x).unflatten(1, (LANDMARKS, 2))

    def forward(self, image: Tensor) -> Reading:
        p, theta, landmarks = self.raw(image)
        return Reading(
            p, theta * self.theta_std + self.theta_mean, landmarks * self.landmarks_std + self.landmarks_mean
        )


def from_state(checkpoint: Any) -> Regressor:
    """A regressor from a state dict.  Raises errors.WeightCorrupt for anything else."""
    state = layout.state_of(checkpoint, WHAT)
    widths = [layout.shape_of(state, "stem.weight", WHAT, 4)[0]]
    for k in range(layout.count(state, "blocks.")):
        widths.append(layout.shape_of(state, f"blocks.{k}.conv1.weight", WHAT, 4)[0])
    hidden = layout.shape_of(state, "hidden.weight", WHAT, 2)[0]
    outputs = tuple(layout.shape_of(state, f"{name}_head.weight", WHAT, 2)[0] for name in ("p", "theta"))
    return layout.build(lambda: Regressor(tuple(widths), hidden, outputs), state, WHAT)
