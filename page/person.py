"""The photo of the person: with another one a chain begins, and nothing of the last person stays."""

from __future__ import annotations

import gradio as gr
from gradio.blocks import Block

from barbershop_core.errors import BadRequest

from . import files, hair, panel, rig, visits, words
from .ui import Updates, ui
from .visits import Visit


def outputs() -> set[Block]:
    """The components that another person updates."""
    return ui.face.notes | panel.outputs() | words.outputs() | rig.outputs()


def cleared() -> Updates:
    """What belonged to the last person: the painted mask, sliders and what they show."""
    return hair.clear_mask() | words.cleared() | rig.cleared()


def look(path: str | None, session: gr.Request) -> Updates:
    """The photo of the person was uploaded or removed: a chain of edits begins with it."""
    return _begin(path, None, session)


def choose(path: str | None, event: gr.SelectData, session: gr.Request) -> Updates:
    """Another face of the person's photo was clicked: the chain begins anew with it."""
    return _begin(path, event.index, session)


def resume(number: str | None, session: gr.Request) -> Updates:
    """The page was loaded: what the tab had before a reload comes back.  number: of the tab."""
    visit = visits.claim(session, number)
    try:
        path, index = visit.photo()
        kept = files.keep(path.read_bytes(), path.name)
        return panel.show(visit) | {ui.face.image: kept, ui.face.index: index}
    except (BadRequest, OSError):
        return {ui.status: gr.skip()}


def resume_notes(path: str | None, index: int | None) -> Updates:
    """What was found in the photo that came back."""
    return ui.face.read(path, index)[0] if path else {ui.face.note: gr.skip()}


def _begin(path: str | None, index: int | None, session: gr.Request) -> Updates:
    visit = Visit.of(session)
    before = panel.runs(visit)  # on the last photo, cancelled by this one
    notes, portrait = ui.face.read(path, index)
    if portrait is None:
        visit.forget()
        panel.let_end(before, 1.5)
        return cleared() | notes | panel.nothing()
    if not visit.begin(notes.get(ui.face.image, path), portrait.index, portrait):
        # It is the photo from before, or a run with this one was quicker.
        panel.let_end(before, 1.5)
        return notes if panel.runs(visit) else notes | panel.show(visit)
    panel.let_end(before, 1.5)
    return cleared() | notes | panel.show(visit)
