"""Edits one after the other: where the next begins, what is pasted, what the recipe keeps and repeats."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from small_studio import SIDE, picture, portrait
from tiny_presets import TINY, fast_is_tiny

from barbershop_core import Studio, errors, jobs, run
from barbershop_core.barbershop import transfer
from barbershop_core.editing import chain, recipe
from barbershop_core.editing.regions import region_index
from barbershop_core.editing.request import Request
from barbershop_core.inversion.codes import Code
from barbershop_core.inversion.codes import load as load_code
from barbershop_core.stages import StageTimer


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    fast_is_tiny(monkeypatch)


@pytest.fixture
def photos(tmp_path):
    paths = {}
    for seed, name in enumerate(("me", "friend", "other")):
        paths[name] = str(tmp_path / f"{name}.png")
        picture(seed).save(paths[name])
    return paths


def test_the_second_edit_begins_where_the_first_ended(studio):
    painted = np.full((SIDE, SIDE), region_index("skin"), np.uint8)
    painted[:24] = region_index("hair")
    wanted = {"face": portrait(1), "mask": painted, "preset": TINY}
    first = run(studio.transfer(hair_color=portrait(2), **wanted))
    colour = {"face": portrait(1), "hair_color": portrait(3), "preset": TINY}  # leaves F as it is
    second, alone = run(studio.transfer(previous=first, **colour)), run(studio.transfer(**colour))
    assert torch.equal(second.code.feature, first.code.feature)
    assert not torch.equal(second.code.feature, alone.code.feature)
    assert (second.masks["changed"] >= first.masks["changed"]).all()
    request = Request("edit_text", {"face": portrait(1)}, {}, previous=first)
    start = run(chain.begin(studio.pack, None, request, TINY.inversion, StageTimer()))
    assert torch.equal(start.code.feature, first.code.feature)
    shown = np.asarray(first.image).astype(np.float32)
    np.testing.assert_allclose(start.image[0].permute(1, 2, 0).numpy() * 127.5 + 127.5, shown, atol=1e-3)


def test_own_photo_is_another_picture_than_the_edited_person(studio):
    first = run(studio.transfer(face=portrait(1), hair_color=portrait(2), preset=TINY))
    sources = transfer.Sources({"face": portrait(1), "hair_color": portrait(1)}, {}, {"hair": "hair_color"})
    request = Request("transfer", sources.roles, {}, previous=first)
    numbered = transfer._numbered(studio.pack, request, sources)
    references = run(transfer.read(studio.pack, None, request, numbered, TINY))
    assert len(references) == 2 and numbered.assignment.appearance == {"hair": 1}
    assert torch.equal(references[0].code.w_plus, first.code.w_plus)


def test_recipe_of_a_chain_repeats_it_to_the_same_image(studio, small_pack, photos):
    given = {"face": photos["me"], "hair_shape": photos["friend"]}
    one = run(jobs.start(studio, "transfer", given, {"seed": 3})).value
    given = {"face": photos["other"], "into": photos["me"]}
    two = run(jobs.start(studio, "swap_face", given, previous=one)).value
    written = json.loads(json.dumps(two.recipe))
    assert [step["operation"] for step in recipe.steps(written)] == ["transfer", "swap_face"]
    assert "chain" not in recipe.steps(written)[0]
    again = run(
        jobs.replay(Studio(small_pack, cache=False), written, [photos["other"], photos["friend"], photos["me"]])
    )
    assert np.array_equal(np.asarray(again.value.image), np.asarray(two.image))
    assert np.array_equal(np.asarray(again.value.pasted), np.asarray(two.pasted))
    assert again.value.recipe == two.recipe


def test_recipes_of_the_api_can_be_repeated_too(studio):
    first = run(studio.transfer(face=portrait(1), hair_shape=portrait(2), regions={"nose": portrait(3)}))
    second = run(studio.swap_face(face=portrait(2), into=portrait(1), previous=first))
    again = run(jobs.replay(studio, second.recipe, [picture(1), picture(2), picture(3)]))
    assert np.array_equal(np.asarray(again.value.image), np.asarray(second.image))


def test_missing_photos_are_named(studio, photos):
    done = run(jobs.start(studio, "transfer", {"face": photos["me"], "hair_color": photos["friend"]})).value
    with pytest.raises(errors.BadRequest, match="Hair colour photo"):
        run(jobs.replay(studio, done.recipe, [photos["me"], photos["other"]]))
    with pytest.raises(errors.BadRequest, match="not a result"):
        studio.transfer(face=portrait(1), hair_color=portrait(2), previous="new.png")
    small = replace(done, code=Code("W+", torch.zeros(1, 3, 5)))
    with pytest.raises(errors.BadRequest, match="another pack"):
        studio.transfer(face=portrait(1), hair_color=portrait(2), previous=small)


def test_shifted_codes_are_stored_and_rendered(studio, tmp_path):
    g = studio.pack.generator
    plain = Code("W+", g.spread(g.w_mean[None]).clone())
    count = sum(s.shape[1] for s in plain.styles(g))
    shifted = replace(plain, shift=torch.linspace(-1, 1, count)[None])
    read = load_code(shifted.save(tmp_path / "code.safetensors"))
    image = shifted.synthesis(g)
    assert torch.equal(read.synthesis(g), image) and not torch.equal(plain.synthesis(g), image)
    styles = torch.cat(g.styles(plain.w_plus), 1) + shifted.shift
    parts = list(styles.split([s.shape[1] for s in g.styles(plain.w_plus)], 1))
    torch.testing.assert_close(image, g.synthesis_from_styles(parts))
    assert SIDE == image.shape[-1]


def test_what_is_to_know_about_a_photo_is_said_once(studio, photos, monkeypatch):
    read = type(studio).read

    def noticed(self, source, **chosen):
        return replace(read(self, source, **chosen), notices=("It is dark.",))

    monkeypatch.setattr(type(studio), "read", noticed)
    told = []
    given = {"face": photos["me"], "hair_color": photos["friend"]}
    done = run(jobs.start(studio, "transfer", given), lambda step: told.append(step.notice))
    said = [notice for notice in (*told, *done.notices) if "dark" in notice]
    assert said == ["Person photo: It is dark.", "Hair colour photo: It is dark."]
