"""Random weights in the published layouts, and the edits that are run on them."""

from __future__ import annotations

import pytest
import torch

from barbershop_core import open_pack, run
from barbershop_core.networks.mapper import LEVELS
from barbershop_core.rehearsal.random_networks import NOISE, RGB, Sizes
from barbershop_core.rehearsal.random_pack import write_pack
from barbershop_core.styleclip import resources
from barbershop_core.weights.manifest import read_manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return run(write_pack(tmp_path_factory.mktemp("rehearsal"), Sizes(64, 16, 400)))


def test_every_role_of_ffhq_opens(manifest):
    pack = open_pack(manifest, device="cpu")
    published = {r: n for r, n in read_manifest("ffhq").networks.items() if n.kind != "mapper" and n.kind != "rignet"}
    written = read_manifest(manifest).networks
    assert set(published) <= set(written)
    for role, network in published.items():
        assert (written[role].kind, written[role].need) == (network.kind, network.need)
    pictures = torch.rand(1, 3, 64, 64) * 2 - 1
    assert pack.generator.synthesis(pack.generator.w_mean[None]).shape == (1, 3, 64, 64)
    assert pack.encoder(pictures).shape == (1, 10, 32)
    assert pack.pnorm(pack.encoder(pictures)).isfinite().all()
    assert pack.perceptual.lpips(pictures, pictures).isfinite().all()
    assert pack.optional("clip").image(pictures).shape == (1, 32)
    assert pack.identity(torch.zeros(1, 3, 112, 112)).isfinite().all()
    assert pack.landmarker is not None
    table = run(resources.table(pack))
    assert table.std.shape == (sum(table.widths),)
    assert set(run(resources.mapper(pack, "afro")).levels) < set(LEVELS)
    model, reader = pack.optional("face_model"), pack.optional("regressor")
    theta = reader.theta(pictures, model)
    assert sum(model.sizes.values()) == 257 and model.shares(theta).shape == (1, 68, 2)
    assert model.render(theta, 32).mask.sum() > 20  # the sheet is seen, from outside


def test_the_generator_has_the_statistics_of_ffhq(manifest):
    g = open_pack(manifest, device="cpu").generator
    w = torch.nn.functional.leaky_relu(g.mapping(torch.randn(2000, g.z_dim)), 5.0)
    assert w.std(0).square().mean().sqrt() == pytest.approx(0.8, rel=0.15)
    spectrum = torch.linalg.eigvalsh(torch.cov(w.T)).sqrt()
    assert spectrum[-1] > 3 * spectrum[len(spectrum) // 2]
    assert all(layer.noise.weight == NOISE for layer in (g.conv1, *g.convs))
    styles, below = g.styles(g.w_mean[None]), None
    for resolution in g.resolutions:  # each resolution adds about its share of the picture
        state = g.state(styles, resolution, below)
        if below is not None:
            alone = g.state(styles, resolution, type(below)(below.resolution, below.x, 0 * below.skip)).skip
            assert RGB[resolution] / 3 < alone.std() < RGB[resolution] * 3
        below = state


def test_the_parser_finds_every_region(manifest):
    pack = open_pack(manifest, device="cpu")
    pictures = pack.generator.synthesis(pack.generator.mapping(torch.randn(4, pack.generator.z_dim)))
    found = pack.parser.net(torch.nn.functional.interpolate(pictures.clamp(-1, 1), (512, 512))).argmax(1)
    assert len(found.unique()) > 12


def test_the_same_seed_writes_the_same_weights(tmp_path):
    without = ("regressor", "encoder", "clip", "parser", "identity", "face_model", "perceptual")
    files = [run(write_pack(tmp_path / name, Sizes(64, 16, 400), 3, without=without)).parent for name in "ab"]
    first, second = (torch.load(folder / "ffhq.pt")["g_ema"] for folder in files)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not (files[0] / "79999_iter.pth").exists()
