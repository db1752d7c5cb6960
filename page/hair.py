"""The tabs "Hair" and "Face swap": forms in, edits out."""

from __future__ import annotations

import gradio as gr
import numpy as np

from barbershop_core.errors import BadRequest

from . import panel
from .history import Visit

MODES = ("realistic", "fidelity")
FEATURES = ("brows", "eyes", "nose", "mouth", "skin", "ears", "glasses", "neck")
KEEP = "keep"
SOURCES = {
    "hair shape photo": "hair_shape",
    "hair colour photo": "hair_color",
    "photo A": "extra_a",
    "photo B": "extra_b",
}
PHOTOS = ("face", "hair_shape", "hair_color", "extra_a", "extra_b")
TRANSFER_INPUTS = (
    *PHOTOS,
    *(f"{name}_index" for name in PHOTOS),
    *(f"from_{name}" for name in FEATURES),
    "mode",
    "preset",
    "smooth",
    "seed",
    "painted",
    "mask_state",
)
SWAP_INPUTS = ("face", "face_index", "swap_face", "swap_face_index", "swap_preset")
NO_PERSON = ("The photo of the person is missing.", "Upload it in the first field.")


def begin(visit: Visit, form: dict) -> None:
    """Let the visit stand on the form's photo of the person.  Raises BadRequest where there is none."""
    if not form.get("face"):
        raise BadRequest(*NO_PERSON)
    visit.begin(form["face"], None if form.get("face_index") is None else int(form["face_index"]))


def transfer_request(values: dict) -> dict:
    """The request of the hair form.  Raises BadRequest where something is missing."""
    request = {k: v for k, v in values.items() if k in ("mode", "preset", "smooth", "seed") and v is not None}
    for name in PHOTOS:
        request[name] = values.get(name)
        request[f"{name}_index"] = values.get(f"{name}_index")
    if not request["face"]:
        raise BadRequest(*NO_PERSON)
    regions = {}
    for feature in FEATURES:
        source = SOURCES.get(values.get(f"from_{feature}"))
        if source is None:
            continue
        if not request[source]:
            words = values[f"from_{feature}"]
            raise BadRequest(
                f"The {feature} should come from the {words}, which is missing.",
                "Upload it or choose 'keep'.",
            )
        regions[feature] = source
    request["regions"] = regions
    if not (request["hair_shape"] or request["hair_color"] or regions):
        raise BadRequest(
            "There is nothing to change yet.",
            "Upload a photo for the hair's shape or colour, or choose parts below.",
        )
    return request


def title_of(request: dict) -> str:
    """What a transfer does, in a word or two for the chain."""
    hair = {(True, True): "Hair", (True, False): "Hair shape", (False, True): "Hair colour"}
    words = [hair.get((bool(request.get("hair_shape")), bool(request.get("hair_color"))), "")]
    return ", ".join(filter(None, [*words, *(request.get("regions") or {})])).capitalize()


def painted_mask(painted: dict | None, state: dict | None) -> np.ndarray | None:
    """The automatic labels with the visitor's strokes on them, uint8 [r,r]; ``None`` without strokes."""
    from barbershop_core.editing.mask_file import paint_over

    if not painted or not painted.get("layers"):
        return None
    layer = np.asarray(painted["layers"][0])
    if layer.ndim != 3 or layer.shape[2] != 4 or not (layer[..., 3] > 127).any():
        return None
    if not state:
        raise BadRequest("The painted mask belongs to no photo.", "Press 'Prepare mask' and paint again.")
    return paint_over(state["labels"], layer)


def _wanted(form: dict, visit: Visit) -> dict:
    """The form's request, but for the photo of the person, which the visit keeps."""
    wanted = transfer_request(form)
    begin(visit, form)
    return {k: v for k, v in wanted.items() if k not in ("face", "face_index")}


def run_transfer(session: gr.Request, *values):
    """The Run button of the hair form."""
    form = dict(zip(TRANSFER_INPUTS, values))

    def request(visit: Visit) -> dict:
        wanted = _wanted(form, visit)
        wanted["mask"] = painted_mask(form.get("painted"), form.get("mask_state"))
        return wanted

    try:
        title = title_of(transfer_request(form))
    except BadRequest:
        title = ""  # said by the run itself
    yield from panel.edit("transfer", request, title, session, form["preset"])


def run_swap(session: gr.Request, *values):
    """The Run button of the face swap form: another photo's face into the portrait."""
    form = dict(zip(SWAP_INPUTS, values))

    def request(visit: Visit) -> dict:
        if not form["face"] or not form["swap_face"]:
            raise BadRequest(
                "A face swap needs two photos.", "Upload the person above and, here, the face to put in."
            )
        begin(visit, form)
        base = visit.base()
        return {
            "face": form["swap_face"],
            "face_index": form["swap_face_index"],
            "into": base["face"],
            "into_index": base["face_index"],
            "preset": form["swap_preset"],
            "seed": 0,
        }

    yield from panel.edit("swap", request, "Face swap", session, f"swap {form['swap_preset']}")


def prepare_mask(session: gr.Request, *values):
    """Load the automatic target mask into the editor."""
    form, visit = dict(zip(TRANSFER_INPUTS, values)), Visit.of(session)
    for update, result in panel.stream(
        "mask", visit, lambda: {**_wanted(form, visit), **visit.base()}, silent=True
    ):
        if result is None:
            yield panel.updates(**update)
        else:
            picture = gr.update(value=result["mask_picture"], visible=True)
            words = "<p>The mask is ready to be painted.</p>" + panel.notes(result["notices"])
            yield panel.updates(status=words, mask=picture, **panel.mask_tools(result))


def clear_mask():
    """Another photo: the painted mask belongs to the old one."""
    return gr.update(value=None), None
