"""Uploaded photos: what was found in them, and which face is meant."""

from __future__ import annotations

import html
import re
from abc import ABCMeta
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import gradio as gr
from gradio.blocks import Block

from barbershop_core.errors import BadRequest, BarbershopError

from . import files, frames, gpu, markup
from .ui import Updates, Values, ui
from .visits import Visit

if TYPE_CHECKING:
    from barbershop_core.photo import Portrait


SHOWN = {".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".avif"}
"""Suffixes of the files that browsers show."""


def _path(self, payload) -> str | None:
    return payload.path if payload else None


# An image component that hands the uploaded file to the core as it is, which reads more formats than Gradio does and
# explains better what is wrong with a file.  A class, because Gradio makes new instances for each visitor; made by
# ABCMeta, because Gradio's own metaclass writes a .pyi file beside this one.
Upload = ABCMeta.__new__(type(gr.Image), "Upload", (gr.Image,), {"is_template": True, "preprocess": _path})


def upload(**settings) -> gr.Image:
    """A field for a photo, whose value is the path of the uploaded file."""
    # Gradio's own words are too long for a small field in some languages.
    return Upload(type="filepath", image_mode=None, placeholder="Drop a photo here or click", **settings)


@dataclass(frozen=True)
class PhotoSlot:
    """An upload with, beneath it, what was found in it and, where there are several faces, a choice among them.

    index: State with the photo that was looked at, by its digest, and the number of the chosen face.
    """

    image: gr.Image
    note: gr.HTML
    faces: gr.HTML
    index: gr.State

    @property
    def inputs(self) -> set[Block]:
        return {self.image, self.index}

    @property
    def notes(self) -> set[Block]:
        return {self.image, self.note, self.faces, self.index}

    def chosen(self, values: Values) -> tuple[str | None, int | None]:
        """Path of the photo, None where there is none, and number of the face, None for the largest."""
        path, (looked, face) = values[self.image] or None, values[self.index] or (None, None)
        # a photo that was uploaded a moment ago has not been looked at yet
        return path, face if path and looked and looked == files.digest(path) else None

    def look(self, path: str | None) -> Updates:
        """A photo was uploaded or removed.

        Never raises: a photo that cannot be used stays in its slot with the reason beneath it.
        """
        return self.read(path)[0]

    def choose(self, path: str | None, event: gr.SelectData) -> Updates:
        """Another face of the same photo was clicked."""
        return self.read(path, event.index)[0]

    def read(self, path: str | None, index: int | None = None) -> tuple[Updates, Portrait | None]:
        """What to say about a photo, and the portrait in it where there is one."""
        empty = {self.note: "", self.faces: gr.update(value=None, visible=False), self.index: None}
        if not path:
            return empty, None
        try:
            portrait = gpu.read(path, index)
        except Exception as error:
            return self.shown(path) | empty | {self.note: markup.problem(gpu.sentence(error))}, None
        many = len(portrait.faces) > 1
        words = [*portrait.notices, *(["Click another one to use it."] if many else [])]
        framed = gr.update(value=frames.picture(portrait) if many else None, visible=many)
        note = f"<p>{html.escape(' '.join(words) or 'Face found.')}</p>"
        shown = self.shown(path, portrait)
        chosen = files.digest(shown.get(self.image, path)), portrait.index
        return shown | {self.note: note, self.faces: framed, self.index: chosen}, portrait

    def shown(self, path: str, portrait: Portrait | None = None) -> Updates:
        """A photo that browsers cannot show, such as a TIFF or HEIC file, is replaced by a PNG file of its pixels."""
        if Path(path).suffix.lower() in SHOWN:
            return {}
        from barbershop_core.editing.picture_file import encode
        from barbershop_core.photo.decode import decode

        try:
            pixels = decode(path) if portrait is None else portrait.source
        except BarbershopError:
            return {}
        name = re.sub(r"[^\w-]", "", Path(path).stem)[:40] or "photo"
        return {self.image: files.keep(encode(pixels, source_type=None), f"{name}.png")}


def told(notice: str) -> bool:
    """Whether a notice stands beneath its photo for as long as that does, so that edits need not say it again: which of
    several faces is used."""
    return " faces; " in notice and notice.endswith(" is used.")


def begin(visit: Visit, values: Values, needed: bool = True) -> None:
    """Let the visit's chain be of the person's photo; before anything is refused, as a look at the photo that comes
    later says nothing of a chain that was begun already.

    Raises BadRequest where a photo is needed and there is none.
    """
    path, index = ui.face.chosen(values)
    if path is not None:
        visit.begin(path, index)
    elif needed:
        raise BadRequest("The photo of the person is missing.", "Upload it in the first field.")
