"""The tab "Rig" without a browser: live sliders, what they keep, copying, animation, bad input."""

from __future__ import annotations

import io
from types import SimpleNamespace

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_rigged import TINY_PIE, add_rig
from small_studio import TINY
from small_words import add_words

from barbershop_core import run
from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.editing.recipe import read_png, steps
from barbershop_core.pie import pie_presets


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's modules on a small random pack with a rig."""
    from page import core, hair, history, live, panel, rig, words

    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BARBERSHOP_LANDMARKER", raising=False)
        manifest = add_rig(add_words(write_small_pack(folder / "pack")))
        patch.setenv("BARBERSHOP_PACK", str(manifest))
        patch.setenv("BARBERSHOP_CACHE", str(folder / "cache"))
        patch.setitem(presets.PRESETS, "fast", TINY)  # quick steps: nothing has to look good
        patch.setitem(pie_presets.PRESETS, "fast", TINY_PIE)
        core._open_studio.cache_clear()
        found = (core, hair, history, live, panel, rig, words)
        yield SimpleNamespace(**{module.__name__.rpartition(".")[2]: module for module in found})
        core._open_studio.cache_clear()


def last(names, updates) -> dict:
    *_, final = updates
    return dict(zip(names, final))


def refused(updates) -> str:
    with pytest.raises(gr.Error) as caught:
        list(updates)
    return caught.value.message


def opened(page, session, me) -> dict:
    return last(page.rig.OUTPUTS, page.rig.open_rig(session, me, None, "fast"))


def where(page, ready: dict, **moved) -> list:
    """Values of the live controls, by name where they are not at their start."""
    start = {name: 0 for name in page.rig.LIVE_INPUTS} | page.rig.LIGHT_START
    start |= {"rig_key": ready.get("rig_key"), "controls": ready.get("controls"), "light_on": False}
    start |= {"expression": page.rig.NEUTRAL, "expression_strength": 1.0}
    return [(start | moved)[name] for name in page.rig.LIVE_INPUTS]


def test_sliders_show_what_the_library_makes_and_keep_it(page, session, photo):
    me = photo(0)
    ready = opened(page, session, me)
    assert ready["rig_ready"]["visible"] and "smile" in ready["controls"] and "<img" in ready["sphere"]
    moved = {"yaw": 12, "expression": "smile", "light_on": True, "light_azimuth": -40.0}
    values = where(page, ready, **moved)
    picture, _, note = page.rig.move(session, "fast", *values)
    studio = page.core.studio()
    direct = run(studio.rig(studio.read(me)))
    light = {"azimuth": -40.0, "elevation": 25.0, "strength": 1.0, "warmth": 0.0}
    expected = direct.image(yaw=12.0, expression="smile", light=light)
    assert (picture["value"] == expected).all() and (expected != ready["preview"]["value"]).any()
    assert "Repainted in" in note
    kept = last(page.rig.OUTPUTS, page.rig.keep(session, "fast", "rig", *values))
    settings = read_png(kept["crop_file"]["value"])["settings"]
    assert (settings["yaw"], settings["expression"], settings["light"]["azimuth"]) == (12.0, "smile", -40.0)
    assert kept["yaw"] == 0 and not kept["rig_ready"]["visible"] and len(kept["history"]["value"]) == 2


def test_single_movements_replace_the_name_and_reset_goes_back(page, session, photo):
    ready = opened(page, session, photo(1))
    place = ready["controls"].index("mouth_open")
    values = dict(
        zip(page.rig.LIVE_INPUTS, where(page, ready, **{f"control_{place}": 0.5, "expression": "smile"}))
    )
    assert page.rig.pose_of(values)["expression"] == {"mouth_open": 0.5}
    assert dict(zip(page.rig.RESET, page.rig.reset()))["expression"] == page.rig.NEUTRAL
    lit = page.rig.relight(session, "fast", *where(page, ready, light_azimuth=50.0))
    assert lit[-1] is True and (lit[0]["value"] != ready["preview"]["value"]).any()


def test_another_portrait_must_be_prepared_again(page, session, photo):
    me = photo(2)
    ready = opened(page, session, me)
    values = where(page, ready, yaw=10)
    list(page.rig.keep(session, "fast", "rig", *values))
    assert "another one by now" in page.rig.move(session, "fast", *values)[2]
    assert "another one by now" in refused(page.rig.keep(session, "fast", "rig", *values))
    assert "not prepared" in refused(page.rig.overlay(session, "fast", None))


def test_hair_then_rig_then_words(page, session, photo):
    me = photo(3)
    form = dict.fromkeys(page.hair.TRANSFER_INPUTS) | {"face": me, "preset": "fast", "seed": 0}
    list(page.hair.run_transfer(session, *(form | {"hair_shape": photo(4)}).values()))
    ready = opened(page, session, me)
    list(page.rig.keep(session, "fast", "rig", *where(page, ready, yaw=-10)))
    live = {"slots": [], "route": "W+"} | {f"{n}_{k}": 0.02 for n in ("alpha", "beta") for k in range(5)}
    list(page.words.add(session, "glasses", "", me, None, *live.values()))
    live["slots"] = [{"target": "glasses", "neutral": ""}]
    end = last(page.words.OUTPUTS, page.words.keep(session, *live.values()))
    recipe = read_png(end["crop_file"]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "pose", "text"]


def test_copying_and_optimizing(page, session, photo, monkeypatch):
    form = {"face": photo(5), "face_index": None, "rig_preset": "fast", "rig_method": "rig", "like": photo(6)}
    form |= {"like_index": None, "copied": ["pose", "light"]}
    wanted = [form[n] for n in page.rig.COPY_INPUTS]
    assert "shows no face" in refused(page.rig.copy(session, *wanted))
    monkeypatch.setattr(type(page.core.studio()), "shows_a_face", lambda self, portrait: True)
    copied = last(page.panel.OUTPUTS, page.rig.copy(session, *wanted))
    recipe = read_png(copied["crop_file"]["value"])
    assert recipe["settings"]["copy"] == ["pose", "light"] and "like" in recipe["inputs"]
    ready = opened(page, session, photo(5))
    searched = page.rig.keep(session, "fast", "optimize", *where(page, ready, yaw=8))
    recipe = read_png(last(page.rig.OUTPUTS, searched)["crop_file"]["value"])
    assert recipe["settings"]["method"] == "optimize" and recipe["settings"]["yaw"] == 8.0
    for change, word in (({"like": None}, "other photo is missing"), ({"copied": []}, "Nothing was chosen")):
        values = ((form | change)[n] for n in page.rig.COPY_INPUTS)
        assert word in refused(page.rig.copy(session, *values))


def test_overlay_and_animation(page, session, photo):
    ready = opened(page, session, photo(7))
    drawn = last(page.rig.OUTPUTS, page.rig.overlay(session, "fast", ready["rig_key"]))["overlay"]
    assert drawn["visible"] and drawn["value"].ndim == 3
    made = last(page.rig.OUTPUTS, page.rig.animate(session, "yaw", 8, "gif", "fast", *where(page, ready)))
    with Image.open(io.BytesIO(open(made["animation_file"]["value"], "rb").read())) as film:
        assert film.format == "GIF" and film.n_frames == 8


def test_a_sweep_keeps_what_is_asked_for_beside_it(page, session, photo, monkeypatch):
    from barbershop_core.pie.session import RigSession

    ready, asked = opened(page, session, photo(9)), []
    sweep = RigSession.sweep
    monkeypatch.setattr(
        RigSession, "sweep", lambda self, *of, **pose: (asked.append(pose), sweep(self, *of, **pose))[1]
    )
    values = where(page, ready, expression="smile", light_on=True, light_azimuth=-40.0, pitch=5)
    made = last(page.rig.OUTPUTS, page.rig.animate(session, "yaw", 4, "gif", "fast", *values))
    assert asked[0]["expression"] == "smile" and asked[0]["light"]["azimuth"] == -40.0
    studio = page.core.studio()
    plain = run(run(studio.rig(studio.read(photo(9)))).sweep("yaw", 4))
    with Image.open(made["animation_file"]["value"]) as film:
        first = np.asarray(film.convert("RGB").resize(plain[0].shape[:2]))
    assert np.abs(first.astype(int) - plain[0]).mean() > 1


def test_bad_input_gets_its_sentence(page, session, photo):
    assert "person is missing" in refused(page.rig.open_rig(session, None, None, "fast"))
    ready = opened(page, session, photo(8))
    assert "Nothing was moved" in refused(page.rig.keep(session, "fast", "rig", *where(page, ready)))
    assert "cannot be turned" in page.rig.move(session, "fast", *where(page, ready, yaw=80))[2]
    assert "out of range" in page.rig.sphere(500, 0, 1, 0)
