"""Latent optimization (section 4): the code that looks as the text says, near the one it began with.

argmin over w of D_CLIP(G(w), t) + lambda_L2 |w - w_s|^2 + lambda_ID (1 - <R(G(w_s)), R(G(w))>).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.chain import Start
from ..inversion.codes import Code
from ..inversion.minimise import EvenAdam, Plateau, ramp_down
from ..inversion.prior import PNorm
from ..networks.arcface import identity_embedding, identity_loss
from ..networks.clip import Clip
from ..photo.pixels import to_uint8
from ..progress import Step, Steps
from .stylespace import carried


@dataclass(frozen=True)
class OptimizePreset:
    """Budget and weights.

    name: for people and recipes.  steps, lr, warm_up, ramp: iterations, Adam's peak rate, and the shares of
        the steps in which it rises and falls.
    l2, identity: weights of |w - w_s|^2 (summed over the code; F by its mean) and of the identity loss.
    clip: weight of D_CLIP.  turn: weight of 1 - cos(CLIP(G(w)) - CLIP(G(w_s)), Delta t): the picture is to
        change as the text changes from the neutral one, and in nothing else (ours).
    even: one step size for the whole code instead of Adam's for each number, which moves what hardly matters
        as far as what does (ours).
    warm: begin where the global direction of the text leads at this strength, where the pack has a table
        (ours); 0: at the portrait.
    shared: one change for all rows of W+ instead of one for each (ours: it stays where codes lie).
    prior: weight of the II2S prior on w (ours).  spread: l2 measures w in standard deviations of W (ours).
    patience, tolerance: early stop, see `inversion.descent.Plateau`.
    """

    name: str
    steps: int = 300
    lr: float = 0.1
    warm_up: float = 0.05
    ramp: float = 0.25
    l2: float = 0.008
    identity: float = 0.005
    clip: float = 1.0
    turn: float = 0.0
    even: bool = False
    warm: float = 0.0
    shared: bool = False
    prior: float = 0.0
    spread: bool = False
    patience: int = 0
    tolerance: float = 0.005


# Section 4 and the appendix: 200-300 iterations, lambda_L2 .008, lambda_ID .005.
PAPER = OptimizePreset("paper")
# optimization/run_optimization.py of orpatashnik/StyleCLIP: step 300, lr .1, the same lambdas.
RELEASED = OptimizePreset("released")
# Ours: begins where the global direction leads, as an inversion begins with the encoder's guess, and fits
# that to this very portrait with one row of W for all layers and with the person's identity in view.
FAST = OptimizePreset(
    "fast",
    steps=30,
    lr=0.012,
    ramp=0.5,
    l2=0.02,
    identity=1.0,
    clip=0.2,
    turn=1.0,
    even=True,
    warm=3.0,
    shared=True,
    prior=0.02,
    spread=True,
)
PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def clip_distance(clip: Clip, image: Tensor, text: Tensor) -> Tensor:
    """D_CLIP: 1 - cosine of picture [B,3,H,W] and unit text [E]; [B]."""
    return 1 - clip.image(image) @ text


def optimize(
    pack,
    clip: Clip,
    start: Start,
    text: Tensor,
    turn: Tensor,
    preset: OptimizePreset,
    route: str = "W+",
    identity: float | None = None,
    first: Code | None = None,
) -> Steps[Code]:
    """Find the code.

    text: unit vector [E] of the prompt; turn: Delta t [E] from the neutral text.
    route: "W+" optimizes rows of W+ and carries F along; "F" optimizes F and the rows beyond it.
    identity: weight of the identity loss instead of the preset's.
    first: a code to begin with, instead of the portrait's own; the distance counts from there.
    Yields the stage "optimize"; returns the code.
    """
    if identity is not None:
        preset = replace(preset, identity=identity)
    search = (_InW if route == "W+" else _InF)(pack, first or start.code, preset)
    with torch.no_grad():
        before = clip.image(start.generated)
        person = identity_embedding(pack.identity, start.generated)
    optimizer = EvenAdam(search.groups) if preset.even else torch.optim.Adam(search.groups)
    rates = [group["lr"] for group in optimizer.param_groups]
    plateau = Plateau(preset.patience, preset.tolerance)
    for index in range(preset.steps):
        share = (index + 1) / max(preset.steps * preset.warm_up, 1)
        for group, rate in zip(optimizer.param_groups, rates):
            group["lr"] = rate * min(1.0, share) * ramp_down(index, preset.steps, preset.ramp)
        optimizer.zero_grad(set_to_none=True)
        with torch.enable_grad():
            code = search.code()
            image = code.synthesis(pack.generator, pack.working_size)
            seen = clip.image(image)
            losses = {"clip": preset.clip * (1 - seen @ text).mean(), "l2": preset.l2 * search.distance()}
            if preset.turn:
                losses["turn"] = preset.turn * turned(seen - before, turn)
            if preset.identity:
                losses["identity"] = preset.identity * identity_loss(pack.identity, image, person)
            if preset.prior:
                losses["prior"] = preset.prior * search.unlikely()
            loss = sum(losses.values())
            loss.backward()
        optimizer.step()
        shown = image.detach()
        values = {name: float(value.detach()) for name, value in losses.items()}
        yield Step(
            "optimize", index + 1, preset.steps, values, lambda shown=shown: to_uint8(shown)[0].numpy()
        )
        if plateau(float(loss.detach())):
            break
    with torch.no_grad():
        return search.code()


def turned(change: Tensor, turn: Tensor) -> Tensor:
    """1 - cosine of the change of the picture's embedding [1,E] and Delta t; calm where hardly anything has
    changed yet."""
    return 1 - (F.normalize(change, dim=-1, eps=1e-2) @ turn).mean()


class _InW:
    """Rows of W+, or one change for all of them."""

    def __init__(self, pack, code: Code, preset: OptimizePreset):
        self.pack, self.start = pack, code
        rows = 1 if preset.shared else code.w_plus.shape[1]
        self.change = torch.zeros(
            1, rows, code.w_plus.shape[2], device=code.w_plus.device, requires_grad=True
        )
        statistics = pack.pnorm
        self.scale = float(statistics.stdev.square().mean().sqrt()) if preset.spread else 1.0
        self.prior = PNorm(statistics.mean, statistics.components, statistics.stdev).to(pack.device)
        self.groups = [{"params": [self.change], "lr": preset.lr * self.scale}]

    def code(self) -> Code:
        return carried(self.pack.generator, self.start, self.start.w_plus + self.change)

    def distance(self) -> Tensor:
        return (self.change / self.scale).square().sum()

    def unlikely(self) -> Tensor:
        return self.prior(self.start.w_plus + self.change).mean()


class _InF:
    """F and the rows of W+ beyond it."""

    def __init__(self, pack, code: Code, preset: OptimizePreset):
        self.first, self.start = pack.generator.feature_index, code
        self.feature = code.feature.clone().requires_grad_(True)
        self.style = code.w_plus[:, self.first :].clone().requires_grad_(True)
        statistics = pack.pnorm
        self.scale = float(statistics.stdev.square().mean().sqrt()) if preset.spread else 1.0
        self.prior = PNorm(statistics.mean, statistics.components, statistics.stdev).to(pack.device)
        step = float(code.feature.std()) * 0.02
        self.groups = [
            {"params": [self.style], "lr": preset.lr * self.scale},
            {"params": [self.feature], "lr": step},
        ]

    def code(self) -> Code:
        return replace(
            self.start,
            w_plus=torch.cat([self.start.w_plus[:, : self.first], self.style], 1),
            feature=self.feature,
        )

    def distance(self) -> Tensor:
        rows = ((self.style - self.start.w_plus[:, self.first :]) / self.scale).square().sum()
        return rows + (self.feature - self.start.feature).square().mean()

    def unlikely(self) -> Tensor:
        return self.prior(self.style).mean()
