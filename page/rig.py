"""The tab "Rig": head pose, expression and light of the present portrait (PIE)."""

from __future__ import annotations

import base64
import io
import json
import time

import gradio as gr
from PIL import Image

from barbershop_core.errors import BadRequest

from . import core, panel
from .hair import begin
from .history import Visit
from .times import times

EXPRESSIONS = ("smile", "open mouth", "raised brows", "closed eyes", "frown", "neutral")
NEUTRAL = "as it is"
CONTROLS = 12
"""Most blendshape-level sliders shown; a pack's face model names them."""
POSE = ("yaw", "pitch", "roll")
LIGHT = ("light_azimuth", "light_elevation", "light_strength", "light_warmth")
LIGHT_START = {"light_azimuth": 0.0, "light_elevation": 25.0, "light_strength": 1.0, "light_warmth": 0.0}
COPIED = (("Pose", "pose"), ("Expression", "expression"), ("Light", "light"))
LIVE_INPUTS = (
    "rig_key",
    *POSE,
    "expression",
    "expression_strength",
    "light_on",
    *LIGHT,
    "controls",
    *(f"control_{k}" for k in range(CONTROLS)),
)
PERSON = ("face", "face_index", "rig_preset")
OUTPUTS = (
    *panel.OUTPUTS,
    "rig_ready",
    "rig_key",
    "controls",
    *(f"control_{k}" for k in range(CONTROLS)),
    "no_controls",
    *POSE,
    "expression",
    "light_on",
    *LIGHT,
    "sphere",
    "rig_note",
    "overlay",
    "animation",
    "animation_file",
)
LIVE_OUTPUTS = ("preview", "slider", "rig_note")


def _updates(**values) -> tuple:
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _both(shared: tuple, **own) -> tuple:
    """The panel's updates followed by this tab's."""
    return (*shared, *_updates(**own)[len(panel.OUTPUTS) :])


def pose_of(values: dict) -> dict:
    """What the controls ask for, as the core's arguments: yaw, pitch, roll, expression, strength, light."""
    named = None if values.get("expression") in (None, NEUTRAL) else values["expression"]
    own = {name: float(values[f"control_{k}"]) for k, name in enumerate(values.get("controls") or ())}
    own = {name: value for name, value in own.items() if value}
    pose: dict = {name: float(values[name] or 0) for name in POSE}
    pose["expression"] = own or named  # sliders of one's own say more than a name
    pose["strength"] = float(values["expression_strength"])
    pose["light"] = light_of(values) if values.get("light_on") else None
    return pose


def light_of(values: dict) -> dict[str, float]:
    """The light's controls: azimuth and elevation in degrees, strength and warmth."""
    return {name.removeprefix("light_"): float(values[name]) for name in LIGHT}


RESET = {
    **{name: 0 for name in POSE},
    "expression": NEUTRAL,
    "light_on": False,
    **{f"control_{k}": 0 for k in range(CONTROLS)},
}


def open_rig(session: gr.Request, face: str, face_index, preset: str):
    """Embed the present portrait for the rig; the sliders are live from then on."""
    visit = Visit.of(session)

    def request() -> dict:
        begin(visit, {"face": face, "face_index": face_index})
        return {**visit.base(), "preset": preset, "options": {"preset": preset}}

    for update, result in panel.stream("rig", visit, request):
        if result is None:
            yield _updates(**update)
            continue
        times.note(f"rig {preset}", result["elapsed"])
        names = result["controls"][:CONTROLS]
        words = f"<p>Ready in {result['elapsed']:.1f} s: move the sliders.</p>" + panel.notes(
            result["notices"]
        )
        shown: dict = {f"control_{k}": gr.update(visible=False, value=0) for k in range(CONTROLS)}
        shown |= {
            f"control_{k}": gr.update(label=name.replace("_", " ").capitalize(), visible=True, value=0)
            for k, name in enumerate(names)
        }
        lit = {f"light_{k}": round(float(v), 2) for k, v in result["light"].items()}
        lit = {name: lit[name] for name in LIGHT}
        shown["rig_key"] = [_key(visit, preset), result["live"]]
        shown["rig_note"] = "" if result["live"] else NOT_LIVE
        shown |= {**lit, "sphere": sphere(*lit.values()), "light_on": False}
        picture = panel.live(result["image"])
        yield _updates(
            status=words,
            preview=picture,
            slider=gr.update(visible=False),
            controls=names,
            no_controls=gr.update(visible=not names),
            rig_ready=gr.update(visible=True),
            **shown,
        )


NOT_LIVE = (
    '<p class="notice">This pack has no trained rig yet: the sliders act when you press “Keep this edit”.</p>'
)


def _key(visit: Visit, preset: str) -> str:
    """Names the portrait that was prepared: its step of the chain, and how."""
    return json.dumps([visit.base()["key"], preset])


def _live(visit: Visit, preset: str, key: list | None, **more) -> dict:
    """A request about the prepared portrait.  Raises BadRequest where another one is shown by now."""
    if not key:
        raise BadRequest("The portrait is not prepared yet.", "Press 'Prepare the portrait' first.")
    if key[0] != _key(visit, preset):
        raise BadRequest("The portrait is another one by now.", "Press 'Prepare the portrait' again.")
    return {**visit.base(), "preset": preset, "options": {"preset": preset}, **more}


def move(session: gr.Request, preset: str, *values):
    """A slider moved: the picture again."""
    started = time.monotonic()
    try:
        given = dict(zip(LIVE_INPUTS, values))
        request = _live(Visit.of(session), preset, given["rig_key"], pose=pose_of(given))
        if not given["rig_key"][1]:
            return gr.skip(), gr.skip(), NOT_LIVE
        drawn = core.moment("rig", request)
    except Exception as error:
        return gr.skip(), gr.skip(), panel.problem(core.shown(error))
    note = f'<p class="quiet">Repainted in {1000 * (time.monotonic() - started):.0f} ms</p>'
    return panel.live(drawn["image"]), gr.update(visible=False), note


def relight(session: gr.Request, preset: str, *values):
    """A slider of the light moved: from now on the light counts.  As :func:`move`, then that it does."""
    given = dict(zip(LIVE_INPUTS, values)) | {"light_on": True}
    return *move(session, preset, *given.values()), True


def keep(session: gr.Request, preset: str, method: str, *values):
    """Add what the sliders show to the chain; with the method "optimize" by a search of its own."""
    given, visit = dict(zip(LIVE_INPUTS, values)), Visit.of(session)
    pose = pose_of(given)

    def request() -> dict:
        if not (any(pose[name] for name in POSE) or pose["expression"] or pose["light"]):
            raise BadRequest("Nothing was moved yet.", "Move a slider first.")
        live = _live(visit, preset, given["rig_key"], pose=pose)
        return live if method == "rig" else {**live, **pose, "method": method}

    kind = "rig result" if method == "rig" else "pose"
    for update, result in panel.stream(kind, visit, request, silent=kind != "pose"):
        if result is None:
            yield _updates(**update)
        else:
            visit.push(title_of(pose), result)
            words = "<p>Kept: the next edit goes on from here.</p>" + panel.notes(result["notices"])
            again = {"rig_ready": gr.update(visible=False), "rig_key": None}
            yield _both(panel.show(visit, status=words), **again, **RESET)


def title_of(pose: dict) -> str:
    """What a rig edit does, in a few words for the chain."""
    words = [f"{name} {pose[name]:+.0f}°" for name in POSE if pose[name]]
    if pose["expression"]:
        words.append(pose["expression"] if isinstance(pose["expression"], str) else "expression")
    if pose["light"]:
        words.append("light")
    return ", ".join(words[:2]).capitalize() + ("…" if len(words) > 2 else "")


def reset():
    """All controls back to the portrait as it is."""
    return tuple(RESET.values())


def overlay(session: gr.Request, preset: str, key: list | None):
    """Show the fitted 3D face over the portrait."""
    visit = Visit.of(session)
    for update, result in panel.stream("rig overlay", visit, lambda: _live(visit, preset, key), silent=True):
        if result is None:
            yield _updates(**update)
        else:
            words = "<p>The 3D face that was fitted to the portrait.</p>"
            yield _updates(status=words, overlay=gr.update(value=result["image"], visible=True))


COPY_INPUTS = (*PERSON, "rig_method", "like", "like_index", "copied")


def copy(session: gr.Request, *values):
    """Take pose, expression or light from another photo."""
    form = dict(zip(COPY_INPUTS, values))

    def request(visit: Visit) -> dict:
        if not form["like"]:
            raise BadRequest("The other photo is missing.", "Upload the one to copy from.")
        if not form["copied"]:
            raise BadRequest("Nothing was chosen to copy.", "Tick pose, expression or light.")
        begin(visit, form)
        return {
            "like": form["like"],
            "like_index": form["like_index"],
            "copy": list(form["copied"]),
            "preset": form["rig_preset"],
            "method": None if form["rig_method"] == "rig" else form["rig_method"],
        }

    title = " and ".join(form["copied"] or ()).capitalize() + " of another"
    yield from panel.edit("pose", request, title, session, f"pose {form['rig_preset']}")


def animate(session: gr.Request, sweep: str, frames: float, kind: str, preset: str, *values):
    """Export a sweep of the head or of the light."""
    given, visit = dict(zip(LIVE_INPUTS, values)), Visit.of(session)

    def request() -> dict:
        return _live(
            visit,
            preset,
            given["rig_key"],
            pose=pose_of(given),
            sweep=sweep,
            frames=int(frames),
            format=kind,
            fps=12,
        )

    for update, result in panel.stream("animation", visit, request):
        if result is None:
            yield _updates(**update)
            continue
        path = core.keep(result["data"], result["name"])
        words = f"<p>Animation of {int(frames)} frames in {result['elapsed']:.1f} s.</p>" + panel.notes(
            result["notices"]
        )
        moving = gr.update(value=core.keep(result["gif"], "sweep.gif"), visible=True)
        yield _updates(
            status=words,
            animation=moving,
            preview=panel.live(result["image"]),
            animation_file=gr.update(value=path, interactive=True, visible=True),
        )


# --- the lit sphere ---------------------------------------------------------------------------


def sphere(*values) -> str:
    """A grey ball under the light of the controls, as HTML with the picture inside; a moment's work."""
    from barbershop_core.pie import light

    try:
        picture = light.sphere(light_of(dict(zip(LIGHT, values))))
    except Exception as error:
        return panel.problem(core.shown(error))
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return f'<img class="sphere" alt="a ball under this light" src="data:image/png;base64,{data}">'
