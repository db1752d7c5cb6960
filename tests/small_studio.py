"""A studio on tiny random networks, for tests that need everything to run but nothing to look good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from barbershop_core import photo
from barbershop_core.barbershop import transfer_presets
from barbershop_core.inversion import inversion_presets
from barbershop_core.inversion.codes import Code
from barbershop_core.networks.stylegan2 import Generator
from barbershop_core.styleclip import latent_optimization

SIDE = 64
TINY = replace(
    transfer_presets.FAST,
    name="tiny",
    pose_steps=2,
    align_steps=2,
    blend_steps=2,
    side=64,
    inversion=replace(transfer_presets.FAST.inversion, w_plus_steps=2, fs_steps=2),
)
PUBLISHED_TINY = replace(
    transfer_presets.RELEASED,
    name="published tiny",
    mask_steps=2,
    align_steps=2,
    align_style_steps=2,
    blend_steps=2,
    side=64,
    inversion=replace(transfer_presets.RELEASED.inversion, w_plus_steps=2, fs_steps=2),
)


def picture(seed: int, side: int = SIDE) -> Image.Image:
    """A smooth picture without a face."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def portrait(seed: int) -> photo.Portrait:
    return photo.read(picture(seed), SIDE, None)


def embedded(generator: Generator) -> Code:
    """A code of F and S without a share of the blocks below F, as an inversion finds it."""
    torch.manual_seed(1)
    w = generator.spread(generator.mapping(torch.randn(1, generator.z_dim)))
    w = w + 0.1 * torch.randn(1, generator.n_latent, generator.style_dim)
    feature = generator.features(w)
    return Code("FS", w, feature + 0.3 * torch.randn(feature.shape))


def fast_is_tiny(monkeypatch) -> None:
    """Let the preset "fast" mean a few steps, for embedding, transfer and latent optimization."""
    monkeypatch.setitem(transfer_presets.PRESETS, "fast", replace(TINY, name="fast"))
    monkeypatch.setitem(inversion_presets.PRESETS, "fast", replace(TINY.inversion, name="fast"))
    optimize = latent_optimization.FAST
    monkeypatch.setitem(latent_optimization.PRESETS, "fast", replace(optimize, steps=3))
