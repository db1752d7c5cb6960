"""Blending step by step against the authors' own run on small random networks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import Fixture, picture

from barbershop_core import networks
from barbershop_core.barbershop import compose
from barbershop_core.barbershop.blend import Layer, blend_appearance, blend_structure
from barbershop_core.barbershop.transfer_presets import RELEASED
from barbershop_core.editing.regions import region_index
from barbershop_core.networks import perceptual
from barbershop_core.progress import run

HAIR = region_index("hair")


def drawn_hair(name: str, share: float) -> torch.Tensor:
    """A mask of the fixture at 256 px, bool [256,256]."""
    mask = weights.blob_mask(f"input:hair{name}", 512, 512, 1, share).astype(bool)
    inner = np.zeros_like(mask)
    inner[41:472, 41:472] = True
    return torch.from_numpy((mask & inner)[::2, ::2].copy())


def drawn(name: str, shape: tuple[int, ...], std: float) -> torch.Tensor:
    return torch.from_numpy(weights.array(f"input:{name}", shape, 1, std=std))


class Scene:
    """The fixture's networks, codes and masks.  w, s, feature: W+, F/S rows and F of each picture."""

    def __init__(self):
        self.fixture = Fixture("barbershop_blend")
        self.generator = networks.load("stylegan2", self.fixture.checkpoint())
        state = weights.state_dict(self.fixture.path, 1, "perceptual")
        assert weights.checksum(state) == self.fixture.spec["perceptual_sha256"]
        self.pack = SimpleNamespace(generator=self.generator, perceptual=perceptual.from_state(state), parser=None)
        self.w = {k: drawn(f"w{k}", (1, 14, 16), 0.8) for k in "123"}
        self.s = {k: torch.cat([w[:, :7], w[:, 7:] + drawn(f"s{k}", (1, 7, 16), 0.2)], 1) for k, w in self.w.items()}
        with torch.no_grad():
            self.features = {k: self.generator.features(w) for k, w in self.w.items()}
        self.f = {k: self.features[k] + drawn(f"F{k}", (1, 16, 32, 32), 0.1) for k in "12"}
        shares = {"1": 0.35, "3": 0.35, "X": 0.35, "2": 0.4, "M": 0.35}
        self.hair = {name: drawn_hair(name, share) for name, share in shares.items()}


@pytest.fixture(scope="module")
def scene():
    return Scene()


def test_the_generator_is_alive_below_f(scene):
    g, w = scene.generator, scene.w["1"]
    lost = g.synthesis(w) - g.synthesis(w, feature=scene.features["1"])
    assert float(lost.std()) > 0.3


def test_structure(scene):
    own, target, other = (scene.hair[name] for name in "1M2")
    layers = [
        Layer(scene.f["1"], ~(own | target), smooth=5),
        Layer(scene.features["2"], target, smooth=5),
        Layer(scene.f["2"], other & target, smooth=5),
    ]
    scene.fixture.check("F_mixed", blend_structure(scene.features["1"], layers))


def targets(scene, monkeypatch):
    """The appearance's targets as a composite makes them; the parse of its picture is hairX."""
    labels = {name: HAIR * mask.long() for name, mask in scene.hair.items()}
    monkeypatch.setattr(compose, "parse", lambda parser, image: labels["X"][None])
    images = [picture(f"input:{name}", 256) for name in ("person", "colour")]
    aligned = [
        SimpleNamespace(image=image, labels=labels[name], w_plus=scene.s["1"]) for image, name in zip(images, "13")
    ]
    feature = torch.from_numpy(scene.fixture.io["F_mixed"])[None]
    where = SimpleNamespace(aligned=aligned, feature=feature, target=SimpleNamespace(labels=labels["M"]))
    return feature, compose._on_own_regions(scene.pack, where, {"hair": 1})


def test_masks_of_the_appearance(scene, monkeypatch):
    person, colour = targets(scene, monkeypatch)[1]
    scene.fixture.check("mask_face", (person.region & person.shown).int())
    scene.fixture.check("mask_hair", (colour.region & colour.shown).int())


def test_appearance_step_by_step(scene, monkeypatch):
    feature, goals = targets(scene, monkeypatch)
    stored, styles = scene.fixture.io, [scene.s["1"], scene.s["3"]]
    difference = (styles[1] - styles[0])[:, 7:]
    steps, made = [], {}
    for count in (5, 6):
        preset = replace(RELEASED, blend_steps=count)
        made[count] = run(blend_appearance(scene.pack, feature, styles, goals, preset), steps.append)
        u = (made[count] - styles[0])[:, 7:] / difference
        weight = difference.abs().clamp(max=0.1) / 0.1  # u is read off S, where the two differ
        assert float(((u - torch.from_numpy(stored["u"][count - 1])) * weight).abs().max()) < scene.fixture.atol("u")
    losses = [step.losses["masked LPIPS"] for step in steps[-6:]]
    np.testing.assert_allclose(losses, stored["losses"].sum(1), atol=scene.fixture.atol("losses"))
    scene.fixture.check("S_blend", made[5][:, 7:])  # the published result is of the u before the last
    assert torch.equal(made[6][:, :7], styles[0][:, :7])
    with torch.no_grad():
        image = scene.generator.synthesis(made[5], feature=scene.f["1"])
    scene.fixture.check("image", image[..., ::4, ::4])
