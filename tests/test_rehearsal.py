"""Random weights in the published layouts, and the edits that are run on them."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch

from barbershop_core import open_pack, run
from barbershop_core.__main__ import main
from barbershop_core.barbershop import transfer_presets
from barbershop_core.inversion import embed
from barbershop_core.networks.mapper import LEVELS
from barbershop_core.pie import embedding
from barbershop_core.rehearsal import edits
from barbershop_core.rehearsal.budgets import few_steps
from barbershop_core.rehearsal.meter import Meter, resident_bytes
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


# --- the edits --------------------------------------------------------------------------------------


def test_few_steps_caps_every_preset_and_gives_it_back():
    before = transfer_presets.PRESETS["released"]
    with few_steps(3):
        capped = transfer_presets.PRESETS["released"]
        numbers = [value for name, value in vars(capped).items() if name.endswith("_steps")]
        assert numbers and max(numbers) == 3 and capped.inversion.fs_steps == 3
        assert embed.SAME_PICTURE.fs_steps == 3 and embedding.SAMPLES == 12  # of chains, and of the rig
    assert embed.SAME_PICTURE.fs_steps > 3 and embedding.SAMPLES > 12
    assert transfer_presets.PRESETS["released"] is before and before.inversion.fs_steps > 3


def test_the_meter_sees_a_peak_that_has_passed():
    with Meter(torch.device("cpu")) as meter:
        kept = np.ones(30_000_000)
        high = resident_bytes()
        time.sleep(0.3)
        del kept
    assert high - 5_000_000 < meter.memory and meter.seconds >= 0.3 and meter.cuda == 0


def test_stages_that_fail_are_rows_too(manifest, tmp_path, monkeypatch):
    rehearsal = edits.Rehearsal(open_pack(manifest, device="cpu"), tmp_path, steps=1)
    stages = {"parse": rehearsal.stages["parse"], "broken": lambda: (_ for _ in ()).throw(ValueError("no such thing"))}
    stages["infinite"] = lambda: iter_of(np.full((2, 2), np.inf))
    monkeypatch.setattr(edits.Rehearsal, "stages", stages)
    rows = run(edits.rehearse(rehearsal))
    assert [row.finite for row in rows] == [True, False, False]
    assert rows[0].shape == (64, 64) and rows[0].memory > 10**8 and "no such thing" in edits.table(rows)


def test_each_portrait_is_embedded_once(manifest, tmp_path):
    rehearsal, steps = edits.Rehearsal(open_pack(manifest, device="cpu"), tmp_path, steps=2), [[], []]
    with few_steps(2):
        for found in steps:
            run(rehearsal.stages["invert FS"](), found.append)
    assert len(rehearsal.codes) == 1 and len(steps[0]) > len(steps[1])
    again = edits.Rehearsal(rehearsal.pack, tmp_path, steps=2)
    assert len(again.codes) == 0  # a table always shows what an embedding takes


def iter_of(value):
    """Steps that return ``value``."""
    yield from ()
    return value


@pytest.mark.parametrize("stage", ["invert FS", "words: mapper by code"])
def test_a_stage_from_the_command_line(manifest, tmp_path, stage, capsys):
    command = ["rehearse", "--pack", str(manifest), "--out", str(tmp_path), "--device", "cpu", "--steps", "1"]
    assert main([*command, "--only", stage, "--quiet", "-o", str(tmp_path / "table.md")]) == 0
    assert f"| {stage} |" in (tmp_path / "table.md").read_text()
