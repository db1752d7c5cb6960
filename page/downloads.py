"""The download buttons: the whole photo first, as PNG and as JPEG, then the crop, each with its size."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from .files import keep
from .ui import Updates, ui

PHOTO, JPEG, CROP = "Download photo", "Photo as JPEG", "Download the crop"
FETCH = "() => setTimeout(() => document.querySelector('#jpeg_file').click(), 300)"


def outputs() -> set[Block]:
    """The buttons."""
    return {ui.photo_file, ui.jpeg, ui.crop_file}


def offer(crop: str | None = None, photo: str | None = None) -> Updates:
    """Offer a result's files.

    crop, photo: their paths.  Without them the buttons cannot be pressed.
    """
    return {
        ui.photo_file: _button(PHOTO, photo),
        ui.jpeg: gr.update(interactive=photo is not None),
        ui.crop_file: _button(CROP, crop),
    }


def as_jpeg(photo: str) -> str:
    """The photo as a JPEG file with its recipe; made only when somebody wants it."""
    from barbershop_core.editing.picture_file import encode, read_text

    if Path(photo).suffix == ".jpg":
        return photo
    recipe = json.loads(read_text(photo) or "null")
    with Image.open(photo) as picture:
        return keep(encode(picture.convert("RGB"), recipe, "JPEG"), "barbershop-photo.jpg")


def _button(label: str, path: str | None) -> dict:
    if path is None:
        return gr.update(label=label, value=None, interactive=False)
    width, height = size(path)
    return gr.update(label=f"{label} ({width} × {height})", value=path, interactive=True)


def size(path: str) -> tuple[int, int]:
    """Width and height in pixels; of a PNG by its first bytes."""
    with open(path, "rb") as file:
        head = file.read(24)
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return struct.unpack(">II", head[16:])
    with Image.open(path) as picture:
        return picture.size
