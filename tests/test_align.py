"""Aligning a reference to a mask, and turning heads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_studio import SIDE, TINY, small_pack  # noqa: F401

from barbershop_core.barbershop.align import align, align_feature
from barbershop_core.barbershop.pose import PARTS, moments, turn
from barbershop_core.barbershop.regions import REGIONS, parse
from barbershop_core.barbershop.target_mask import ParseLoss, TargetMask
from barbershop_core.progress import run


@pytest.fixture
def scene(small_pack):  # noqa: F811
    """Two images of the generator: a person and a target mask that is another one's parse."""
    g = small_pack.generator
    z = torch.randn(2, g.z_dim, generator=torch.Generator().manual_seed(4))
    w_plus = g.spread(g.mapping(z)).contiguous()
    images = g.synthesis(w_plus)
    labels = parse(small_pack.parser, images)
    everything = torch.ones_like(labels[1], dtype=torch.bool)
    target = TargetMask(labels[1], torch.zeros_like(labels[1]), everything, ("hair",))
    return w_plus[:1], images[:1], labels[0], target


@pytest.mark.parametrize("mode", ["realistic", "fidelity"])
def test_parse_comes_closer_to_the_mask(small_pack, scene, mode):  # noqa: F811
    w_rec, image, own, target = scene
    preset = replace(TINY, align_steps=15, align_lr=0.1, keep=0.0, patience=0)
    w_align = run(align(small_pack, w_rec, image, own, 0, target, mode, preset))
    loss = ParseLoss(small_pack, target, SIDE, mode, fill=True)
    g = small_pack.generator
    assert float(loss(g.synthesis(w_align))) < float(loss(g.synthesis(w_rec)))
    first = g.feature_index
    assert torch.equal(w_align[:, first:], w_rec[:, first:]) and not torch.equal(w_align, w_rec)


def test_style_and_keep_are_losses_of_their_own(small_pack, scene):  # noqa: F811
    w_rec, image, own, target = scene
    steps = []
    preset = replace(TINY, align_steps=2, align_style_steps=2, keep=1.0)
    target = replace(target, labels=torch.where(torch.arange(SIDE)[:, None] < SIDE // 2, own, target.labels))
    run(align(small_pack, w_rec, image, own, 0, target, "realistic", preset), steps.append)
    assert ["style" in step.losses for step in steps] == [False, False, True, True]
    assert all("keep" in step.losses and step.stage == "align" for step in steps)


def test_feature_survives_where_nothing_moved():
    recovered, aligned = torch.ones(1, 4, 32, 32), torch.zeros(1, 4, 32, 32)
    agree = torch.zeros(256, 256, dtype=torch.bool)
    agree[:, :128] = True
    feature = align_feature(recovered, aligned, agree, smooth=5)
    assert torch.allclose(feature[..., :14], torch.ones(1, 4, 32, 14), atol=0.02)
    assert torch.allclose(feature[..., 17:], torch.zeros(1, 4, 32, 15), atol=0.02)
    # a wider margin keeps less of it
    less = align_feature(recovered, aligned, agree, smooth=20)
    assert float(less.sum()) < float(feature.sum()) - 32 * 4
    assert torch.equal(align_feature(recovered, aligned, torch.ones_like(agree)), recovered)
    assert torch.equal(align_feature(recovered, aligned, torch.zeros_like(agree)), aligned)


def test_moments_of_a_drawn_parse():
    log_p = torch.full((1, len(REGIONS), 40, 40), -30.0)
    log_p[:, 0] = 0.0
    nose = REGIONS.index("nose")
    log_p[0, 0, 18:22, 28:32] = -30.0
    log_p[0, nose, 18:22, 28:32] = 0.0
    found, there = moments(log_p)
    place = PARTS.index("nose")
    assert there.tolist() == [float(part == "nose") for part in PARTS]
    assert torch.allclose(found[place, :2], 20 * torch.tensor([0.75, 0.5]), atol=0.01)
    assert torch.allclose(found[place, 2:], 20 * torch.tensor([1.118, 1.118]) / 40, rtol=0.05)


@pytest.mark.parametrize("dressed", [False, True])
def test_turning_brings_the_person_and_the_reference_together(small_pack, scene, dressed):  # noqa: F811
    w_rec, _, _, _ = scene
    g = small_pack.generator
    w_person = w_rec + 0.3 * torch.randn(1, 1, g.style_dim, generator=torch.Generator().manual_seed(1))
    image = g.synthesis(w_person)
    labels = parse(small_pack.parser, image)[0]
    steps = []
    preset = replace(TINY, pose_steps=12, pose_lr=0.05, patience=0)
    style = w_person if dressed else None
    turned = run(turn(small_pack, w_rec, image, labels, style, preset), steps.append)
    name = "parse" if dressed else "pose"
    assert steps[-1].losses[name] <= steps[0].losses[name]
    first = g.feature_index
    assert torch.equal(turned[:, first:], (w_person if dressed else w_rec)[:, first:])
    still = run(turn(small_pack, w_rec, image, labels, style, replace(preset, pose_steps=1, pose_lr=0.0)))
    assert torch.allclose(still[:, :first], w_rec[:, :first], atol=1e-4)
