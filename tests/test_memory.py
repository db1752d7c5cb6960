"""Batches that fit into the free memory."""

from __future__ import annotations

import pytest
import torch

from barbershop_core import memory, open_pack, run
from barbershop_core.networks.stylegan2 import Generator
from barbershop_core.pie import sample_bank
from barbershop_core.pie.face_reader import face_reader


def test_batches_fit_the_free_memory(monkeypatch):
    assert memory.free_memory("cpu") > 2**20
    monkeypatch.setattr(memory, "free_memory", lambda device: 10_000)
    assert [memory.batch_for(size, "cpu", 8) for size in (10, 1000, 3000, 1e6)] == [8, 6, 2, 1]


def test_pictures_of_the_published_generator_fit_a_gpu_of_16_gb_and_the_budget_of_a_cpu(monkeypatch):
    widths = dict(zip((4, 8, 16, 32, 64, 128, 256, 512, 1024), (512,) * 5 + (256, 128, 64, 32)))
    with torch.device("meta"):
        net = Generator(1024, 512, 8, widths)
    assert memory.picture_bytes(net) == pytest.approx(0.8e9, rel=0.1)
    assert memory.picture_bytes(net, gradients=True) == pytest.approx(1.35e9, rel=0.1)
    monkeypatch.setattr(memory, "free_memory", lambda device: 14 * 2**30)
    assert memory.batch_for(memory.picture_bytes(net, gradients=True), "cuda", 16) == 6
    assert memory.batch_for(memory.picture_bytes(net), "cpu", 16) == 2


@pytest.fixture(scope="module")
def pack():
    return open_pack("studio", device="cpu")


def test_samples_do_not_depend_on_the_memory(pack, monkeypatch):
    batches = []
    synthesis = Generator.synthesis

    def counted(self, w_plus, *args, **options):
        batches.append(len(w_plus))
        return synthesis(self, w_plus, *args, **options)

    monkeypatch.setattr(Generator, "synthesis", counted)
    whole = run(sample_bank.draw_samples(pack, face_reader(pack), 5, seed=2))
    need = memory.picture_bytes(pack.generator)
    monkeypatch.setattr(memory, "free_memory", lambda device: 2.5 / 0.6 * need)
    parts = run(sample_bank.draw_samples(pack, face_reader(pack), 5, seed=2))
    assert batches == [5, 2, 2, 1]
    assert torch.allclose(whole.images, parts.images, atol=1e-4)
    assert torch.allclose(whole.reading.theta.flat(), parts.reading.theta.flat(), atol=1e-3)
