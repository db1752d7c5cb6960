"""FFHQ alignment against the published programs' outputs (tests/conformance/align)."""

from __future__ import annotations

import hashlib
import json
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import pytest
from conformance import weights
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from barbershop_core.errors import BadRequest
from barbershop_core.photo.crop import align, ffhq_quad

FOLDER = Path(__file__).parent / "conformance" / "align"
IO = np.load(FOLDER / "io.npz")
SPEC = json.loads((FOLDER / "spec.json").read_text())
SIZES = {"plain": (1300, 1000), "edge": (1300, 1000), "small": (420, 380)}


def same_pixels(got: np.ndarray, wanted: np.ndarray) -> None:
    """The spec's tolerance: 2 levels for 99.5 % of the values, 0.5 on average."""
    off = np.abs(got.astype(int) - wanted.astype(int))
    assert (off <= 2).mean() >= 0.995 and off.mean() < 0.5


@pytest.mark.parametrize(
    "variant, size, transform", [("1024", 1024, 4096), ("out256", 256, 4096), ("e4e256", 256, 256)]
)
@pytest.mark.parametrize("name", SIZES)
def test_published_alignment(name, variant, size, transform):
    image = weights.smooth_image(f"input:{name}", *SIZES[name], SPEC["seed"])
    key = f"{name}_{variant}"
    quad = ffhq_quad(IO[f"{name}_landmarks"])
    np.testing.assert_allclose(quad, IO[f"{key}_quad_f64"], rtol=SPEC["tolerance"]["quad"])
    crop = align(image, quad, size, transform)
    np.testing.assert_allclose(crop.warp, IO[f"{key}_source_f64"], rtol=SPEC["tolerance"]["quad"])
    assert list(crop.box or (-1,) * 4) == IO[f"{key}_crop"].tolist()
    assert list(crop.pad) == IO[f"{key}_pad"].tolist()
    assert list(crop.warp_size) == IO[f"{key}_source_size"].tolist()
    wanted = IO[key]
    step = size // len(wanted)
    same_pixels(crop.image[::step, ::step], wanted)
    if variant == "1024":
        same_pixels(crop.image[480:544, 480:544], IO[f"{key}_center"])
        small = Image.fromarray(crop.image).resize((256, 256), Image.Resampling.LANCZOS)
        same_pixels(np.asarray(small), IO[f"{name}_256_from_1024"])


def test_published_alignment_of_a_photo(photos):
    path = photos / "portrait_tall_2592x3888.jpg"
    if hashlib.sha256(path.read_bytes()).hexdigest() != SPEC["photo"]["sha256"]:
        pytest.skip("not the photo of the fixture")
    crop = align(np.asarray(Image.open(path).convert("RGB")), ffhq_quad(IO["photo_landmarks"]))
    np.testing.assert_allclose(crop.warp, IO["photo_1024_source_f64"], rtol=1e-6)
    assert list(crop.pad) == IO["photo_1024_pad"].tolist()
    blocks = crop.image.reshape(16, 64, 16, 64, 3).mean((1, 3))
    np.testing.assert_allclose(blocks, IO["photo_1024_block_mean"], atol=0.5)


@lru_cache(maxsize=1)
@cache
def coordinates(height: int, width: int) -> np.ndarray:
    """A picture whose red and green tell where they are: 8 bits over the whole side, dithered, because a grid of
    samples one level apart would all be rounded the same way."""
    y, x = np.mgrid[:height, :width] + 0.5
    exact = np.stack([x / width * 255, y / height * 255, np.full_like(x, 128)], axis=-1)
    return np.floor(exact + np.random.default_rng(0).random(exact.shape)).astype(np.uint8)


@settings(max_examples=20, deadline=None)
@given(
    st.floats(150, 1100), st.floats(0, 6.28), st.floats(0.42, 0.58), st.floats(0.42, 0.58), st.sampled_from([64, 128])
)
@example(767.0, 0.0, 0.5, 0.556640625, 128)
def test_corners_tell_where_the_pixels_came_from(side, angle, cx, cy, size):
    """Also through the shrink, whose rounding the published quad ignores."""
    height, width = 1531, 1723
    x = np.array([np.cos(angle), np.sin(angle)]) * side / 2
    y = np.array([-x[1], x[0]])
    c = np.array([cx * width, cy * height])
    quad = np.stack([c - x - y, c - x + y, c + x + y, c + x - y])
    crop = align(coordinates(height, width), quad, size, 4 * size)
    u = (np.arange(size) + 0.5) / size
    right, down = crop.corners[3] - crop.corners[0], crop.corners[1] - crop.corners[0]
    where = crop.corners[0] + u[None, :, None] * right + u[:, None, None] * down
    inside = (where > 30).all(-1) & (where[..., 0] < width - 30) & (where[..., 1] < height - 30)
    if not (np.array(crop.pad) == 0).all():
        inside &= False  # blurred toward the rim by design
    # Pillow's bilinear warp cuts fractions of a level off: the negative, read the other way, balances that.
    negative = align(255 - coordinates(height, width), quad, size, 4 * size).image
    level = (crop.image[..., :2].astype(float) + (255.0 - negative[..., :2])) / 2
    off = (level / 255 * [width, height] - where)[inside]
    if len(off):
        assert np.abs(off.mean(0)).max() < 1 and np.abs(off).max() < 9  # one level is 6 to 7 px


def test_wants_68_points():
    with pytest.raises(BadRequest):
        ffhq_quad(np.zeros((5, 2)))
