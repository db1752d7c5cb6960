"""Mask operations against the published outputs, scipy and Pillow's rules."""

import numpy as np
import pytest
import torch
from fixture import Fixture, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from barbershop_core.editing.masks import dilate, erode, to_feature
from barbershop_core.networks.resample import area_pool, bicubic_downsample, bicubic_taps, resize

MASKS = hnp.arrays(np.uint8, st.tuples(st.integers(1, 24), st.integers(1, 24)), elements=st.integers(0, 1))


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_published_bicubic(factor):
    fixture = Fixture("losses")
    fixture.check(f"bicubic_taps_{factor}", np.array(bicubic_taps(factor)))
    fixture.check(f"bicubic_{factor}", bicubic_downsample(picture("input:bicubic", 128), factor))


def test_published_morphology():
    fixture = Fixture("losses")
    mask = torch.from_numpy(fixture.io["mask"])
    dilated = dilate(mask)
    assert np.array_equal(dilated, fixture.io["mask_dilated"][0])
    assert np.array_equal(erode(mask), fixture.io["mask_eroded"][0])
    fixture.check("mask_dilated_to_32", to_feature(dilated))


@settings(max_examples=60, deadline=None)
@given(MASKS, st.integers(0, 6))
def test_morphology_is_scipys(mask, iterations):
    tensor = torch.from_numpy(mask)
    if iterations == 0:
        assert torch.equal(dilate(tensor, 0), tensor) and torch.equal(erode(tensor, 0), tensor)
        return
    assert np.array_equal(dilate(tensor, iterations), ndimage.binary_dilation(mask, iterations=iterations))
    assert np.array_equal(erode(tensor, iterations), ndimage.binary_erosion(mask, iterations=iterations))


@settings(max_examples=30, deadline=None)
@given(MASKS, st.integers(1, 5))
def test_morphology_nests_and_keeps_shape_and_type(mask, iterations):
    tensor = torch.from_numpy(mask)
    grown, shrunk = dilate(tensor, iterations), erode(tensor, iterations)
    assert ((shrunk <= tensor) & (tensor <= grown)).all()
    assert (erode(grown.bool(), iterations) | ~tensor.bool() | ~_inner(mask, iterations)).all()
    batch = torch.stack([tensor.bool(), ~tensor.bool()])[:, None]
    assert dilate(batch, iterations).dtype == torch.bool and dilate(batch, iterations).shape == batch.shape
    assert torch.equal(dilate(batch, iterations)[0, 0], grown.bool())
    assert torch.equal(erode(batch, iterations)[0, 0], shrunk.bool())


def _inner(mask, margin):
    inner = torch.zeros(mask.shape, dtype=torch.bool)
    inner[margin : max(mask.shape[0] - margin, 0), margin : max(mask.shape[1] - margin, 0)] = True
    return inner


def test_soft_masks_stay_soft():
    soft = torch.zeros(9, 9)
    soft[4, 4] = 0.5
    assert dilate(soft, 2).max() == 0.5 and dilate(soft, 2).gt(0).sum() == 13
    assert erode(1 - soft, 1).min() == 0


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([(1, 12, 20), (2, 16, 24), (3, 27, 18), (4, 32, 16), (8, 64, 64)]), st.integers(0, 2**31))
def test_bicubic_keeps_constants_and_ramps(case, seed):
    factor, h, w = case
    level = np.random.default_rng(seed).uniform(-1, 1)
    flat = torch.full((2, 3, h, w), float(level))
    torch.testing.assert_close(bicubic_downsample(flat, factor), flat[..., ::factor, ::factor])
    ramp = torch.arange(float(w)).expand(1, 1, h, w)
    inner = bicubic_downsample(ramp, factor)[0, 0, 0, 2:-2]
    expected = torch.arange(float(w)).reshape(-1, factor).mean(1)[2:-2]
    if factor % 2:  # published so: even numbers of taps lie half a pixel beside odd factors
        expected = expected + 0.5
    if inner.numel():
        torch.testing.assert_close(inner, expected, rtol=1e-4, atol=1e-4)


def test_bicubic_is_torchs_antialiased_one_inside():
    """torch's antialiased bicubic has the same cubic; only the border rule differs."""
    x = torch.randn(2, 3, 96, 64)
    theirs = torch.nn.functional.interpolate(x, scale_factor=0.5, mode="bicubic", antialias=True)
    torch.testing.assert_close(bicubic_downsample(x, 2)[..., 3:-3, 3:-3], theirs[..., 3:-3, 3:-3], rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError):
        bicubic_downsample(x, 5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_area_pool_is_torchs_adaptive_pooling(h, w, height, width):
    x = torch.randn(1, 2, h, w)
    expected = torch.nn.functional.adaptive_avg_pool2d(x, (height, width))
    torch.testing.assert_close(area_pool(x, (height, width)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [64, 100, 128, 32])
def test_resize_reaches_any_size_with_gradients(size):
    x = torch.randn(1, 3, 64, 64, requires_grad=True)
    y = resize(x, size)
    assert y.shape == (1, 3, size, size)
    y.sum().backward()
    assert x.grad.abs().sum() > 0
    assert resize(torch.randn(1, 3, 90, 70), 32).shape == (1, 3, 32, 32)
