"""The embedding step by step against the authors' own run on small random networks, with the same noise."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import Fixture, picture

from barbershop_core import networks, precision
from barbershop_core.inversion import embed as embedding
from barbershop_core.inversion import prior
from barbershop_core.inversion.inversion_presets import RELEASED
from barbershop_core.networks import perceptual
from barbershop_core.progress import run

PICTURES = (0, 1, 3, 4, 5, 6)
"""Of the authors' run, whose third step in W+ does not reach the saved code."""


class Scene:
    """The fixture's networks and photo, as a pack."""

    def __init__(self):
        self.fixture = Fixture("barbershop_embedding")
        states = {name: weights.state_dict(self.fixture.path, 1, name) for name in ("perceptual", "pca")}
        for name, state in states.items():
            assert weights.checksum(state) == self.fixture.spec[f"{name}_sha256"]
        self.pack = SimpleNamespace(
            generator=networks.load("stylegan2", self.fixture.checkpoint()),
            perceptual=perceptual.from_state(states["perceptual"]),
            pnorm=prior.from_arrays(states["pca"]),
            encoder=None,
        )
        self.photo = picture("input:person", 1024)

    def noise(self, number: int) -> list[torch.Tensor]:
        shapes = [tuple(pattern.shape) for pattern in self.pack.generator.noises.buffers()]
        drawn = (weights.array(f"input:noise{number}_{k}", shape, 1) for k, shape in enumerate(shapes))
        return [torch.from_numpy(pattern) for pattern in drawn]


@pytest.fixture(scope="module")
def scene():
    return Scene()


def test_f_begins_with_its_own_noise(scene):
    w_plus = torch.from_numpy(scene.fixture.io["w_plus"][1:])
    with torch.no_grad():
        feature = scene.pack.generator.features(w_plus, noise=scene.noise(3))
        registered = scene.pack.generator.features(w_plus)
    scene.fixture.check("F_init", feature[0, :, ::4, ::4])
    assert float((registered - feature).std()) > 0.01


def test_embedding_step_by_step(scene, monkeypatch):
    numbers, steps = iter(PICTURES), []
    monkeypatch.setattr(precision, "EARLY", 0.0)  # the authors' run is in float32
    monkeypatch.setattr(embedding, "draw_noise", lambda generator, batch, rng: scene.noise(next(numbers)))
    preset = replace(RELEASED, w_plus_steps=2, fs_steps=3)
    code = run(embedding.embed(scene.pack, scene.photo, "FS", preset), steps.append)[0]
    stored = scene.fixture.io
    losses = [[step.losses[name] for name in ("l2", "perceptual", "p_norm")] for step in steps]
    np.testing.assert_allclose(losses, stored["losses"][[0, 1, 3, 4, 5]], atol=scene.fixture.atol("losses"))
    assert all(set(step.losses) == {"l2", "perceptual", "p_norm"} for step in steps)  # F is not held back
    scene.fixture.check("S", code.w_plus[0])
    np.testing.assert_allclose(code.w_plus[0, :7], stored["w_plus"][1, :7], atol=scene.fixture.atol("w_plus"))
    scene.fixture.check("F", code.feature[0, :, ::2, ::2])
