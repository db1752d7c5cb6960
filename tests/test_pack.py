"""Opening packs: lazily, once, from verified files, with fallbacks; the 1024 px path from a served Hub."""

import inspect
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
import torch
from hub_server import HubServer
from safetensors.torch import load_file, save_file
from served_pack import ROLES, write_manifest
from small_pack import DIM, write_small_pack

from barbershop_core.editing.regions import parse
from barbershop_core.errors import BadRequest, PackError, WeightCorrupt, WeightMissing
from barbershop_core.pack import Pack, choose_pack, open_pack, pick_device
from barbershop_core.protocols import PackLike
from barbershop_core.weights.manifest import Source, read_manifest, write_manifest_hashes

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """No Hub, no cache, no settings of the machine; a test that wants a server sets it."""
    for name in ("HF_HUB_OFFLINE", "BARBERSHOP_WEIGHTS", "BARBERSHOP_LANDMARKER", "BARBERSHOP_PACK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    return write_small_pack(tmp_path_factory.mktemp("small"))


def test_every_network_of_an_embedded_pack_works(small, alone):
    pack = open_pack(small, device="cpu")
    assert (pack.name, pack.size, pack.working_size, pack.notices) == ("small", 64, 64, [])
    g = pack.generator
    image = g.synthesis(g.mapping(torch.randn(2, DIM))[:, None].repeat(1, g.n_latent, 1))
    assert image.shape == (2, 3, 64, 64)
    assert pack.encoder(image).shape == (2, g.n_latent, DIM)
    assert parse(pack.parser, image).shape == (2, 64, 64) and pack.parser.table == "celebamask19"
    unit = pack.identity(torch.zeros(1, 3, 112, 112))
    assert unit.norm().item() == pytest.approx(1, abs=1e-4)
    assert pack.perceptual.lpips(image, image).abs().max() < 1e-6
    assert pack.perceptual.lpips(image, image.flip(-1)).min() > 1e-6
    assert pack.pnorm.components.shape == (DIM, DIM)
    assert pack.landmarker is None
    for net in (g, pack.encoder, pack.identity, pack.parser.net, pack.perceptual):
        tensors = [*net.parameters(), *net.buffers()]
        assert all(t.dtype == torch.float32 for t in tensors if t.is_floating_point())
        assert not any(p.requires_grad for p in net.parameters()) and not net.training


def test_w_mean_is_read_from_the_file(small, alone):
    stored = load_file(small.parent / "generator.safetensors")["latent_avg"].float()
    assert torch.equal(open_pack(small, device="cpu").generator.w_mean.flatten(), stored)


def test_networks_open_once_even_under_threads(small, alone):
    pack = open_pack(small, device="cpu")
    seen, start = [], threading.Barrier(4)

    def look():
        start.wait()
        seen.append((pack.generator, pack.perceptual, pack.pnorm, pack.fingerprint))

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 4 and all(a is b for other in seen[1:] for a, b in zip(seen[0][:3], other[:3]))


def test_opening_reads_nothing_until_used(tmp_path, alone):
    path = write_small_pack(tmp_path / "pack")
    (path.parent / "identity.safetensors").unlink()
    pack = open_pack(path, device="cpu")
    assert pack.generator is not None
    with pytest.raises(WeightMissing, match="identity.*does not exist"):
        _ = pack.identity


def test_changed_and_broken_files_are_refused(tmp_path, alone):
    path = write_small_pack(tmp_path / "pack")
    file = path.parent / "generator.safetensors"
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    with pytest.raises(WeightCorrupt, match="checksum"):
        _ = open_pack(path, device="cpu").generator
    file.write_bytes(good[:500])
    write_manifest_hashes(path)  # the hash is right now, the contents are not
    with pytest.raises(WeightCorrupt, match="generator.safetensors"):
        _ = open_pack(path, device="cpu").generator
    save_file({"something": torch.zeros(3)}, file)
    write_manifest_hashes(path)
    with pytest.raises(WeightCorrupt, match="generator.safetensors"):
        _ = open_pack(path, device="cpu").generator


def test_pnorm_is_computed_where_there_is_no_file(tmp_path, alone):
    path = write_small_pack(tmp_path / "pack")
    given = open_pack(path, device="cpu").pnorm
    (path.parent / "pnorm.safetensors").unlink()
    pack = open_pack(path, device="cpu")
    computed = pack.pnorm
    assert any("pnorm" in notice for notice in pack.notices)
    # 2000 samples in float32 weights against 100,000 in half: the same statistics but for sampling
    assert torch.allclose(computed.mean, given.mean, atol=4 * given.stdev.max().item() / 2000**0.5)
    assert torch.allclose(computed.stdev[:4], given.stdev[:4], rtol=0.15)
    w = pack.generator.mapping(torch.randn(4000, DIM, generator=torch.Generator().manual_seed(5)))
    assert float(computed(w).mean()) == pytest.approx(1, abs=0.1)


def test_fingerprint_names_the_weights(tmp_path, alone):
    a, b = (write_small_pack(tmp_path / name, seed=seed) for name, seed in (("a", 0), ("b", 1)))
    prints = [open_pack(path, device="cpu").fingerprint for path in (a, a, b)]
    assert prints[0] == prints[1] != prints[2] and len(prints[0]) == 16
    text = b.read_text()
    b.write_text("\n".join(line for line in text.splitlines() if not line.startswith("sha256")))
    assert open_pack(b, device="cpu").fingerprint != prints[2]


def test_fingerprint_does_not_rest_on_an_assertion(small, alone):
    """``python -O`` drops assertions, and whatever they would have opened."""
    code = f"from barbershop_core.pack import open_pack; print(open_pack({str(small)!r}, 'cpu').fingerprint)"
    said = subprocess.run([sys.executable, "-O", "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert said.stdout.strip() == open_pack(small, device="cpu").fingerprint, said.stderr


def test_a_pack_has_what_the_methods_ask_for(small, alone):
    asked = {*PackLike.__annotations__, *vars(PackLike)}
    assert {name for name in asked if not name.startswith("_")} <= {*dir(open_pack(small, device="cpu"))}


def test_annotations_name_what_exists():
    for member in vars(Pack).values():
        function = member.fget if isinstance(member, property) else member
        if inspect.isfunction(function):
            get_type_hints(function)


def test_landmarker_from_the_environment(small, alone, monkeypatch, tmp_path):
    (tmp_path / "own.task").write_bytes(b"task")
    pack = open_pack(small, device="cpu")
    monkeypatch.setenv("BARBERSHOP_LANDMARKER", str(tmp_path / "own.task"))
    assert pack.landmarker == tmp_path / "own.task"
    monkeypatch.setenv("BARBERSHOP_LANDMARKER", str(tmp_path / "none.task"))
    with pytest.raises(WeightMissing, match="BARBERSHOP_LANDMARKER"):
        _ = pack.landmarker


def test_an_embedded_pack_asks_no_server(tmp_path, monkeypatch):
    path = write_small_pack(tmp_path / "pack")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        pack = open_pack(path, device="cpu")
        assert pack.generator is not None
        assert list(pack.download()) == [] and not server.requests


def test_contents_that_prove_wrong_give_the_next_source(tmp_path, monkeypatch):
    """The Hub vouches for the first file, but it holds something else."""
    small = write_small_pack(tmp_path / "pack")
    good = (small.parent / "identity.safetensors").read_bytes()
    save_file({"weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.add("wrong/net", "net.safetensors", tmp_path / "other.safetensors")
        server.add("right/net", "net.safetensors", good)
        sources = tuple(Source("net.safetensors", repo) for repo in ("wrong/net", "right/net"))
        identity = replace(read_manifest(small).networks["identity"], sources=sources)
        pack = open_pack(write_manifest(tmp_path / "pack.toml", [identity]), device="cpu")
        assert pack.identity(torch.zeros(1, 3, 112, 112)).shape == (1, 32)
        assert any("wrong/net" in notice for notice in pack.notices)
        identity = replace(identity, sources=sources[:1])
        with pytest.raises(WeightCorrupt):
            _ = open_pack(write_manifest(tmp_path / "pack.toml", [identity]), device="cpu").identity


def test_optional_encoder_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    sources = (Source("e.pt", "them/e4e"),)
    encoder = replace(read_manifest("ffhq").networks["encoder"], need="optional", sources=sources)
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        server.add("them/e4e", "e.pt", b"big")
        pack = open_pack(write_manifest(tmp_path / "pack.toml", [encoder]), device="cpu")
        assert pack.encoder is None and pack.encoder is None and not server.requests
        assert sum("encoder" in notice for notice in pack.notices) == 1
        with pytest.raises(PackError, match="no generator"):
            _ = pack.generator


def test_what_is_wanted_in_vain_is_asked_for_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    sources = (Source("a.task", "them/task"),)
    landmarker = replace(read_manifest("ffhq").networks["landmarker"], sources=sources)
    path = write_manifest(tmp_path / "pack.toml", [landmarker])
    with HubServer() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        lazily = open_pack(path, device="cpu")
        assert lazily.landmarker is None and lazily.notices
        asked = len(server.requests)
        assert asked and lazily.landmarker is None and list(lazily.download()) == []
        ahead = open_pack(path, device="cpu")
        assert any([step.notice for step in ahead.download()])
        assert len(server.requests) == 2 * asked
        assert ahead.landmarker is None and list(ahead.download()) == []
        monkeypatch.setenv("BARBERSHOP_LANDMARKER", str(path))
        assert open_pack(path, device="cpu").landmarker == path
        assert list(open_pack(path, device="cpu").download()) == []
        assert len(server.requests) == 2 * asked


def test_choice_of_pack_and_device(monkeypatch, alone):
    assert choose_pack("ffhq")[0] == "ffhq"
    assert choose_pack("auto", "cpu")[0] == "studio"
    monkeypatch.setenv("BARBERSHOP_PACK", "ffhq")
    assert choose_pack()[0] == "ffhq" and choose_pack("studio")[0] == "studio"
    assert choose_pack("auto", "cpu")[0] == "studio"
    assert pick_device("cpu").type == "cpu" and pick_device().type in ("cuda", "mps", "cpu")
    for wrong in ("tpu", "warp9", "cuda:0" if not torch.cuda.is_available() else "mps"):
        with pytest.raises(BadRequest, match="no device"):
            pick_device(wrong)
    with pytest.raises(PackError):
        open_pack("nowhere")
    if torch.cuda.is_available():  # a GPU, but a Hub that does not answer
        assert choose_pack("auto")[0] == "studio"


def test_ffhq_on_a_cpu_says_what_to_expect(alone):
    pack = open_pack("ffhq", device="cpu")
    assert (pack.size, pack.working_size) == (1024, 256)
    assert len(pack.notices) == 1 and "256" in pack.notices[0] and "minutes" in pack.notices[0]


def test_opening_a_pack_needs_neither_gradio_nor_networks():
    code = (
        "import sys, barbershop_core.pack as p; p.open_pack('studio', 'cpu'); "
        "print([m for m in ('gradio', 'spaces', 'mediapipe', 'lpips', 'open_clip') if m in sys.modules])"
    )
    said = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9"},
    )
    assert said.stdout.strip() == "[]", said.stderr


# ------------------------------------------------------------------------------- 1024 px


@pytest.mark.slow
def test_published_layouts_end_to_end_from_a_served_hub(served_ffhq_pack, monkeypatch, tmp_path):
    """Download, verify, open and use every network of the published sizes."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))  # another test may have filled the shared one
    pack = open_pack(served_ffhq_pack.manifest, device="cpu")
    stages, last = set(), {}
    for step in pack.download():
        stages.add(step.stage)
        last[step.stage] = step
    assert stages == {f"download {role}" for role in ROLES}
    assert all(step.index == step.total > 1e6 for step in last.values())
    before = len(served_ffhq_pack.server.requests)
    g = pack.generator
    assert (g.size, g.n_latent, g.style_dim, g.feature_size, g.feature_index) == (1024, 18, 512, 32, 7)
    with torch.no_grad():
        w_plus = g.mapping(torch.randn(1, 512))[:, None].repeat(1, 18, 1)
        image = g.synthesis(w_plus)
        small = g.synthesis(w_plus, side=pack.working_size)
        assert image.shape == (1, 3, 1024, 1024) and small.shape == (1, 3, 256, 256)
        assert image.isfinite().all() and float(image.std()) > 0.01
        labels = parse(pack.parser, small.clamp(-1, 1))
        assert labels.shape == (1, 256, 256)
        face = torch.nn.functional.interpolate(small.clamp(-1, 1), (112, 112), mode="area")
        assert float(pack.identity(face).norm()) == pytest.approx(1, abs=1e-4)
        assert float(pack.perceptual.lpips(small.clamp(-1, 1), small.clamp(-1, 1).flip(-1))) > 0
        assert pack.pnorm(w_plus).shape == (1,)
    assert pack.encoder is None and len(pack.fingerprint) == 16
    with np.load(pack.file("pnorm")) as stored:
        assert torch.equal(pack.pnorm.mean, torch.from_numpy(stored["X_mean"]))
    assert len(served_ffhq_pack.server.requests) == before, "the cache was not enough"
