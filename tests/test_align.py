"""Aligning a reference to a mask, and turning heads."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_studio import SIDE, TINY

from barbershop_core.barbershop.align import align
from barbershop_core.barbershop.hair_code import code_with_hair
from barbershop_core.barbershop.target_mask import ParseLoss, TargetMask
from barbershop_core.barbershop.turn import PARTS, moments, turn
from barbershop_core.editing.regions import REGIONS, parse
from barbershop_core.progress import run


@pytest.fixture
def scene(small_pack):
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
def test_parse_comes_closer_to_the_mask(small_pack, scene, mode):
    w_rec, image, own, target = scene
    preset = replace(TINY, align_steps=15, align_lr=0.1, keep=0.0, patience=0)
    w_align = run(align(small_pack, w_rec, image, own, 0, target, mode, preset))
    loss = ParseLoss(small_pack, target, SIDE, mode, fill=True)
    g = small_pack.generator
    assert float(loss(g.synthesis(w_align))) < float(loss(g.synthesis(w_rec)))
    first = g.feature_index
    assert torch.equal(w_align[:, first:], w_rec[:, first:]) and not torch.equal(w_align, w_rec)


def test_style_and_keep_are_losses_of_their_own(small_pack, scene):
    w_rec, image, own, target = scene
    steps = []
    preset = replace(TINY, align_steps=2, align_style_steps=2, keep=1.0)
    target = replace(target, labels=torch.where(torch.arange(SIDE)[:, None] < SIDE // 2, own, target.labels))
    run(align(small_pack, w_rec, image, own, 0, target, "realistic", preset), steps.append)
    assert ["style" in step.losses for step in steps] == [False, False, True, True]
    assert all("keep" in step.losses and step.stage == "align" for step in steps)


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


def moved_code(g, w_plus, seed: int = 1):
    return w_plus + 0.3 * torch.randn(1, 1, g.style_dim, generator=torch.Generator().manual_seed(seed))


def test_turning_brings_the_parts_together(small_pack, scene):
    w_rec, _, _, _ = scene
    g = small_pack.generator
    image = g.synthesis(moved_code(g, w_rec))
    steps = []
    preset = replace(TINY, pose_steps=12, pose_lr=0.05, patience=0)
    turned = run(turn(small_pack, w_rec, image, preset), steps.append)
    assert steps[-1].losses["pose"] <= steps[0].losses["pose"]
    first = g.feature_index
    assert torch.equal(turned[:, first:], w_rec[:, first:])
    still = run(turn(small_pack, w_rec, image, replace(preset, pose_steps=1, pose_lr=0.0)))
    assert torch.allclose(still, w_rec, atol=1e-4)


def test_hair_moves_only_what_leaves_the_face(small_pack, scene):
    person, image, own, _ = scene
    g, first = small_pack.generator, small_pack.generator.feature_index
    z = torch.randn(1, g.z_dim, generator=torch.Generator().manual_seed(9))
    reference = g.spread(g.mapping(z)).contiguous()  # a code like those that the axes are made from
    labels = torch.full_like(own, REGIONS.index("skin"))
    labels[: SIDE // 2] = 0  # the face is the lower half
    half = slice(SIDE // 2 + 4, None)

    def with_hair(weight: float):
        preset = replace(TINY, face_change=weight)
        return run(code_with_hair(small_pack, person, reference, labels, preset))

    free, bound = with_hair(1e6), with_hair(1e-3)
    assert torch.equal(free[:, first:], person[:, first:])
    # unbound it is the reference as far as the main axes go, bound the face stays and the rest may move
    distance = (free - reference)[:, :first].norm() / (person - reference)[:, :first].norm()
    assert distance < 0.5
    before = g.synthesis(person)
    changes = [(g.synthesis(code) - before)[0, :, half].square().mean() for code in (free, bound)]
    assert changes[1] < 0.2 * changes[0]


def test_hair_by_a_learnt_projection(small_pack, scene, monkeypatch):
    """A matrix that knows hair's axes of W moves along them alone, by the reference's difference."""
    person, _, labels, _ = scene
    g = small_pack.generator
    reference = g.spread(g.mapping(torch.randn(1, g.z_dim, generator=torch.Generator().manual_seed(9))))
    axes = torch.linalg.qr(torch.randn(g.style_dim, 3, generator=torch.Generator().manual_seed(4)))[0]
    monkeypatch.setattr(type(small_pack), "hair_projection", property(lambda pack: axes @ axes.T))
    moved = run(code_with_hair(small_pack, person, reference, labels, TINY))
    first = small_pack.generator.feature_index
    step, wanted = (moved - person)[0, :first], (reference - person)[:, :first].mean(1)
    assert torch.allclose(step @ axes, (wanted @ axes).expand(first, -1), atol=1e-5)
    assert torch.allclose(step - step @ axes @ axes.T, torch.zeros_like(step), atol=1e-5)
    assert torch.equal(moved[:, first:], person[:, first:])
