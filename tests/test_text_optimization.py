"""Latent optimization against the published code, step by step."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conformance import weights
from fixture import Fixture

from barbershop_core import networks, run
from barbershop_core.editing.chain import Start
from barbershop_core.inversion.codes import Code
from barbershop_core.styleclip import clip_loss
from barbershop_core.styleclip import latent_optimization as optimization


class Face(torch.nn.Module):
    """The fixture's stand-in for IR-SE50."""

    input_size = 112

    def __init__(self, projection: torch.Tensor):
        super().__init__()
        self.projection = projection

    def forward(self, x):
        x = F.avg_pool2d(x, 14).flatten(1) @ self.projection
        return x / x.norm(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def published():
    """The fixture, a pack of its networks, its CLIP and the code to start from."""
    fixture = Fixture("text_optimization")
    state = fixture.checkpoint()

    def part(name):
        return {k.removeprefix(name): v for k, v in state.items() if k.startswith(name)}

    pack = SimpleNamespace(
        generator=networks.load("stylegan2", part("generator.")),
        identity=Face(state["identity.projection"]),
        working_size=128,
    )
    w_plus = torch.from_numpy(np.asarray(weights.array("input:w_plus", (1, 12, 32), fixture.seed, std=0.8)))
    return fixture, pack, networks.load("clip", part("clip.")), Code("W+", w_plus)


@pytest.mark.parametrize("name", ["released", "paper"])
def test_losses_and_codes_are_the_published_ones(published, name, monkeypatch):
    fixture, pack, clip, code = published
    conventions = fixture.spec["conventions"]
    preset = replace(optimization.PRESETS[name], steps=conventions["steps"], as_released=True)
    assert preset.identity == conventions["options"]["id_lambda"][name]
    assert (preset.lr, preset.l2) == (conventions["options"]["lr"], conventions["options"]["l2_lambda"])
    with torch.no_grad():
        text = clip.text([conventions["prompt"]])[0]
        start = Start(None, None, code, code.synthesis(pack.generator))
    fixture.check("text", text)
    fixture.check("start_image", start.generated[0, :, ::8, ::8])
    rows, losses = [], []

    class Recorded(optimization._SearchW):
        def code(self):
            rows.append(self.rows().detach())
            return super().code()

    monkeypatch.setattr(optimization, "_SearchW", Recorded)
    run(optimization.optimize(pack, clip, start, text, text, preset), lambda step: losses.append(step.losses))
    fixture.check(f"{name}_clip", [found["clip"] for found in losses])
    fixture.check(f"{name}_w", torch.cat([rows[k] for k in (2, 4, 8, 16)]))
    if name == "paper":
        fixture.check("paper_identity", [found["identity"] / preset.identity for found in losses])
    rates = [preset.lr * optimization.learning_rate(k, 16, preset.warm_up, preset.ramp) for k in range(16)]
    fixture.check(f"{name}_lr", rates)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_box_resize_is_enlarging_and_averaging(side):
    image = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(side))
    wanted = F.avg_pool2d(F.interpolate(image, scale_factor=7), side // 32)
    torch.testing.assert_close(clip_loss.box_resize(image, 224), wanted, atol=1e-5, rtol=0)


def test_presets_numbers_are_the_published_ones():
    paper, released = optimization.PAPER, optimization.RELEASED
    assert (paper.steps, paper.lr, paper.l2, paper.identity) == (300, 0.1, 0.008, 0.005)
    assert (paper.warm_up, paper.ramp, paper.direction, paper.shared) == (0.05, 0.25, 0.0, False)
    assert released == replace(paper, name="released", identity=0.0, as_released=True)
