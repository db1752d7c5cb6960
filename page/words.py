"""The tab "Words": the three methods of StyleCLIP on the present portrait."""

from __future__ import annotations

import json
import time

import gradio as gr
import numpy as np
from PIL import Image, ImageDraw

from barbershop_core.errors import BadRequest
from barbershop_core.styleclip import ALPHA, BETA

from . import core, panel
from .hair import begin
from .history import Visit
from .times import times

SLOTS = 5
"""Directions that can be stacked."""
METHODS = (("Sliders (directions)", "directions"), ("Optimize", "optimize"), ("Mapper", "mapper"))
SUGGESTIONS: list[dict] = json.loads((core.ASSETS / "text" / "prompts.json").read_text(encoding="utf-8"))
"""[{"prompt", "neutral"}] offered to click."""
PERSON = ("face", "face_index")
NO_PROMPT = (
    "Nothing was said that should change.",
    "Write a few words, such as 'blond hair', or click a suggestion.",
)
TITLE = 24

IDENTITY = {"fast": 1.0, "released": 0.005, "paper": 0.005}
"""The presets' own weights of staying the same person."""
SLOT_OUTPUTS = tuple(
    f"{part}_{k}" for k in range(SLOTS) for part in ("slot", "name", "alpha", "beta", "moved")
)
OUTPUTS = (*panel.OUTPUTS, "slots", *SLOT_OUTPUTS, "slots_actions", "grid")
LIVE_INPUTS = ("slots", "route", *(f"alpha_{k}" for k in range(SLOTS)), *(f"beta_{k}" for k in range(SLOTS)))
METHOD_OUTPUTS = (
    "directions_form",
    "optimize_form",
    "mapper_form",
    "worded",
    "text_actions",
    "method_time",
    "identity",
)
LIVE_OUTPUTS = ("preview", "slider", "live_note", *(f"moved_{k}" for k in range(SLOTS)))


def _updates(**values) -> tuple:
    return tuple(values.get(name, gr.skip()) for name in OUTPUTS)


def _both(shared: tuple, **own) -> tuple:
    """The panel's updates followed by this tab's."""
    return (*shared, *_updates(**own)[len(panel.OUTPUTS) :])


# --- stacked directions -----------------------------------------------------------------------


def _edits(values: dict) -> list[dict]:
    """The stacked directions with where their sliders stand."""
    return [
        {**pair, "alpha": float(values[f"alpha_{k}"]), "beta": float(values[f"beta_{k}"])}
        for k, pair in enumerate(values["slots"] or ())
    ]


def _base(visit: Visit, given: dict) -> dict:
    """What a request about the present portrait's sliders has in common."""
    return {**visit.base(), "options": {"route": given["route"]}}


def _slots(edits: list[dict], moved: list[int] | None = None) -> dict:
    """Updates that show these directions, one a slot."""
    shown: dict = {"slots": [{"target": e["target"], "neutral": e["neutral"]} for e in edits]}
    for k in range(SLOTS):
        used = k < len(edits)
        shown[f"slot_{k}"] = gr.update(visible=used)
        if used:
            edit = edits[k]
            shown[f"name_{k}"] = heading(edit)
            shown[f"alpha_{k}"], shown[f"beta_{k}"] = edit["alpha"], edit["beta"]
            shown[f"moved_{k}"] = moved_words(moved[k]) if moved else gr.skip()
    shown["slots_actions"] = gr.update(visible=bool(edits))
    return shown


def heading(edit: dict) -> str:
    """A direction's name: from its neutral words to its target."""
    return f"**{edit['target']}**" + (f"  ·  from *{edit['neutral']}*" if edit["neutral"] else "")


def moved_words(count: int) -> str:
    """How many style channels a direction moves at its threshold."""
    return (
        "no channel moves: lower the threshold" if not count else f"{count} channel{'s' * (count > 1)} move"
    )


def add(session: gr.Request, prompt: str, neutral: str, face: str, face_index, *values):
    """Add a direction with a slider of its own; opens the portrait when it is the first."""
    given = dict(zip(LIVE_INPUTS, values))
    visit, edits = Visit.of(session), _edits(given)
    pair = {"target": (prompt or "").strip(), "neutral": (neutral or "").strip()}

    def request() -> dict:
        if not pair["target"]:
            raise BadRequest(*NO_PROMPT)
        if len(edits) == SLOTS:
            raise BadRequest(
                f"{SLOTS} directions are stacked already.", "Remove one, or keep this edit first."
            )
        if any(pair.items() <= e.items() for e in edits):
            raise BadRequest("This direction has its sliders already.", "Move them, or write something else.")
        begin(visit, {"face": face, "face_index": face_index})
        return {**_base(visit, given), "edits": [*edits, {**pair, "alpha": ALPHA, "beta": BETA}]}

    for update, result in panel.stream("sliders", visit, request):
        if result is None:
            yield _updates(**update)
            continue
        times.note("directions", result["elapsed"])
        edits.append({**pair, "alpha": ALPHA, "beta": BETA})
        words = f"<p>Ready in {result['elapsed']:.1f} s: move the sliders.</p>" + panel.notes(
            result["notices"]
        )
        picture = panel.live(result["image"])
        yield _updates(
            status=words, preview=picture, slider=gr.update(visible=False), **_slots(edits, result["moved"])
        )


def remover(place: int):
    """The handler that takes the direction of one slot away."""

    def remove(session: gr.Request, *values):
        return _remove(session, place, values)

    return remove


def _remove(session: gr.Request, place: int, values: tuple):
    given = dict(zip(LIVE_INPUTS, values))
    edits = _edits(given)
    del edits[place : place + 1]
    if not edits:
        return _both(panel.show(Visit.of(session)), **_slots(edits))
    visit = Visit.of(session)
    try:
        drawn = core.moment("sliders", {**_base(visit, given), "edits": edits})
    except Exception as error:
        return _updates(status=panel.problem(core.shown(error)))
    return _updates(preview=panel.live(drawn["image"]), **_slots(edits, drawn["moved"]))


def move(session: gr.Request, *values):
    """A slider moved: the picture again, and how many channels each direction moves."""
    given, started = dict(zip(LIVE_INPUTS, values)), time.monotonic()
    edits = _edits(given)
    nothing = [gr.skip()] * SLOTS
    if not edits:
        return gr.skip(), gr.skip(), "", *nothing
    try:
        drawn = core.moment("sliders", {**_base(Visit.of(session), given), "edits": edits})
    except Exception as error:
        return gr.skip(), gr.skip(), panel.problem(core.shown(error)), *nothing
    words = [moved_words(n) for n in drawn["moved"]] + nothing
    note = f'<p class="quiet">Repainted in {1000 * (time.monotonic() - started):.0f} ms</p>'
    picture = panel.live(drawn["image"])
    return picture, gr.update(visible=False), note, *words[:SLOTS]


def keep(session: gr.Request, *values):
    """Add what the sliders show to the chain."""
    given, visit = dict(zip(LIVE_INPUTS, values)), Visit.of(session)
    edits = _edits(given)

    def request() -> dict:
        if not edits:
            raise BadRequest(
                "No direction was added yet.", "Write what should change and press 'Add sliders'."
            )
        return {**_base(visit, given), "edits": edits}

    for update, result in panel.stream("sliders result", visit, request, silent=True):
        if result is None:
            yield _updates(**update)
        else:
            visit.push(_short(", ".join(e["target"] for e in edits)), result)
            words = "<p>Kept: the next edit goes on from here.</p>" + panel.notes(result["notices"])
            yield _both(panel.show(visit, status=words), **_slots([]))


def compare(session: gr.Request, *values):
    """A picture of strengths times thresholds for the direction added last."""
    given, visit = dict(zip(LIVE_INPUTS, values)), Visit.of(session)
    edits = _edits(given)
    alphas, betas = [-4.0, -2.0, 2.0, 4.0, 6.0], [0.08, 0.12, 0.15, 0.2, 0.3]

    def request() -> dict:
        if not edits:
            raise BadRequest(
                "No direction was added yet.", "Write what should change and press 'Add sliders'."
            )
        return {**_base(visit, given), "edits": edits, "alphas": alphas, "betas": betas}

    for update, result in panel.stream("compare", visit, request):
        if result is None:
            yield _updates(**update)
        else:
            words = f"<p>Compared in {result['elapsed']:.1f} s.</p>"
            sheet = gr.update(
                value=sheet_of(edits[-1]["target"], result["pictures"], alphas, betas), visible=True
            )
            yield _updates(status=words, grid=sheet, preview=panel.live(result["image"]))


def sheet_of(
    title: str, pictures: list[list[tuple[np.ndarray, int]]], alphas: list[float], betas: list[float]
) -> Image.Image:
    """Pictures [len(betas)][len(alphas)], each with its count of channels, as one labelled picture."""
    side, left, top = 160, 92, 66
    sheet = Image.new("RGB", (left + side * len(alphas), top + side * len(betas)), "#f7f4f0")
    pen = ImageDraw.Draw(sheet)
    pen.text((10, 22), _short(title), "#3a332c", anchor="lm", font_size=20)
    for x, alpha in enumerate(alphas):
        pen.text(
            (left + side * x + side / 2, top - 12),
            f"strength {alpha:+g}",
            "#3a332c",
            anchor="mm",
            font_size=14,
        )
    for y, beta in enumerate(betas):
        words = f"threshold\n{beta:g}\n{pictures[y][0][1]} channels"
        pen.text(
            (left / 2, top + side * y + side / 2), words, "#3a332c", anchor="mm", align="center", font_size=14
        )
        for x, (pixels, _) in enumerate(pictures[y]):
            cell = Image.fromarray(pixels).resize((side - 4, side - 4), Image.LANCZOS)
            sheet.paste(cell, (left + side * x + 2, top + side * y + 2))
    return sheet


# --- optimization and mappers -----------------------------------------------------------------

RUN_INPUTS = (
    *PERSON,
    "prompt",
    "neutral",
    "method",
    "identity",
    "strength",
    "mapper",
    "route",
    "text_preset",
    "text_seed",
)


def run(session: gr.Request, *values):
    """The Run button: latent optimization or a mapper."""
    form = dict(zip(RUN_INPUTS, values))
    mapped = form["method"] == "mapper"
    prompt = ((form["mapper"] if mapped else form["prompt"]) or "").strip()

    def request(visit: Visit) -> dict:
        if not prompt:
            raise BadRequest(*(("No mapper was chosen.", "Choose one of the list.") if mapped else NO_PROMPT))
        begin(visit, form)
        wanted = {
            "prompt": prompt,
            "method": form["method"],
            "route": form["route"],
            "preset": form["text_preset"],
        }
        wanted["seed"] = int(form["text_seed"] or 0)
        if mapped:
            wanted["strength"] = float(form["strength"])
        else:
            wanted |= {"identity": float(form["identity"]), "neutral": (form["neutral"] or "").strip()}
        return wanted

    timed = "mapper" if mapped else f"optimize {form['text_preset']}"
    yield from panel.edit("text", request, _short(prompt), session, timed)


def mappers() -> list[str]:
    """The mappers of the open pack and of one's own folder, by name."""
    from barbershop_core.styleclip import resources as tools

    return sorted(tools.mappers(core.studio().pack))


def refresh_mappers(chosen: str | None):
    """Look again which mappers there are."""
    try:
        names = mappers()
    except Exception as error:
        return gr.update(info=core.shown(error))
    return gr.update(choices=names, value=chosen if chosen in names else names[0] if names else None)


def choose_method(method: str, preset: str):
    """Show a method's controls and what it costs.

    Returns updates for its three groups, the neutral words, the Run button, the time and the identity weight.
    """
    shown = tuple(gr.update(visible=method == name) for _, name in METHODS)
    worded, run = gr.update(visible=method != "mapper"), gr.update(visible=method != "directions")
    return *shown, worded, run, cost(method, preset), IDENTITY[preset]


def cost(method: str, preset: str) -> str:
    """What a method costs, measured."""
    if method == "directions" and method in times.here:
        seconds = times.here[method]
        return f"Opening the portrait took {seconds:.1f} s here; each move of a slider repaints at once."
    return times.words(f"optimize {preset}" if method == "optimize" else method)


def suggest(event: gr.SelectData):
    """A suggestion was clicked: fills (prompt, neutral)."""
    row = SUGGESTIONS[event.index if isinstance(event.index, int) else event.index[0]]
    return row["prompt"], row["neutral"]


def _short(words: str) -> str:
    return words if len(words) <= TITLE else words[: TITLE - 1].rstrip() + "…"
