"""The studio pack's rig learns what the world says a move does to a code."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from clock import ticking

from barbershop_core import open_pack
from barbershop_core.pie.face_reader import face_reader
from barbershop_core.progress import run
from barbershop_core.training import timebox, train_world_rig
from barbershop_core.world import params


@pytest.fixture(scope="module")
def studio():
    return open_pack("studio", device="cpu")


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(train_world_rig, "PORTRAITS", 200)
    monkeypatch.setattr(train_world_rig, "HELD_OUT", 60)


def test_portraits_take_over_one_part_of_others():
    a, b = (train_world_rig.Portraits.sample(4, seed) for seed in (1, 2))
    for name in ("pose", "expression", "light"):
        mixed, places = a.like(b, name), params.indices(name)
        rest = [k for k in range(params.COUNT) if k not in places]
        assert torch.equal(mixed.p[:, places], b.p[:, places]) and torch.equal(mixed.p[:, rest], a.p[:, rest])
        assert torch.equal(mixed.light, b.light if name == "light" else a.light)


def test_the_rig_of_a_linear_generator(studio, tmp_path, monkeypatch):
    """Where codes are linear in the portrait's uniform numbers, RigNet learns the offsets."""
    ticking(monkeypatch, timebox)
    matrix = torch.randn(params.COUNT, 16, generator=torch.Generator().manual_seed(3))
    generator = SimpleNamespace(
        z_dim=64, n_latent=2, style_dim=16, mapping=lambda z: torch.erf(z[:, : params.COUNT] / 2**0.5) @ matrix
    )
    model = face_reader(studio).model
    rig, figures = run(train_world_rig.train(generator, model, tmp_path / "rig.pt", minutes=8, lr=5e-3))
    untrained = train_world_rig.Teacher(generator, model).untrained()
    assert rig.sizes == {"pose": 3, "expression": 5, "light": 27}
    before = train_world_rig.scores(untrained, train_world_rig.Teacher(generator, model))
    assert all(before[name] < 0.2 and figures[name] > 0.5 for name in figures), (before, figures)


def test_the_studio_packs_rig_moves_as_the_world_does(studio):
    """R2 of the earlier rig, which learnt from a regressor's readings: expression .09, light .15, pose .36."""
    teacher = train_world_rig.Teacher(studio.generator, face_reader(studio).model)
    figures = train_world_rig.scores(studio.optional("rignet"), teacher)
    assert min(figures.values()) > 0.93, figures
