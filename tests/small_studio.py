"""A studio on tiny random networks, for tests that need everything to run but nothing to look good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from barbershop_core import photo
from barbershop_core.barbershop import transfer_presets as presets

SIDE = 64
TINY = replace(
    presets.FAST,
    name="tiny",
    pose_steps=2,
    align_steps=2,
    blend_steps=2,
    side=64,
    inversion=replace(presets.FAST.inversion, w_plus_steps=2, fs_steps=2),
)
PUBLISHED_TINY = replace(
    presets.RELEASED,
    name="published tiny",
    mask_steps=2,
    align_steps=2,
    align_style_steps=2,
    blend_steps=2,
    side=64,
    inversion=replace(presets.RELEASED.inversion, w_plus_steps=2, fs_steps=2),
)


def picture(seed: int, side: int = SIDE) -> Image.Image:
    """A smooth picture without a face."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def portrait(seed: int) -> photo.Portrait:
    return photo.read(picture(seed), SIDE, None)
