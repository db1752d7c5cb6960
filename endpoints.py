"""The named endpoints for programs: hair, face swap, words and rig.

Their names, parameters and order are a promise; the page's own events are private and may change.
"""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr

from barbershop_core.errors import BadRequest
from barbershop_core.styleclip import ALPHA, BETA
from page import core
from page.hair import MODES

Preset = Literal["fast", "released", "paper"]


def _endpoint(kind: str, request: dict) -> tuple[str, str, dict]:
    """Run a request; a failure becomes its sentence."""
    try:
        notices = []
        for what, event in core.work(kind, request):
            if what == "step" and event[0].notice:
                notices.append(event[0].notice)
            elif what == "result":
                info = {"scores": event["scores"], "recipe": event["recipe"]}
                info["notices"] = list(dict.fromkeys(notices + list(event["notices"])))
                crop = core.keep(event["png"], "barbershop.png")
                photo = core.keep(event["pasted_png"], "barbershop-photo.png")
        return crop, photo, info
    except Exception as error:
        raise gr.Error(core.shown(error), print_exception=False) from None


def _face(index: float | None) -> int | None:
    return None if index is None or index < 0 else int(index)


def transfer_hair(
    face: str,
    hair_shape: str | None = None,
    hair_color: str | None = None,
    features_from: str | None = None,
    features: str = "",
    mask: str | None = None,
    mode: Literal["realistic", "fidelity"] = "realistic",
    preset: Preset = "fast",
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
    request |= {
        "mode": mode,
        "preset": preset,
        "smooth": smooth,
        "seed": seed,
        "face_index": _face(face_index),
    }
    names = [name.strip() for name in (features or "").split(",") if name.strip()]
    request["regions"] = dict.fromkeys(names, "extra_a")
    request["mask"] = mask
    return _endpoint("transfer", request)


def swap_face(
    face: str,
    into: str,
    preset: Preset = "fast",
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
    request |= {"face_index": _face(face_index), "into_index": _face(into_index)}
    return _endpoint("swap", request)


def edit_text(
    face: str,
    prompt: str,
    method: Literal["directions", "optimize", "mapper"] = "directions",
    neutral: str = "",
    alpha: float = ALPHA,
    beta: float = BETA,
    strength: float = 1,
    identity: float | None = None,
    route: Literal["W+", "F"] = "W+",
    preset: Preset = "fast",
    seed: float = 0,
    face_index: float = -1,
) -> tuple[str, str, dict]:
    """Change a portrait by words (StyleCLIP).

    Args:
        face: photo of the person to edit.
        prompt: what it should look like, such as "blond hair"; for method mapper, a mapper's name.
        method: directions (quick), optimize (search, slower) or mapper (trained for one prompt each).
        neutral: directions only: the words it is seen against, such as "hair"; may be empty.
        alpha: directions only: strength, -10 to 10.
        beta: directions only: threshold of relevance, about 0.08 to 0.3; high moves few style channels.
        strength: mapper only: 1 as it was trained.
        identity: optimize only: weight of staying the same person; leave out for the method's own.
        route: W+ may change shapes; F keeps the portrait's detail map and changes colours only.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of a photo with several, from 0 by size; -1 takes the largest.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe and notices as JSON.
    """
    if method == "mapper" and any(mark in (prompt or "") for mark in "/\\."):
        prompt = "that is given as a file"  # the server's files are not the caller's: names only
    request = {"face": face, "face_index": _face(face_index), "prompt": prompt, "method": method}
    request |= {"neutral": neutral or "", "alpha": alpha, "beta": beta, "strength": strength}
    request |= {"identity": identity, "route": route, "preset": preset, "seed": int(seed or 0)}
    return _endpoint("text", request)


def direction_sliders(
    face: str,
    edits: list[dict[str, Any]],
    route: Literal["W+", "F"] = "W+",
    preset: Preset = "fast",
    face_index: float = -1,
) -> tuple[str, str, dict]:
    """Several global directions on one portrait at once, each with its own strength and threshold.

    Args:
        face: photo of the person to edit.
        edits: a list such as [{"target": "smiling person", "neutral": "person", "alpha": 3, "beta": 0.15}];
            all but target may be left out.
        route: W+ may change shapes; F keeps the portrait's detail map and changes colours only.
        preset: fast, released or paper.
        face_index: which face of a photo with several, from 0 by size; -1 takes the largest.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe, notices and the number of style channels moved as JSON.
    """
    try:
        wanted = [_direction(edit) for edit in _listed(edits)]
    except BadRequest as error:
        raise gr.Error(core.shown(error), print_exception=False) from None
    request = {
        "face": face,
        "face_index": _face(face_index),
        "previous": None,
        "key": ("api", face, str(face_index)),
    }
    return _endpoint(
        "sliders result", {**request, "edits": wanted, "options": {"route": route, "preset": preset}}
    )


def _listed(edits: Any) -> list:
    if not isinstance(edits, list) or not edits:
        raise BadRequest("edits is no list of directions.", 'Give such as [{"target": "blond hair"}].')
    return edits


def _direction(edit: Any) -> dict[str, Any]:
    if not isinstance(edit, dict) or not str(edit.get("target") or "").strip():
        raise BadRequest("An edit has no target.", 'Give such as {"target": "blond hair", "alpha": 3}.')
    try:
        numbers = {"alpha": float(edit.get("alpha", ALPHA)), "beta": float(edit.get("beta", BETA))}
    except (TypeError, ValueError):
        raise BadRequest("alpha and beta of an edit are numbers.", "Such as 3 and 0.15.") from None
    return {
        "target": str(edit["target"]).strip(),
        "neutral": str(edit.get("neutral") or "").strip(),
        **numbers,
    }


def repose(
    face: str,
    yaw: float = 0,
    pitch: float = 0,
    roll: float = 0,
    expression: str = "",
    strength: float = 1,
    light: dict | None = None,
    like: str | None = None,
    copy: str = "pose, expression, light",
    preset: Preset = "fast",
    seed: float = 0,
    face_index: float = -1,
    like_index: float = -1,
) -> tuple[str, str, dict]:
    """Turn the head, change the expression or the light of a portrait (PIE).

    Args:
        face: photo of the person to edit.
        yaw: degrees; turns the head.
        pitch: degrees; nods.
        roll: degrees; tilts.
        expression: a name such as smile, open mouth, raised brows, closed eyes or frown; empty leaves it.
        strength: of the expression, 0 to 1.5; 1 is its full strength.
        light: {"azimuth": degrees, "elevation": degrees, "strength": about 1, "warmth": -1..1}, or nothing.
        like: photo from which to copy.
        copy: comma-separated, what to copy from `like`: pose, expression, light.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of a photo with several, from 0 by size; -1 takes the largest.
        like_index: the same for `like`.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe and notices as JSON.
    """
    request = {"face": face, "face_index": _face(face_index), "yaw": yaw, "pitch": pitch, "roll": roll}
    request |= {
        "expression": (expression or "").strip() or None,
        "strength": strength,
        "light": light or None,
    }
    request |= {"like": like, "like_index": _face(like_index), "preset": preset, "seed": int(seed or 0)}
    request["copy"] = [name.strip() for name in (copy or "").split(",") if name.strip()] or None
    return _endpoint("pose", request)


def wire() -> None:
    """Every endpoint on hidden controls, so that files are checked as uploads are."""

    def file(label: str) -> gr.Image:
        slot = gr.Image(label=label, type="filepath", image_mode=None, visible=False)
        slot.preprocess = lambda payload: payload.path if payload else None
        return slot

    def number(label: str, value: float | None) -> gr.Number:
        return gr.Number(value, label=label, visible=False)

    def text(label: str, value: str | None = "") -> gr.Textbox:
        return gr.Textbox(value, label=label, visible=False)

    def choice(label: str, choices: tuple[str, ...]) -> gr.Radio:
        return gr.Radio(choices, value=choices[0], label=label, visible=False)

    def data(label: str) -> gr.JSON:
        return gr.JSON(label=label, visible=False)

    preset, route = choice("preset", core.PRESETS), choice("route", ("W+", "F"))
    outputs = [gr.File(label="portrait", visible=False), gr.File(label="photo", visible=False)]
    outputs += [gr.JSON(label="scores, recipe, notices", visible=False)]
    button = gr.Button(visible=False)
    index, seed = number("face_index", -1), number("seed", 0)
    inputs = {
        transfer_hair: [
            *(file(name) for name in ("face", "hair_shape", "hair_color", "features_from")),
            *(
                text("features"),
                file("mask"),
                choice("mode", MODES),
                preset,
                number("smooth", 5),
                seed,
                index,
            ),
        ],
        swap_face: [file("face"), file("into"), preset, seed, index, number("into_index", -1)],
        edit_text: [
            *(file("face"), text("prompt", None), choice("method", ("directions", "optimize", "mapper"))),
            *(text("neutral"), number("alpha", ALPHA), number("beta", BETA), number("strength", 1)),
            *(number("identity", None), route, preset, seed, index),
        ],
        direction_sliders: [file("face"), data("edits"), route, preset, index],
        repose: [
            *(file("face"), number("yaw", 0), number("pitch", 0), number("roll", 0), text("expression")),
            *(number("strength", 1), data("light"), file("like"), text("copy", "pose, expression, light")),
            *(preset, seed, index, number("like_index", -1)),
        ],
    }
    for endpoint, controls in inputs.items():
        button.click(
            endpoint, controls, outputs, api_name=endpoint.__name__, concurrency_id="gpu", concurrency_limit=1
        )
