"""A studio on tiny random networks, for tests that need everything to run but nothing to look good."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from barbershop_core import photo
from barbershop_core.inversion.codes import Code
from barbershop_core.networks.stylegan2 import Generator

SIDE = 64


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
