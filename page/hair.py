"""The tabs "Hair" and "Face swap"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gradio as gr
import numpy as np
from gradio.blocks import Block

from barbershop_core.errors import BadRequest

from . import edits, gpu, markup, panel, photos
from .ui import Updates, Values, ui
from .visits import Visit

FEATURES = ("brows", "eyes", "nose", "mouth", "skin", "ears", "glasses", "neck")
KEEP = "keep"
SOURCES = {
    "hair shape photo": "hair_shape",
    "hair structure photo": "hair_structure",
    "hair colour photo": "hair_color",
    "photo A": "extra_a",
    "photo B": "extra_b",
}
CHOICES = [(choice.capitalize().replace(" a", " A").replace(" b", " B"), choice) for choice in (KEEP, *SOURCES)]

HAIR = {"hair_shape": "shape", "hair_structure": "structure", "hair_color": "colour"}
"""The photos that give something of their hair, and what."""


def references() -> dict[str, photos.PhotoSlot]:
    """The photos beside the person's, by role."""
    return {role: getattr(ui, role) for role in SOURCES.values()}


def form() -> set[Block]:
    """The controls of the hair form."""
    slots = set().union(*(slot.inputs for slot in (ui.face, *references().values())))
    return slots | {*ui.sources.values(), ui.mode, ui.preset, ui.smooth, ui.seed, ui.editor, ui.mask_state}


def swap_form() -> set[Block]:
    """The controls of the face swap form."""
    return ui.face.inputs | ui.swap_face.inputs | {ui.swap_preset}


def wanted(values: Values) -> tuple[dict[str, Any], dict[str, tuple[str | None, int | None]]]:
    """Options and reference photos of the hair form.  Raises BadRequest where something is missing."""
    if not values[ui.face.image]:
        raise BadRequest("The photo of the person is missing.", "Upload it in the first field.")
    given = {role: slot.chosen(values) for role, slot in references().items()}
    regions = {}
    for feature, choice in ui.sources.items():
        if values[choice] == KEEP:
            continue
        role = SOURCES[values[choice]]
        if given[role][0] is None:
            raise BadRequest(
                f"The {feature} should come from the {values[choice]}, which is missing.", "Upload it or choose 'keep'."
            )
        regions[feature] = role
    if not regions and not any(given[role][0] for role in HAIR):
        raise BadRequest(
            "There is nothing to change yet.", "Upload a photo for the hair's shape or colour, or choose parts below."
        )
    options = {"mode": values[ui.mode], "preset": values[ui.preset], "smooth": values[ui.smooth]}
    return options | {"seed": values[ui.seed], "regions": regions}, given


def title_of(values: Values) -> str:
    """What a transfer does, in a word or two."""
    given = [part for role, part in HAIR.items() if values[getattr(ui, role).image]]
    words = [f"hair {given[0]}" if len(given) == 1 else "hair" if given else ""]
    words += [feature for feature, choice in ui.sources.items() if values[choice] != KEEP]
    return ", ".join(filter(None, words)).capitalize()


def painted_mask(painted: dict | None, state: dict | None) -> np.ndarray | None:
    """The automatic labels with the visitor's strokes on them, uint8 [r,r]; None without strokes."""
    from barbershop_core.editing.mask_file import paint_over

    if not painted or not painted.get("layers"):
        return None
    layer = np.asarray(painted["layers"][0])
    if layer.ndim != 3 or layer.shape[2] != 4 or not (layer[..., 3] > 127).any():
        return None
    if not state:
        raise BadRequest("The painted mask belongs to no photo.", "Press 'Prepare mask' and paint again.")
    return paint_over(state["labels"], layer)


def run_transfer(values: Values, session: gr.Request) -> Iterator[Updates]:
    """The Run button of the hair form."""

    def task(visit: Visit) -> gpu.Task:
        photos.begin(visit, values)
        options, given = wanted(values)
        mask = painted_mask(values[ui.editor], values[ui.mask_state])
        return visit.task("transfer", options | {"mask": mask}, given)

    yield from panel.edit(session, task, title_of(values), values[ui.preset])


def prepare_mask(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Load the automatic target mask into the editor."""
    visit = Visit.of(session)

    def begin():
        photos.begin(visit, values)
        options, given = wanted(values)
        return gpu.run(edits.target_mask, visit.task("target_mask", options, given))

    def finish(result: dict) -> Updates:
        status = "<p>The mask is ready to be painted.</p>" + markup.notes(result["notices"])
        picture = gr.update(value=result["mask_picture"], visible=True)
        return {ui.status: status, ui.mask: picture, **panel.mask_tools(result)}

    yield from panel.run(visit, begin, finish, silent=True)


def clear_mask() -> Updates:
    """The painted mask belongs to the photos from before."""
    return {ui.editor: None, ui.mask_state: None, ui.legend: ""}


def run_swap(values: Values, session: gr.Request) -> Iterator[Updates]:
    """The Run button of the face swap form: the face of another photo goes into the portrait."""

    def task(visit: Visit) -> gpu.Task:
        face = ui.swap_face.chosen(values)
        photos.begin(visit, values, needed=False)
        if not values[ui.face.image] or face[0] is None:
            raise BadRequest("A face swap needs two photos.", "Upload the person above and, here, the face to put in.")
        return visit.task("swap_face", {"preset": values[ui.swap_preset]}, {"face": face}, person="into")

    yield from panel.edit(session, task, "Face swap", f"swap {values[ui.swap_preset]}")
