"""Closed forms of the texture measures: gratings, blur, shifts, sizes, colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barbershop_core.evaluation import texture
from barbershop_core.evaluation.texture import fine, lab_distance, texture_correlation, texture_share

EVERYWHERE = np.ones((512, 512), bool)


def grating(amplitude: float, period: float = 4.0, phase: float = 0.0, size: int = 512) -> np.ndarray:
    wave = 128 + amplitude * np.sin(2 * np.pi * np.arange(size) / period + phase)
    return np.rint(np.broadcast_to(wave[None, :, None], (size, size, 3))).astype(np.uint8)


@settings(max_examples=15, deadline=None)
@given(amplitude=st.floats(10, 60), period=st.sampled_from([4.0, 8.0, 16.0, 64.0]))
def test_a_grating_passes_as_the_gaussian_says(amplitude, period):
    """The Gaussian's transfer function is exp(-(2 pi sigma / period)^2 / 2); the rest is fine texture."""
    passed = 1 - np.exp(-0.5 * (2 * np.pi * texture.SIGMA / period) ** 2)
    inside = fine(grating(amplitude, period, 0.3))[:, 64:-64]
    assert inside.std() == pytest.approx(passed * amplitude / np.sqrt(2), rel=0.02, abs=0.4)


def test_share_is_the_ratio_of_amplitudes():
    assert texture_share(grating(20), grating(40), EVERYWHERE) == pytest.approx(0.5, rel=0.03)
    assert texture_share(grating(40), grating(40), EVERYWHERE) == 1
    assert texture_share(grating(0), grating(40), EVERYWHERE) == pytest.approx(0, abs=1e-6)
    assert texture_share(grating(40), grating(0), EVERYWHERE) is None


@pytest.mark.parametrize("shift, wanted", [(0, 1), (1, 0), (2, -1), (3, 0)])
def test_correlation_of_a_shifted_grating_is_the_cosine_of_its_phase(shift, wanted):
    moved = grating(40, 4, np.pi / 2 * shift)
    assert texture_correlation(moved, grating(40), EVERYWHERE) == pytest.approx(wanted, abs=0.02)


def test_exposure_leaves_correlation_and_scales_the_share():
    rng = np.random.default_rng(0)
    photo = rng.normal(120, 25, (512, 512, 1)).repeat(3, 2).clip(0, 255).astype(np.uint8)
    dark = np.rint(photo * 0.8).astype(np.uint8)
    assert texture_correlation(dark, photo, EVERYWHERE) > 0.999
    assert texture_share(dark, photo, EVERYWHERE) == pytest.approx(0.8, rel=0.01)
    other = rng.permutation(photo.reshape(-1, 3)).reshape(photo.shape)
    assert abs(texture_correlation(other, photo, EVERYWHERE)) < 0.02
    assert texture_share(other, photo, EVERYWHERE) == pytest.approx(1, abs=0.02)
    soft = cv2.GaussianBlur(photo, (0, 0), 3)
    assert texture_share(soft, photo, EVERYWHERE) < 0.15


def test_large_photos_are_compared_at_one_size():
    """A grating that is too fine for 512 px counts for nothing, one twice as coarse as at 512 px alike."""
    large = grating(40, 16, size=1024)
    assert texture_share(large, grating(40, 8), EVERYWHERE) == pytest.approx(1, abs=0.1)
    assert texture_share(grating(40, 2.01, size=1024), large, EVERYWHERE) < 0.1
    small = texture.at(grating(40, 16), 128)
    assert texture_share(small, texture.at(grating(40, 16)), EVERYWHERE) > 0.5


def test_only_the_inside_of_the_masks_counts():
    """The step at the edge of the hair, far stronger than its texture, is not texture."""
    mask = np.zeros((512, 512), bool)
    mask[100:300, 100:300] = True
    flat = np.where(mask[..., None], grating(10), 255).astype(np.uint8)
    assert texture_share(flat, grating(10), mask) == pytest.approx(1, abs=0.05)
    elsewhere = np.roll(mask, 150, 1)
    assert texture_share(np.roll(flat, 150, 1), grating(20), elsewhere, mask) == pytest.approx(0.5, abs=0.05)
    none = np.zeros((512, 512), bool)
    assert texture_share(flat, flat, none) is None and texture_correlation(flat, flat, none) is None


def test_lab_distance_of_greys_is_that_of_their_lightness():
    """sRGB 119 is L* 50.03, black 0, white 100."""
    black, grey, white = (np.full((8, 8, 3), v, np.uint8) for v in (0, 119, 255))
    mask = np.ones((8, 8), bool)
    assert lab_distance(black, mask, white, mask) == pytest.approx(100, abs=0.01)
    assert lab_distance(grey, mask, black, mask) == pytest.approx(50.03, abs=0.05)
    assert lab_distance(grey, mask, grey, np.zeros((8, 8), bool)) is None
