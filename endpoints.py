"""The named endpoints for programs: ``/transfer_hair`` and ``/swap_face``.

Their names, parameters and order are a promise; the page's own events are private and may change.
"""

from __future__ import annotations

from typing import Literal

import gradio as gr

import page


def _endpoint(kind: str, request: dict) -> tuple[str, str, dict]:
    try:
        notices = []
        for what, event in page.work(kind, request):
            if what == "step" and event[0].notice:
                notices.append(event[0].notice)
            elif what == "result":
                info = {"scores": event["scores"], "recipe": event["recipe"]}
                info["notices"] = list(dict.fromkeys(notices + list(event["notices"])))
                crop = page.keep(event["png"], "barbershop.png")
                photo = page.keep(event["pasted_png"], "barbershop-photo.png")
        return crop, photo, info
    except Exception as error:
        raise gr.Error(page.shown(error), print_exception=False) from None


def transfer_hair(
    face: str,
    hair_shape: str | None = None,
    hair_color: str | None = None,
    features_from: str | None = None,
    features: str = "",
    mask: str | None = None,
    mode: Literal["realistic", "fidelity"] = "realistic",
    preset: Literal["fast", "released", "paper"] = "fast",
    smooth: float = 5,
    seed: float = 0,
    face_index: float = -1,
) -> tuple[str, str, dict]:
    """Give the person in a photo the hair shape, the hair colour or single features of other photos.

    Args:
        face: photo of the person to edit.
        hair_shape: photo whose hair shape to take; leave out to keep the shape.
        hair_color: photo whose hair colour to take; leave out to keep the colour.
        features_from: photo from which the parts in `features` come.
        features: comma-separated parts, out of brows, eyes, nose, mouth, skin, ears, glasses, neck, hair.
        mask: target mask as the `parse` command writes it (colours or numbers), instead of the automatic one.
        mode: realistic or fidelity.
        preset: fast, released or paper.
        smooth: how far borders of the mask are softened, in pixels at 256.
        seed: random seed.
        face_index: which face of a photo with several, from 0 by size; -1 takes the largest.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe and notices as JSON.
    """
    request = {"face": face, "hair_shape": hair_shape, "hair_color": hair_color, "extra_a": features_from}
    request |= {"mode": mode, "preset": preset, "smooth": smooth, "seed": seed}
    request["face_index"] = None if face_index is None or face_index < 0 else int(face_index)
    names = [name.strip() for name in (features or "").split(",") if name.strip()]
    request["regions"] = dict.fromkeys(names, "extra_a")
    request["mask"] = mask
    return _endpoint("transfer", request)


def swap_face(
    face: str,
    into: str,
    preset: Literal["fast", "released", "paper"] = "fast",
    seed: float = 0,
    face_index: float = -1,
    into_index: float = -1,
) -> tuple[str, str, dict]:
    """Put the face of one photo into another photo, keeping that photo's hair, light and background.

    Args:
        face: photo of the face.
        into: photo that receives it.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of `face`, from 0 by size; -1 takes the largest.
        into_index: which face of `into` is replaced; -1 takes the largest.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo `into` with the portrait
        pasted back, and scores, recipe and notices as JSON.
    """
    request = {"face": face, "into": into, "preset": preset, "seed": seed}
    for name, index in (("face_index", face_index), ("into_index", into_index)):
        request[name] = None if index is None or index < 0 else int(index)
    return _endpoint("swap", request)


def wire() -> None:
    """`/transfer_hair` and `/swap_face`: hidden controls, so that files are checked as uploads are."""

    def file(label: str) -> gr.Image:
        slot = gr.Image(label=label, type="filepath", image_mode=None, visible=False)
        slot.preprocess = lambda payload: payload.path if payload else None
        return slot

    def number(label: str, value: float) -> gr.Number:
        return gr.Number(value, label=label, visible=False)

    preset = gr.Radio(page.PRESETS, value="fast", label="preset", visible=False)
    mode = gr.Radio(page.MODES, value="realistic", label="mode", visible=False)
    features = gr.Textbox("", label="features", visible=False)
    outputs = [gr.File(label="portrait", visible=False), gr.File(label="photo", visible=False)]
    outputs += [gr.JSON(label="scores, recipe, notices", visible=False)]
    button = gr.Button(visible=False)
    button.click(
        transfer_hair,
        [
            file("face"),
            file("hair_shape"),
            file("hair_color"),
            file("features_from"),
            features,
            file("mask"),
            mode,
            preset,
            number("smooth", 5),
            number("seed", 0),
            number("face_index", -1),
        ],
        outputs,
        api_name="transfer_hair",
        concurrency_id="gpu",
        concurrency_limit=1,
    )
    button.click(
        swap_face,
        [
            file("face"),
            file("into"),
            preset,
            number("seed", 0),
            number("face_index", -1),
            number("into_index", -1),
        ],
        outputs,
        api_name="swap_face",
        concurrency_id="gpu",
        concurrency_limit=1,
    )
