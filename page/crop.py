"""The crop of the person's photo, moved, turned and zoomed by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from gradio.blocks import Block
from PIL import Image

from barbershop_core.options import NUDGE
from barbershop_core.progress import Steps

from . import edits, gpu, markup, photos
from .ui import Updates, Values, ui
from .visits import Visit

if TYPE_CHECKING:
    from barbershop_core.photo import Nudge
    from barbershop_core.studio import Studio

SIDE = 320
"""Pixels of the picture beside the sliders."""
USED = "<p>Every edit starts from this crop now.</p>"


def form() -> set[Block]:
    """The sliders, and the photo whose crop they move."""
    return {*ui.nudge.values(), ui.crop_regions, *ui.face.inputs}


def outputs() -> set[Block]:
    """What shows the crop."""
    return {*ui.nudge.values(), ui.crop_picture, ui.crop_colours, ui.crop_note}


def cleared() -> Updates:
    """The crop as it was found."""
    shown = {ui.crop_picture: gr.update(value=None, visible=False), ui.crop_colours: "", ui.crop_note: ""}
    return sliders(None) | shown


def sliders(nudge: Nudge | None) -> Updates:
    """The sliders where a nudge puts them."""
    numbers = {} if nudge is None else nudge.numbers
    return {ui.nudge[part.name]: numbers.get(part.name, part.default) for part in NUDGE}


def nudge_of(values: Values) -> Nudge | None:
    """The nudge that the sliders show."""
    from barbershop_core.photo import Nudge

    return Nudge.of({name: float(values[slider]) for name, slider in ui.nudge.items()})


def move(values: Values, session: gr.Request) -> Updates:
    """The crop as the sliders show it, with the regions over it where they are asked for."""
    visit = Visit.of(session)
    try:
        photos.begin(visit, values)
        path, face, _ = visit.photo()
        drawn = gpu.at_once(
            draw,
            gpu.Task("read", {"face": (str(path), face, nudge_of(values))}),
            corners=visit.corners(),
            regions=bool(values[ui.crop_regions]),
        )
    except Exception as error:
        return {ui.crop_note: markup.problem(gpu.sentence(error))}
    picture = gr.update(value=drawn["picture"], visible=True)
    return {ui.crop_picture: picture, ui.crop_colours: markup.colours(drawn["palette"]), ui.crop_note: ""}


def draw(studio: Studio, task: gpu.Task, corners: list[list[float]], regions: bool) -> Steps[dict[str, Any]]:
    """The crop of the photo "face" by its nudge, from the corners that were found before.

    Returns "picture", uint8 [S,S,3], and "palette", region -> "#rrggbb", empty without regions.
    """
    from barbershop_core.photo import Portrait, cut_out
    from barbershop_core.photo.decode import decode

    yield from ()
    path, _, nudge = task.photos["face"]
    pixels, found = decode(path), np.asarray(corners)
    found = found if nudge is None else nudge.corners(found)
    if not regions:
        return {"picture": cut_out(pixels, found, SIDE), "palette": {}}
    yield from studio.pack.fetch("parser")
    portrait = Portrait(cut_out(pixels, found, studio.pack.working_size), pixels, found)
    shown = edits.mask_pictures(portrait, studio.parse(portrait))
    picture = Image.fromarray(shown["mask_overlay"]).resize((SIDE, SIDE))
    return {"picture": np.asarray(picture), "palette": shown["palette"]}


def reset(values: Values, session: gr.Request) -> Updates:
    """Back to the crop as it was found; it is used only when that is pressed."""
    start = sliders(None)
    return start | move({**values, **start}, session)
