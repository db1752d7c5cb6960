"""Edits by words with a generator whose noise and to-RGB layers are alive everywhere, as in published ones."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from alive import alive
from small_studio import SIDE, embedded, portrait
from tiny_presets import fast_is_tiny

from barbershop_core import Studio, run
from barbershop_core.inversion.invert import codes_of
from barbershop_core.networks.mapper import Mapper
from barbershop_core.styleclip import edit_text
from barbershop_core.styleclip.stylespace import StyleSynthesis


@pytest.fixture
def pack(small_pack, monkeypatch):
    """The small pack with everything alive."""
    fast_is_tiny(monkeypatch)
    monkeypatch.setattr(small_pack, "_open", small_pack._open | {"generator": alive(small_pack.generator)})
    return small_pack


def psnr(a, b) -> float:
    return float(10 * torch.log10(4 / (a - b).square().mean().clamp_min(1e-12)))


@pytest.fixture
def code(pack):
    return embedded(pack.generator)


@pytest.mark.parametrize("resolution", [SIDE, SIDE // 2])
def test_sliders_show_what_the_code_gives(pack, code, resolution):
    """No change gives the portrait; a change gives its code's picture, at full size and reduced."""
    g = pack.generator
    parts = StyleSynthesis(g, code, resolution)
    still = torch.zeros(1, sum(parts.widths))
    assert psnr(parts.picture(still), code.synthesis(g, resolution)) > 60
    for first in (0, parts.widths[0] + parts.widths[1], sum(parts.widths[:-2])):
        shift = still.clone()
        shift[0, first] = 2.0
        assert psnr(parts.picture(shift), parts.shifted(shift).synthesis(g, resolution)) > 60


@pytest.mark.parametrize("method", ["directions", "mapper"])
def test_an_edit_of_strength_zero_gives_the_portrait_back(pack, method):
    studio = Studio(pack, cache=False)
    opened = run(studio.invert(portrait(1)))
    name = "curly hair" if method == "mapper" else "blond hair"
    result = run(studio.edit_text(portrait(1), name, method, alpha=0.0, strength=0.0))
    g = pack.generator
    assert psnr(result.code.synthesis(g), opened.synthesis(g)) > 60


def test_optimization_starts_at_the_portrait(pack, monkeypatch):
    studio = Studio(pack, cache=False)
    opened = run(studio.invert(portrait(1)))
    presets = edit_text.latent_optimization.PRESETS
    monkeypatch.setitem(presets, "fast", replace(presets["fast"], steps=1, warm=0.0))  # the first step has rate 0
    result = run(studio.edit_text(portrait(1), "blond hair", "optimize"))
    assert psnr(result.code.synthesis(pack.generator), opened.synthesis(pack.generator)) > 60


@pytest.mark.parametrize("encoder", [True, False])
def test_a_mapper_reads_w_plus_and_not_s(pack, monkeypatch, encoder):
    """S was fitted without the RGB of the blocks below F; its rows mean something else than those of W+."""
    read = []
    forward = Mapper.forward
    monkeypatch.setattr(Mapper, "forward", lambda net, w, *rest: read.append(w) or forward(net, w, *rest))
    studio = Studio(pack, cache=False)
    optional = type(pack).optional
    if not encoder:
        monkeypatch.setattr(type(pack), "optional", lambda p, role: None if role == "encoder" else optional(p, role))
    result = run(studio.edit_text(portrait(1), "curly hair", "mapper", strength=1.0))
    opened = run(codes_of(pack, None, [portrait(1)], "FS", edit_text.inversion_preset("fast")))[0]
    first = pack.generator.feature_index
    assert not torch.equal(read[0][:, first:], opened.w_plus[:, first:])
    if encoder:
        assert torch.equal(read[0], edit_text.project(pack, portrait(1).tensor(SIDE, "cpu")))
    else:
        wanted = run(codes_of(pack, None, [portrait(1)], "W+", edit_text.inversion_preset("fast")))[0]
        assert torch.equal(read[0], wanted.w_plus)
    change = edit_text.STEP * forward(run(edit_text.resources.mapper(pack, "curly hair")), read[0])
    torch.testing.assert_close(result.code.w_plus, opened.w_plus + change)
