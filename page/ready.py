"""Ready-made hair: styles and colours to click, and any colour at all."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from . import files
from .ui import Updates, ui

FOLDER = files.ASSETS / "examples" / "ready"
BASE = "Grey"
"""The colour whose picture is tinted: it has no hue of its own."""


@cache
def rows(kind: str) -> list[dict]:
    """The styles ("style") or colours ("colour") of ``assets/examples/ready/ready.json``, as far as they exist."""
    listing = FOLDER / "ready.json"
    found = json.loads(listing.read_text(encoding="utf-8")) if listing.is_file() else []
    found = [
        {**row, "file": str((FOLDER / row["file"]).resolve()), "picture": str(FOLDER / row["picture"])}
        for row in found
        if row["kind"] == kind
    ]
    return [row for row in found if Path(row["file"]).is_file()]


def cards(kind: str) -> list[tuple[str, str]]:
    """Pictures and names, for a gallery."""
    return [(row["picture"], row["name"]) for row in rows(kind)]


def choose_style(event: gr.SelectData) -> Updates:
    """A style was clicked: its picture gives the hair's shape."""
    return {ui.hair_shape.image: rows("style")[event.index]["file"]}


def choose_colour(event: gr.SelectData) -> Updates:
    """A colour was clicked: its picture gives the hair's colour."""
    row = rows("colour")[event.index]
    return {ui.hair_color.image: row["file"], ui.any_colour: row["colour"]}


def pick_colour(colour: str) -> Updates:
    """A colour of the visitor's own: a rendered person with such hair."""
    from barbershop_core.editing.picture_file import encode

    wanted = rgb(colour)
    if wanted is None:
        return {}
    base = next(row["file"] for row in rows("colour") if row["name"] == BASE)
    with Image.open(base) as picture, Image.open(FOLDER / "hair.png") as mask:
        tinted = tint(np.asarray(picture.convert("RGB")), np.asarray(mask) > 127, wanted)
    return {ui.hair_color.image: files.keep(encode(tinted, source_type=None), "colour.png")}


def rgb(colour: str | None) -> tuple[int, ...] | None:
    """The colour picker's answer, "#rrggbb" or "rgba(r, g, b, a)", as numbers from 0 to 255."""
    colour = (colour or "").strip()
    try:
        if colour.startswith("#"):
            found = tuple(bytes.fromhex(colour[1:7]))
        else:
            found = tuple(round(float(v)) for v in colour[colour.index("(") + 1 :].rstrip(")").split(",")[:3])
    except (ValueError, OverflowError):
        return None
    return found if len(found) == 3 and all(0 <= v <= 255 for v in found) else None


def tint(picture: np.ndarray, hair: np.ndarray, colour: tuple[int, ...]) -> np.ndarray:
    """Give the hair a colour and keep its light and shade.

    picture: uint8 [H,W,3].  hair: bool [H,W].  colour: of the hair where it is well lit (its upper third).
    """
    light = picture.mean(2, keepdims=True) / 255
    shade = light / max(np.percentile(light[hair], 70), 1e-3)
    # brighter than the colour goes towards white, as a highlight does
    dark = np.asarray(colour) * np.minimum(shade, 1)
    tinted = dark + (255 - dark) * np.clip(shade - 1, 0, 1) * 0.5
    return np.where(hair[..., None], tinted, picture).clip(0, 255).astype(np.uint8)
