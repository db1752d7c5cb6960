"""The chain of a visit: what is kept, undo and redo, another photo, forgetting."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_studio import TINY

from barbershop_core.barbershop import transfer_presets as presets
from barbershop_core.editing.recipe import read_png, steps
from barbershop_core.errors import BadRequest


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's modules on a small random pack."""
    from page import core, hair, history, panel

    folder = tmp_path_factory.mktemp("page")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("BARBERSHOP_LANDMARKER", raising=False)
        patch.setenv("BARBERSHOP_PACK", str(write_small_pack(folder / "pack")))
        patch.setenv("BARBERSHOP_CACHE", str(folder / "cache"))
        patch.setitem(presets.PRESETS, "fast", TINY)  # quick steps: nothing has to look good
        core._open_studio.cache_clear()
        yield SimpleNamespace(core=core, hair=hair, history=history, panel=panel)
        core._open_studio.cache_clear()


def hair(page, session, face: str, **photos):
    """Run the hair form; returns the last updates by name."""
    form = dict.fromkeys(page.hair.TRANSFER_INPUTS) | {"face": face, "preset": "fast", "seed": 0} | photos
    *_, last = page.hair.run_transfer(session, *form.values())
    return dict(zip(page.panel.OUTPUTS, last))


def test_an_edit_goes_on_from_the_one_before_and_its_recipe_says_so(page, session, photo, tmp_path):
    me = photo(0)
    first = hair(page, session, me, hair_shape=photo(1))
    one = read_png(first["crop_file"]["value"])
    second = hair(page, session, me, hair_color=photo(2))
    recipe = read_png(second["crop_file"]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "transfer"]
    assert steps(recipe)[0]["request"] == one["request"]
    assert len(second["history"]["value"]) == 3 and second["history"]["selected_index"] == 2

    # what the page made is what the library makes of the first result
    from barbershop_core import run

    studio = page.core.studio()
    start = run(studio.transfer(face=studio.read(me), hair_shape=studio.read(photo(1))))
    then = run(studio.transfer(face=studio.read(me), hair_color=studio.read(photo(2)), previous=start))
    made = np.asarray(Image.open(second["crop_file"]["value"]))
    assert np.abs(made.astype(int) - np.asarray(then.image)).max() <= 1  # the mask is kept in half precision


def test_undo_redo_and_a_new_branch(page, session, photo):
    me = photo(3)
    hair(page, session, me, hair_shape=photo(4))
    hair(page, session, me, hair_color=photo(5))
    visit = page.history.Visit.of(session)
    assert (visit.shown().at, visit.shown().titles) == (2, ["Original", "Hair shape", "Hair colour"])
    kept = {path.read_bytes() for path in visit.shown().pictures}
    back = dict(zip(page.panel.OUTPUTS, page.panel.undo(session)))
    assert back["history"]["selected_index"] == 1 and back["redo"]["interactive"]
    assert dict(zip(page.panel.OUTPUTS, page.panel.undo(session)))["preview"]["visible"]
    below = dict(zip(page.panel.OUTPUTS, page.panel.undo(session)))
    assert below["undo"]["interactive"] is False and visit.shown().at == 0
    assert visit.base()["previous"] is None
    page.panel.redo(session)
    page.panel.redo(session)
    assert {path.read_bytes() for path in visit.shown().pictures} == kept  # nothing is lost on the way
    page.panel.undo(session)
    hair(page, session, me, hair_color=photo(6))
    assert visit.shown().at == 2 and len(visit.shown().titles) == 3
    folders = {path.name for path in visit.folder.iterdir() if path.is_dir()}
    assert folders == {"original", "1", "3"}  # the undone step's files are gone


def test_another_photo_begins_anew_and_no_photo_forgets(page, session, photo):
    from page import photos

    visit = page.history.Visit.of(session)
    with pytest.raises(BadRequest, match="no portrait yet"):
        visit.base()
    photos.look_at_person(photo(7), None, session)
    hair(page, session, photo(7), hair_shape=photo(8))
    assert visit.shown().at == 1
    photos.look_at_person(photo(7), None, session)  # the same one: the chain stays
    assert visit.shown().at == 1
    photos.look_at_person(photo(8), None, session)
    assert visit.shown().at == 0 and visit.shown().titles == ["Original"]
    photos.look_at_person(None, None, session)
    assert not visit.folder.exists()


def test_visits_are_private_and_expire(page, session, photo):
    visit = page.history.Visit.of(session)
    visit.begin(photo(9))
    other = page.history.Visit.of(SimpleNamespace(session_hash="another"))
    assert other.folder != visit.folder and not other.begun
    assert session.session_hash not in str(visit.folder)
    if os.name == "posix":
        assert visit.folder.stat().st_mode & 0o077 == 0
    page.history.sweep(time.time() + page.history.KEPT - 60)
    assert visit.begun
    page.history.sweep(time.time() + page.history.KEPT + 60)
    assert not visit.folder.exists()


def test_a_lost_step_gets_its_sentence(page, session, photo):
    me = photo(10)
    hair(page, session, me, hair_shape=photo(11))
    visit = page.history.Visit.of(session)
    folder = page.history.Path(visit.base()["previous"])
    (folder / "changed.npz").unlink()
    import gradio as gr

    with pytest.raises(gr.Error, match="no longer kept"):
        hair(page, session, me, hair_color=photo(12))
    assert visit.shown().at == 1


def test_what_is_said_of_several_photos_is_said_once(page):
    words = page.panel.notes(["Person photo: Dark.", "Hair shape photo: Dark.", "Dark.", "Small."])
    assert words.count("Dark.") == 1 and "Person, hair shape photo: Dark." in words and "Small." in words


def test_each_beginning_and_each_face_is_another_portrait(page, session, photo):
    """Sliders and rigs stay open under the chain's key: it must not name two portraits."""
    visit = page.history.Visit.of(session)

    def begin(face: int):
        seen = SimpleNamespace(index=face, size=64, at=lambda size: np.zeros((size, size, 3), np.uint8))
        visit.begin(photo(13), face, seen)
        return visit.base()["key"]

    def step():
        recipe = {"png": b"", "pasted_png": b"", "code": b"", "changed": np.zeros(1)}
        visit.push("Step", recipe | {"scores": {}, "recipe": {}, "notices": []})
        return visit.base()["key"]

    first = begin(0)
    assert begin(0) == first  # the chain stands: this is no new beginning
    keys = [first, step(), begin(1), step(), begin(0), step()]
    assert len(set(keys)) == len(keys)


def test_stop_does_not_wait_for_other_visitors(page, session):
    other = page.history.Visit.of(SimpleNamespace(session_hash="another"))
    running = page.panel.stream("transfer", other, dict)
    next(running)
    started = time.monotonic()
    page.panel.stopped_for_good(session)
    assert time.monotonic() - started < 3
    running.close()
