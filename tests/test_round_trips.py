"""Codes between W+ and F/S on generators in which noise and every to-RGB layer are alive: no picture jumps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from alive import alive, alive_pack

from barbershop_core import run
from barbershop_core.editing import chain
from barbershop_core.inversion.codes import Code
from barbershop_core.inversion.codes import load as load_code
from barbershop_core.inversion.embed import embed, plain
from barbershop_core.inversion.inversion_presets import FAST
from barbershop_core.styleclip.stylespace import StyleSynthesis, carried

JUMP = 36.0
"""dB from which two pictures look the same."""


@pytest.fixture(scope="module")
def small(small_pack):
    return alive(small_pack.generator)


@pytest.fixture(scope="module")
def studio_alive():
    return alive_pack("studio")


def drawn(generator, seed: int = 5) -> Code:
    z = torch.randn(1, generator.z_dim, generator=torch.Generator().manual_seed(seed))
    return Code("W+", generator.spread(generator.mapping(z)).contiguous())


def psnr(image: torch.Tensor, other: torch.Tensor) -> float:
    return float(10 * torch.log10(4 / (image - other).square().mean()))


def test_f_keeps_its_rgb_through_files_and_chains(small, tmp_path):
    code = drawn(small)
    picture, structured = code.synthesis(small), code.with_feature(small)
    assert psnr(Code("FS", code.w_plus, structured.feature).synthesis(small), picture) < 30
    again = load_code(structured.save(tmp_path / "code.safetensors")).to("cpu")
    assert again.space == "FS" and torch.allclose(again.synthesis(small), picture, atol=1e-5)
    assert again.with_feature(small) is again


def test_edits_of_a_code_from_w_plus_are_those_of_w_plus(small):
    """F' = F + f(S') - f(S) is f(S') here, and the RGB beside it goes the same way."""
    code, other = drawn(small), drawn(small, 6)
    start, target = code.with_feature(small), other.synthesis(small)
    assert torch.allclose(carried(small, start, code.w_plus).synthesis(small), code.synthesis(small), atol=1e-4)
    assert torch.allclose(carried(small, start, other.w_plus).synthesis(small), target, atol=1e-4)
    before, after = (torch.cat(small.styles(c.w_plus), 1) for c in (code, other))
    synthesis = StyleSynthesis(small, start, small.size)
    assert torch.allclose(synthesis.picture(torch.zeros_like(before)), code.synthesis(small), atol=1e-4)
    assert torch.allclose(synthesis.picture(after - before), target, atol=1e-4)
    assert torch.allclose(synthesis.shifted(after - before).synthesis(small), target, atol=1e-4)


def test_f_alone_takes_the_rgb_in(studio_alive):
    generator = studio_alive.generator
    code = drawn(generator)
    picture = code.synthesis(generator)
    assert psnr(Code("FS", code.w_plus, generator.features(code.w_plus)).synthesis(generator), picture) < 30
    previous = SimpleNamespace(code=code)
    found = run(chain.plain_code(studio_alive, previous))
    assert found.space == "FS" and found.skip is None and psnr(found.synthesis(generator), picture) > JUMP


def test_f_alone_stays_as_it_is(small_pack):
    code = drawn(small_pack.generator).with_feature(small_pack.generator)
    alone = Code("FS", code.w_plus, code.feature)
    assert torch.equal(run(plain(small_pack, alone)).feature, code.feature)


def test_a_portrait_comes_back_from_f(studio_alive):
    picture = drawn(studio_alive.generator).synthesis(studio_alive.generator).clamp(-1, 1)
    code = run(embed(studio_alive, picture, "FS", FAST))[0]
    assert psnr(code.synthesis(studio_alive.generator).clamp(-1, 1), picture) > JUMP
