"""Training of the studio generator, on a pool so small that it can only show that things move."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clock import ticking

from barbershop_core.inversion.prior import PNorm
from barbershop_core.networks.e4e import Encoder4Editing
from barbershop_core.networks.perceptual import Perceptual
from barbershop_core.networks.stylegan2_layers import StyledConv, ToRGB
from barbershop_core.networks.vgg import VGG16Features
from barbershop_core.progress import run
from barbershop_core.training import pool, timebox, train_generator, train_identity, train_mapping, train_photographs
from barbershop_core.training.batches import Batches
from barbershop_core.training.muon import Muon, orthogonal
from barbershop_core.world import params


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("pool")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "CHUNK", 60)
        for seed in (0, pool.HELD_OUT_SEED):
            pool._make(str(path), seed, 64)
    return path


@pytest.mark.parametrize("shape", [(12, 40), (40, 12), (16, 16)])
def test_orthogonal(shape):
    """Singular vectors stay; values come near one (the published iteration's band)."""
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    made = orthogonal(matrix, 8)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    values = torch.linalg.svdvals(made)
    assert values.min() > 0.6 and values.max() < 1.3
    aligned = (u.T @ made @ v.T).diag()
    assert (aligned > 0.6).all()


def test_muon_steps_by_its_rate():
    """A step's RMS is .2 lr whatever the gradient's scale; convolutions count as matrices."""
    for shape in ((1, 16, 16, 3, 3), (20, 30)):
        for scale in (1e-6, 1e3):
            weight = torch.nn.Parameter(torch.zeros(shape))
            weight.grad = scale * torch.randn(shape, generator=torch.Generator().manual_seed(2))
            Muon([weight], lr=0.5).step()
            # all singular values one: RMS = sqrt(min / (rows * columns)) * .2 lr sqrt(max) = .2 lr
            assert weight.detach().square().mean().sqrt().item() == pytest.approx(0.1, rel=0.25)


def test_descriptions(folder):
    """Held-out portraits are on the training portraits' scale; absent regions are not known."""
    described, held_out = train_mapping.describe(folder)
    assert described.values.shape == described.known.shape and len(described.p) == 60
    assert described.values.shape[1] == held_out.values.shape[1]
    known = described.known.float()
    mean = (described.values * known).sum(0) / known.sum(0).clamp_min(1)
    assert mean.abs().max() < 1e-3
    glasses = np.array([params.Portrait(p).has_glasses for p in described.p])
    colour = 2 * params.COUNT + 9 * 3 + 3  # the last region of COLOURED, after three areas
    seen = described.known[:, colour].numpy()
    assert not seen[~glasses].any() and seen[glasses].mean() > 0.5


def test_the_mapping_learns_to_describe(folder, monkeypatch):
    ticking(monkeypatch, train_mapping)
    described, _ = train_mapping.describe(folder)
    g = train_generator.fresh(64, 0)
    before = train_mapping.explained(g, train_mapping.readout(g, described), described)
    head = run(train_mapping.train(g, described, described, minutes=5))
    assert train_mapping.explained(g, head, described) > max(0.5, before + 0.1)
    z = torch.from_numpy(params.to_z(described.p, g.z_dim, 1))
    assert g.mapping(z).std().item() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.slow
def test_two_processes_train_and_resume(folder, tmp_path, monkeypatch):
    """The time box holds over a resumed run, and the pictures come closer."""
    ticking(monkeypatch, train_mapping)
    ticking(monkeypatch, train_generator, seconds=2)
    untrained = train_generator.held_out_psnr(train_generator.fresh(64, 0).eval(), folder, 64)
    checkpoint = tmp_path / "generator.pt"
    steps: list = []
    half = train_generator.Schedule(minutes=1, mapping_minutes=1, workers=2, batch=(4, 4, 4))
    train = train_generator.train(folder, checkpoint, 64, half)
    steps.extend(train)
    saved = torch.load(checkpoint, weights_only=True)["state"]
    assert saved["elapsed"] >= 60 and saved["seen"] == 4 * 2 * saved["index"]
    longer = train_generator.Schedule(minutes=2, mapping_minutes=1, workers=1, batch=(4, 4, 4))
    steps.extend(train_generator.train(folder, checkpoint, 64, longer))
    resumed = torch.load(checkpoint, weights_only=True)["state"]
    assert not any(q.requires_grad for q in train_generator.load(checkpoint, 64).parameters())
    assert resumed["index"] > saved["index"] and resumed["elapsed"] >= 120
    assert steps[-1].losses["psnr"] > untrained
    assert any(step.stage == "mapping held out" for step in steps)


@pytest.mark.slow
def test_a_small_net_learns_and_resumes(folder, tmp_path, monkeypatch):
    """The shared loop: held-out figures at the end, time boxes add up over runs."""
    ticking(monkeypatch, timebox)
    monkeypatch.setattr(Batches, "draw", _small_draw(Batches.draw))
    first = [s for s in train_identity.train(folder, None, tmp_path / "i.pt", 0.1)]
    again = [s for s in train_identity.train(folder, None, tmp_path / "i.pt", 0.2)]
    assert first[-1].stage == again[-1].stage == "identity held out"
    saved = torch.load(tmp_path / "i.pt", weights_only=True)["state"]
    assert saved["elapsed"] >= 12 and 0 < saved["index"]
    assert again[-1].losses["renders"] != first[-1].losses["renders"]
    assert all(-1 <= steps[-1].losses["renders"] <= 1 for steps in (first, again))


@pytest.mark.slow
def test_noise_and_colours_of_every_size(folder, tmp_path, monkeypatch):
    """Without photographs: W and S keep their meaning, and the generator has what published ones have."""
    ticking(monkeypatch, timebox)
    g = train_generator.fresh(64, 0)
    g.load_state_dict({k: v for k, v in train_generator.export(g).items() if k != "latent_avg"})
    encoder = Encoder4Editing(g.n_latent, g.style_dim, (16, 24, 32, 48), (1, 1, 1, 1), 32)
    for parameter in encoder.styles[3].parameters():
        parameter.detach().zero_()
    prior = PNorm.fit(g.mapping(torch.randn(500, g.z_dim)).detach())
    vgg = VGG16Features((4, 4, 8, 8, 8))
    made = train_photographs.Networks(g, encoder, Perceptual(vgg), prior)
    w = g.mapping(torch.randn(2, g.z_dim)).detach()
    styles = [s.detach() for s in g.styles(w)]
    figures = run(train_photographs.train(folder, None, tmp_path / "p.pt", 0.1, made))
    assert {"renders", "renders encoded", "r2"} <= set(figures)
    assert all(torch.equal(a, b) for a, b in zip(styles, g.styles(w)))
    assert all(m.noise.weight > 0 for m in g.modules() if isinstance(m, StyledConv))
    assert all(m.conv.weight.any() for m in g.modules() if isinstance(m, ToRGB))
    assert any(parameter.any() for parameter in encoder.styles[3].convs.parameters())


def _small_draw(draw):
    """Batches at the pool's own 64 px."""
    return lambda self, batch, size: draw(self, batch, 64)
