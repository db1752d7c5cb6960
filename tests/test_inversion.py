"""Inversion: encoder, W, W+, F/S, on a tiny random generator whose images have known codes."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from alive import alive, without
from small_studio import SIDE, portrait

from barbershop_core import open_pack
from barbershop_core.errors import BadRequest
from barbershop_core.inversion.cache import CodeCache
from barbershop_core.inversion.embed import draw_noise, embed
from barbershop_core.inversion.inversion_presets import FAST, PAPER, RELEASED
from barbershop_core.inversion.invert import codes_of
from barbershop_core.inversion.minimise import Plateau, minimise, ramp_down
from barbershop_core.inversion.project import project
from barbershop_core.networks.arcface import identity_embedding
from barbershop_core.photo.pixels import from_uint8
from barbershop_core.progress import run
from barbershop_core.world import params
from barbershop_core.world.render import render

MEAN = replace(RELEASED, start="mean", lr=0.05, feature_lr=0.05, style_lr=0.05, p_norm=0.0)


@pytest.fixture
def known(small_pack):
    """An image of the generator and its W+ code."""
    z = torch.randn(1, small_pack.generator.z_dim, generator=torch.Generator().manual_seed(3))
    w_plus = small_pack.generator.spread(small_pack.generator.mapping(z)).contiguous()
    return small_pack.generator.synthesis(w_plus), w_plus


def error(pack, code, image) -> float:
    with torch.no_grad():
        return float((code.synthesis(pack.generator) - image).square().mean())


def test_presets_hold_the_published_numbers():
    assert (RELEASED.w_plus_steps, RELEASED.fs_steps, RELEASED.lr) == (1100, 250, 0.01)
    assert (RELEASED.p_norm, RELEASED.fs_p_norm, RELEASED.feature) == (0.001, 0.001, 0.0)  # cal_loss gets no F
    assert RELEASED.noise == "random"
    assert (PAPER.w_plus_steps, PAPER.fs_steps, PAPER.feature) == (1300, 400, 0.1)  # C_rec comes after II2S
    assert FAST.start == "encoder" and FAST.patience
    with pytest.raises(AttributeError):
        FAST.lr = 1.0


def test_project_is_the_encoder_and_the_mean_without_one(small_pack, known, monkeypatch):
    image, _ = known
    assert torch.equal(project(small_pack, image), small_pack.encoder(image))
    monkeypatch.setattr(type(small_pack), "encoder", None)
    assert torch.allclose(project(small_pack, image)[0, 3], small_pack.generator.w_mean)


def test_w_plus_comes_closer_to_the_image(small_pack, known):
    image, _ = known
    start = run(embed(small_pack, image, "W+", replace(MEAN, w_plus_steps=1)))[0]
    code = run(embed(small_pack, image, "W+", replace(MEAN, w_plus_steps=40)))[0]
    assert code.space == "W+" and code.feature is None
    assert error(small_pack, code, image) < 0.5 * error(small_pack, start, image)


def test_w_has_one_row(small_pack, known):
    image, _ = known
    code = run(embed(small_pack, image, "W", replace(MEAN, w_steps=3)))[0]
    assert code.space == "W" and torch.equal(code.w_plus[:, :1].expand_as(code.w_plus), code.w_plus)


def test_fs_keeps_what_w_plus_loses(small_pack):
    # A picture that the generator cannot make: F must come much closer than W+.
    image = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    image = torch.nn.functional.interpolate(image, (SIDE, SIDE), mode="bicubic").clamp(-1, 1)
    settings = replace(MEAN, w_plus_steps=25, fs_steps=60, feature=0.0, perceptual=0.0)
    w_plus = run(embed(small_pack, image, "W+", settings))[0]
    code = run(embed(small_pack, image, "FS", settings))[0]
    assert code.feature.shape == small_pack.generator.features(code.w_plus).shape
    assert error(small_pack, code, image) < 0.5 * error(small_pack, w_plus, image)


def test_f_starts_as_the_generators_own_and_is_held_there(small_pack, known):
    image, _ = known
    settings = replace(MEAN, w_plus_steps=2, fs_steps=0)
    code = run(embed(small_pack, image, "FS", settings))[0]
    assert torch.equal(code.feature, small_pack.generator.features(code.w_plus))
    drift = []
    for weight in (0.0, 1000.0):
        moved = run(embed(small_pack, image, "FS", replace(settings, fs_steps=25, feature=weight)))[0]
        drift.append(float((moved.feature - code.feature).square().mean()))
    assert drift[1] < 0.2 * drift[0]


def test_prior_pulls_towards_likely_codes(small_pack, known):
    image, w_plus = known
    lengths = []
    for weight in (0.0, 1.0):
        settings = replace(MEAN, w_plus_steps=25, p_norm=weight)
        lengths.append(float(small_pack.pnorm(run(embed(small_pack, image, "W+", settings))[0].w_plus)))
    assert lengths[1] < lengths[0]


def test_two_at_once_are_two_alone(small_pack, known):
    image, _ = known
    other = image.flip(3)
    settings = replace(FAST, w_plus_steps=3, fs_steps=3, patience=0)
    together = run(embed(small_pack, torch.cat([image, other]), "FS", settings))
    alone = run(embed(small_pack, other, "FS", settings))[0]
    # Other batches round otherwise, and Adam's first steps are signs; the codes still agree closely.
    for name in ("w_plus", "feature"):
        a, b = getattr(together[1], name), getattr(alone, name)
        assert float((a - b).square().mean()) < 1e-3 * float(b.square().mean())


def test_same_input_same_code(small_pack, known):
    image, _ = known
    settings = replace(FAST, w_plus_steps=3, fs_steps=3)
    a, b = (run(embed(small_pack, image, "FS", settings))[0] for _ in range(2))
    assert torch.equal(a.w_plus, b.w_plus) and torch.equal(a.feature, b.feature)


def test_steps_have_names_losses_and_lazy_previews(small_pack, known):
    steps = []
    run(embed(small_pack, known[0], "FS", replace(MEAN, w_plus_steps=2, fs_steps=3)), steps.append)
    assert [(s.stage, s.index, s.total) for s in steps] == [
        ("embed W+", 1, 2),
        ("embed W+", 2, 2),
        ("embed F/S", 1, 3),
        ("embed F/S", 2, 3),
        ("embed F/S", 3, 3),
    ]
    assert all(math.isfinite(value) for step in steps for value in step.losses.values())
    assert all("p_norm" in step.losses for step in steps)  # in F/S, too, as the released code applies it
    kept = replace(MEAN, w_plus_steps=1, fs_steps=1, fs_p_norm=0.0, feature=0.1)
    run(embed(small_pack, known[0], "FS", kept), steps.append)
    assert "feature" in steps[-1].losses and "p_norm" not in steps[-1].losses
    assert steps[0].preview().shape == (SIDE, SIDE, 3)


def test_random_noise_is_drawn_anew_and_repeats_from_run_to_run(small_pack, known, monkeypatch):
    made = alive(small_pack.generator)
    monkeypatch.setitem(small_pack._open, "generator", made)
    rng = torch.Generator().manual_seed(0)
    one, two = (made.synthesis(known[1], noise=draw_noise(made, 1, rng)) for _ in range(2))
    assert float((one - two).square().mean().sqrt()) > 0.01
    settings = replace(RELEASED, w_plus_steps=3, fs_steps=2)
    a, b = (run(embed(small_pack, one, "FS", settings))[0] for _ in range(2))
    assert torch.equal(a.w_plus, b.w_plus) and torch.equal(a.feature, b.feature)
    registered = run(embed(small_pack, one, "FS", replace(settings, noise="registered")))[0]
    assert not torch.equal(a.feature, registered.feature)


def test_without_an_encoder_w_is_searched_first_and_codes_are_kept_apart(small_pack, tmp_path, monkeypatch):
    bare, stages = without(small_pack, "encoder"), []
    tiny = replace(FAST.without_encoder, w_steps=2, w_plus_steps=1, fs_steps=1)
    preset = replace(FAST, w_plus_steps=1, fs_steps=1, without_encoder=tiny)
    cache = CodeCache(tmp_path)
    for pack in (small_pack, bare, bare):
        run(codes_of(pack, cache, [portrait(1)], "FS", preset), lambda step: stages.append(step.stage))
    guessed, searched = ["embed W+", "embed F/S"], ["embed W", "embed W", "embed W+", "embed F/S"]
    assert stages == guessed + searched + ["embed F/S"]  # the last is found in the cache
    assert len(cache) == 2


def test_without_an_encoder_fast_comes_as_near_as_with_it():
    """From the mean face 16 steps in W+ end at a loss of 0.07 to 0.3 and an identity of 0.1 to 0.5."""
    pack = open_pack("studio", device="cpu")
    bare, image = without(pack, "encoder"), from_uint8(render(params.sample(2, 100)[1], 128).image, "cpu")
    found = {}
    for p in (pack, bare):
        code = run(embed(p, image, "W+", FAST))[0]
        with torch.no_grad():
            made = code.synthesis(p.generator)
            loss = FAST.l2 * (made - image).square().mean() + FAST.perceptual * p.perceptual.lpips(made, image)[0]
            faces = [identity_embedding(p.identity, x) for x in (made, image)]
        found[p] = float(loss), float((faces[0] * faces[1]).sum())
    assert found[bare][0] < 1.3 * found[pack][0] and found[bare][1] > 0.6


def test_closing_cancels(small_pack, known):
    steps = embed(small_pack, known[0], "FS", MEAN)
    next(steps)
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


def test_plateau_ends_a_stage_early(small_pack, known):
    steps = []
    settings = replace(MEAN, w_plus_steps=30, lr=0.0, patience=3)
    run(embed(small_pack, known[0], "W+", settings), steps.append)
    assert len(steps) == 4  # the first sets the mark, three more don't improve on it


def test_unknown_space(small_pack, known):
    with pytest.raises(BadRequest, match="W, W\\+, FS"):
        run(embed(small_pack, known[0], "Z", MEAN))


def test_ramp_and_plateau():
    factors = [ramp_down(i, 10, 0.5) for i in range(10)]
    assert factors[:5] == [1.0] * 5 and factors == sorted(factors, reverse=True) and 0 < factors[-1] < 0.2
    assert ramp_down(9, 10, 0.0) == 1.0
    plateau = Plateau(2, 0.1)
    assert [plateau(x) for x in (1.0, 0.95, 0.8, 0.79, 0.78)] == [False, False, False, False, True]


def test_minimise_follows_a_rate_and_keeps_the_last_value_of_each_loss():
    """A gradient of 1 shows the learning rate; a loss of every second step is shown in all that follow."""
    x = torch.zeros(2, requires_grad=True)
    places, steps = [], []

    def objective(index: int):
        places.append(x[0].item())
        return None, {"slope": 1 * x} | ({"rare": 0 * x.sum() + index} if index % 2 == 0 else {})

    rates = [0.25, 0.5, 0.75, 1.0, 1.0, 0.5]
    given = {"optimizer": torch.optim.SGD, "rate": rates.__getitem__}
    last = run(minimise("fall", 6, [(x, 1.0)], objective, **given), steps.append)
    assert [a - b for a, b in zip(places, places[1:])] == rates[:5]
    assert [step.losses["rare"] for step in steps] == [0, 0, 2, 2, 4, 4]
    assert last == steps[-1].losses and last["slope"] == places[-1] and steps[0].preview is None
