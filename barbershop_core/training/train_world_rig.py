"""The studio pack's rig, from what the world says: no pictures are needed, nor a network that reads them.

W of the studio generator describes portraits (:mod:`.train_mapping`), so the code of an edit is known: that of the
same portrait with another one's pose, expression or light.  RigNet learns these offsets by regression.  Generators
whose codes are not known learn by cycle consistency instead (:mod:`.train_rig`), from a regressor's readings: of some
movements, such as eyes that open, it sees only a part.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..face3d.morphable import Morphable
from ..face3d.theta import TAU
from ..networks.rignet import RigNet
from ..networks.stylegan2 import Generator
from ..progress import Steps
from ..world import morphable_head, params
from . import pool, timebox

PORTRAITS = 4000
"""Drawn for the statistics, and for lights, which take long to compute."""
HELD_OUT = 500
BATCH = 128
OFF_W, ROWS_APART = 0.35, 0.2
"""How far codes of embedded photos lie from W, and their rows from each other, at most, in units of W's spread."""
KEPT = 0.3
"""Weight of RigNet(w, theta_w) = w."""


@dataclass(frozen=True)
class Portraits:
    """Portraits p [N,P] with their light gamma [N,27]."""

    p: Tensor
    light: Tensor

    @classmethod
    def sample(cls, count: int, seed: int) -> Portraits:
        p = torch.from_numpy(params.sample(count, seed))
        return cls(p, morphable_head.light(p))

    def like(self, other: Portraits, name: str) -> Portraits:
        """These portraits with the tau ``name`` of others."""
        places = params.indices(name)
        p = self.p.clone()
        p[:, places] = other.p[:, places]
        return Portraits(p, other.light if name == "light" else self.light)

    @torch.no_grad()
    def taus(self, model: Morphable) -> Mapping[str, Tensor]:
        """theta^tau by the names of `TAU`."""
        theta = morphable_head.described(model, morphable_head.uniform(self.p), self.light)[0]
        return {name: theta.tau(name) for name in TAU}


class Teacher:
    """What a generator's mapping network and the face model say of portraits."""

    def __init__(self, g: Generator, model: Morphable):
        self.g, self.model = g, model
        self.known, self.held = Portraits.sample(PORTRAITS, 0), Portraits.sample(HELD_OUT, pool.HELD_OUT_SEED)

    @torch.no_grad()
    def codes(self, portraits: Portraits) -> Tensor:
        """w [N,D]."""
        return self.g.mapping(torch.from_numpy(params.to_z(portraits.p.numpy(), self.g.z_dim)))

    def untrained(self) -> RigNet:
        """RigNet with the statistics of the portraits."""
        w, taus = self.codes(self.known), self.known.taus(self.model)
        rig = RigNet(self.g.n_latent, self.g.style_dim, {name: value.shape[1] for name, value in taus.items()})
        rig.w_mean.copy_(w.mean(0))
        rig.w_std.copy_(w.std(0).clamp_min(1e-4))
        for name, net in rig.tau.items():
            net.mean.copy_(taus[name].mean(0))
            net.std.copy_(taus[name].std(0).clamp_min(1e-3))
        return rig

    def draw(self, rng: torch.Generator) -> Portraits:
        """Portraits that were not seen before, but for their light."""
        rows = torch.randint(PORTRAITS, (BATCH,), generator=rng)
        lit = Portraits(self.known.p[rows], self.known.light[rows])
        return Portraits(torch.randn(BATCH, params.COUNT, generator=rng), lit.light).like(lit, "light")


def train(
    g: Generator, model: Morphable, checkpoint: Path, minutes: float, lr: float = 2.5e-3, seed: int = 0
) -> Steps[tuple[RigNet, dict[str, float]]]:
    """Train for a generator of the portrait world.  model: its face model (`world.morphable_head`).

    Returns RigNet in eval mode and held-out figures: by tau, R2 of the offsets.
    """
    torch.manual_seed(seed)
    teacher = Teacher(g, model)
    rig = teacher.untrained()

    def loss(index: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed * 1_000_003 + index)
        own, other = teacher.draw(rng), teacher.draw(rng)
        w, taus = teacher.codes(own), own.taus(model)
        code = w[:, None].expand(-1, g.n_latent, -1)
        for reach, rows in ((OFF_W, 1), (ROWS_APART, g.n_latent)):
            noise = torch.randn(BATCH, rows, g.style_dim, generator=rng)
            code = code + reach * torch.rand(BATCH, 1, 1, generator=rng) * noise * rig.w_std
        total = code.new_zeros(())
        for name in rig.tau:
            moved = own.like(other, name)
            offset, tau = (teacher.codes(moved) - w)[:, None], moved.taus(model)[name]
            missed = _square(rig, rig(code, name, tau) - code - offset)
            total = total + (missed + KEPT * _square(rig, rig(code, name, taus[name]) - code)) / _square(rig, offset)
        return total

    def score() -> dict[str, float]:
        return scores(rig, teacher)

    return (yield from timebox.train("rig of the world", rig, loss, score, checkpoint, minutes, lr))


@torch.no_grad()
def scores(rig: RigNet, teacher: Teacher) -> dict[str, float]:
    """R2 of the offsets that a rig makes from held-out codes, by tau ("pose r2")."""
    own = teacher.held
    other = Portraits(own.p.roll(1, 0), own.light.roll(1, 0))
    w, found = teacher.codes(own), {}
    code = w[:, None].expand(-1, rig.n_latent, -1)
    for name in rig.tau:
        moved = own.like(other, name)
        offset = (teacher.codes(moved) - w)[:, None]
        missed = _square(rig, rig(code, name, moved.taus(teacher.model)[name]) - code - offset)
        found[f"{name} r2"] = 1 - float(missed / _square(rig, offset))
    return found


def _square(rig: RigNet, offset: Tensor) -> Tensor:
    """Mean square in units of W's spread."""
    return (offset / rig.w_std).square().mean()
