"""Held-out figures of the studio generator, and REPORT.md with those of all networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..networks.stylegan2 import Generator
from ..photo.pixels import from_uint8
from ..world import params
from ..world.shading import LABEL
from . import pool
from .train_generator import FACE, FEATURES


def gradient_energy(image: Tensor, mask: Tensor) -> Tensor:
    """Sum of squared differences between neighbours inside the mask [B]: images [B,3,H,W], masks [B,H,W]."""
    across = (image[..., 1:] - image[..., :-1]).square().sum(1) * mask[..., 1:] * mask[..., :-1]
    down = (image[..., 1:, :] - image[..., :-1, :]).square().sum(1) * mask[..., 1:, :] * mask[..., :-1, :]
    return across.sum((1, 2)) + down.sum((1, 2))


@torch.no_grad()
def generator_scores(g: Generator, folder: Path, count: int = 250) -> dict[str, float]:
    """The generator at held-out parameters against their renders.

    ``psnr``: dB over all pixels; ``psnr mean``: mean of the portraits' own dB; ``face psnr``: over face
    pixels; ``gradient energy``: generated / rendered inside the face, summed over all portraits.
    """
    p, images, labels = pool.load(folder, "p", "images", "labels", held_out=True, limit=1)
    p, target, labels = (p[:count], from_uint8(images[:count]), torch.from_numpy(labels[:count].astype(np.int64)))
    made = torch.cat(
        [
            g.synthesis(g.spread(g.mapping(torch.from_numpy(params.to_z(part, g.z_dim)))))
            for part in np.array_split(p, max(1, len(p) // 25))
        ]
    ).clamp(-1, 1)
    face = torch.isin(labels, torch.tensor([LABEL[n] for n in FACE + FEATURES if n not in ("neck",)])).float()
    error = (made - target).square().mean(1)
    return {
        "psnr": 10 * np.log10(4 / error.mean().item()),
        "psnr mean": (10 * torch.log10(4 / error.mean((1, 2)))).mean().item(),
        "face psnr": 10 * np.log10(4 / ((error * face).sum() / face.sum()).item()),
        "gradient energy": (gradient_energy(made, face).sum() / gradient_energy(target, face).sum()).item(),
    }


def write(path: Path, figures: dict[str, dict[str, float]], minutes: dict[str, float], command: str) -> None:
    """REPORT.md: one row a figure, with the command that made them."""
    rows = [f"| {name} | {key} | {value:.4g} |" for name, values in figures.items() for key, value in values.items()]
    times = ", ".join(f"{name} {value:.0f}" for name, value in minutes.items())
    path.write_text(
        "# The studio pack: held-out figures\n\n"
        f"Written by `{command}`. Training times in minutes on two shared CPU cores: {times}.\n"
        "Held out: portraits of other seeds, photographs of other people or names.\n\n"
        "| network | figure | value |\n| --- | --- | --- |\n" + "\n".join(rows) + "\n",
        encoding="utf-8",
    )
