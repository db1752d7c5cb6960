"""Train the regressor: ``python -m barbershop_core.training.studio_pack --only regressor --out P``.

It sees rendered pictures only, slightly degraded, so that it stays an independent judge of what a generator
makes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..networks.regressor import Reading, Regressor
from ..photo.pixels import from_uint8
from ..progress import Steps
from ..world import params
from . import pool, timebox
from .augment import degrade

SIZE = 128


def targets(p: np.ndarray) -> Tensor:
    """Parameters [B,P] as the renderer uses them, uniform in [-1,1]."""
    return torch.erf(torch.from_numpy(np.asarray(p, np.float32)) / 2**0.5)


def train(folder: Path, checkpoint: Path, minutes: float, batch: int = 48, seed: int = 0) -> Steps[Regressor]:
    """Fit to the pool in ``folder``; returns the `Regressor` in eval mode."""
    torch.manual_seed(seed)
    p, images, theta, landmarks = pool.load(folder, "p", "images", "theta", "landmarks")
    wanted = targets(p)
    theta, landmarks = torch.from_numpy(theta), torch.from_numpy(landmarks) / SIZE
    net = Regressor(outputs=(p.shape[1], theta.shape[1])).to(memory_format=torch.channels_last)
    net.theta_mean.copy_(theta.mean(0))
    net.theta_std.copy_(theta.std(0).clamp_min(1e-3))
    net.landmarks_mean.copy_(landmarks.mean(0))
    net.landmarks_std.copy_((landmarks - landmarks.mean(0)).std())
    theta = (theta - net.theta_mean) / net.theta_std
    landmarks = (landmarks - net.landmarks_mean) / net.landmarks_std

    def loss(index: int) -> Tensor:
        rng = torch.Generator().manual_seed(seed * 1_000_003 + index)
        rows = torch.randint(len(p), (batch,), generator=rng)
        image = degrade(from_uint8(images[rows.numpy()]), rng).contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16):
            found = net.raw(image)
        pairs = zip(found, (wanted[rows], theta[rows], landmarks[rows]), (3.0, 0.5, 1.0))
        return sum(share * (a.float() - b).square().mean() for a, b, share in pairs)

    held = pool.load(folder, "p", "images", "theta", "landmarks", held_out=True)

    def score() -> dict[str, float]:
        return brief(scores(net, *held))

    net, _ = yield from timebox.train("regressor", net, loss, score, checkpoint, minutes, lr=2e-3)
    return net


@torch.no_grad()
def read(net: Regressor, images: np.ndarray) -> Reading:
    """uint8 [N,S,S,3] -> `Reading`, in parts."""
    parts = [net(from_uint8(images[k : k + 50])) for k in range(0, len(images), 50)]
    names = ("p", "theta", "landmarks")
    return Reading(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def scores(
    net: Regressor, p: np.ndarray, images: np.ndarray, theta: np.ndarray, landmarks: np.ndarray
) -> dict[str, float]:
    """R2 of every parameter by its name, mean R2 of theta ("theta"), mean distance of landmarks in px."""
    found, wanted = read(net, images), targets(p)
    r2 = 1 - (found.p - wanted).square().mean(0) / wanted.var(0)
    theta = torch.from_numpy(theta)
    theta_r2 = 1 - (found.theta - theta).square().mean(0) / theta.var(0).clamp_min(1e-9)
    away = (found.landmarks * SIZE - torch.from_numpy(landmarks)).norm(dim=-1)
    return {name: float(r2[k]) for k, name in enumerate(params.NAMES)} | {
        "theta": float(theta_r2.mean()),
        "landmarks px": float(away.mean()),
    }


def brief(found: dict[str, float]) -> dict[str, float]:
    """Means by group of parameters instead of every one."""
    groups = {g: float(np.mean([found[n] for n in names])) for g, names in params.GROUPS.items()}
    return groups | {k: found[k] for k in ("theta", "landmarks px")}
