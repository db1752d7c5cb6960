"""The photo of the person: with another one a chain begins, and nothing of the last person stays."""

from __future__ import annotations

import gradio as gr
from gradio.blocks import Block

from barbershop_core.errors import BadRequest

from . import crop, files, gpu, hair, markup, panel, photos, rig, turns, visits, words
from .ui import Updates, Values, ui
from .visits import Visit


def outputs() -> set[Block]:
    """The components that another person updates."""
    return ui.face.notes | panel.outputs() | words.outputs() | rig.outputs() | crop.outputs()


def cleared() -> Updates:
    """What belonged to the last person: the crop, the painted mask, sliders and what they show."""
    return crop.cleared() | hair.clear_mask() | words.cleared() | rig.cleared()


def look(path: str | None, session: gr.Request) -> Updates:
    """The photo of the person was uploaded or removed: a chain of edits begins with it."""
    return _begin(path, None, session)


def choose(path: str | None, event: gr.SelectData, session: gr.Request) -> Updates:
    """Another face of the person's photo was clicked: the chain begins anew with it."""
    return _begin(path, event.index, session)


def use_crop(values: Values, session: gr.Request) -> Updates:
    """The crop as the sliders show it: the chain begins anew with it."""
    visit = Visit.of(session)
    before = turns.runs(visit)
    try:
        photos.begin(visit, values)
        visit.crop(crop.nudge_of(values))
    except Exception as error:
        return {ui.crop_note: markup.problem(gpu.sentence(error))}
    turns.let_end(before, 1.5)
    kept = crop.outputs()
    shown = {component: update for component, update in cleared().items() if component not in kept}
    return shown | panel.show(visit) | {ui.crop_note: crop.USED}


def resume(number: str | None, session: gr.Request) -> Updates:
    """The page was loaded: what the tab had before a reload comes back.  number: of the tab."""
    visit = visits.claim(session, number)
    try:
        path, index, nudge = visit.photo()
        kept = files.keep(path.read_bytes(), path.name)
        chosen = files.digest(kept), index
        return panel.show(visit) | crop.sliders(nudge) | {ui.face.image: kept, ui.face.index: chosen}
    except (BadRequest, OSError):
        return {ui.status: gr.skip()}


def resume_notes(values: Values) -> Updates:
    """What was found in the photo that came back."""
    path, index = ui.face.chosen(values)
    return ui.face.read(path, index)[0] if path else {ui.face.note: gr.skip()}


def _begin(path: str | None, index: int | None, session: gr.Request) -> Updates:
    visit = Visit.of(session)
    with turns.looking(visit):
        before, pressed = turns.runs(visit), turns.pressed(visit)  # runs on the last photo are cancelled by this one
        notes, portrait = ui.face.read(path, index)
        if portrait is None:
            visit.forget()
            begun, shown = True, panel.nothing()
        else:
            # False: it is the photo from before, or a run with this one was quicker
            begun = visit.begin(notes.get(ui.face.image, path), portrait.index, portrait)
            shown = panel.show(visit)
        stale = turns.clears(visit)
        found = (cleared() if begun or stale else {}) | notes | shown
        turns.let_end(before, 1.5)
        if turns.runs(visit) - (before if begun else set()):  # it shows the rest
            left = panel.outputs()
        else:
            spoken = turns.pressed(visit) != pressed or not begun
            left = {ui.status, ui.retry, *ui.stops} if spoken else set()
        return {component: update for component, update in found.items() if component not in left}
