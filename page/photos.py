"""Uploaded photos: what was seen in them, which face is meant."""

from __future__ import annotations

import html

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from . import core


def look(path: str | None, index: float | None = None):
    """Read an uploaded photo: its aligned crop, the faces to choose from, and what to say about it.

    Returns updates for (note, gallery of faces, chosen index).  Never raises: a photo that cannot
    be used stays in its slot with the reason beneath it.
    """
    return _look(path, index)[0]


def choose_face(path: str | None, event: gr.SelectData):
    """Another face of the same photo was clicked."""
    return look(path, event.index)


def _look(path: str | None, index: float | None):
    if not path:
        return ("", gr.update(value=None, visible=False), None), None
    try:
        portrait = core.studio().read(path, face=None if index is None else int(index))
    except Exception as error:
        words = f'<p class="problem">{html.escape(core.shown(error))}</p>'
        return (words, gr.update(value=None, visible=False), None), None
    faces = face_crops(portrait)
    many = len(faces) > 1
    words = [*portrait.notices, *(["Click another to use it."] if many else [])]
    note = f"<p>{html.escape(' '.join(words) or 'Face found.')}</p>"
    gallery = gr.update(value=faces if many else None, visible=many, selected_index=None)
    return (note, gallery, portrait.index), portrait


def face_crops(portrait) -> list[tuple[np.ndarray, str]]:
    """A small square picture and a caption for each face of a photo, the chosen one framed."""
    crops = []
    photo = Image.fromarray(portrait.source)
    for number, box in enumerate(portrait.faces):
        left, top, right, bottom = (float(v) for v in box)
        half, x, y = 0.75 * max(right - left, bottom - top), (left + right) / 2, (top + bottom) / 2
        square = tuple(round(v) for v in (x - half, y - half, x + half, y + half))
        crop = photo.crop(square).resize((160, 160))
        chosen = number == portrait.index
        if chosen:
            ImageDraw.Draw(crop).rectangle((0, 0, 159, 159), outline="#be5a38", width=8)
        crops.append((np.asarray(crop), f"{number + 1} (used)" if chosen else f"{number + 1}"))
    return crops


def look_at_person(path: str | None, index: float | None, request: gr.Request):
    """As :func:`look`, for the photo of the person: the chain of edits begins with it.

    Returns :func:`look`'s updates and those of the result panel.
    """
    from .history import Visit
    from .panel import show, updates

    seen, portrait = _look(path, index)
    visit = Visit.of(request)
    if portrait is None:
        visit.forget()
        return *seen, *updates(**NOBODY)
    visit.begin(path, portrait.index, portrait)
    return *seen, *show(visit)


NOBODY = {
    "status": '<p class="quiet">The result will appear here.</p>',
    "preview": gr.update(value=None, visible=False, elem_classes=[]),
    "slider": gr.update(value=None, visible=True),
    "history": gr.update(value=None, visible=False),
    "undo": gr.update(interactive=False),
    "redo": gr.update(interactive=False),
    "restart": gr.update(interactive=False),
    "crop_file": gr.update(value=None, interactive=False),
    "photo_file": gr.update(value=None, interactive=False),
    "pasted": gr.update(value=None, visible=False),
    "mask": gr.update(value=None, visible=False),
    "details": "",
    "chain_note": "",
}


def choose_person(path: str | None, event: gr.SelectData, request: gr.Request):
    """Another face of the person's photo was clicked: the chain begins anew with it."""
    return look_at_person(path, event.index, request)
