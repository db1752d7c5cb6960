"""The chain of a visit: what is kept, undo and redo, another photo, forgetting."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from small_pack import write_small_pack
from small_page import filled, last, refused, small_page

from barbershop_core.editing.recipe import read as read_recipe
from barbershop_core.editing.recipe import steps
from barbershop_core.errors import BadRequest
from page import turns


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The page's modules on a small random pack."""
    folder = tmp_path_factory.mktemp("page")
    with small_page(write_small_pack(folder / "pack"), folder) as modules:
        yield modules


def hair(page, session, face: str, **photos):
    """Run the hair form; returns the last updates."""
    slots = {getattr(page.ui, role).image: path for role, path in {"face": face, **photos}.items()}
    return last(page.hair.run_transfer(filled(page.hair.form(), slots), session))


def test_an_edit_goes_on_from_the_one_before_and_its_recipe_says_so(page, session, photo, tmp_path):
    me, ui = photo(0), page.ui
    first = hair(page, session, me, hair_shape=photo(1))
    one = read_recipe(first[ui.crop_file]["value"])
    second = hair(page, session, me, hair_color=photo(2))
    recipe = read_recipe(second[ui.crop_file]["value"])
    assert [step["operation"] for step in steps(recipe)] == ["transfer", "transfer"]
    assert all(steps(recipe)[0][name] == one[name] for name in ("options", "photos"))
    assert len(second[ui.history]["value"]) == 3 and second[ui.history]["selected_index"] == 2

    # what the page made is what the library makes of the first result
    from barbershop_core import run

    studio = page.gpu.studio()
    start = run(studio.transfer(face=studio.read(me), hair_shape=studio.read(photo(1))))
    then = run(studio.transfer(face=studio.read(me), hair_color=studio.read(photo(2)), previous=start))
    made = np.asarray(Image.open(second[ui.crop_file]["value"]))
    assert np.abs(made.astype(int) - np.asarray(then.image)).max() <= 1  # the mask is kept in half precision


def test_undo_redo_and_a_new_branch(page, session, photo):
    me, ui, panel = photo(3), page.ui, page.panel
    hair(page, session, me, hair_shape=photo(4))
    hair(page, session, me, hair_color=photo(5))
    visit = page.visits.Visit.of(session)
    assert (visit.shown().at, visit.shown().titles) == (2, ["Original", "Hair shape", "Hair colour"])
    kept = {path.read_bytes() for path in visit.shown().pictures}
    back = panel.undo(session)
    assert back[ui.history]["selected_index"] == 1 and back[ui.redo]["interactive"]
    below = panel.undo(session)
    assert below[ui.preview]["visible"]
    assert panel.undo(session)[ui.undo]["interactive"] is False and visit.shown().at == 0
    assert visit.task("transfer").previous is None
    panel.redo(session)
    panel.redo(session)
    assert {path.read_bytes() for path in visit.shown().pictures} == kept  # nothing is lost on the way
    panel.undo(session)
    hair(page, session, me, hair_color=photo(6))
    assert visit.shown().at == 2 and len(visit.shown().titles) == 3
    folders = {path.name for path in visit.folder.iterdir() if path.is_dir()}
    assert folders == {"original", "1", "3"}  # the undone step's files are gone


def test_undo_hands_over_files_and_decodes_no_other_step(page, session, photo, monkeypatch):
    me = photo(3)
    for reference in (4, 5, 6):
        hair(page, session, me, hair_shape=photo(reference))
    opened, decode = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path: (opened.append(path), decode(path))[1])
    pictures = page.panel.undo(session)[page.ui.history]["value"]
    assert [title for _, title in pictures] == ["Original", "Hair shape", "Hair shape", "Hair shape"]
    assert all(Path(path).is_file() for path, _ in pictures)
    assert len(opened) <= 2  # before and after


def test_another_photo_begins_anew_and_no_photo_forgets(page, session, photo):
    visit, person = page.visits.Visit.of(session), page.person
    with pytest.raises(BadRequest, match="no portrait yet"):
        visit.task("transfer")
    person.look(photo(7), session)
    hair(page, session, photo(7), hair_shape=photo(8))
    assert visit.shown().at == 1
    person.look(photo(7), session)  # the same one: the chain stays
    assert visit.shown().at == 1
    person.look(photo(8), session)
    assert visit.shown().at == 0 and visit.shown().titles == ["Original"]
    person.look(None, session)
    assert not visit.folder.exists()


def test_visits_are_private_and_expire(page, session, photo):
    visit = page.visits.Visit.of(session)
    visit.begin(photo(9))
    other = page.visits.Visit.of(SimpleNamespace(session_hash="another"))
    assert other.folder != visit.folder and not other.begun
    assert session.session_hash not in str(visit.folder)
    if os.name == "posix":
        assert visit.folder.stat().st_mode & 0o077 == 0
    page.visits.sweep(time.time() + page.visits.KEPT - 60)
    assert visit.begun
    page.visits.sweep(time.time() + page.visits.KEPT + 60)
    assert not visit.folder.exists()


def test_a_lost_step_gets_its_sentence(page, session, photo):
    me = photo(10)
    hair(page, session, me, hair_shape=photo(11))
    visit = page.visits.Visit.of(session)
    (Path(visit.task("transfer").previous) / "changed.npz").unlink()
    slots = {page.ui.face.image: me, page.ui.hair_color.image: photo(12)}
    assert "no longer kept" in refused(page.hair.run_transfer(filled(page.hair.form(), slots), session))
    assert visit.shown().at == 1


def test_which_face_is_used_is_said_beneath_the_photo_only(page):
    """Bug: each edit said it again, as a warning."""
    assert page.photos.told("Person photo: The photo shows 3 faces; the largest is used.")
    assert page.photos.told("The photo shows 2 faces; number 2 is used.")
    assert not page.photos.told("Person photo: The face is turned far to the side.")


def test_what_is_said_of_several_photos_is_said_once(page):
    words = page.markup.notes(["Person photo: Dark.", "Hair shape photo: Dark.", "Dark.", "Small."])
    assert words.count("Dark.") == 1 and "Person, hair shape photo: Dark." in words and "Small." in words


def test_each_beginning_and_each_face_is_another_portrait(page, session, photo):
    """Sliders and rigs stay open under the task's key: it must not name two portraits."""
    visit = page.visits.Visit.of(session)

    def begin(face: int):
        seen = SimpleNamespace(
            index=face, size=64, quad=np.zeros((4, 2)), at=lambda size: np.zeros((size, size, 3), np.uint8)
        )
        visit.begin(photo(13), face, seen)
        return visit.task("rig").key

    def step():
        result = {"png": b"", "pasted_png": b"", "code": b"", "changed": np.zeros(1)}
        visit.push("Step", result | {"scores": {}, "recipe": {}, "notices": []})
        return visit.task("rig").key

    first = begin(0)
    assert begin(0) == first  # the chain stands: this is no new beginning
    keys = [first, step(), begin(1), step(), begin(0), step()]
    assert len(set(keys)) == len(keys)


def test_stop_does_not_wait_for_other_visitors(page, session):
    other = page.visits.Visit.of(SimpleNamespace(session_hash="another"))
    running = page.panel.run(other, lambda: (event for event in ()), dict)
    next(running)
    started = time.monotonic()
    page.panel.stopped_for_good(session)
    assert time.monotonic() - started < 3
    running.close()


def running_transfer(page, session, face: str, shape: str):
    """A hair transfer that has begun."""
    slots = {page.ui.face.image: face, page.ui.hair_shape.image: shape}
    running = page.hair.run_transfer(filled(page.hair.form(), slots), session)
    next(running), next(running)
    return running


def test_the_result_of_a_run_on_another_photo_goes_nowhere(page, session, photo):
    visit = page.visits.Visit.of(session)
    page.person.look(photo(14), session)
    running = running_transfer(page, session, photo(14), photo(15))
    page.person.look(photo(16), session)
    assert list(running) == []
    assert visit.shown().titles == ["Original"]

    running = running_transfer(page, session, photo(16), photo(15))
    page.examples.show_example(SimpleNamespace(index=0), session)
    assert list(running) == [] and not visit.begun


def test_the_result_of_a_run_from_another_step_goes_nowhere(page, session, photo):
    visit = page.visits.Visit.of(session)
    hair(page, session, photo(17), hair_shape=photo(18))
    running = running_transfer(page, session, photo(17), photo(19))
    page.panel.undo(session)
    assert list(running) == []
    assert visit.shown().titles == ["Original", "Hair shape"] and visit.shown().at == 0


def test_nothing_of_the_last_person_stays(page, session, photo):
    ui = page.ui
    seen = page.person.look(photo(20), session)
    assert seen[ui.slots] == [] and seen[ui.slots_actions]["visible"] is False
    assert not any(seen[slot]["visible"] for slot in ui.slot)
    assert seen[ui.prepared] is None and seen[ui.rig_ready]["visible"] is False
    assert seen[ui.live_note] == seen[ui.rig_note] == seen[ui.details] == ""
    for picture in (ui.mask, ui.pasted, ui.crop_file, ui.photo_file, ui.grid, ui.overlay, ui.animation):
        assert seen[picture]["value"] is None
    assert ui.slots not in page.person.look(photo(20), session)  # the same photo again: everything stays


def test_a_refused_run_leaves_no_sliders_of_the_last_person(page, session, photo):
    """Bug: Run with nothing to change, pressed before the new photo was looked at, had begun its chain; the look then
    took the sliders in the other tabs for the new person's."""
    ui = page.ui
    page.person.look(photo(30), session)
    refused(page.hair.run_transfer(filled(page.hair.form(), {ui.face.image: photo(31)}), session))
    seen = page.person.look(photo(31), session)
    assert seen[ui.slots] == [] and seen[ui.rig_ready]["visible"] is False and seen[ui.prepared] is None
    assert ui.slots not in page.person.look(photo(31), session)


def test_stop_is_alive_while_something_runs(page, session, photo):
    ui = page.ui
    page.person.look(photo(21), session)
    slots = {ui.face.image: photo(21), ui.hair_shape.image: photo(22)}
    updates = list(page.hair.run_transfer(filled(page.hair.form(), slots), session))
    assert len(ui.stops) == 5
    assert all(updates[0][stop]["interactive"] for stop in ui.stops)
    assert not any(updates[-1][stop]["interactive"] for stop in ui.stops)
    assert not any(page.panel.stopped(session)[stop]["interactive"] for stop in ui.stops)


def test_a_tab_keeps_its_visit_over_a_reload(page, photo):
    number, other = "ab" * 20, "cd" * 20
    loads = [SimpleNamespace(session_hash=os.urandom(6).hex()) for _ in range(4)]
    page.person.resume(number, loads[0])
    hair(page, loads[0], photo(23), hair_shape=photo(24))
    seen, ui = page.person.resume(number, loads[1]), page.ui
    assert Path(seen[ui.face.image]).read_bytes() == Path(photo(23)).read_bytes()
    assert [title for _, title in seen[ui.history]["value"]] == ["Original", "Hair shape"]
    assert ui.face.image not in page.person.resume(other, loads[2])
    assert ui.face.image not in page.person.resume("guess", loads[3])
    folders = {page.visits.Visit.of(load).folder.name for load in loads}
    assert len(folders) == 3 and not any(number in name for name in folders)


def test_what_a_run_says_stays_when_the_look_at_the_photo_ends_later(page, session, photo, monkeypatch):
    """Run with nothing to change, pressed right after the upload."""
    ui, read, late = page.ui, page.photos.gpu.read, []

    def refuse():
        running = page.hair.run_transfer(filled(page.hair.form(), {ui.face.image: photo(27)}), session)
        late.append(next(running))
        monkeypatch.setattr(turns, "looked", lambda visit: None)  # this thread is the one that looks
        assert "nothing to change" in refused(running)

    def meanwhile(path, index=None):
        monkeypatch.setattr(page.photos.gpu, "read", read)
        refuse()
        return read(path, index)

    monkeypatch.setattr(page.photos.gpu, "read", meanwhile)
    seen = page.person.look(photo(27), session)
    assert "Starting" in late[0][ui.status]
    assert seen[ui.preview]["value"] and not {ui.status, *ui.stops} & seen.keys()
    later = page.person.look(photo(27), session)  # the look itself comes after the run
    assert later[ui.preview]["value"] and ui.status not in later
    assert "Every tab" in page.person.look(photo(28), session)[ui.status]


def test_a_run_waits_for_the_look_at_its_photo(page, session, photo):
    visit, ui = page.visits.Visit.of(session), page.ui
    with turns.looking(visit):
        running = page.hair.run_transfer(filled(page.hair.form(), {ui.face.image: photo(29)}), session)
        assert "Starting" in next(running)[ui.status]
        waiting = threading.Thread(target=lambda: refused(running), daemon=True)
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
    waiting.join(60)
    assert not waiting.is_alive()


def test_run_may_be_pressed_before_the_photo_was_looked_at(page, session, photo, monkeypatch):
    ui, visit, read = page.ui, page.visits.Visit.of(session), page.visits.read
    seen = []

    def meanwhile(path, index):  # while the run reads the photo
        monkeypatch.setattr(page.visits, "read", read)
        seen.append(page.person.look(path, session))
        return read(path, index)

    monkeypatch.setattr(page.visits, "read", meanwhile)
    updates = list(running_transfer(page, session, photo(25), photo(26)))
    assert visit.shown().titles == ["Original", "Hair shape"] and "Done in" in updates[-1][ui.status]
    monkeypatch.setattr(turns, "_runs", {object(): visit.folder.name})
    again = page.person.look(photo(25), session)
    assert set(again) == {ui.face.note, ui.face.faces, ui.face.index}  # the run's progress stays
