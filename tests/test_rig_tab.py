"""The tab "Rig" without a browser: live sliders, what they keep, copying, animation, bad input."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_page import filled, last, refused, small_page
from small_rigged import add_rig
from small_words import add_words

from barbershop_core import run
from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.recipe import steps


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's modules on a small random pack with a rig."""
    folder = tmp_path_factory.mktemp("page")
    with small_page(add_rig(add_words(write_small_pack(folder / "pack"))), folder) as modules:
        yield modules


def opened(page, session, me) -> dict:
    ui = page.ui
    return last(page.rig.open_rig(filled({*ui.face.inputs, ui.rig_preset}, {ui.face.image: me}), session))


def where(page, ready: dict, values: dict | None = None, **moved) -> dict:
    """The live controls at their start but for ``values`` and, by name, those that moved."""
    ui = page.ui
    start = {ui.prepared: ready.get(ui.prepared), ui.rig_method: "rig"}
    named = {**ui.pose, "expression": ui.expression, "light_on": ui.light_on}
    named |= {f"light_{name}": slider for name, slider in ui.light.items()}
    return filled(page.rig.controls(), start | {named[k]: v for k, v in moved.items()} | (values or {}))


def test_sliders_show_what_the_library_makes_and_keep_it(page, session, photo):
    me, ui = photo(0), page.ui
    ready = opened(page, session, me)
    assert ready[ui.rig_ready]["visible"] and "<img" in ready[ui.sphere]
    assert "smile" in ready[ui.prepared]["controls"]
    values = where(page, ready, yaw=12, expression="smile", light_on=True, light_azimuth=-40.0)
    moved = page.rig.move(values, session)
    studio = page.gpu.studio()
    direct = run(studio.rig(studio.read(me)))
    light = {"azimuth": -40.0, "elevation": 25.0, "strength": 1.0, "warmth": 0.0}
    expected = direct.image(yaw=12.0, expression="smile", light=light)
    before, after = moved[ui.slider]["value"]
    assert (after == expected).all() and (expected != ready[ui.slider]["value"][1]).any()
    assert before.shape == after.shape and (before == ready[ui.slider]["value"][0]).all()  # the original beside it
    assert "Repainted in" in moved[ui.rig_note]
    kept = last(page.rig.keep(values, session))
    options = read_recipe(kept[ui.crop_file]["value"])["options"]
    assert (options["yaw"], options["expression"], options["light"]["azimuth"]) == (12.0, "smile", -40.0)
    assert ui.pose["yaw"] not in kept and ui.rig_ready not in kept  # the sliders stay as they are
    assert kept[ui.rig_note] == ""
    assert len(kept[ui.history]["value"]) == 2


def test_single_movements_replace_the_name_and_reset_goes_back(page, session, photo):
    ui = page.ui
    ready = opened(page, session, photo(1))
    slider = ui.controls[ready[ui.prepared]["controls"].index("mouth_open")]
    values = where(page, ready, {slider: 0.5}, expression="smile")
    assert page.rig.pose_of(values)["expression"] == {"mouth_open": 0.5}
    assert page.rig.reset()[ui.expression] == page.rig.NEUTRAL and page.rig.reset()[slider] == 0
    lit = page.rig.relight(where(page, ready, light_azimuth=50.0), session)
    assert lit[ui.light_on] is True and (lit[ui.slider]["value"][1] != ready[ui.slider]["value"][1]).any()


def test_sliders_go_on_after_an_edit_was_kept(page, session, photo, monkeypatch):
    ui = page.ui
    ready = opened(page, session, photo(2))
    kept = last(page.rig.keep(where(page, ready, yaw=10), session))
    monkeypatch.setattr(page.sessions, "start", None)  # nothing is opened again
    further = where(page, kept, yaw=16)
    assert (page.rig.move(further, session)[ui.slider]["value"][1] != ready[ui.slider]["value"][1]).any()
    again = last(page.rig.keep(further, session))
    assert len(again[ui.history]["value"]) == 3
    recipe = read_recipe(again[ui.crop_file]["value"])
    assert recipe["options"]["yaw"] == 16.0 and len(steps(recipe)) == 1  # of the portrait that was opened
    page.panel.undo(session)
    assert "Repainted" in page.rig.move(where(page, again, yaw=4), session)[ui.rig_note]


def test_a_new_person_begins_with_the_sliders_at_rest(page, session, photo):
    ui = page.ui
    ready = opened(page, session, photo(11))
    at_rest = [*ui.pose.values(), *ui.gaze.values()]
    assert [ready[slider] for slider in at_rest] == [0] * len(at_rest)
    assert ready[ui.expression] == page.rig.NEUTRAL and ready[ui.light_on] is False


def test_another_portrait_must_be_prepared_again(page, session, photo):
    me = photo(2)
    ready = opened(page, session, me)
    values = where(page, ready, yaw=10)
    form = filled(page.hair.form(), {page.ui.face.image: me, page.ui.hair_shape.image: photo(4)})
    list(page.hair.run_transfer(form, session))
    assert "has changed" in page.rig.move(values, session)[page.ui.rig_note]
    assert "has changed" in refused(page.rig.keep(values, session))
    assert "not prepared" in refused(page.rig.overlay(where(page, {}), session))


def test_hair_then_rig_then_words(page, session, photo):
    me, ui = photo(3), page.ui
    form = filled(page.hair.form(), {ui.face.image: me, ui.hair_shape.image: photo(4)})
    list(page.hair.run_transfer(form, session))
    ready = opened(page, session, me)
    list(page.rig.keep(where(page, ready, yaw=-10), session))
    slots = filled(page.words.sliders(), {ui.beta[0]: 0.02})
    asked = filled(ui.face.inputs, {ui.face.image: me, ui.prompt: "glasses", ui.neutral: ""})
    list(page.words.add(slots | asked, session))
    end = last(page.words.keep(slots | {ui.slots: [{"target": "glasses", "neutral": ""}]}, session))
    recipe = read_recipe(end[ui.crop_file]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "repose", "edit_text"]


def test_copying_and_optimizing(page, session, photo, monkeypatch):
    ui = page.ui
    form = {ui.face.image: photo(5), ui.like.image: photo(6), ui.copied: ["pose", "light"]}
    form = filled(page.rig.copy_form(), form)
    assert "shows no face" in refused(page.rig.copy(form, session))
    monkeypatch.setattr("barbershop_core.pie.repose.shows_a_face", lambda *about: True)
    recipe = read_recipe(last(page.rig.copy(form, session))[ui.crop_file]["value"])
    assert recipe["options"]["copy"] == ["pose", "light"] and "like" in recipe["photos"]
    ready = opened(page, session, photo(5))
    searched = page.rig.keep(where(page, ready, {ui.rig_method: "optimize"}, yaw=8), session)
    recipe = read_recipe(last(searched)[ui.crop_file]["value"])
    assert recipe["options"]["method"] == "optimize" and recipe["options"]["yaw"] == 8.0
    assert "other photo is missing" in refused(page.rig.copy(form | {ui.like.image: None}, session))
    assert "Nothing was chosen" in refused(page.rig.copy(form | {ui.copied: []}, session))


def test_overlay_and_animation(page, session, photo):
    ui = page.ui
    ready = opened(page, session, photo(7))
    drawn = last(page.rig.overlay(where(page, ready), session))[ui.overlay]
    assert drawn["visible"] and drawn["value"].ndim == 3
    sweep = {ui.sweep: "yaw", ui.frames: 8, ui.film: "gif"}
    made = last(page.rig.animate(where(page, ready, sweep), session))
    with Image.open(io.BytesIO(open(made[ui.animation_file]["value"], "rb").read())) as film:
        assert film.format == "GIF" and film.n_frames == 8


def test_a_sweep_keeps_what_is_asked_for_beside_it(page, session, photo, monkeypatch):
    from barbershop_core.pie.session import RigSession

    ui, asked, sweep = page.ui, [], RigSession.sweep
    ready = opened(page, session, photo(9))
    monkeypatch.setattr(
        RigSession, "sweep", lambda self, *of, **pose: (asked.append(pose), sweep(self, *of, **pose))[1]
    )
    chosen = {ui.sweep: "yaw", ui.frames: 4, ui.film: "gif"}
    values = where(page, ready, chosen, expression="smile", light_on=True, light_azimuth=-40.0, pitch=5)
    made = last(page.rig.animate(values, session))
    assert asked[0]["expression"] == "smile" and asked[0]["light"]["azimuth"] == -40.0
    studio = page.gpu.studio()
    plain = run(run(studio.rig(studio.read(photo(9)))).sweep("yaw", 4))
    with Image.open(made[ui.animation_file]["value"]) as film:
        first = np.asarray(film.convert("RGB").resize(plain[0].shape[:2]))
    assert np.abs(first.astype(int) - plain[0]).mean() > 1


def test_bad_input_gets_its_sentence(page, session, photo):
    ui = page.ui
    assert "person is missing" in refused(page.rig.open_rig(filled(page.rig.copy_form()), session))
    ready = opened(page, session, photo(8))
    assert "Nothing was moved" in refused(page.rig.keep(where(page, ready), session))
    assert "yaw" in page.rig.move(where(page, ready, yaw=80), session)[ui.rig_note]
    assert "out of range" in page.rig.sphere(filled(ui.light.values(), {ui.light["azimuth"]: 500}))
