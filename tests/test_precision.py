"""Synthesis in half precision: where it is allowed, and how far pictures move."""

from __future__ import annotations

import pytest
import torch

from barbershop_core import precision, run
from barbershop_core.inversion.minimise import minimise
from barbershop_core.precision import half_precision
from barbershop_core.rehearsal.random_networks import Sizes, generator


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return generator(Sizes(128, 8)).requires_grad_(False)


@pytest.fixture
def half(monkeypatch):
    """A CPU with bfloat16, and no generator too small for it."""
    monkeypatch.setattr(precision, "LEAST_SIZE", 64)
    monkeypatch.setattr(precision, "half_type", lambda device, gradients: torch.bfloat16)


def test_pictures_move_by_less_than_a_step_of_8_bits(net, half):
    w = net.mapping(torch.randn(4, net.z_dim))
    exact = net.synthesis(w).clamp(-1, 1)
    with half_precision():
        found = net.synthesis(w).clamp(-1, 1)
    assert found.dtype == torch.float32
    assert 0 < 127.5 * (found - exact).abs().mean() < 1
    with half_precision():
        assert net.features(net.spread(w)).dtype == torch.float32
    assert torch.equal(net.synthesis(w).clamp(-1, 1), exact)


def test_gradients_are_float32_and_nearly_the_same(net, half):
    w = net.spread(net.mapping(torch.randn(1, net.z_dim))).clone().requires_grad_()
    target = torch.rand(1, 3, 128, 128) * 2 - 1

    def gradient():
        return torch.autograd.grad((net.synthesis(w) - target).square().mean(), w)[0]

    exact = gradient()
    with half_precision():
        found = gradient()
    assert found.dtype == torch.float32 and not torch.equal(found, exact)
    assert torch.cosine_similarity(found.flatten(), exact.flatten(), 0) > 0.98


def test_the_last_iterations_are_exact(net, half):
    w = net.mapping(torch.randn(1, net.z_dim))
    exact = net.synthesis(w)
    code, seen = torch.zeros(1, requires_grad=True), []

    def objective(index):
        seen.append(torch.equal(net.synthesis(w), exact))
        return None, {"code": code.square().sum()}

    run(minimise("test", 10, [(code, 0.1)], objective))
    assert seen == [False] * 8 + [True] * 2
    assert torch.equal(net.synthesis(w), exact)


def test_small_generators_stay_in_float32(net):
    w = net.mapping(torch.randn(1, net.z_dim))
    with half_precision():
        assert torch.equal(net.synthesis(w), net.synthesis(w))
    with half_precision():
        assert net.features(net.spread(w)).dtype == torch.float32


def test_old_gpus_have_float16_for_pictures_only(monkeypatch):
    device = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    assert [precision.half_type(device, gradients) for gradients in (False, True)] == [torch.float16, None]
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert [precision.half_type(device, gradients) for gradients in (False, True)] == [torch.bfloat16] * 2
    assert precision.half_type(torch.device("mps"), False) is None
