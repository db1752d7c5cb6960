"""Latent optimization (section 4): a code whose image matches a text, near the code it starts from.

argmin over w of D_CLIP(G(w), t) + lambda_L2 |w - w_s|^2 + lambda_ID (1 - <R(G(w_s)), R(G(w))>), where D_CLIP
is 1 - cosine of CLIP's embeddings of image and text.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from ..editing.chain import Start
from ..inversion.codes import Code
from ..inversion.minimise import EvenAdam, minimise
from ..networks.arcface import identity_embedding, identity_loss
from ..networks.clip import Clip
from ..progress import Steps
from ..protocols import PackLike
from .clip_loss import directional_loss, released_embedding
from .options import IDENTITY_OF_PRESET
from .stylespace import carried


@dataclass(frozen=True)
class OptimizePreset:
    """Budget and weights.

    name: of the preset.  steps, lr, warm_up, ramp: iterations, Adam's peak learning rate, and the shares of
        the iterations in which it rises and falls, see `learning_rate`.
    l2, identity: weights of |w - w_s|^2 (summed over the code; F by its mean) and of the identity loss.
    clip: weight of D_CLIP.  as_released: show images to CLIP as the released code does, see `released_embedding`.
    direction: weight of 1 - cos(CLIP(G(w)) - CLIP(G(w_s)), Delta t), which asks
        the image to change as the text changes from the neutral one, and in no other way (ours).
    even: one step size for the whole code instead of Adam's for each element, which moves unimportant axes
        as far as important ones (ours).
    warm: strength of the text's global direction at which to start, for packs with a table (ours); 0 starts
        at the portrait.
    shared: one change for all rows of W+ instead of one for each, which keeps it near W (ours).
    prior: weight of the II2S prior on w (ours).  spread: l2 measures w in standard deviations of W (ours).
    patience, tolerance: early stop, see `inversion.minimise.Plateau`.
    """

    name: str
    steps: int = 300
    lr: float = 0.1
    warm_up: float = 0.05
    ramp: float = 0.25
    l2: float = 0.008
    identity: float = IDENTITY_OF_PRESET["paper"]
    clip: float = 1.0
    as_released: bool = False
    direction: float = 0.0
    even: bool = False
    warm: float = 0.0
    shared: bool = False
    prior: float = 0.0
    spread: bool = False
    patience: int = 0
    tolerance: float = 0.005


# Section 4: 200-300 iterations, lambda_L2 .008, lambda_ID .005 (0 where another identity is wanted).
# Images are shown to CLIP as it was trained on them; the article does not say.
PAPER = OptimizePreset("paper")
# Defaults of optimization/run_optimization.py (orpatashnik/StyleCLIP): as the article, but lambda_ID is 0, and CLIP
# gets pixels in [-1,1], without its mean and deviation (criteria/clip_loss.py).
RELEASED = OptimizePreset("released", identity=IDENTITY_OF_PRESET["released"], as_released=True)
# Ours: starts where the global direction leads, as an inversion starts from the encoder's guess, and fits
# that to this portrait with one row of W for all layers and a large weight on identity.
FAST = OptimizePreset(
    "fast",
    steps=31,
    lr=0.012,
    ramp=0.5,
    l2=0.02,
    identity=IDENTITY_OF_PRESET["fast"],
    clip=0.2,
    direction=1.0,
    even=True,
    warm=3.0,
    shared=True,
    prior=0.02,
    spread=True,
)
PRESETS = {preset.name: preset for preset in (FAST, PAPER, RELEASED)}


def optimize(
    pack: PackLike,
    clip: Clip,
    start: Start,
    text: Tensor,
    direction: Tensor,
    preset: OptimizePreset,
    route: str = "W+",
    identity: float | None = None,
    first: Code | None = None,
) -> Steps[Code]:
    """Optimize the code of a portrait for a text.

    text: unit vector [E] of the prompt; direction: Delta t [E] from the neutral text.
    route: "W+" optimizes rows of W+ and carries F along; "F" optimizes F and the rows beyond it.
    identity: weight of the identity loss instead of the preset's.
    first: a code to start from, and to measure the distance from, instead of the portrait's own.
    Yields the stage "optimize"; returns the code.
    """
    if identity is not None:
        preset = replace(preset, identity=identity)
    search = (_SearchW if route == "W+" else _SearchF)(pack, first or start.code, preset)
    embed = partial(released_embedding, clip) if preset.as_released else clip.image
    with torch.no_grad():
        before = embed(start.generated)
        person = identity_embedding(pack.identity, start.generated)

    def objective(_: int) -> tuple[Tensor, dict[str, Tensor]]:
        image = search.code().synthesis(pack.generator, pack.working_size)
        embedding = embed(image)
        losses = {"clip": preset.clip * (1 - embedding @ text).mean(), "l2": preset.l2 * search.distance()}
        if preset.direction:
            losses["direction"] = preset.direction * directional_loss(embedding - before, direction)
        if preset.identity:
            losses["identity"] = preset.identity * identity_loss(pack.identity, image, person)
        if preset.prior:
            losses["prior"] = preset.prior * pack.pnorm(search.rows()).mean()
        return image, losses

    yield from minimise(
        "optimize",
        preset.steps,
        search.variables,
        objective,
        optimizer=EvenAdam if preset.even else torch.optim.Adam,
        rate=partial(learning_rate, total=preset.steps, warm_up=preset.warm_up, ramp=preset.ramp),
        patience=preset.patience,
        tolerance=preset.tolerance,
    )
    with torch.no_grad():
        return search.code()


def learning_rate(index: int, total: int, warm_up: float, ramp: float) -> float:
    """Factor of the learning rate at iteration ``index`` (from 0) of ``total``, which is 0 in the first.

    It rises linearly in the first ``warm_up`` and falls along a cosine in the last ``ramp`` of the iterations
    (``get_lr`` of optimization/run_optimization.py).
    """
    t = index / total
    fall = 0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - t) / ramp))
    return fall * min(1.0, t / warm_up)


def w_spread(pack: PackLike) -> float:
    """Standard deviation of W, root mean square over its axes."""
    return float(pack.pnorm.stdev.square().mean().sqrt())


class _Search:
    """What is optimized of a code.  variables: pairs of tensor and learning rate, see `minimise`."""

    variables: list[tuple[Tensor, float]]

    def __init__(self, pack: PackLike, start: Code, preset: OptimizePreset):
        self.generator, self.start = pack.generator, start
        self.scale = w_spread(pack) if preset.spread else 1.0
        self.lr = preset.lr * self.scale


class _SearchW(_Search):
    """Rows of W+, or one change for all of them."""

    def __init__(self, pack: PackLike, start: Code, preset: OptimizePreset):
        super().__init__(pack, start, preset)
        w = start.w_plus
        self.change = torch.zeros_like(w[:, :1] if preset.shared else w, requires_grad=True)
        self.variables = [(self.change, self.lr)]

    def rows(self) -> Tensor:
        return self.start.w_plus + self.change

    def code(self) -> Code:
        return carried(self.generator, self.start, self.rows())

    def distance(self) -> Tensor:
        return (self.change / self.scale).square().sum()


class _SearchF(_Search):
    """F and the rows of W+ beyond it."""

    def __init__(self, pack: PackLike, start: Code, preset: OptimizePreset):
        super().__init__(pack, start, preset)
        self.below, self.beyond = start.w_plus.tensor_split([pack.generator.feature_index], 1)
        self.style = self.beyond.clone().requires_grad_(True)
        self.feature = start.feature.clone().requires_grad_(True)
        self.variables = [(self.style, self.lr), (self.feature, 0.02 * float(start.feature.std()))]

    def rows(self) -> Tensor:
        return self.style

    def code(self) -> Code:
        return replace(self.start, w_plus=torch.cat([self.below, self.style], 1), feature=self.feature.clone())

    def distance(self) -> Tensor:
        rows = ((self.style - self.beyond) / self.scale).square().sum()
        return rows + (self.feature - self.start.feature).square().mean()
