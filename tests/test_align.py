"""Aligning a reference to a mask, and turning heads."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from alive import alive
from small_studio import SIDE
from tiny_presets import PUBLISHED_TINY, TINY

from barbershop_core.barbershop import hair_code as hair_module
from barbershop_core.barbershop import reference as reference_module
from barbershop_core.barbershop import target_mask as mask_module
from barbershop_core.barbershop import turn as turn_module
from barbershop_core.barbershop.align import align
from barbershop_core.barbershop.hair_code import code_with_hair
from barbershop_core.barbershop.published_align import align_all
from barbershop_core.barbershop.reference import AlignedReference, Reference, to_person
from barbershop_core.barbershop.target_mask import ParseLoss, TargetMask
from barbershop_core.barbershop.turn import PARTS, moments, turn
from barbershop_core.editing.regions import REGIONS, parse, parse_logits
from barbershop_core.inversion.codes import Code
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
    target = TargetMask(labels[1], torch.zeros_like(labels[1]), everything, {"hair": 1})
    return w_plus[:1], images[:1], labels[0], target


@pytest.mark.parametrize("mode", ["realistic", "fidelity"])
def test_parse_comes_closer_to_the_mask(small_pack, scene, mode):
    w_rec, image, own, target = scene
    preset = replace(TINY, align_steps=15, align_lr=0.1, keep=0.0, patience=0)
    w_align = run(align(small_pack, w_rec, image, own, 0, target, mode, preset))
    loss = ParseLoss(small_pack, target, SIDE, mode, fill=True)
    g = small_pack.generator
    after, before = (float(loss(g.synthesis(w, feature=g.features(w)))) for w in (w_align, w_rec))
    assert after < before
    first = g.feature_index
    assert torch.equal(w_align[:, first:], w_rec[:, first:]) and not torch.equal(w_align, w_rec)


def test_keep_is_a_loss_of_its_own(small_pack, scene):
    w_rec, image, own, target = scene
    steps = []
    target = replace(target, labels=torch.where(torch.arange(SIDE)[:, None] < SIDE // 2, own, target.labels))
    run(align(small_pack, w_rec, image, own, 0, target, "realistic", replace(TINY, keep=1.0)), steps.append)
    assert all({"keep", "cross entropy"} == set(step.losses) and step.stage == "align" for step in steps)


def alive_pack(small_pack):
    """With noise, and RGB from every block, as the published generators have."""
    parts = {name: getattr(small_pack, name) for name in ("parser", "pnorm", "perceptual")}
    return SimpleNamespace(generator=alive(small_pack.generator, rgb=0.3), hair_projection=None, **parts)


def parsed(monkeypatch, module) -> list[torch.Tensor]:
    """The pictures that a module parses from now on."""
    seen = []

    def spy(parser, image, *size):
        seen.append(image.detach())
        return parse_logits(parser, image, *size)

    monkeypatch.setattr(module, "parse_logits", spy)
    return seen


def test_turning_parses_whole_pictures(small_pack, scene, monkeypatch):
    """Not the RGB sum of the blocks up to the size of the loss."""
    pack, w_rec, seen = alive_pack(small_pack), scene[0], parsed(monkeypatch, turn_module)
    run(turn(pack, w_rec, scene[1], replace(TINY, pose_steps=1, pose_lr=0.0, side=32)))
    assert [picture.shape[-1] for picture in seen] == [SIDE, SIDE]
    assert torch.allclose(seen[1], pack.generator.synthesis(w_rec), atol=1e-4)


def test_hair_code_parses_whole_pictures_made_from_f(small_pack, scene, monkeypatch):
    pack, (person, _, own, _) = alive_pack(small_pack), scene
    monkeypatch.setattr(hair_module, "SIDE", 32)
    monkeypatch.setattr(hair_module, "DIFFERENCE", 1e-4)
    seen = parsed(monkeypatch, hair_module)
    run(code_with_hair(pack, person, moved_code(pack.generator, person), own, TINY))
    expected = pack.generator.synthesis(person, feature=pack.generator.features(person))
    assert all(torch.allclose(picture, expected.expand_as(picture), atol=1e-2) for picture in seen)


def test_alignment_sees_what_the_result_will_show(small_pack, scene, monkeypatch):
    """S belongs to pictures made from F, without the RGB of the blocks below; and they are parsed whole."""
    w_rec, image, own, target = scene
    pack, seen = alive_pack(small_pack), parsed(monkeypatch, mask_module)
    run(align(pack, w_rec, image, own, 0, target, "realistic", replace(TINY, align_steps=1, side=32)))
    expected = pack.generator.synthesis(w_rec, feature=pack.generator.features(w_rec))
    assert torch.allclose(seen[0], expected, atol=1e-5)
    assert not torch.allclose(seen[0], pack.generator.synthesis(w_rec), atol=0.1)


def test_a_turned_reference_keeps_its_colours(small_pack, scene, monkeypatch):
    """Its code is of W+, whose picture has the RGB of all blocks."""
    pack, (w_rec, image, own, _) = alive_pack(small_pack), scene
    monkeypatch.setattr(reference_module, "is_turned", lambda *_: True)
    monkeypatch.setattr(reference_module, "similarity", lambda *_: torch.eye(3)[:2])
    person = Reference(image, own, Code("FS", w_rec, pack.generator.features(w_rec)))
    other = Reference(image.flip(-1), own.flip(-1), Code("W+", moved_code(pack.generator, w_rec)))
    found = run(to_person(pack, person, other, ["nose"], TINY))
    assert torch.allclose(found.image, pack.generator.synthesis(found.w_plus), atol=1e-5)
    assert torch.equal(found.feature, pack.generator.features(found.w_plus))


def test_published_references_stay_where_they_are(small_pack, scene, monkeypatch):
    w_rec, image, own, _ = scene
    monkeypatch.setattr(reference_module, "similarity", lambda *_: torch.tensor([[1.0, 0, 0.2], [0, 1.0, 0]]))
    code = Code("FS", w_rec, small_pack.generator.features(w_rec))
    person, other = Reference(image, own, code), Reference(image.flip(-1), own.flip(-1), code)
    still, warped = (run(to_person(small_pack, person, other, [], preset)) for preset in (PUBLISHED_TINY, TINY))
    assert torch.equal(still.image, other.image) and torch.equal(still.feature, code.feature)
    assert not torch.equal(warped.image, other.image)


@pytest.mark.parametrize("released", [True, False])
def test_published_alignment(small_pack, scene, released):
    """Both portraits are aligned; where nothing is claimed the person's F stays as it is."""
    w_rec, image, own, target = scene
    other = small_pack.generator.features(moved_code(small_pack.generator, w_rec))
    labels = own.clone()
    labels[: SIDE // 4] = REGIONS.index("hair")
    owner = torch.zeros_like(own)
    owner[: SIDE // 4] = 1
    target = TargetMask(labels, owner, torch.ones_like(own, dtype=torch.bool), {"hair": 1})
    aligned = [
        AlignedReference(None, image, own, small_pack.generator.features(w_rec), w_rec),
        AlignedReference(None, image.flip(-1), labels, other, w_rec),
    ]
    preset = replace(PUBLISHED_TINY, released_mix=released, style_of_person=not released)
    steps = []
    mixed = run(align_all(small_pack, aligned, target, preset, 2), steps.append)
    assert ["style" in step.losses for step in steps] == [not released] * 2 + [True] * 2
    share = (mixed - other).abs().mean((0, 1, 3)) / (aligned[0].feature - other).abs().mean((0, 1, 3))
    if not released:  # the article's mask is in regions: all agree
        assert float(share[:6].max()) < 0.1 < 0.9 < float(share[12:].min())
    assert mixed.isfinite().all() and mixed.shape == other.shape


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
