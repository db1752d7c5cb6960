"""Blending structure and appearance."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_studio import SIDE
from tiny_presets import TINY

from barbershop_core.barbershop.blend import AppearanceTarget, ConvexAdam, Layer, blend_appearance, blend_structure
from barbershop_core.editing.composite import changed_area, keep_pixels, spread
from barbershop_core.progress import run


def half(side: int) -> torch.Tensor:
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[:, : side // 2] = True
    return mask


def test_structure_takes_each_reference_in_its_area():
    a, b, c = (torch.full((1, 2, 32, 32), x) for x in (1.0, 3.0, 7.0))
    top = half(128).T
    blended = blend_structure(a, [Layer(b, ~half(128)), Layer(c, top & ~half(128))])
    assert torch.allclose(blended[..., :15], a[..., :15], atol=0.01)
    assert torch.allclose(blended[..., 17:, 17:], b[..., 17:, 17:], atol=0.01)
    assert torch.allclose(blended[..., :15, 17:], c[..., :15, 17:], atol=0.01)


def test_nothing_from_outside_of_an_area_gets_in():
    base, recovered = torch.zeros(1, 4, 32, 32), torch.ones(1, 4, 32, 32)
    agree = half(256)
    kept = blend_structure(base, [Layer(recovered, agree, smooth=5)])
    assert torch.allclose(kept[..., :14], recovered[..., :14], atol=0.11)  # bicubic: up to .1 beyond 0 and 1
    assert float(kept[..., 16:].abs().max()) < 1e-3
    assert torch.equal(kept[..., :12], recovered[..., :12])  # not shrunk from the frame
    less = blend_structure(base, [Layer(recovered, agree, smooth=20)])
    assert float(less.sum()) < float(kept.sum()) - 32 * 4
    everywhere = torch.ones_like(agree)
    assert torch.equal(blend_structure(base, [Layer(recovered, everywhere, 5)]), recovered)
    assert torch.equal(blend_structure(base, [Layer(recovered, ~everywhere, 5)]), base)


@pytest.fixture
def scene(small_pack):
    g = small_pack.generator
    z = torch.randn(2, g.z_dim, generator=torch.Generator().manual_seed(8))
    w_plus = g.spread(g.mapping(z)).contiguous()
    return g, w_plus[:1], w_plus[1:], g.features(w_plus[:1])


def test_weights_start_with_the_person(small_pack, scene):
    g, a, b, feature = scene
    everywhere = torch.ones(SIDE, SIDE, dtype=torch.bool)
    steps, looks = [], [AppearanceTarget(g.synthesis(a, feature=feature), everywhere, everywhere)]
    blended = run(blend_appearance(small_pack, feature, [a, b], looks, replace(TINY, blend_steps=1)), steps.append)
    assert float(steps[0].losses["masked LPIPS"]) < 1e-6
    assert float((blended - a).abs().max()) <= TINY.blend_lr * float((b - a).abs().max()) + 1e-6


def test_weights_of_several_references_stay_convex():
    weights = torch.tensor([[0.6, -0.2, 0.3], [0.7, 0.5, 2.0]])
    descent = ConvexAdam([weights], lr=0.0)
    weights.grad = torch.ones_like(weights)
    descent.step()
    expected = torch.tensor([[0.6 / 1.3, 0.0, 0.3 / 1.3], [0.7 / 1.3, 0.5, 1.0 / 1.3]])
    torch.testing.assert_close(weights, expected)


def test_appearance_follows_the_reference(small_pack, scene):
    g, a, b, feature = scene
    everywhere = torch.ones(SIDE, SIDE, dtype=torch.bool)
    image = g.synthesis(b, feature=feature)
    looks = [AppearanceTarget(image, everywhere, everywhere)]
    steps = []
    preset = replace(TINY, blend_steps=40, blend_lr=0.3, patience=0)
    blended = run(blend_appearance(small_pack, feature, [a, b], looks, preset), steps.append)
    assert float(steps[-1].losses["masked LPIPS"]) < 0.3 * float(steps[0].losses["masked LPIPS"])
    first = g.feature_index
    assert torch.equal(blended[:, :first], a[:, :first])
    # convex per channel: nothing outside of what the references have
    low, high = torch.minimum(a, b)[:, first:], torch.maximum(a, b)[:, first:]
    assert (blended[:, first:] >= low - 1e-5).all() and (blended[:, first:] <= high + 1e-5).all()


def test_regions_may_differ_in_place(small_pack, scene):
    g, a, b, feature = scene
    image = g.synthesis(b, feature=feature)
    looks = [AppearanceTarget(image, half(SIDE), ~half(SIDE))]  # no pixel in common: the colours still count
    steps = []
    run(blend_appearance(small_pack, feature, [a, b], looks, replace(TINY, blend_steps=10)), steps.append)
    assert "masked LPIPS" not in steps[0].losses and steps[-1].losses["colour"] < steps[0].losses["colour"]


def test_one_reference_has_nothing_to_blend(small_pack, scene):
    _, a, _, feature = scene
    steps = []
    assert run(blend_appearance(small_pack, feature, [a], [], TINY), steps.append) is a and not steps


def test_unchanged_pixels_are_the_originals():
    changed = torch.zeros(128, 128, dtype=torch.bool)
    changed[40:80, 40:80] = True
    area = changed_area(changed, 5)
    assert (area[changed] == 1).all() and area.max() == 1 and area.min() == 0
    assert (area[:30] == 0).all() and (area[:, 95:] == 0).all()
    edge = area[60, 80:95]
    assert (edge[1:] <= edge[:-1] + 1e-6).all() and ((edge > 0.05) & (edge < 0.95)).any()  # soft
    original, generated = torch.rand(1, 3, 128, 128), torch.rand(1, 3, 128, 128)
    image = keep_pixels(original, generated, area, torch.ones_like(changed))
    assert torch.equal(image[..., area == 0], original[..., area == 0])
    assert torch.equal(image[..., changed], generated[..., changed])
    assert not changed_area(torch.zeros_like(changed)).any()


def test_uncovered_skin_goes_on_in_its_own_tone():
    original, generated = torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.2)
    hole = torch.zeros(64, 64, dtype=torch.bool)
    hole[20:40, 20:40] = True
    image = keep_pixels(original, generated, changed_area(hole), torch.zeros_like(hole))
    assert torch.allclose(image, original, atol=0.02)


def test_spread_is_smooth_and_exact_where_known():
    ramp = torch.linspace(-1, 1, 64).expand(1, 1, 64, 64).contiguous()
    known = torch.ones(64, 64)
    known[24:40, 24:40] = 0
    filled = spread(ramp * known, known)
    assert torch.equal(filled[..., known > 0], ramp[..., known > 0])
    assert float((filled - ramp).abs().max()) < 0.3


def test_uncovered_background_has_the_tones_around_it():
    """The generator's shadow of removed hair goes, its texture stays."""
    side = 96
    rows = torch.linspace(-0.4, 0.4, side)[:, None].expand(side, side)
    background = torch.stack([rows, rows * 0.5, -rows])[None]
    hole = torch.zeros(side, side, dtype=torch.bool)
    hole[side // 3 : side // 2, side // 3 : side // 2] = True
    original = torch.where(hole, torch.tensor(0.9), background)
    texture = 0.05 * (-1.0) ** torch.arange(side).expand(side, side)
    generated = background - 0.5 * hole + texture
    image = keep_pixels(original, generated, changed_area(hole), torch.zeros_like(hole), hole, ~hole)
    inner = torch.zeros_like(hole)
    inner[side // 3 + 2 : side // 2 - 2, side // 3 + 2 : side // 2 - 2] = True
    middle = (slice(None), slice(None), inner)
    assert (image - texture - background)[middle].abs().mean() < 0.06
    assert (image - background)[middle].std() > 0.04
