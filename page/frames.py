"""A photo with a frame around each of its faces, to choose one of them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import gradio as gr
from PIL import Image

if TYPE_CHECKING:
    from barbershop_core.photo import Portrait

SIDE = 640
"""Longest side in pixels of the photo that is shown."""
WIDER = 0.12
"""Of a face's box, by which its frame is wider on every side."""
CHOOSE = """
let chosen = null;
element.addEventListener('click', (event) => {
  const frame = event.target.closest('button[data-face]');
  if (!frame) return;
  chosen = frame.dataset.face;
  trigger('select', {index: Number(chosen), value: frame.ariaLabel});
});
watch('value', () => {  // other buttons: the keyboard stays where it was
  if (chosen !== null) element.querySelector(`button[data-face="${chosen}"]`)?.focus();
  chosen = null;
});
"""


def build(elem_id: str) -> gr.HTML:
    """The place for :func:`picture`; its event ``select`` tells the index of the face that was chosen."""
    return gr.HTML(visible=False, js_on_load=CHOOSE, padding=False, elem_id=elem_id, elem_classes="faces")


def picture(portrait: Portrait) -> str:
    """The photo of a portrait as HTML: each face is a button, the chosen one is marked."""
    photo = Image.fromarray(portrait.source)
    width, height = photo.size
    photo.thumbnail((SIDE, SIDE))
    data = io.BytesIO()
    photo.save(data, "JPEG", quality=82)
    source = f"data:image/jpeg;base64,{base64.b64encode(data.getvalue()).decode()}"
    count = len(portrait.faces)
    frames = (
        _frame(number, count, _around(box, width, height), number == portrait.index)
        for number, box in enumerate(portrait.faces)
    )
    image = f'<img src="{source}" alt="The photo with a frame around each face" width="{photo.width}">'
    return f'<div class="framed">{image}{"".join(frames)}</div>'


def _around(box: tuple[int, int, int, int], width: int, height: int) -> tuple[float, float, float, float]:
    """Left, top, width and height of a face's frame, in percent of the photo, inside it."""
    left, top, right, bottom = box
    x, y = WIDER * (right - left), WIDER * (bottom - top)
    left, top, right, bottom = max(left - x, 0), max(top - y, 0), min(right + x, width), min(bottom + y, height)
    return 100 * left / width, 100 * top / height, 100 * (right - left) / width, 100 * (bottom - top) / height


def _frame(number: int, count: int, place: tuple[float, float, float, float], chosen: bool) -> str:
    label = f"Face {number + 1} of {count}, the one that is used" if chosen else f"Face {number + 1} of {count}"
    where = ";".join(f"{side}:{value:.2f}%" for side, value in zip(("left", "top", "width", "height"), place))
    return (
        f'<button type="button" class="frame" data-face="{number}" aria-pressed="{str(chosen).lower()}" '
        f'aria-label="{label}" title="{label}" style="{where}"><span>{number + 1}</span></button>'
    )
