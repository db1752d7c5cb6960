"""The tab "Pose & light": head pose, expression and light of the present portrait (PIE)."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import numpy as np
from gradio.blocks import Block
from PIL import Image

from barbershop_core.errors import BadRequest
from barbershop_core.pie.options import EXPRESSIONS

from . import edits, files, gpu, markup, panel, photos, sessions
from .ui import Updates, Values, ui
from .visits import Visit

NEUTRAL = "as it is"
ANGLES = {"yaw": "turn", "pitch": "nod", "roll": "tilt"}
"""The angles in words."""
CHOICES = [(name.capitalize(), name) for name in (NEUTRAL, *EXPRESSIONS)]
CONTROLS = 12
"""Most sliders of single movements; a pack's face model names the movements."""
COPIED = (("Pose", "pose"), ("Expression", "expression"), ("Light", "light"))
NOT_LIVE = '<p class="notice">This pack has no trained rig yet: the sliders act when you press “Keep this edit”.</p>'


def controls() -> set[Block]:
    """The live controls and the portrait that they are of."""
    expression = {ui.expression, ui.expression_strength, *ui.controls}
    sliders = {*ui.pose.values(), *ui.gaze.values(), *ui.light.values()}
    return {ui.prepared, ui.rig_preset, ui.light_on} | sliders | expression


def outputs() -> set[Block]:
    """The components that the tab's handlers may update."""
    pictures = {ui.sphere, ui.overlay, ui.animation, ui.animation_file}
    return panel.outputs() | controls() | pictures | {ui.rig_ready, ui.no_controls, ui.rig_note}


def live_outputs() -> set[Block]:
    """The components that a slider's move updates."""
    return {ui.preview, ui.slider, ui.rig_note, ui.light_on}


# --- the prepared portrait --------------------------------------------------------------------


def _task(visit: Visit, values: Values, operation: str = "rig", **options) -> gpu.Task:
    return visit.task(operation, {"preset": values[ui.rig_preset], **options})


def _prepared(visit: Visit, values: Values) -> gpu.Task:
    """The task that opened the portrait, of which the picture shown may be an edit that was kept.  Raises BadRequest
    where another one is shown by now."""
    task, prepared = _task(visit, values), values[ui.prepared]
    if not prepared:
        raise BadRequest("The portrait is not prepared yet.", "Press 'Prepare the portrait' first.")
    opened: gpu.Task = prepared["task"]
    if task.options != opened.options or task.key not in (opened.key, *prepared["kept"]):
        raise BadRequest("The portrait or the preset has changed.", "Press 'Prepare the portrait' again.")
    return opened


def pose_of(values: Values) -> dict[str, Any]:
    """What the controls ask for: yaw, pitch, roll, expression, strength, light and gaze."""
    expression = None if values[ui.expression] in (None, NEUTRAL) else values[ui.expression]
    names = (values[ui.prepared] or {}).get("controls", ())
    gaze = {name: float(values[slider] or 0) for name, slider in ui.gaze.items()}
    own = {name: float(values[slider]) for name, slider in zip(names, ui.controls) if values[slider]}
    return {
        **{name: float(values[slider] or 0) for name, slider in ui.pose.items()},
        "expression": own or expression,  # single movements replace the named expression
        "strength": float(values[ui.expression_strength]),
        "light": light_of(values) if values[ui.light_on] else None,
        "gaze": gaze if any(gaze.values()) else None,
    }


def light_of(values: Values) -> dict[str, float]:
    """The light's controls: azimuth and elevation in degrees, strength and warmth."""
    return {name: float(values[slider]) for name, slider in ui.light.items()}


def cleared() -> Updates:
    """No portrait is prepared, and nothing is said or shown of one."""
    nothing = gr.update(value=None, visible=False)
    return {
        **reset(),
        ui.prepared: None,
        ui.rig_ready: gr.update(visible=False),
        ui.rig_note: "",
        ui.overlay: nothing,
        ui.animation: nothing,
        ui.animation_file: gr.update(value=None, interactive=False),
    }


def reset() -> Updates:
    """All controls back to the portrait as it is."""
    still = dict.fromkeys([*ui.pose.values(), *ui.gaze.values(), *ui.controls], 0)
    return {**still, ui.expression: NEUTRAL, ui.light_on: False}


def open_rig(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Embed the present portrait for the rig; from then on the sliders are live."""
    visit = Visit.of(session)

    def begin():
        photos.begin(visit, values)
        return gpu.run(sessions.open_rig, _task(visit, values), f"rig {values[ui.rig_preset]}")

    def finish(result: dict) -> Updates:
        task, names = _task(visit, values), result["controls"][:CONTROLS]
        light = {ui.light[name]: round(float(value), 2) for name, value in result["light"].items()}
        shown: Updates = reset() | {slider: gr.update(visible=False, value=0) for slider in ui.controls}
        for name, slider in zip(names, ui.controls):
            shown[slider] = gr.update(label=name.replace("_", " ").capitalize(), visible=True, value=0)
        status = f"<p>Ready in {result['elapsed']:.1f} s: move the sliders.</p>"
        prepared = {"task": task, "kept": [], "before": _original(visit, result["image"])}
        prepared |= {"controls": names, "live": result["live"]}
        return {
            **_compared(prepared, result["image"]),
            **shown,
            **light,
            ui.status: status + markup.notes(result["notices"]),
            ui.prepared: prepared,
            ui.rig_note: "" if result["live"] else NOT_LIVE,
            ui.sphere: sphere(light),
            ui.light_on: False,
            ui.no_controls: gr.update(visible=not names),
            ui.rig_ready: gr.update(visible=True),
        }

    yield from panel.run(visit, begin, finish)


def move(values: Values, session: gr.Request) -> Updates:
    """A slider moved: the picture again."""
    started = time.monotonic()
    try:
        task, pose = _prepared(Visit.of(session), values), pose_of(values)
        if not values[ui.prepared]["live"]:
            return {ui.rig_note: NOT_LIVE}
        drawn = gpu.at_once(sessions.move_rig, task, pose=pose)
    except Exception as error:
        return {ui.rig_note: markup.problem(gpu.sentence(error))}
    return _compared(values[ui.prepared], drawn["image"]) | {ui.rig_note: markup.repainted(started)}


def _original(visit: Visit, like: np.ndarray) -> np.ndarray:
    """The visit's first picture, uint8, as large as ``like``."""
    with Image.open(visit.shown().pictures[0]) as picture:
        return np.asarray(picture.convert("RGB").resize(like.shape[1::-1]))


def _compared(prepared: dict[str, Any], image: np.ndarray) -> Updates:
    """The original against the picture while sliders are moved."""
    return {
        ui.slider: gr.update(value=(prepared["before"], image), visible=True, elem_classes="live"),
        ui.preview: gr.update(visible=False, elem_classes=[]),
    }


def relight(values: Values, session: gr.Request) -> Updates:
    """A slider of the light moved: from now on the light counts."""
    return move({**values, ui.light_on: True}, session) | {ui.light_on: True}


def keep(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Add what the controls show to the chain; with the method "optimize" by a search of its own."""
    visit, pose, searched = Visit.of(session), pose_of(values), values[ui.rig_method] == "optimize"

    def begin():
        if not (any(pose[name] for name in ui.pose) or pose["expression"] or pose["light"] or pose["gaze"]):
            raise BadRequest("Nothing was moved yet.", "Move a slider first.")
        task = _prepared(visit, values)
        if searched:
            options = {**task.options, "method": "optimize", **pose}
            return gpu.run(edits.edit, replace(task, operation="repose", options=options))
        return gpu.run(sessions.keep_rig, task, pose=pose)

    def finish(result: dict) -> Updates:
        visit.push(title_of(pose), result)
        prepared = values[ui.prepared]
        prepared = {**prepared, "kept": [*prepared["kept"], _task(visit, values).key]}  # the sliders go on from here
        return panel.show(visit) | {ui.status: markup.kept(result), ui.prepared: prepared, ui.rig_note: ""}

    yield from panel.run(visit, begin, finish, silent=not searched)


def title_of(pose: dict) -> str:
    """What a rig edit does, in a few words."""
    words = [f"{word} {pose[name]:+.0f}°" for name, word in ANGLES.items() if pose[name]]
    if pose["expression"]:
        words.append(pose["expression"] if isinstance(pose["expression"], str) else "expression")
    if pose["light"]:
        words.append("light")
    if pose["gaze"]:
        words.append("gaze")
    return ", ".join(words[:2] + ["…"] * (len(words) > 2)).capitalize()


def overlay(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Show the fitted 3D face over the portrait."""
    visit = Visit.of(session)

    def finish(result: dict) -> Updates:
        status = "<p>The 3D face that was fitted to the portrait.</p>"
        return {ui.status: status, ui.overlay: gr.update(value=result["image"], visible=True)}

    def begin():
        return gpu.run(sessions.overlay_rig, _prepared(visit, values))

    yield from panel.run(visit, begin, finish, silent=True)


def animate(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Export a sweep of the head or of the light."""
    visit, frames = Visit.of(session), int(values[ui.frames])

    def begin():
        moved = {"sweep": values[ui.sweep], "frames": frames, "file": values[ui.film]}
        return gpu.run(sessions.animate_rig, _prepared(visit, values), pose=pose_of(values), **moved)

    def finish(result: dict) -> Updates:
        status = f"<p>Animation of {frames} frames in {result['elapsed']:.1f} s.</p>"
        film = files.keep(result["gif"], "sweep.gif")
        file = files.keep(result["data"], result["name"])
        return {
            ui.status: status + markup.notes(result["notices"]),
            ui.animation: gr.update(value=film, visible=True),
            ui.animation_file: gr.update(value=file, interactive=True, visible=True),
        } | _compared(values[ui.prepared], result["image"])

    yield from panel.run(visit, begin, finish)


# --- another photo ----------------------------------------------------------------------------


def copy_form() -> set[Block]:
    """The controls of copying from another photo."""
    return ui.face.inputs | ui.like.inputs | {ui.rig_preset, ui.rig_method, ui.copied}


def copy(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Take pose, expression or light from another photo."""
    copied = list(values[ui.copied] or ())
    method = None if values[ui.rig_method] == "rig" else values[ui.rig_method]

    def task(visit: Visit) -> gpu.Task:
        photos.begin(visit, values, needed=False)
        if not values[ui.like.image]:
            raise BadRequest("The other photo is missing.", "Upload the one to copy from.")
        if not copied:
            raise BadRequest("Nothing was chosen to copy.", "Tick pose, expression or light.")
        photos.begin(visit, values)
        options = {"preset": values[ui.rig_preset], "method": method, "copy": copied}
        return visit.task("repose", options, {"like": ui.like.chosen(values)})

    title = f"{' and '.join(copied).capitalize()} of another"
    yield from panel.edit(session, task, title, f"pose {values[ui.rig_preset]}")


# --- the lit sphere ---------------------------------------------------------------------------


def sphere(values: Values) -> str:
    """A grey ball under the light of the controls, as HTML with the picture inside."""
    from barbershop_core.editing.picture_file import encode
    from barbershop_core.pie import light

    try:
        data = base64.b64encode(encode(light.sphere(light_of(values)), source_type=None)).decode()
    except Exception as error:
        return markup.problem(gpu.sentence(error))
    return f'<img class="sphere" alt="a ball under this light" src="data:image/png;base64,{data}">'
