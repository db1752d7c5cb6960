"""Batches that fit into the free memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from barbershop_core import memory, open_pack, run
from barbershop_core.jobs import Done
from barbershop_core.networks.stylegan2 import Generator
from barbershop_core.photo import read
from barbershop_core.pie import sample_bank
from barbershop_core.pie.face_reader import face_reader
from page import sessions


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


def test_bytes_of_what_is_kept_open():
    photo = np.zeros((100, 200, 3), np.uint8)
    assert memory.bytes_of({"a": torch.zeros(10), "b": [np.zeros(5)], "c": Image.new("RGB", (4, 5))}) == 40 + 40 + 60
    assert memory.bytes_of(torch.nn.Linear(1000, 1000)) == 0
    assert memory.bytes_of(photo, [photo, (photo,)]) == photo.nbytes  # once
    portrait = read(Image.linear_gradient("L").resize((300, 400)), 64, None)
    assert memory.bytes_of(portrait) >= 300 * 400 * 3
    assert memory.bytes_of(Done(portrait, portrait, ())) == memory.bytes_of(portrait)


def test_portraits_are_kept_open_as_far_as_memory_allows():
    def opened(megabytes: int) -> sessions.Open:
        return sessions.Open(Done(np.zeros((megabytes, 2**20), np.uint8), None, ()))

    cache = sessions.SessionCache(most=4, memory=10 * 2**20)
    for number in range(6):
        cache.put((number,), opened(1))
    assert [bool(cache.get((number,))) for number in range(6)] == [False, False, True, True, True, True]
    cache.put((6,), opened(8))
    assert [bool(cache.get((number,))) for number in range(2, 7)] == [False, False, True, True, True]
    cache.put((7,), opened(64))  # the latest stays, however large it is
    assert cache.get((7,)) and not cache.get((6,))
