"""Target mask and alignment step by step against the authors' own run on small random networks."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import Fixture

from barbershop_core import networks
from barbershop_core.barbershop.published_align import align_all
from barbershop_core.barbershop.published_mask import complete, draft, parse_classes
from barbershop_core.barbershop.target_mask import TargetMask
from barbershop_core.barbershop.transfer_presets import RELEASED
from barbershop_core.editing.regions import Parser, to_regions
from barbershop_core.inversion import minimise
from barbershop_core.networks import bisenet, perceptual
from barbershop_core.progress import run

TABLE = "barbershop16"
PRESET = replace(RELEASED, mask_steps=3, align_steps=3, align_style_steps=3, mask_lr=0.03, align_lr=0.03)


def drawn(name: str, shape: tuple[int, ...], std: float) -> torch.Tensor:
    return torch.from_numpy(weights.array(f"input:{name}", shape, 1, std=std))


class Scene:
    """The fixture's networks, portraits and codes."""

    def __init__(self):
        self.fixture = Fixture("barbershop_align")
        parts = {name: weights.state_dict(self.fixture.path, 1, name) for name in ("parser", "perceptual")}
        for name, state in parts.items():
            assert weights.checksum(state) == self.fixture.spec[f"{name}_sha256"]
        parser = bisenet.from_state(parts["parser"]).eval().requires_grad_(False)
        self.pack = SimpleNamespace(
            generator=networks.load("stylegan2", self.fixture.checkpoint()),
            parser=Parser(parser, table=TABLE),
            perceptual=perceptual.from_state(parts["perceptual"]),
        )
        self.classes = [self.stored("classes_1"), self.stored("classes_2")]

    def stored(self, name: str) -> torch.Tensor:
        return torch.from_numpy(self.fixture.io[name]).long()

    def portrait(self, name: str) -> torch.Tensor:
        pixels = weights.smooth_image(f"input:portrait{name}", 1024, 1024, 1, grain=2.0)
        return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1

    def reference(self, name: str) -> SimpleNamespace:
        """W+ rows with S, and F, of a portrait."""
        w = drawn(f"w{name}", (1, 18, 16), 0.8)
        with torch.no_grad():
            feature = self.pack.generator.features(w) + drawn(f"F{name}", (1, 16, 32, 32), 0.1)
        rows = torch.cat([w[:, :7], w[:, 7:] + drawn(f"s{name}", (1, 11, 16), 0.2)], 1)
        return SimpleNamespace(image=self.portrait(name), w_plus=rows, feature=feature)


@pytest.fixture(scope="module")
def scene():
    return Scene()


@pytest.fixture(autouse=True)
def full_precision(monkeypatch):
    """No early iterations in half precision."""
    monkeypatch.setattr(minimise, "early", lambda *_: False)


def same(labels: torch.Tensor, stored: torch.Tensor, share: float = 1e-3) -> bool:
    """Whether two label maps are equal but for this share of the pixels."""
    return float((labels != stored).float().mean()) <= share


def test_portraits_are_parsed_at_512(scene):
    for name, stored in zip("12", scene.classes):
        assert same(parse_classes(scene.pack.parser, scene.portrait(name)), stored)


def test_the_draft(scene):
    start = draft(scene.classes, {"hair": 1}, {"hair": 1}, TABLE)
    assert torch.equal(start.labels, scene.stored("mask_draft"))
    assert torch.equal(start.left, (scene.classes[0] == 10) & (scene.classes[1] != 10))
    assert bool(start.shown.any()) and not bool((start.shown & start.left & (scene.classes[1] == 0)).any())


@pytest.mark.parametrize("mode", ["realistic", "fidelity"])
def test_completion_step_by_step(scene, mode):
    start, steps = draft(scene.classes, {"hair": 1}, {"hair": 1}, TABLE), []
    labels = run(complete(scene.pack, start, mode, PRESET), steps.append)
    losses = [step.losses["cross entropy"] for step in steps]
    np.testing.assert_allclose(losses, scene.fixture.io[f"mask_losses_{mode}"], rtol=1e-3)
    assert same(labels, scene.stored(f"mask_{mode}"))
    assert not same(labels, start.labels, 0.02)


def test_alignment_step_by_step(scene):
    classes = scene.stored("mask_realistic")
    everywhere = torch.ones_like(classes, dtype=torch.bool)
    target = TargetMask(to_regions(classes, TABLE), 0 * classes, everywhere, {"hair": 1}, classes)
    steps = []
    aligned = [scene.reference("1"), scene.reference("2")]
    feature = run(align_all(scene.pack, aligned, target, PRESET, 5), steps.append)
    losses = [step.losses["cross entropy"] for step in steps]
    np.testing.assert_allclose(losses, scene.fixture.io["align_cross_entropy"], rtol=1e-4)
    styles = [step.losses.get("style") for step in steps]
    assert styles[:3] == [None] * 3  # the person keeps no style
    np.testing.assert_allclose(styles[3:], scene.fixture.io["align_style"], rtol=1e-3, atol=1e-4)
    scene.fixture.check("F_mixed", feature)
