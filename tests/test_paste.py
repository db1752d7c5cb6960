"""Pasting back: nothing outside of the mask changes, nothing inside is lost without need."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from barbershop_core import photo
from barbershop_core.errors import BadRequest
from barbershop_core.photo.crop import align, box_corners
from barbershop_core.photo.paste import EDGE, FEATHER, change_mask, edge_window, feathered, paste


@lru_cache(maxsize=4)
def scene(height: int = 300, width: int = 260, seed: int = 0) -> np.ndarray:
    """Shapes and fine grain."""
    r = np.random.default_rng(seed)
    coarse = ndimage.gaussian_filter(r.normal(size=(height, width, 3)), (12, 12, 0))
    image = 128 + 45 * coarse / coarse.std() + r.normal(size=(height, width, 1)) * 8
    return np.clip(image, 0, 255).astype(np.uint8)


def square(cx, cy, side, angle) -> np.ndarray:
    x = np.array([np.cos(angle), np.sin(angle)]) * side / 2
    y = np.array([-x[1], x[0]])
    c = np.array([cx, cy])
    return np.stack([c - x - y, c - x + y, c + x + y, c + x - y])


def portrait(image: np.ndarray, quad: np.ndarray, size: int) -> photo.Portrait:
    crop = align(image, quad - 0.5, size, 4 * size)
    return photo.Portrait(crop.image, image, crop.corners)


def crop_position(p: photo.Portrait) -> tuple[np.ndarray, np.ndarray]:
    """Each photo pixel's place in the crop, u and v in 0..1."""
    height, width = p.source.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    axes = np.stack([p.quad[3] - p.quad[0], p.quad[1] - p.quad[0]], axis=1)
    place = np.linalg.solve(axes, (np.stack([x.ravel(), y.ravel()]) - p.quad[0][:, None]))
    return place[0].reshape(height, width), place[1].reshape(height, width)


QUADS = st.tuples(st.floats(40, 220), st.floats(40, 260), st.floats(60, 330), st.floats(-3.2, 3.2))


@settings(max_examples=30, deadline=None)
@given(QUADS, st.sampled_from([32, 64, 128]), st.booleans())
def test_no_edit_no_change(quad, size, masked):
    """Everywhere, whether the crop is finer or coarser than the photo, or leaves it."""
    p = portrait(scene(), square(*quad), size)
    mask = np.ones((size, size)) if masked else None
    out = photo.paste_back(p, p.image, mask)
    assert np.array_equal(out, p.source)


@settings(max_examples=30, deadline=None)
@given(QUADS, st.sampled_from([32, 64, 128]), st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(0.05, 0.3)))
def test_outside_of_the_mask_nothing_changes(quad, size, blob):
    p = portrait(scene(), square(*quad), size)
    v, u = (np.mgrid[:size, :size] + 0.5) / size
    mask = (np.hypot(u - blob[0], v - blob[1]) < blob[2]).astype(float)
    out = photo.paste_back(p, np.full_like(p.image, 255), mask)
    pu, pv = crop_position(p)
    far = np.hypot(pu - blob[0], pv - blob[1]) > blob[2] + max(FEATHER, 1.5 / size) + 3 / size
    far |= (pu < 0) | (pv < 0) | (pu > 1) | (pv > 1)
    assert np.array_equal(out[far], p.source[far])
    core = (
        (np.hypot(pu - blob[0], pv - blob[1]) < blob[2] - 3 / size)
        & (np.abs(pu - 0.5) < 0.3)
        & (np.abs(pv - 0.4) < 0.25)
    )
    if core.any():
        assert (out[core] >= p.source[core]).mean() > 0.95 and out[core].mean() > 225


def test_an_edit_arrives_where_it_was_made():
    """A dot in the middle of crop pixel (row 20, column 44) lands at that place of a turned photo."""
    p = portrait(scene(), square(130, 150, 180, 0.5), 64)
    edited = p.image.copy()
    edited[19:22, 43:46] = (255, 0, 0)
    out = photo.paste_back(p, edited)
    change = np.abs(out.astype(float) - p.source).sum(2)
    y, x = np.mgrid[:300, :260] + 0.5
    centre = np.array([(change * x).sum(), (change * y).sum()]) / change.sum()
    wanted = p.quad[0] + 44.5 / 64 * (p.quad[3] - p.quad[0]) + 20.5 / 64 * (p.quad[1] - p.quad[0])
    assert np.abs(centre - wanted).max() < 1.2


def test_a_whole_picture_is_replaced_up_to_its_border():
    """The crop is the whole photo: no edge inside, so no fade."""
    image = scene(128, 128)
    p = photo.read(image, 128)
    edited = 255 - image
    out = photo.paste_back(p, edited, np.ones((128, 128)))
    assert np.abs(out.astype(int) - edited).max() <= 1


@pytest.mark.parametrize("side", [40, 128])
def test_an_aligned_photo_takes_an_edit_of_any_size(side):
    smooth = np.clip(ndimage.gaussian_filter(scene(256, 256).astype(float), (6, 6, 0)), 0, 255).astype(np.uint8)
    p = photo.read(smooth, 128)
    small = np.asarray(Image.fromarray(smooth).resize((side, side), Image.Resampling.LANCZOS)).astype(int)
    out = photo.paste_back(p, np.clip(small + 40, 0, 255).astype(np.uint8), np.ones((side, side)))
    wanted = np.clip(smooth.astype(int) + 40, 0, 255)
    assert np.abs(out - wanted).mean() < 1.5


def test_hair_that_leaves_the_crop_fades():
    """A dark band runs out of the crop's lower edge: no step there, and monotone toward the photo."""
    image = np.full((400, 300, 3), 200, np.uint8)
    p = portrait(image, square(150, 150, 200, 0.0), 128)
    edited = p.image.copy()
    edited[40:, 30:98] = 20
    out = photo.paste_back(p, edited).astype(int)
    column = out[:, 150, 0]
    assert column[120] < 30  # fully there in the middle
    assert np.abs(np.diff(column[200:260])).max() <= 14  # 180 levels of difference, no line
    assert (np.diff(column[180:250]) >= -1).all()
    assert np.array_equal(out[251:], image[251:].astype(int))


@settings(max_examples=25, deadline=None)
@given(QUADS)
def test_the_window_falls_only_toward_edges_that_show(quad):
    corners = square(*quad)
    window = edge_window(corners, (300, 260), 64)
    assert window.min() >= 0 and window.max() <= 1
    # steps between neighbours stay small: no line can appear
    assert np.abs(np.diff(window, axis=0)).max() < 0.6 and np.abs(np.diff(window, axis=1)).max() < 0.6
    right, down = corners[3] - corners[0], corners[1] - corners[0]
    u = (np.arange(64) + 0.5) / 64
    for edge, (du, dv) in {0: (u, 0 * u - 0.01), -1: (u, 0 * u + 1.01)}.items():
        at = corners[0] + du[:, None] * right + dv[:, None] * down
        shows = (at > 4).all(1) & (at[:, 0] < 256) & (at[:, 1] < 296)
        assert (window[edge][shows] < 0.02).all()
    assert (edge_window(box_corners(0, 0, 260, 260), (260, 260), 64) == 1).all()
    assert (edge_window(box_corners(-50, -50, 400, 400), (300, 260), 64) == 1).all()
    assert EDGE < 0.2


def test_padding_never_leaks():
    """What the edit paints outside of the photo does not come in, and the photo keeps its size."""
    image = scene()
    p = portrait(image, square(20, 150, 200, 0.0), 128)
    edited = p.image.copy()
    pu = (np.arange(128) + 0.5) / 128 * (p.quad[3] - p.quad[0])[0] + p.quad[0, 0]
    edited[:, pu < -8] = (255, 0, 255)
    mask = np.zeros((128, 128))
    mask[:, pu < -8] = 1
    out = photo.paste_back(p, edited, mask)
    assert out.shape == image.shape
    assert np.array_equal(out[:, 6:], image[:, 6:])
    assert np.abs(out[:, :6].astype(int) - image[:, :6]).mean() < 12


def test_detail_that_the_crop_cannot_hold_survives_a_new_colour():
    image = scene(512, 512)
    p = photo.read(image, 64)
    tinted = np.clip(p.image * [1.0, 0.7, 0.6], 0, 255).astype(np.uint8)
    out = photo.paste_back(p, tinted, np.ones((64, 64))).astype(float)

    def fine(x):
        return (x - ndimage.gaussian_filter(x, (3, 3, 0)))[20:-20, 20:-20]

    a, b = fine(out)[..., 0], fine(image.astype(float))[..., 0]
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.95 and 0.85 < a.std() / b.std() < 1.15
    blown_up = np.asarray(Image.fromarray(tinted).resize((512, 512), Image.Resampling.BICUBIC)).astype(float)
    assert fine(blown_up).std() < 0.4 * b.std()  # what is gained over a plain paste
    assert abs(out[..., 2].mean() / image[..., 2].mean() - 0.6) < 0.05


def test_replaced_structure_is_gone():
    """Stripes of the photo must not shine through what replaced them."""
    image = np.full((512, 512, 3), 128, np.uint8)
    image[:, (np.arange(512) // 8) % 2 == 0] = 220
    p = photo.read(image, 128)
    out = photo.paste_back(p, np.full_like(p.image, 60), np.ones((128, 128))).astype(int)
    assert np.abs(out - 60).max() <= 4


def test_change_is_found_and_noise_is_not():
    r = np.random.default_rng(3)
    before = scene(128, 128)
    noisy = np.clip(before + r.normal(size=before.shape) * 2, 0, 255).astype(np.uint8)
    assert change_mask(before, noisy).max() == 0
    edited = noisy.copy()
    edited[40:80, 30:90] = 255 - edited[40:80, 30:90] // 2
    mask = change_mask(before, edited)
    assert mask[45:75, 35:85].mean() > 0.9 and mask[:36].max() == 0 and mask[:, 96:].max() == 0
    soft = feathered(mask)
    assert (soft >= mask).all() and soft[:30].max() == 0
    assert not feathered(np.zeros((32, 32))).any()


def test_soft_masks_are_respected():
    image = np.full((128, 128, 3), 100, np.uint8)
    image[0, 0] = 0  # not flat
    p = photo.read(image, 128)
    out = photo.paste_back(p, np.full_like(image, 200), np.full((16, 16), 0.4))
    assert abs(int(out[64, 64, 0]) - 140) <= 1


def test_wrong_arguments_get_a_sentence():
    image = scene(64, 64)
    corners = box_corners(0, 0, 64, 64)
    with pytest.raises(BadRequest):
        paste(image, corners, image, image[:32])
    with pytest.raises(BadRequest):
        paste(image, corners, image, image.astype(float))
    with pytest.raises(BadRequest):
        paste(image, corners, image, image, np.ones((64, 64, 3)))
    with pytest.raises(BadRequest):
        paste(image, corners * np.nan, image, image)
    with pytest.raises(BadRequest):
        photo.paste_back(photo.read(image, 32), image[:40])


def test_large_photos_are_composed_in_bands():
    """More rows than one band, the crop over all of it: no seam, no row left out."""
    image = np.full((1300, 900, 3), 90, np.uint8)
    before, edited = np.full((32, 32, 3), 90, np.uint8), np.full((32, 32, 3), 200, np.uint8)
    out = paste(image, box_corners(0, 0, 1300, 1300), before, edited, np.ones((32, 32)))
    assert (out == 200).all()
