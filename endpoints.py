"""The named endpoints for programs: hair, face swap, words and rig.

Their names, parameters and order are a promise; the page's own events are private and may change.
"""

from __future__ import annotations

from typing import Any, Literal

import gradio as gr

from barbershop_core.barbershop.options import MODE, SMOOTH
from barbershop_core.errors import BadRequest
from barbershop_core.options import PRESET, PRESET_NAMES, SEED
from barbershop_core.pie import options as pose
from barbershop_core.styleclip import options as words
from barbershop_core.styleclip.options import ALPHA, BETA, IDENTITY, METHOD, NEUTRAL, ROUTE
from page import edits as work
from page import files, gpu, photos, sessions

Answer = tuple[str, str, dict]
Preset = Literal["fast", "released", "paper"]
PARTS = "pose, expression, light"


def _answer(function: gpu.Work, task: gpu.Task, **arguments) -> Answer:
    """Run a task; an error becomes its sentence."""
    try:
        notices = []
        for what, event in gpu.run(function, task, **arguments):
            if what == "step" and event[0].notice:
                notices.append(event[0].notice)
            elif what == "result":
                info = {"scores": event["scores"], "recipe": event["recipe"]}
                info["notices"] = list(dict.fromkeys(notices + event["notices"]))
                crop = files.keep(event["png"], "barbershop.png")
                photo = files.keep(event["pasted_png"], "barbershop-photo.png")
        return crop, photo, info
    except Exception as error:
        raise gr.Error(gpu.sentence(error), print_exception=False) from None


def _photo(path: str | None, face: float | None = None) -> tuple[str | None, int | None]:
    """A photo and which of its faces; a negative number means the largest."""
    return path, None if face is None or face < 0 else int(face)


def _names(listed: str) -> list[str]:
    return [name.strip() for name in (listed or "").split(",") if name.strip()]


def transfer_hair(
    face: str,
    hair_shape: str | None = None,
    hair_color: str | None = None,
    features_from: str | None = None,
    features: str = "",
    mask: str | None = None,
    mode: Literal["realistic", "fidelity"] = MODE.default,
    preset: Preset = PRESET.default,
    smooth: float = SMOOTH.default,
    seed: float = SEED.default,
    face_index: float = -1,
    hair_structure: str | None = None,
) -> Answer:
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
        smooth: how far borders of the mask are softened, in pixels at 256 px.
        seed: random seed.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        hair_structure: photo whose strands and curl to take; leave out to take those of `hair_shape`.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe and notices as JSON.
    """
    given = {"face": _photo(face, face_index), "hair_shape": _photo(hair_shape), "hair_color": _photo(hair_color)}
    given |= {"extra_a": _photo(features_from), "hair_structure": _photo(hair_structure)}
    options = {"mode": mode, "preset": preset, "smooth": smooth, "seed": seed, "mask": mask}
    options["regions"] = dict.fromkeys(_names(features), "extra_a")
    return _answer(work.edit, gpu.Task("transfer", given, options))


def swap_face(
    face: str,
    into: str,
    preset: Preset = PRESET.default,
    seed: float = SEED.default,
    face_index: float = -1,
    into_index: float = -1,
) -> Answer:
    """Put the face of one photo into another photo, keeping that photo's hair, light and background.

    Args:
        face: photo of the face.
        into: photo that receives it.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of `face`, 0 for the largest; -1 takes the largest that can be used.
        into_index: which face of `into` is replaced, in the same way.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo `into` with the portrait
        pasted back, and scores, recipe and notices as JSON.
    """
    given = {"face": _photo(face, face_index), "into": _photo(into, into_index)}
    return _answer(work.edit, gpu.Task("swap_face", given, {"preset": preset, "seed": seed}))


def edit_text(
    face: str,
    prompt: str,
    method: Literal["directions", "optimize", "mapper"] = METHOD.default,
    neutral: str = NEUTRAL.default,
    alpha: float = ALPHA.default,
    beta: float = BETA.default,
    strength: float = words.STRENGTH.default,
    identity: float | None = IDENTITY.default,
    route: Literal["W+", "F"] = ROUTE.default,
    preset: Preset = PRESET.default,
    seed: float = SEED.default,
    face_index: float = -1,
    levels: list[str] | None = None,
    where: Literal["named", "everywhere"] = words.WHERE.default,
) -> Answer:
    """Change a portrait by a text (StyleCLIP).

    Args:
        face: photo of the person to edit.
        prompt: what it should look like, such as "blond hair"; for method mapper, a mapper's name.
        method: directions (quick), optimize (search, slower) or mapper (trained for one prompt each).
        neutral: what the prompt is an alternative to, such as "hair"; may be empty.  Not for mapper.
        alpha: directions only: strength, -10 to 10.
        beta: directions only: threshold of relevance, about 0.08 to 0.3; higher moves fewer style channels.
        strength: mapper only: -3 to 3; 1 is as it was trained.
        identity: optimize only: weight of staying the same person, 0 to 1; leave out for the preset's own.
        route: W+ may change shapes; F keeps the portrait's detail map and changes colours only.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        levels: mapper only: a list of what it may change, of coarse (pose, shapes), medium (features) and fine
            (colours); leave out for all.
        where: named lets only what the words name change, such as hair; everywhere lets the rest change with it.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe and notices as JSON.
    """
    if method == "mapper" and any(mark in (prompt or "") for mark in "/\\."):
        prompt = "that is given as a file"  # callers get mappers by name, not the server's files
    options = {"prompt": prompt, "method": method, "neutral": neutral, "alpha": alpha, "beta": beta}
    options |= {"strength": strength, "levels": levels, "identity": identity, "route": route}
    options |= {"preset": preset, "seed": seed, "where": where}
    return _answer(work.edit, gpu.Task("edit_text", {"face": _photo(face, face_index)}, options))


def direction_sliders(
    face: str,
    edits: list[dict[str, Any]],
    route: Literal["W+", "F"] = ROUTE.default,
    preset: Preset = PRESET.default,
    face_index: float = -1,
    where: Literal["named", "everywhere"] = words.WHERE.default,
) -> Answer:
    """Several global directions on one portrait at once, each with its own strength and threshold.

    Args:
        face: photo of the person to edit.
        edits: a list such as [{"target": "smiling person", "neutral": "person", "alpha": 3, "beta": 0.15}];
            all but target may be left out.
        route: W+ may change shapes; F keeps the portrait's detail map and changes colours only.
        preset: fast, released or paper.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        where: named lets only what the targets name change, such as hair; everywhere lets the rest change with it.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe, notices and the number of style channels moved as JSON.
    """
    try:
        wanted = [_direction(edit) for edit in _listed(edits)]
    except BadRequest as error:
        raise gr.Error(gpu.sentence(error), print_exception=False) from None
    given, options = {"face": _photo(face, face_index)}, {"route": route, "preset": preset, "where": where}
    task = gpu.Task("direction_sliders", given, options, key=("api", *given["face"]))
    return _answer(sessions.keep_sliders, task, edits=wanted)


def _listed(edits: Any) -> list:
    if not isinstance(edits, list) or not edits:
        raise BadRequest("edits is not a list of directions.", 'Give one such as [{"target": "blond hair"}].')
    return edits


def _direction(edit: Any) -> dict[str, Any]:
    if not isinstance(edit, dict) or not str(edit.get("target") or "").strip():
        raise BadRequest("An edit has no target.", 'Give one such as {"target": "blond hair", "alpha": 3}.')
    try:
        numbers = {option.name: float(edit.get(option.name, option.default)) for option in (ALPHA, BETA)}
    except (TypeError, ValueError):
        raise BadRequest("alpha and beta of an edit must be numbers.", "Such as 3 and 0.15.") from None
    texts = {"target": str(edit["target"]).strip(), "neutral": str(edit.get("neutral") or "").strip()}
    return texts | numbers


def repose(
    face: str,
    yaw: float = pose.YAW.default,
    pitch: float = pose.PITCH.default,
    roll: float = pose.ROLL.default,
    expression: str = "",
    strength: float = pose.STRENGTH.default,
    light: dict | None = pose.LIGHT.default,
    like: str | None = None,
    copy: str = PARTS,
    preset: Preset = PRESET.default,
    seed: float = SEED.default,
    face_index: float = -1,
    like_index: float = -1,
) -> Answer:
    """Turn the head, change the expression or the light of a portrait (PIE).

    Args:
        face: photo of the person to edit.
        yaw: degrees to turn the head by, to the picture's right.
        pitch: degrees to turn the head by, up.
        roll: degrees to turn the head by, clockwise.
        expression: smile, open mouth, raised brows, closed eyes, frown or neutral; empty keeps it.
        strength: of the expression, 0 to 1.5; 1 is its full strength.
        light: {"azimuth": degrees, "elevation": degrees, "strength": 0.5..1.5, "warmth": -1.5..1.5}; leave
            out to keep it.
        like: photo from which to copy.
        copy: comma-separated, what to copy from `like`: pose, expression, light.
        preset: fast, released or paper.
        seed: random seed.
        face_index: which face of several, 0 for the largest; -1 takes the largest that can be used.
        like_index: the same for `like`.

    Returns:
        The edited portrait as PNG with its recipe inside, the whole photo with the portrait pasted
        back, and scores, recipe and notices as JSON.
    """
    given = {"face": _photo(face, face_index), "like": _photo(like, like_index)}
    options = {"yaw": yaw, "pitch": pitch, "roll": roll, "strength": strength, "light": light or None}
    options |= {"expression": (expression or "").strip() or None, "copy": _names(copy) or None}
    return _answer(work.edit, gpu.Task("repose", given, options | {"preset": preset, "seed": seed}))


def wire() -> None:
    """Every endpoint on hidden controls, so that files are checked as uploads are."""

    def file(label: str) -> gr.Image:
        return photos.upload(label=label, visible=False)

    def number(label: str, value: float | None) -> gr.Number:
        return gr.Number(value, label=label, visible=False)

    def text(label: str, value: str | None = "") -> gr.Textbox:
        return gr.Textbox(value, label=label, visible=False)

    def choice(label: str, choices: tuple[str, ...], value: str) -> gr.Radio:
        return gr.Radio(choices, value=value, label=label, visible=False)

    def data(label: str) -> gr.JSON:
        return gr.JSON(label=label, visible=False)

    def numbers(*options) -> list[gr.Number]:
        return [number(option.name, option.default) for option in options]

    preset = choice("preset", PRESET_NAMES, PRESET.default)
    chosen = (MODE, METHOD, ROUTE, words.WHERE)
    mode, method, route, where = (choice(o.name, o.choices, o.default) for o in chosen)
    (seed,), index = numbers(SEED), number("face_index", -1)
    inputs = {
        transfer_hair: [
            *(file(name) for name in ("face", "hair_shape", "hair_color", "features_from")),
            *(text("features"), file("mask"), mode, preset, *numbers(SMOOTH), seed, index),
            file("hair_structure"),
        ],
        swap_face: [file("face"), file("into"), preset, seed, index, number("into_index", -1)],
        edit_text: [
            *(file("face"), text("prompt", None), method, text("neutral", NEUTRAL.default)),
            *numbers(ALPHA, BETA, words.STRENGTH, IDENTITY),
            *(route, preset, seed, index, data("levels"), where),
        ],
        direction_sliders: [file("face"), data("edits"), route, preset, index, where],
        repose: [
            *(file("face"), *numbers(*pose.ANGLES), text("expression"), *numbers(pose.STRENGTH)),
            *(data("light"), file("like"), text("copy", PARTS), preset, seed, index),
            number("like_index", -1),
        ],
    }
    outputs = [gr.File(label="portrait", visible=False), gr.File(label="photo", visible=False)]
    outputs += [gr.JSON(label="scores, recipe, notices", visible=False)]
    button = gr.Button(visible=False)
    for endpoint, controls in inputs.items():
        button.click(endpoint, controls, outputs, api_name=endpoint.__name__, concurrency_id="gpu", concurrency_limit=1)
