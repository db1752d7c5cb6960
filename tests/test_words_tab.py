"""The tab "Words" without a browser: sliders, what they keep, comparison, both other methods, bad input."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_studio import TINY
from small_words import add_words

from barbershop_core import run
from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.editing.recipe import read_png, steps


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's modules on a small random pack that knows words."""
    from page import core, hair, history, live, panel, words

    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BARBERSHOP_LANDMARKER", raising=False)
        patch.setenv("BARBERSHOP_PACK", str(add_words(write_small_pack(folder / "pack"))))
        patch.setenv("BARBERSHOP_CACHE", str(folder / "cache"))
        patch.setenv("BARBERSHOP_MAPPERS", str(folder / "mappers"))
        patch.setitem(presets.PRESETS, "fast", TINY)  # quick steps: nothing has to look good
        core._open_studio.cache_clear()
        yield SimpleNamespace(core=core, hair=hair, history=history, live=live, panel=panel, words=words)
        core._open_studio.cache_clear()


@pytest.fixture
def me(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(noise).resize((120, 160), Image.BICUBIC).save(tmp_path / "me.png")
    return str(tmp_path / "me.png")


@pytest.fixture
def session():
    return SimpleNamespace(session_hash=os.urandom(6).hex())


def where(page, slots=(), route="W+", **moved) -> list:
    """Values of the live controls, by name where they are not at their start."""
    start = {"slots": [dict(zip(("target", "neutral"), pair)) for pair in slots], "route": route}
    start |= {f"alpha_{k}": page.words.ALPHA for k in range(page.words.SLOTS)}
    start |= {f"beta_{k}": 0.02 for k in range(page.words.SLOTS)}
    return [(start | moved)[name] for name in page.words.LIVE_INPUTS]


def last(names, updates) -> dict:
    *_, final = updates
    return dict(zip(names, final))


def refused(updates) -> str:
    with pytest.raises(gr.Error) as caught:
        list(updates)
    return caught.value.message


def add(page, session, me, prompt, neutral="", values=None):
    return page.words.add(session, prompt, neutral, me, None, *(values or where(page)))


def test_sliders_show_what_the_library_makes_and_keep_it(page, session, me):
    added = last(page.words.OUTPUTS, add(page, session, me, "blond hair", "hair"))
    assert added["slots"] == [{"target": "blond hair", "neutral": "hair"}]
    assert added["slot_0"]["visible"] and not added["slot_1"]["visible"]
    values = where(page, [("blond hair", "hair")], alpha_0=6.0)
    moved = dict(zip(page.words.LIVE_OUTPUTS, page.words.move(session, *values)))
    studio = page.core.studio()
    sliders = run(studio.direction_sliders(studio.read(me)))
    sliders.add("blond hair", "hair")
    assert (moved["preview"]["value"] == sliders.image([(0, 6.0, 0.02)])).all()
    assert (moved["preview"]["value"] != added["preview"]["value"]).any()
    assert moved["moved_0"] == page.words.moved_words(sliders.moved(0, 0.02))

    kept = last(page.words.OUTPUTS, page.words.keep(session, *values))
    recipe = read_png(kept["crop_file"]["value"])
    assert recipe["operation"] == "text" and recipe["settings"]["edits"][0]["alpha"] == 6.0
    assert (
        np.abs(
            np.asarray(Image.open(kept["crop_file"]["value"])).astype(int) - moved["preview"]["value"]
        ).max()
        <= 1
    )
    assert kept["slots"] == [] and len(kept["history"]["value"]) == 2


def test_directions_stack_and_are_taken_away(page, session, me):
    list(add(page, session, me, "glasses"))
    two = last(page.words.OUTPUTS, add(page, session, me, "beard", values=where(page, [("glasses", "")])))
    assert [slot["target"] for slot in two["slots"]] == ["glasses", "beard"] and two["slot_1"]["visible"]
    both = where(page, [("glasses", ""), ("beard", "")])
    one = dict(zip(page.words.OUTPUTS, page.words.remover(0)(session, *both)))
    assert [slot["target"] for slot in one["slots"]] == ["beard"] and not one["slot_1"]["visible"]
    alone = page.words.move(session, *where(page, [("beard", "")]))
    assert (one["preview"]["value"] == alone[0]["value"]).all()
    none = dict(zip(page.words.OUTPUTS, page.words.remover(0)(session, *where(page, [("beard", "")]))))
    assert none["slots"] == [] and none["preview"]["visible"]


def test_a_run_may_go_on_in_another_thread(page, session, me):
    """As Gradio runs generators: each step in whichever worker is free."""
    list(add(page, session, me, "glasses"))
    request = page.history.Visit.of(session).base() | {"options": {"route": "W+"}}
    edit = {"target": "glasses", "neutral": "", "alpha": 4.0, "beta": 0.02}
    kept = page.live.keep_sliders(page.core.studio(), request | {"edits": [edit]})
    workers, taken, step = [ThreadPoolExecutor(1) for _ in range(9)], 0, object()
    while step is not None:
        step = workers[taken].submit(next, kept, None).result()
        taken += 1
    assert taken > 2


def test_an_open_portrait_may_be_gone(page, session, me):
    """As on ZeroGPU, where each call is another process."""
    list(add(page, session, me, "glasses"))
    values = where(page, [("glasses", "")])
    before = page.words.move(session, *values)[0]["value"]
    page.live.shelf = page.live.SessionCache()
    assert (page.words.move(session, *values)[0]["value"] == before).all()


def test_words_go_on_from_hair_and_hair_from_words(page, session, me, tmp_path):
    other = tmp_path / "other.png"
    Image.open(me).transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(7).save(other)
    form = dict.fromkeys(page.hair.TRANSFER_INPUTS) | {"face": me, "preset": "fast", "seed": 0}
    list(page.hair.run_transfer(session, *(form | {"hair_shape": str(other)}).values()))
    list(add(page, session, me, "glasses"))
    list(page.words.keep(session, *where(page, [("glasses", "")])))
    end = last(
        page.panel.OUTPUTS, page.hair.run_transfer(session, *(form | {"hair_color": str(other)}).values())
    )
    recipe = read_png(end["crop_file"]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "text", "transfer"]
    back = dict(zip(page.panel.OUTPUTS, page.panel.undo(session)))
    assert [s["operation"] for s in steps(read_png(back["crop_file"]["value"]))] == ["transfer", "text"]


def test_a_comparison_holds_the_pictures_of_its_sliders(page, session, me):
    list(add(page, session, me, "glasses"))
    made = last(page.words.OUTPUTS, page.words.compare(session, *where(page, [("glasses", "")])))
    sheet = np.asarray(made["grid"]["value"])
    assert sheet.shape == (66 + 5 * 160, 92 + 5 * 160, 3)
    cell = np.asarray(Image.fromarray(sheet[68:224, 94:250]).resize((64, 64)))
    expected = page.words.move(session, *where(page, [("glasses", "")], alpha_0=-4.0, beta_0=0.08))[0][
        "value"
    ]
    assert np.abs(cell.astype(int) - expected).mean() < 12


def run_form(page, me, **chosen) -> list:
    form = {"face": me, "face_index": None, "prompt": "blond hair", "neutral": "hair", "method": "optimize"}
    form |= {
        "identity": 0.05,
        "strength": 1,
        "mapper": None,
        "route": "W+",
        "text_preset": "fast",
        "text_seed": 0,
    }
    return [(form | chosen)[name] for name in page.words.RUN_INPUTS]


def test_optimization_and_mapper_add_to_the_chain(page, session, me, monkeypatch):
    from dataclasses import replace

    from barbershop_core.styleclip import latent_optimization as optimize

    monkeypatch.setitem(optimize.PRESETS, "tiny", replace(optimize.FAST, steps=3))
    one = last(page.panel.OUTPUTS, page.words.run(session, *run_form(page, me)))
    assert read_png(one["crop_file"]["value"])["settings"]["method"] == "optimize"
    assert "Match with the words" in one["details"]
    assert "curly hair" in page.words.mappers()
    two = last(
        page.panel.OUTPUTS, page.words.run(session, *run_form(page, me, method="mapper", mapper="curly hair"))
    )
    assert [s["settings"]["method"] for s in steps(read_png(two["crop_file"]["value"]))] == [
        "optimize",
        "mapper",
    ]


def test_a_mapper_of_ones_own_appears(page, tmp_path, monkeypatch):
    import shutil

    folder = page.core.studio().pack.manifest.folder
    (tmp_path / "own").mkdir()
    shutil.copy(folder / "mapper_curly_hair.safetensors", tmp_path / "own" / "my_look.safetensors")
    monkeypatch.setenv("BARBERSHOP_MAPPERS", str(tmp_path / "own"))
    choices = page.words.refresh_mappers("my look")
    assert {"curly hair", "my look"} <= set(choices["choices"]) and choices["value"] == "my look"


def test_bad_input_gets_its_sentence(page, session, me):
    assert "Nothing was said" in refused(add(page, session, me, "  "))
    assert "person is missing" in refused(add(page, session, None, "glasses"))
    assert "no portrait" in refused(page.words.keep(session, *where(page, [("glasses", "")])))
    full = where(page, [(f"thing {k}", "") for k in range(page.words.SLOTS)])
    assert "stacked already" in refused(add(page, session, me, "one more", values=full))
    assert "has its sliders" in refused(
        add(page, session, me, "glasses", values=where(page, [("glasses", "")]))
    )
    assert "No direction" in refused(page.words.compare(session, *where(page)))
    assert "No mapper" in refused(page.words.run(session, *run_form(page, me, method="mapper")))
    assert "no mapper 'tail'" in refused(
        page.words.run(session, *run_form(page, me, method="mapper", mapper="tail"))
    )
    long = last(page.words.OUTPUTS, add(page, session, me, "very " * 2000 + "long hair"))
    assert "too long" in long["status"] or "cut" in long["status"]


def test_the_identity_slider_starts_at_the_presets_own_weight(page):
    import app
    from barbershop_core.styleclip.latent_optimization import PRESETS

    slider = app.ui["identity"]
    assert slider.value == PRESETS["fast"].identity
    for name, preset in PRESETS.items():
        assert page.words.choose_method("optimize", name)[-1] == preset.identity
        assert slider.minimum <= preset.identity <= slider.maximum
