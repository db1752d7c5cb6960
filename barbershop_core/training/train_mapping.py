"""The mapping network, trained before the synthesis network: W learns to describe portraits linearly.

A generator fitted by regression can only paint what W contains, and a hue, a pair of glasses or a turned
head is far from linear in the world's parameters.  From the gradient of the pictures alone the mapping
network hardly learns such things: a linear readout of W explained 66 % of the description below, and 31 %
of whether there are glasses.  Trained on the description itself it reaches 90 % after a few minutes, and
a W that describes linearly also helps encoders, rigs and text directions.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..networks.stylegan2 import Generator
from ..progress import Step, Steps
from ..world import params
from ..world.shading import LABEL
from . import pool

COLOURED = (
    ("background",),
    ("skin", "nose"),
    ("hair",),
    ("cloth",),
    ("l_eye", "r_eye"),
    ("l_brow", "r_brow"),
    ("neck",),
    ("u_lip", "l_lip"),
    ("mouth",),
    ("eye_g",),
)
SIZED = ("hair", "cloth", "mouth", "eye_g")  # regions whose area is part of the description
SHAPED = ("hair", "cloth", "background", "neck", "eye_g")
COMPONENTS = (48, 64)  # principal components of coarse label maps and of coarse pictures
RIDGE = 10.0


@dataclass(frozen=True)
class Described:
    """Portraits and what they show: p [N,P], values float32 [N,K], standardized, and known bool [N,K]."""

    p: np.ndarray
    values: Tensor
    known: Tensor


def facts(
    p: np.ndarray, images: np.ndarray, labels: np.ndarray, landmarks: np.ndarray, theta: np.ndarray
) -> np.ndarray:
    """Parameters (normal and uniform), colours and sizes of regions, landmarks and theta: float32 [N,K],
    NaN where a region is not in the picture."""
    images = images.astype(np.float32) / 127.5 - 1.0
    columns = [torch.erf(torch.from_numpy(p) / 2**0.5).numpy(), p]
    for names in COLOURED:
        inside = np.isin(labels, [LABEL[name] for name in names])
        area = inside.sum((1, 2))
        colour = (images * inside[..., None]).sum((1, 2)) / np.maximum(area, 1)[:, None]
        colour[area < 8] = np.nan
        columns.append(colour)
        if names[0] in SIZED:
            columns.append(area[:, None] / labels[0].size)
    high, low = images[:, :10, :10].mean((1, 2)), images[:, -30:-10, :6].mean((1, 2))
    return np.concatenate([*columns, high, low, landmarks.reshape(len(p), -1), theta], 1).astype(np.float32)


def layout(images: np.ndarray, labels: np.ndarray) -> tuple[Tensor, Tensor]:
    """Coarse label maps and coarse pictures, flat: float32 [N, ...] each."""
    coarse = labels[:, ::8, ::8]
    maps = [np.isin(coarse, [LABEL[name]]) for name in SHAPED]
    n, size = len(images), images.shape[1] // 8
    small = images.reshape(n, size, 8, size, 8, 3).mean((2, 4), dtype=np.float32) / 127.5 - 1.0
    flat = np.stack(maps, 1).reshape(n, -1).astype(np.float32)
    return torch.from_numpy(flat), torch.from_numpy(small.reshape(n, -1))


def describe(folder: Path) -> tuple[Described, Described]:
    """The pool's portraits and the held-out ones, described on the same scale."""
    parts = []
    for held_out in (False, True):
        p, columns = [], []
        for i, path in enumerate(pool.chunks(folder, held_out)):
            if held_out and i:
                break
            with np.load(path) as chunk:
                arrays = [chunk[name] for name in ("p", "images", "labels", "landmarks", "theta")]
            p.append(arrays[0])
            columns.append((torch.from_numpy(facts(*arrays)), *layout(arrays[1], arrays[2])))
        parts.append((np.concatenate(p), [torch.cat(column) for column in zip(*columns)]))
    (p, train), (p_held, held) = parts
    middle = train[0].nanmean(0)
    spread = (train[0] - middle).square().nanmean(0).sqrt() + 1e-4
    values = [[(rows[0] - middle) / spread] for rows in (train, held)]
    for k, count in enumerate(COMPONENTS, 1):
        middle = train[k].mean(0)
        torch.manual_seed(k)
        axes = torch.pca_lowrank(train[k] - middle, min(count, *train[k].shape))[2]
        scale = ((train[k] - middle) @ axes).std(0).mean()
        for rows, columns in zip((train, held), values):
            columns.append((rows[k] - middle) @ axes / scale)
    made = []
    for who, columns in zip((p, p_held), values):
        flat = torch.cat(columns, 1)
        made.append(Described(who, flat.nan_to_num(), ~flat.isnan()))
    return made[0], made[1]


@torch.no_grad()
def readout(g: Generator, described: Described) -> nn.Linear:
    """The linear map from W to the description (ridge regression), frozen."""
    w = g.mapping(torch.from_numpy(params.to_z(described.p, g.z_dim, 1)))
    x = torch.cat([w, torch.ones(len(w), 1)], 1)
    answer = torch.linalg.solve(x.T @ x + RIDGE * torch.eye(x.shape[1]), x.T @ described.values)
    head = nn.Linear(w.shape[1], described.values.shape[1]).requires_grad_(False)
    head.weight.copy_(answer[:-1].T)
    head.bias.copy_(answer[-1])
    return head


def explained(g: Generator, head: nn.Linear, described: Described) -> float:
    """Share of the description's variance that the readout of W explains, mean over its numbers."""
    with torch.no_grad():
        read = head(g.mapping(torch.from_numpy(params.to_z(described.p, g.z_dim, 2))))
    error = ((read - described.values).square() * described.known).sum(0)
    spread = (described.values.square() * described.known).sum(0)
    return (1 - error / spread.clamp_min(1e-3)).mean().item()


def ignore_slack(g: Generator) -> None:
    """Start with zero weights for z's slack (`params.to_z`), which carries no information."""
    with torch.no_grad():
        g.style[1].weight[:, params.COUNT :] = 0
        g.style[1].weight *= (g.z_dim / params.COUNT) ** 0.5


def train(
    g: Generator, described: Described, held_out: Described, minutes: float, batch: int = 512, seed: int = 0
) -> Steps[nn.Linear]:
    """Train ``g``'s mapping network in place; W ends with unit standard deviation.  Returns its readout."""
    torch.manual_seed(seed)
    z = torch.from_numpy(params.to_z(described.p, g.z_dim, 1))
    ignore_slack(g)
    head = nn.Linear(g.style_dim, described.values.shape[1])
    weight = torch.ones(described.values.shape[1])
    weight[: params.COUNT] = 3.0  # the uniform parameters, which the renderer uses
    weight[2 * params.COUNT : 2 * params.COUNT + 3 * len(COLOURED) + len(SIZED)] = 3.0
    # The mapping network's stored weights are a hundred times larger than the readout's.
    optimizer = torch.optim.Adam(
        [{"params": g.style.parameters(), "rate": 0.3}, {"params": head.parameters(), "rate": 3e-3}],
        lr=0.3,
        betas=(0.9, 0.99),
    )
    start, elapsed, index = time.monotonic(), 0.0, 0
    while elapsed < minutes * 60:
        elapsed, index = time.monotonic() - start, index + 1
        for group in optimizer.param_groups:
            group["lr"] = group["rate"] * max(0.01, 1 - elapsed / (minutes * 60))
        rows = torch.randint(0, len(z), (batch,))
        error = (head(g.mapping(z[rows])) - described.values[rows]).square() * described.known[rows]
        loss = (error * weight).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if index % 500 == 0:
            yield Step("mapping", int(elapsed), int(minutes * 60), {"loss": loss.item()})
    with torch.no_grad():
        last, spread = g.style[len(g.style) - 1], g.mapping(z).std()
        last.weight /= spread
        last.bias /= spread
    head = readout(g, described)
    yield Step("mapping held out", int(elapsed), int(minutes * 60), {"r2": explained(g, head, held_out)})
    return head
