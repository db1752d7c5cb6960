"""A studio on tiny random networks, for tests that need everything to run but nothing to look good."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack

from barbershop_core import open_pack, photo
from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.studio import Studio

SIDE = 64
TINY = replace(
    presets.FAST, name="tiny", pose_steps=2, align_steps=2, blend_steps=2, side=64,
    inversion=replace(presets.FAST.inversion, w_plus_steps=2, fs_steps=2),
)  # fmt: skip
PUBLISHED_TINY = replace(
    presets.RELEASED, name="published tiny", mask_steps=2, align_steps=2, align_style_steps=2,
    blend_steps=2, side=64,
    inversion=replace(presets.RELEASED.inversion, w_plus_steps=2, fs_steps=2),
)  # fmt: skip


def picture(seed: int, side: int = SIDE) -> Image.Image:
    """A smooth picture without a face."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((side, side), Image.Resampling.BICUBIC)


def portrait(seed: int) -> photo.Portrait:
    return photo.read(picture(seed), SIDE, None)


@pytest.fixture(scope="session")
def small_pack(tmp_path_factory):
    return open_pack(write_small_pack(tmp_path_factory.mktemp("small-pack"), SIDE), device="cpu")


@pytest.fixture
def studio(small_pack):
    """Without a cache."""
    return Studio(small_pack, cache=False)
