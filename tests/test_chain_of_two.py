"""Every chain of two edits of nothing, with a generator whose blocks below F and whose noise are alive: no visible
jump, neither in the picture nor between the picture and the code that the next edit starts from."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from alive import alive
from PIL import Image
from small_rig import write_small_rig
from small_studio import SIDE
from test_repose import TINY as TINY_RIG
from tiny_presets import TINY

from barbershop_core import Studio, open_pack, photo, run
from barbershop_core.barbershop import transfer
from barbershop_core.editing import chain
from barbershop_core.editing.regions import parse
from barbershop_core.inversion.codes import Code
from barbershop_core.inversion.embed import plain
from barbershop_core.photo.pixels import to_uint8

LEAST = 36.0  # dB


def psnr(one, other) -> float:
    a, b = (np.asarray(x, np.float64) for x in (one, other))
    return float(-10 * np.log10(((a - b) ** 2).mean() / 255**2 + 1e-10))


class Portrayed:
    """A studio on an alive generator, and a portrait whose F/S code is known."""

    def __init__(self, folder):
        self.pack = open_pack(write_small_rig(folder), device="cpu")
        self.pack._open["generator"] = self.generator = alive(self.pack.generator)
        self.studio = Studio(self.pack, cache=False)
        g = self.generator
        w_plus = g.spread(g.mapping(torch.randn(1, g.z_dim, generator=torch.Generator().manual_seed(3)))).contiguous()
        self.code = Code("FS", w_plus, g.features(w_plus))
        self.portrait = photo.read(Image.fromarray(self.render(self.code)), SIDE, None)

    def render(self, code: Code) -> np.ndarray:
        with torch.no_grad():
            return to_uint8(code.synthesis(self.generator))[0].numpy()

    def known(self, *_):
        """In the place of an embedding."""
        yield from ()
        return [self.code]

    def edit(self, name: str, previous=None):
        """An edit of nothing."""
        if name == "words":
            arguments = {"prompt": "blond hair", "alpha": 0.0, "preset": TINY.inversion}
            return run(self.studio.edit_text(self.portrait, previous=previous, **arguments))
        if name == "hair":
            shown = self.portrait.tensor(SIDE, "cpu") if previous is None else chain.picture(previous, self.pack)
            mask = parse(self.pack.parser, shown)[0].numpy().astype(np.uint8)
            return run(self.studio.transfer(self.portrait, mask=mask, preset=TINY, previous=previous))
        # The first turn makes the whole picture from W+; another of nothing leaves it as it is.
        arguments = {"yaw": 1e-3} if previous is None else {"expression": "smile", "strength": 0.0}
        return run(self.studio.repose(self.portrait, previous=previous, preset=TINY_RIG, **arguments))


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    return Portrayed(tmp_path_factory.mktemp("alive"))


@pytest.fixture(scope="module")
def firsts(scene):
    with pytest.MonkeyPatch.context() as patch:
        for module in (chain, transfer):
            patch.setattr(module, "codes_of", scene.known)
        return {name: scene.edit(name) for name in ("hair", "words", "rig")}


def test_the_picture_of_f_lacks_what_lies_below(scene):
    w_plus = scene.code.w_plus
    assert psnr(scene.render(Code("W+", w_plus)), scene.render(scene.code)) < 30


@pytest.mark.parametrize("second", ["hair", "words", "rig"])
@pytest.mark.parametrize("first", ["hair", "words", "rig"])
def test_two_edits_of_nothing(scene, firsts, first, second):
    one = firsts[first]
    two = scene.edit(second, one)
    assert psnr(two.image, one.image) >= LEAST
    assert np.array_equal(np.asarray(two.generated), scene.render(two.code))
    if second != "rig":  # whose code is W+ and found anew
        assert two.code.space == "FS" and psnr(scene.render(two.code), one.image) >= LEAST


def test_a_shift_in_stylespace_becomes_f_and_rows(scene):
    g, rng = scene.generator, torch.Generator().manual_seed(1)
    spread = torch.cat(g.styles(g.spread(g.mapping(torch.randn(50, g.z_dim, generator=rng)))), 1).std(0)
    moved = torch.rand(spread.shape, generator=rng) < 0.05  # of the channels, as directions of words do
    shift = (2 * spread * moved * torch.randn(spread.shape, generator=rng))[None]
    shifted = Code("FS", scene.code.w_plus, scene.code.feature, shift)
    shown = scene.render(shifted)
    assert psnr(scene.render(scene.code), shown) < 30
    found = run(plain(scene.pack, shifted))
    assert found.shift is None and psnr(scene.render(found), shown) >= LEAST
