"""Edits by words on tiny random networks: what changes and what must not, sliders, mistakes, chains."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_studio import SIDE, embedded, picture, portrait
from tiny_presets import fast_is_tiny

from barbershop_core import Studio, errors, jobs, run
from barbershop_core.inversion.codes import Code
from barbershop_core.styleclip import resources
from barbershop_core.styleclip.stylespace import StyleSynthesis, block_of, carried

QUICK = {"alpha": 6.0, "beta": 0.0, "neutral": "hair"}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    fast_is_tiny(monkeypatch)


@pytest.fixture
def code(small_pack):
    return embedded(small_pack.generator)


def test_partial_synthesis_is_the_whole_one(small_pack, code):
    g = small_pack.generator
    parts = StyleSynthesis(g, code, SIDE)
    zero = torch.zeros(1, sum(parts.widths))
    assert torch.allclose(parts.picture(zero), code.synthesis(g), atol=1e-5)
    starts = np.cumsum([0, *parts.widths])
    for layer in range(len(parts.widths)):
        shift = zero.clone()
        shift[0, starts[layer]] = 2.0
        made = parts.shifted(shift)
        assert torch.allclose(parts.picture(shift), made.synthesis(g), atol=1e-4), layer
        same = torch.allclose(made.feature, code.feature, atol=1e-5)
        assert same == (block_of(layer) > 32 or layer % 3 == 1)
        kept = parts.reachable(shift, "F")
        assert bool(kept.any()) == (block_of(layer) > 32)


def test_style_shifts_and_codes_of_w_agree(small_pack):
    """Without a residual in F, carrying it along is synthesis of the edited code itself."""
    g = small_pack.generator
    torch.manual_seed(2)
    a, b = (g.spread(g.mapping(torch.randn(1, g.z_dim))) for _ in range(2))
    plain = Code("FS", a, g.features(a))
    moved = carried(g, plain, b)
    assert torch.allclose(moved.feature, g.features(b), atol=1e-4)
    shift = torch.cat(g.styles(b), 1) - torch.cat(g.styles(a), 1)
    assert torch.allclose(StyleSynthesis(g, plain, SIDE).picture(shift), moved.synthesis(g), atol=1e-3)


@pytest.mark.parametrize("method", ["directions", "optimize", "mapper"])
def test_every_method_changes_the_picture_and_can_be_repeated(studio, small_pack, method):
    prompt = "Curly_Hair" if method == "mapper" else "curly hair 中文 🔥"
    steps = []
    result = run(studio.edit_text(portrait(1), prompt, method, strength=3.0, **QUICK), steps.append)
    assert not np.array_equal(np.asarray(result.image), np.asarray(portrait(1).image))
    assert {"identity", "clip", "clip_before"} <= set(result.scores)
    assert result.masks["changed"].shape == (SIDE, SIDE) and result.pasted.size == (SIDE, SIDE)
    told, other = json.loads(json.dumps(result.recipe)), Studio(small_pack, cache=False)
    again = run(jobs.replay(other, told, [picture(1)]))
    assert np.array_equal(np.asarray(again.value.image), np.asarray(result.image))
    if method == "optimize":
        previews = [s.preview() for s in steps if s.stage == "optimize"]
        assert len(previews) == 3 and not np.array_equal(previews[0], previews[-1])


def test_alpha_zero_changes_nothing_and_sliders_stack(studio):
    sliders = run(studio.direction_sliders(portrait(1)))
    still = sliders.image([])
    a, b = sliders.add("curly hair", "hair"), sliders.add("glasses", "")
    assert np.array_equal(sliders.image([(a, 0.0, 0.1), (b, 0.0, 0.1)]), still)
    one, both = sliders.image([(a, 9.0, 0.0)]), sliders.image([(a, 9.0, 0.0), (b, -9.0, 0.0)])
    assert not np.array_equal(one, still) and not np.array_equal(one, both)
    counts = [sliders.moved(a, beta) for beta in (0.0, 0.2, 0.4, 0.9)]
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]
    result = run(sliders.result([(a, 9.0, 0.0), (b, -9.0, 0.0)]))
    assert np.array_equal(np.asarray(result.image), both)
    assert result.scores["channels"] == {"curly hair": counts[0], "glasses": sliders.moved(b, 0.0)}
    again = run(jobs.replay(studio, result.recipe, [picture(1)]))
    assert np.array_equal(np.asarray(again.value.image), both)
    assert sliders.grid(a, [0.0, 4.0, 8.0], [0.0, 0.2]).shape == (2 * SIDE, 3 * SIDE, 3)


def test_route_f_keeps_f_and_says_so(studio):
    base = run(studio.invert(portrait(1)))
    kept = run(studio.edit_text(portrait(1), "blond hair", route="F", **QUICK))
    moved = run(studio.edit_text(portrait(1), "blond hair", route="W+", **QUICK))
    assert torch.equal(kept.code.feature, base.feature) and not torch.equal(moved.code.feature, base.feature)
    assert any("Route F" in notice for notice in kept.notices)
    assert not any("Route F" in notice for notice in moved.notices)


def test_words_after_a_transfer_and_a_transfer_after_words(studio, small_pack):
    first = run(studio.transfer(face=portrait(1), hair_color=portrait(2)))
    second = run(studio.edit_text(portrait(1), "blond hair", previous=first, **QUICK))
    assert second.code.shift is not None
    assert torch.equal(second.code.w_plus, first.code.w_plus)
    third = run(studio.edit_text(portrait(1), "curly hair", "mapper", previous=second))
    assert torch.equal(third.code.shift, second.code.shift)
    last = run(studio.transfer(face=portrait(1), hair_color=portrait(3), previous=third))
    assert last.code.shift is None
    assert [len(r.recipe.get("chain", [])) for r in (first, second, third, last)] == [0, 1, 2, 3]
    again = run(jobs.replay(Studio(small_pack, cache=False), last.recipe, [picture(k) for k in (1, 2, 3)]))
    assert np.array_equal(np.asarray(again.value.image), np.asarray(last.image))


def test_optimization_in_f_leaves_the_rows_below_alone(studio):
    base = run(studio.invert(portrait(1)))
    found = run(studio.edit_text(portrait(1), "blond hair", "optimize", route="F"))
    first = studio.pack.generator.feature_index
    assert torch.equal(found.code.w_plus[:, :first], base.w_plus[:, :first])
    assert not torch.equal(found.code.w_plus[:, first:], base.w_plus[:, first:])
    assert not torch.equal(found.code.feature, base.feature) and not found.code.feature.requires_grad


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"prompt": "  \n\t "}, "prompt is empty"),
        ({"prompt": "?!"}, "prompt is empty"),
        ({"prompt": 7}, "not a text"),
        ({"method": "magic"}, "directions, optimize, mapper"),
        ({"route": "Z"}, "W\\+, F"),
        ({"alpha": 40}, "-10 to 10"),
        ({"beta": float("nan")}, "0 to 1"),
        ({"identity": 3}, "0 to 1"),
        ({"strength": "much"}, "-3 to 3"),
        ({"method": "mapper", "levels": ["finest"]}, "coarse, medium, fine"),
        ({"preset": "best"}, "fast, paper, released"),
        ({"previous": "x.png"}, "not a result"),
        ({"edits": [{"goal": "x"}]}, "no 'goal'"),
    ],
)
def test_mistakes_are_sentences_before_any_work(studio, arguments, words):
    with pytest.raises(errors.BadRequest, match=words):
        studio.edit_text(portrait(1), **{"prompt": "blond hair", **arguments})


def test_long_prompts_are_cut_with_a_notice(studio):
    result = run(studio.edit_text(portrait(1), "curly hair " * 900, **QUICK))
    assert any("too long" in notice for notice in result.notices)
    endless = run(studio.edit_text(portrait(1), "x" * 10_000, **QUICK))
    assert any("too long" in notice for notice in endless.notices)


def test_the_same_twice_is_no_direction(studio):
    with pytest.raises(errors.BadRequest, match="same"):
        run(studio.edit_text(portrait(1), "hair", neutral="hair"))


def test_mappers_unknown_foreign_and_own(studio, tmp_path, monkeypatch):
    from barbershop_core.networks.mapper import Mapper

    monkeypatch.setenv("BARBERSHOP_MAPPERS", str(tmp_path))
    with pytest.raises(errors.BadRequest, match="curly hair"):
        run(studio.edit_text(portrait(1), "mohawk", "mapper"))
    published = {"state_dict": {f"mapper.{k}": v for k, v in Mapper(512).state_dict().items()}}
    torch.save(published, tmp_path / "afro.pt")
    assert "afro" in resources.mappers(studio.pack)
    with pytest.raises(errors.BadRequest, match="512 numbers"):
        run(studio.edit_text(portrait(1), "afro", "mapper"))
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    with pytest.raises(errors.WeightCorrupt, match="broken"):
        run(studio.edit_text(portrait(1), "broken", "mapper"))


def test_own_mappers_lie_in_the_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("BARBERSHOP_MAPPERS", raising=False)
    if sys.platform == "linux":
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
        assert resources.mappers_folder() == tmp_path / "barbershop" / "mappers"
        monkeypatch.delenv("XDG_DATA_HOME")
        assert resources.mappers_folder() == Path.home() / ".local" / "share" / "barbershop" / "mappers"
    monkeypatch.setenv("BARBERSHOP_MAPPERS", "~/mine")
    assert resources.mappers_folder() == Path.home() / "mine"


def test_a_pack_without_words_says_so(studio, monkeypatch):
    from dataclasses import replace

    without = {k: v for k, v in studio.pack.manifest.networks.items() if k not in ("clip", "directions")}
    monkeypatch.setattr(studio.pack, "manifest", replace(studio.pack.manifest, networks=without))
    with pytest.raises(errors.BadRequest, match="cannot be edited by words"):
        run(studio.edit_text(portrait(1), "blond hair"))
