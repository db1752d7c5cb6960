"""Tables of directions, training of mappers, the captions and the table of edits, on tiny networks."""

from __future__ import annotations

import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from conformance import weights
from fixture import Fixture
from PIL import Image
from safetensors.torch import load_file
from small_studio import SIDE
from tiny_presets import fast_is_tiny

from barbershop_core import errors, memory, networks, run
from barbershop_core.evaluation import words
from barbershop_core.networks.regressor import Regressor
from barbershop_core.styleclip import prompts, resources
from barbershop_core.styleclip.clip_loss import picture_embedding
from barbershop_core.styleclip.directions import Table, channel_weights, convolutions, from_state, image_directions
from barbershop_core.styleclip.options import BETA
from barbershop_core.training import directions_table, train_mapper
from barbershop_core.world import captions, params
from barbershop_core.world.claims import claims

QUICK = replace(train_mapper.FAST, steps=4, batch=2)


@pytest.fixture
def clip(small_pack):
    return small_pack.optional("clip")


def test_derivative_is_the_limit_of_small_shifts(small_pack, clip):
    """The way back through the generator and CLIP against pictures of shifted channels."""
    g = small_pack.generator
    styles = [s.detach() for s in g.styles(g.mapping(torch.randn(1, g.z_dim, generator=torch.Generator())))]
    parts = {}
    rows = run(directions_table._by_derivative(small_pack, clip, styles, parts, parts.update))
    first = 0
    for layer in (0, 6, 12):  # of 4, 16 and 64 px
        start = directions_table._state_before(g, styles, layer)
        moved = (directions_table.shifted(styles, layer, 3, torch.tensor(shift)) for shift in (-0.005, 0.005))
        ends = [directions_table._embeddings(small_pack, clip, there, start, False) for there in moved]
        first = sum(s.shape[1] for k, s in enumerate(styles[:layer]) if k % 3 != 1)
        wanted = image_directions(ends[0][None], ends[1][None])[0]
        assert float(rows[first + 3] @ wanted) > 0.95, layer


def test_decorrelation_finds_the_channels_of_a_direction():
    """Channels that share one common direction: least squares tells them apart, their own rows do not."""
    torch.manual_seed(0)
    own = torch.nn.functional.normalize(torch.randn(30, 12), dim=1)
    rows = torch.nn.functional.normalize(own + 3 * own[:1], dim=1)
    wanted = own[4] - (own[4] @ own[0]) * own[0]
    wanted /= wanted.norm()

    def leak(table):
        effect = rows.T @ (table @ wanted)
        return float(1 - (effect @ wanted / effect.norm()))

    assert leak(directions_table.decorrelated(rows)) < leak(rows) - 0.05


TABLES = {name: replace(preset, images=2, codes=500) for name, preset in directions_table.PRESETS.items()}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_resumed_and_used(small_pack, clip, tmp_path, name, monkeypatch):
    monkeypatch.setattr(directions_table, "MOST_AT_ONCE", 1)
    if name != "fast":  # two images for each channel: the first layers show it
        monkeypatch.setattr(directions_table, "convolutions", lambda count: convolutions(count)[:3])
    out = tmp_path / "directions.safetensors"
    steps = directions_table.precompute(small_pack, clip, out, TABLES[name])
    for step in steps:
        if step.index == 2:
            break
    steps.close()
    part = out.with_suffix(".part.pt")
    assert part.exists() and not out.exists()
    again = directions_table.precompute(small_pack, clip, out, TABLES[name])
    assert not next(again).losses  # the first part was kept
    table = run(again)
    assert not part.exists()
    fresh = run(directions_table.precompute(small_pack, clip, tmp_path / "b.safetensors", TABLES[name]))
    assert torch.allclose(table.change, fresh.change, atol=1e-6)
    stored, g = from_state(load_file(out)), small_pack.generator
    assert stored.widths == tuple(s.shape[1] for s in g.styles(g.w_mean[None]))
    assert torch.allclose(stored.change, table.change, atol=1e-3) and stored.scale == pytest.approx(table.scale)
    torch.testing.assert_close(table.change.norm(dim=1), torch.ones(len(table.change)))


def test_published_tables_shift_channels_as_the_code_does(monkeypatch):
    """Each channel from its mean, where it then stays; the article's from each image's own value."""
    fixture = Fixture("single_channel")
    dims = fixture.spec["conventions"]["dims"]

    def drawn(name, *shape, **options):
        return [
            torch.from_numpy(weights.array(f"input:{name}:{k}", (*shape, d), 1, **options)) for k, d in enumerate(dims)
        ]

    styles, means = drawn("S", 3, mean=0.3), torch.cat(drawn("S_mean"))
    deviations = torch.cat(drawn("S_std", mean=0.5, std=0.2)).abs()
    seen = []

    def embeddings(pack, clip, there, start, pictures):
        seen.append(torch.cat(there, 1))
        return torch.eye(3) * (1 + len(seen))

    monkeypatch.setattr(directions_table, "_embeddings", embeddings)
    monkeypatch.setattr(directions_table, "_state_before", lambda *_: None)
    pack = SimpleNamespace(device=torch.device("cpu"), generator=None)
    for preset in (directions_table.RELEASED, directions_table.PAPER):
        seen.clear()
        parts = {}
        run(directions_table._by_shift(pack, None, styles, (means, deviations), preset, parts, parts.update))
        found = torch.stack(seen).unflatten(0, (-1, 2)).transpose(1, 2)
        if preset.at_mean:
            fixture.check("codes", found)
        else:
            assert ((found != torch.cat(styles, 1)[:, None]).sum(-1) == 1).all()


def test_truncated_codes_have_truncated_statistics(small_pack):
    g = small_pack.generator
    _, whole = directions_table.style_statistics(g, 500)
    mean, part = directions_table.style_statistics(g, 500, truncation=0.7)
    torch.testing.assert_close(part, 0.7 * whole, atol=1e-5, rtol=1e-3)
    assert (mean - torch.cat(g.styles(g.w_mean[None]), 1)[0]).abs().max() < 0.2


def test_a_derivative_table_keeps_its_share_at_the_default_threshold():
    """Whatever the spread of its relevances."""
    rows = torch.nn.functional.normalize(torch.randn(3000, 64, generator=torch.Generator().manual_seed(0)), dim=1)
    texts = torch.nn.functional.normalize(torch.randn(5, 64, generator=torch.Generator().manual_seed(1)), dim=1)
    scale = directions_table.threshold_scale(rows, texts)
    table = Table(rows, torch.ones(3000), (3000,), scale)
    kept = sorted(int((channel_weights(table, text, BETA.default) != 0).sum()) for text in texts)
    assert abs(kept[2] / 3000 - directions_table.KEPT_SHARE) < 0.01
    wide = directions_table.threshold_scale(rows * 2, texts)
    assert wide == pytest.approx(2 * scale, rel=1e-4)


def test_pictures_are_shown_as_by_clips_own_preprocessing(small_pack, clip):
    """Against Pillow: 8 bits, bicubic."""
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    pixels = ((image[0].permute(1, 2, 0) + 1) * 127.5).floor().numpy().astype(np.uint8)
    small = Image.fromarray(pixels).resize((clip.size,) * 2, Image.Resampling.BICUBIC)
    shown = torch.from_numpy(np.asarray(small).copy()).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        assert float((picture_embedding(clip, image) * clip.image(shown)).sum()) > 0.9999


@pytest.mark.parametrize("other", [{"seed": 1}, {"preset": TABLES["paper"]}, "generator", "clip"])
def test_another_table_is_not_resumed(small_pack, clip, tmp_path, other, monkeypatch):
    monkeypatch.setattr(directions_table, "MOST_AT_ONCE", 1)
    out = tmp_path / "directions.safetensors"
    for step in directions_table.precompute(small_pack, clip, out, TABLES["fast"]):
        if step.index == 2:
            break
    changed = changed_network(small_pack, clip, other, monkeypatch)
    options = {"preset": TABLES["fast"]} | (other if isinstance(other, dict) else {})
    steps = directions_table.precompute(small_pack, changed, out, **options)
    assert next(steps).losses  # begins with the first part
    steps.close()


def changed_network(pack, clip, which, monkeypatch):
    """A copy of CLIP, changed if ``which`` is "clip"; if it is "generator", the pack gets a changed one."""
    clip = copy.deepcopy(clip)
    generator = copy.deepcopy(pack.generator)
    with torch.no_grad():
        if which == "clip":
            clip.model.text_projection.mul_(1.01)
        if which == "generator":
            next(generator.parameters()).mul_(1.01)
    monkeypatch.setattr(pack, "_open", pack._open | {"generator": generator})
    return clip


def test_senseless_tables_are_refused(small_pack, clip, tmp_path):
    with pytest.raises(errors.BadRequest, match="No table"):
        run(
            directions_table.precompute(small_pack, clip, tmp_path / "x.safetensors", replace(TABLES["fast"], images=1))
        )


def test_a_mapper_is_trained_resumed_and_read(small_pack, clip, tmp_path, monkeypatch):
    monkeypatch.setattr(train_mapper, "CHECKPOINT_STEPS", 2)
    out = tmp_path / "mohawk.safetensors"
    steps = train_mapper.train(small_pack, clip, "mohawk", out, preset=QUICK)
    for step in steps:
        if step.index == 3:
            break
    steps.close()
    assert out.with_suffix(".part.pt").exists() and not out.exists()
    seen = []
    figures = run(train_mapper.train(small_pack, clip, "mohawk", out, preset=QUICK), seen.append)
    assert [s.index for s in seen] == [3, 4]  # the first two were kept
    assert {"clip before", "clip", "turn", "identity", "minutes"} == set(figures)
    assert out.with_suffix(".png").exists() and not out.with_suffix(".part.pt").exists()
    net = networks.load("mapper", out)
    g = small_pack.generator
    delta = net(g.spread(g.w_mean[None]))
    assert delta.shape == (1, g.n_latent, g.style_dim) and bool(delta.any())
    monkeypatch.setenv("BARBERSHOP_MAPPERS", str(tmp_path))
    assert "mohawk" in resources.mappers(small_pack)


@pytest.mark.parametrize(
    "other", [{"prompt": "beard"}, {"neutral": "hair"}, {"seed": 1}, {"lr": 0.3}, "generator", "clip"]
)
def test_another_mapper_is_not_resumed(small_pack, clip, tmp_path, other, monkeypatch):
    monkeypatch.setattr(train_mapper, "CHECKPOINT_STEPS", 1)
    out, asked = tmp_path / "mohawk.safetensors", {"prompt": "mohawk", "preset": QUICK}

    steps = train_mapper.train(small_pack, clip, out=out, **asked)
    assert [next(steps).index, next(steps).index] == [1, 2]  # the checkpoint is of step 1
    steps.close()
    steps = train_mapper.train(small_pack, copy.deepcopy(clip), out=out, **asked)
    assert next(steps).index == 2
    steps.close()
    changed = changed_network(small_pack, clip, other, monkeypatch)
    if isinstance(other, dict):
        asked |= {"preset": replace(QUICK, **other)} if "lr" in other else other
    steps = train_mapper.train(small_pack, changed, out=out, **asked)
    assert next(steps).index == 1
    steps.close()


def test_a_mapper_is_trained_for_some_levels(small_pack, clip, tmp_path):
    out = tmp_path / "fine.safetensors"
    run(train_mapper.train(small_pack, clip, "beard", out, preset=replace(QUICK, levels=("fine",))))
    g, net = small_pack.generator, networks.load("mapper", out)
    delta = net(g.spread(g.w_mean[None]))
    assert not delta[:, :8].any() and delta[:, 8:].any()
    with pytest.raises(errors.BadRequest, match="no levels"):
        run(train_mapper.train(small_pack, clip, "beard", out, preset=replace(QUICK, levels=())))


@pytest.mark.parametrize("preset", ["fast", "paper", "released"])
def test_a_mappers_l2_is_a_mean_square(small_pack, clip, preset):
    """As in the released code, over batch, rows and channels; FAST's weight is that of its 12 rows."""
    g = small_pack.generator
    loss = train_mapper.MapperLoss(small_pack, clip, "beard", "face", train_mapper.PRESETS[preset])
    w = train_mapper.sample_codes(small_pack, 2, torch.Generator().manual_seed(0))
    change = torch.randn(w.shape, generator=torch.Generator().manual_seed(1))
    assert change.shape == (2, g.n_latent, g.style_dim) and g.n_latent > 1
    wanted = 0.8 * change.square().mean()
    if preset == "fast":
        wanted = 0.012 * 12 * change.square().mean() / small_pack.pnorm.stdev.square().mean()
    torch.testing.assert_close(loss(w, change)[1]["l2"], wanted)


def test_a_mapper_learns(small_pack, clip, tmp_path):
    """On pictures it never saw, the change of the embedding turns towards that of the text."""
    preset = replace(train_mapper.FAST, steps=40, batch=4, identity=0.0)
    little = run(train_mapper.train(small_pack, clip, "beard", tmp_path / "a.safetensors", preset=QUICK))
    much = run(train_mapper.train(small_pack, clip, "beard", tmp_path / "b.safetensors", preset=preset))
    assert much["turn"] > little["turn"] + 0.1


def test_captions_are_true_and_cover_the_world():
    p = params.sample(60, 5)
    rng = np.random.default_rng(0)
    texts, fits = captions.batch(p, 20, rng)
    assert len(texts) == 80 and fits.shape == (80, 60)
    assert (fits[np.arange(60), np.arange(60)] > 0.01).all()
    assert ((fits >= 0) & (fits <= 1)).all()
    said = " ".join(" ".join((*c.nouns, *c.adjectives, *c.verbs, *c.hair)) for c in claims())
    for word in ("glasses", "no glasses", "not smiling", "curlier", "grey", "clean-shaven", "to the left"):
        assert word in said
    moved = set()
    base = {name: np.zeros(2) for name in params.NAMES}
    for name in params.NAMES:
        changed = base | {name: np.array([0.0, 0.9])}
        if any(np.ptp(c.truth(changed)) > 0.05 for c in claims()):
            moved.add(name)
    assert set(params.NAMES) - moved <= {"sweep", "wave_length"}  # these show with a fringe, with curls
    bald = {**base, "glasses": np.array([0.59, 0.61])}
    worn = next(c for c in claims() if "glasses" in c.nouns)
    assert worn.truth(bald).tolist() == [0.0, 1.0]


def test_prompts_are_cleaned():
    assert prompts.clean("  long \x00 curly\u2028hair\n") == "long curly hair"
    assert prompts.clean("🔥") == "🔥" and prompts.clean("中文") == "中文"
    for nothing in ("", "   ", "\x00", "...", "\u200b"):
        with pytest.raises(errors.BadRequest, match="empty"):
            prompts.clean(nothing)


def test_table_of_edits(small_pack, monkeypatch, tmp_path):
    fast_is_tiny(monkeypatch)
    torch.manual_seed(3)
    judge = Regressor((4, 4, 4, 4, 4), 8).eval().requires_grad_(False)
    opened = dict(small_pack._open) | {"regressor": judge}
    monkeypatch.setattr(small_pack, "_open", opened)
    monkeypatch.setattr(type(small_pack), "fetch", lambda self, *roles: iter(()))
    table = run(
        words.text(
            small_pack,
            2,
            methods=("directions", "mapper"),
            prompts=("curly hair", "glasses"),
            sheet=tmp_path / "sheet.png",
        )
    )
    assert set(table["rows"]) == {"directions", "mapper"}
    assert set(table["prompts"]["glasses"]) == {"directions", "truth"}
    assert {"right", "leak", "identity"} <= set(table["rows"]["directions"])
    assert (tmp_path / "sheet.png").exists()
    task = words.TASKS[0]
    drawn = words.subjects(task, 30, 0)
    assert (drawn[:, params.INDEX["curl"]] < 0.26).all() and len(drawn) == 30
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert words.measure(small_pack, task, picture, picture) == {"right": 0.0, "leak": 0.0, "moved": 0.0}
    with pytest.raises(errors.BadRequest, match="portraits from 1"):
        words.text(small_pack, 0)
    with pytest.raises(errors.BadRequest, match="None of these"):
        words.text(small_pack, 1, prompts=("unicorn",))


def test_a_mapper_does_not_depend_on_the_memory(small_pack, clip, tmp_path, monkeypatch):
    """A batch in parts that fit gives the same gradients as the whole batch."""
    preset = replace(train_mapper.FAST, steps=2, batch=3)
    files = [tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"]
    run(train_mapper.train(small_pack, clip, "a smile", files[0], preset=preset))
    two = 2.2 / 0.6 * memory.picture_bytes(small_pack.generator, gradients=True)
    monkeypatch.setattr(memory, "free_memory", lambda device: two)
    run(train_mapper.train(small_pack, clip, "a smile", files[1], preset=preset))
    whole, parts = (load_file(file) for file in files)
    assert all(torch.allclose(whole[name], parts[name], atol=1e-3) for name in whole)
