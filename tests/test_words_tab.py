"""The tab "Words" without a browser: sliders, what they keep, comparison, both other methods, bad input."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_page import filled, last, refused, small_page
from small_words import add_words

from barbershop_core import run
from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.recipe import steps


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's modules on a small random pack that knows words."""
    folder = tmp_path_factory.mktemp("page")
    with small_page(add_words(write_small_pack(folder / "pack")), folder) as modules:
        yield modules


@pytest.fixture
def me(photo):
    return photo(0)


def where(page, slots=(), alpha: float | None = None, beta: float = 0.02) -> dict:
    """The live controls with these directions; alpha and beta of the first one."""
    ui = page.ui
    values = {ui.slots: [dict(zip(("target", "neutral"), pair)) for pair in slots]}
    values |= {slider: 0.02 for slider in ui.beta} | {ui.beta[0]: beta}
    return filled(page.words.sliders(), values | ({} if alpha is None else {ui.alpha[0]: alpha}))


def add(page, session, me, prompt, neutral="", values=None):
    asked = {page.ui.face.image: me, page.ui.prompt: prompt, page.ui.neutral: neutral}
    return page.words.add((values or where(page)) | filled(page.ui.face.inputs, asked), session)


def test_sliders_show_what_the_library_makes_and_keep_it(page, session, me):
    ui = page.ui
    added = last(add(page, session, me, "blond hair", "hair"))
    assert added[ui.slots] == [{"target": "blond hair", "neutral": "hair"}]
    assert added[ui.slot[0]]["visible"] and not added[ui.slot[1]]["visible"]
    values = where(page, [("blond hair", "hair")], alpha=6.0)
    moved = page.words.move(values, session)
    studio = page.gpu.studio()
    sliders = run(studio.direction_sliders(studio.read(me)))
    sliders.add("blond hair", "hair")
    picture = moved[ui.preview]["value"]
    assert (picture == sliders.image([(0, 6.0, 0.02)])).all()
    assert (picture != added[ui.preview]["value"]).any()
    assert moved[ui.moved[0]] == page.words.moved_words(sliders.moved(0, 0.02))

    kept = last(page.words.keep(values, session))
    recipe = read_recipe(kept[ui.crop_file]["value"])
    assert recipe["operation"] == "edit_text" and recipe["options"]["edits"][0]["alpha"] == 6.0
    crop = np.asarray(Image.open(kept[ui.crop_file]["value"])).astype(int)
    assert np.abs(crop - picture).max() <= 1
    assert kept[ui.slots] == [] and len(kept[ui.history]["value"]) == 2


def test_directions_stack_and_are_taken_away(page, session, me):
    ui = page.ui
    list(add(page, session, me, "glasses"))
    two = last(add(page, session, me, "beard", values=where(page, [("glasses", "")])))
    assert [slot["target"] for slot in two[ui.slots]] == ["glasses", "beard"] and two[ui.slot[1]]["visible"]
    both = where(page, [("glasses", ""), ("beard", "")])
    one = page.words.remover(0)(both, session)
    assert [slot["target"] for slot in one[ui.slots]] == ["beard"] and not one[ui.slot[1]]["visible"]
    alone = page.words.move(where(page, [("beard", "")]), session)
    assert (one[ui.preview]["value"] == alone[ui.preview]["value"]).all()
    none = page.words.remover(0)(where(page, [("beard", "")]), session)
    assert none[ui.slots] == [] and none[ui.preview]["visible"]


def test_a_run_may_go_on_in_another_thread(page, session, me):
    """As Gradio runs generators: each step in whichever worker is free."""
    list(add(page, session, me, "glasses"))
    task = page.visits.Visit.of(session).task("direction_sliders", {"route": "W+"})
    edit = {"target": "glasses", "neutral": "", "alpha": 4.0, "beta": 0.02}
    kept = page.sessions.keep_sliders(page.gpu.studio(), task, [edit])
    workers, taken, step = [ThreadPoolExecutor(1) for _ in range(9)], 0, object()
    while step is not None:
        step = workers[taken].submit(next, kept, None).result()
        taken += 1
    assert taken > 2


def test_an_open_portrait_may_be_gone(page, session, me):
    """As on ZeroGPU, where each call is another process."""
    list(add(page, session, me, "glasses"))
    values = where(page, [("glasses", "")])
    before = page.words.move(values, session)[page.ui.preview]["value"]
    page.sessions.cache = page.sessions.SessionCache()
    assert (page.words.move(values, session)[page.ui.preview]["value"] == before).all()


def test_words_go_on_from_hair_and_hair_from_words(page, session, me, tmp_path):
    other, ui = tmp_path / "other.png", page.ui
    Image.open(me).transpose(Image.Transpose.FLIP_LEFT_RIGHT).rotate(7).save(other)
    form = filled(page.hair.form(), {ui.face.image: me})
    list(page.hair.run_transfer(form | {ui.hair_shape.image: str(other)}, session))
    list(add(page, session, me, "glasses"))
    list(page.words.keep(where(page, [("glasses", "")]), session))
    end = last(page.hair.run_transfer(form | {ui.hair_color.image: str(other)}, session))
    recipe = read_recipe(end[ui.crop_file]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "edit_text", "transfer"]
    back = read_recipe(page.panel.undo(session)[ui.crop_file]["value"])
    assert [step["operation"] for step in steps(back)] == ["transfer", "edit_text"]


def test_a_comparison_holds_the_pictures_of_its_sliders(page, session, me):
    list(add(page, session, me, "glasses"))
    made = last(page.words.compare(where(page, [("glasses", "")]), session))
    sheet = np.asarray(made[page.ui.grid]["value"])
    assert sheet.shape == (66 + 5 * 160, 92 + 5 * 160, 3)
    cell = np.asarray(Image.fromarray(sheet[68:224, 94:250]).resize((64, 64)))
    moved = page.words.move(where(page, [("glasses", "")], alpha=-4.0, beta=0.08), session)
    assert np.abs(cell.astype(int) - moved[page.ui.preview]["value"]).mean() < 12


def run_form(page, me, method="optimize", mapper=None) -> dict:
    ui = page.ui
    said = {ui.face.image: me, ui.prompt: "blond hair", ui.neutral: "hair", ui.method: method}
    return filled(page.words.form(), said | {ui.mapper: mapper})


def test_optimization_and_mapper_add_to_the_chain(page, session, me):
    ui = page.ui
    one = last(page.words.run(run_form(page, me), session))
    assert read_recipe(one[ui.crop_file]["value"])["options"]["method"] == "optimize"
    assert "Match with the words" in one[ui.details]
    assert "curly hair" in page.words.mappers()
    two = last(page.words.run(run_form(page, me, "mapper", "curly hair"), session))
    methods = [step["options"]["method"] for step in steps(read_recipe(two[ui.crop_file]["value"]))]
    assert methods == ["optimize", "mapper"]
    some = run_form(page, me, "mapper", "curly hair") | {ui.levels: ["fine"]}
    three = last(page.words.run(some, session))
    assert steps(read_recipe(three[ui.crop_file]["value"]))[-1]["options"]["levels"] == ["fine"]
    none = run_form(page, me, "mapper", "curly hair") | {ui.levels: []}
    assert "no levels" in refused(page.words.run(none, session))


def test_a_mapper_of_ones_own_appears(page, tmp_path, monkeypatch):
    import shutil

    folder = page.gpu.studio().pack.manifest.folder
    (tmp_path / "own").mkdir()
    shutil.copy(folder / "mapper_curly_hair.safetensors", tmp_path / "own" / "my_look.safetensors")
    monkeypatch.setenv("BARBERSHOP_MAPPERS", str(tmp_path / "own"))
    choices = page.words.refresh_mappers("my look")
    assert {"curly hair", "my look"} <= set(choices["choices"]) and choices["value"] == "my look"


def test_bad_input_gets_its_sentence(page, session, me):
    assert "no portrait" in refused(page.words.keep(where(page, [("glasses", "")]), session))
    assert "person is missing" in refused(add(page, session, None, "glasses"))
    assert "description is empty" in refused(add(page, session, me, "  "))
    full = where(page, [(f"thing {k}", "") for k in range(page.words.SLOTS)])
    assert "stacked already" in refused(add(page, session, me, "one more", values=full))
    taken = where(page, [("glasses", "")])
    assert "has sliders already" in refused(add(page, session, me, "glasses", values=taken))
    assert "No direction" in refused(page.words.compare(where(page), session))
    assert "No ready-made edit" in refused(page.words.run(run_form(page, me, "mapper"), session))
    assert "no mapper 'tail'" in refused(page.words.run(run_form(page, me, "mapper", "tail"), session))
    long = last(add(page, session, me, "very " * 2000 + "long hair"))
    assert "too long" in long[page.ui.status] or "cut" in long[page.ui.status]


def test_the_identity_slider_starts_at_the_presets_own_weight(page):
    from barbershop_core.styleclip.latent_optimization import PRESETS

    ui = page.ui
    assert ui.identity.value == PRESETS["fast"].identity
    for name, preset in PRESETS.items():
        chosen = page.words.choose_method({ui.method: "optimize", ui.text_preset: name})
        assert chosen[ui.identity] == preset.identity
        assert ui.identity.minimum <= preset.identity <= ui.identity.maximum


def test_a_refusal_leaves_the_picture_and_keeping_clears_the_note(page, session, me):
    ui = page.ui
    list(add(page, session, me, "glasses"))
    kept = last(page.words.keep(where(page, [("glasses", "")]), session))
    assert kept[ui.live_note] == "" and kept[ui.slots] == []
    full = where(page, [(f"thing {k}", "") for k in range(page.words.SLOTS)])
    told = []
    with pytest.raises(gr.Error):
        for updates in add(page, session, me, "one more", values=full):
            told.append(updates)
    assert "stacked already" in told[-1][ui.status]
    assert not any({ui.preview, ui.slider} & set(updates) for updates in told)
