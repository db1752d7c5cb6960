"""The tab "Words": the three methods of StyleCLIP on the present portrait."""

from __future__ import annotations

import time
from collections.abc import Iterator

import gradio as gr
import numpy as np
from gradio.blocks import Block
from PIL import Image, ImageDraw

from barbershop_core.errors import BadRequest
from barbershop_core.styleclip.options import ALPHA, BETA, IDENTITY_OF_PRESET
from barbershop_core.weights.assets import suggestions

from . import gpu, markup, panel, photos, sessions
from .times import times
from .ui import Updates, Values, ui
from .visits import Visit

SLOTS = 5
"""Directions that can be stacked."""
METHODS = (("Live sliders", "directions"), ("Search", "optimize"), ("Ready-made", "mapper"))
SUGGESTIONS = suggestions()
"""[{"prompt", "neutral"}] offered to click."""
NO_PROMPT = ("The description is empty.", "Write a few words, such as 'blond hair', or click a suggestion.")
NO_MAPPER = ("No ready-made edit was chosen.", "Choose one from the list.")
NO_DIRECTION = ("No direction was added yet.", "Write what should change and press 'Add sliders'.")
TITLE = 24
"""Most characters of a step's title."""
ALPHAS, BETAS = (-4.0, -2.0, 2.0, 4.0, 6.0), (0.08, 0.12, 0.15, 0.2, 0.3)
"""Strengths and thresholds that are compared."""


# --- stacked directions -----------------------------------------------------------------------


def sliders() -> set[Block]:
    """The directions, their sliders and what else they depend on."""
    return {ui.slots, ui.route, ui.where, *ui.alpha, *ui.beta}


def outputs() -> set[Block]:
    """The components that the sliders' handlers may update."""
    slots = {*ui.slot, *ui.name, *ui.alpha, *ui.beta, *ui.moved}
    return panel.outputs() | slots | {ui.slots, ui.slots_actions, ui.grid, ui.live_note}


def cleared() -> Updates:
    """No direction is stacked, and nothing is said or shown of any."""
    return _slots([]) | {ui.live_note: "", ui.grid: gr.update(value=None, visible=False)}


def _edits(values: Values) -> list[dict]:
    """The stacked directions as their sliders stand."""
    return [
        {**pair, "alpha": float(values[ui.alpha[k]]), "beta": float(values[ui.beta[k]])}
        for k, pair in enumerate(values[ui.slots] or ())
    ]


def _task(visit: Visit, values: Values) -> gpu.Task:
    return visit.task("direction_sliders", {"route": values[ui.route], "where": where_of(values)})


def where_of(values: Values) -> str:
    """The option "where" as the page shows it, a switch."""
    return "named" if values[ui.where] else "everywhere"


def _slots(edits: list[dict], moved: list[int] | None = None) -> Updates:
    """Show these directions, each in a slot.  moved: how many channels each of them moves."""
    shown: Updates = {
        ui.slots: [{"target": e["target"], "neutral": e["neutral"]} for e in edits],
        ui.slots_actions: gr.update(visible=bool(edits)),
    }
    for k in range(SLOTS):
        shown[ui.slot[k]] = gr.update(visible=k < len(edits))
    for k, edit in enumerate(edits):
        shown |= {ui.name[k]: heading(edit), ui.alpha[k]: edit["alpha"], ui.beta[k]: edit["beta"]}
    return shown | _moved(moved or ())


def _moved(counts) -> Updates:
    return {ui.moved[k]: moved_words(count) for k, count in enumerate(counts)}


def heading(edit: dict) -> str:
    """A direction's name: its target and what it is an alternative to."""
    return f"**{edit['target']}**" + (f"  ·  from *{edit['neutral']}*" if edit["neutral"] else "")


def moved_words(count: int) -> str:
    """How many style channels a direction moves at its threshold."""
    return "no channel moves: lower the threshold" if not count else f"{count} channel{'s' * (count > 1)} move"


def add(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Add a direction with sliders of its own; the first one opens the portrait."""
    visit, edits = Visit.of(session), _edits(values)
    pair = {"target": (values[ui.prompt] or "").strip(), "neutral": (values[ui.neutral] or "").strip()}
    chain, stacked = visit.chain, []

    def begin():
        photos.begin(visit, values, needed=False)
        if visit.chain != chain:  # pressed before the new photo was looked at: the sliders are the last person's
            edits.clear()
        if not pair["target"]:
            raise BadRequest(*NO_PROMPT)
        if len(edits) == SLOTS:
            raise BadRequest(f"{SLOTS} directions are stacked already.", "Remove one, or keep this edit first.")
        if any(pair.items() <= e.items() for e in edits):
            raise BadRequest("This direction has sliders already.", "Move them, or write something else.")
        photos.begin(visit, values)
        stacked.extend([*edits, {**pair, "alpha": ALPHA.default, "beta": BETA.default}])
        return gpu.run(sessions.open_sliders, _task(visit, values), "directions", edits=stacked)

    def finish(result: dict) -> Updates:
        status = f"<p>Ready in {result['elapsed']:.1f} s: move the sliders.</p>"
        shown = panel.live(result["image"]) | _slots(stacked, result["moved"])
        return shown | {ui.status: status + markup.notes(result["notices"])}

    yield from panel.run(visit, begin, finish)


def go(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Enter in a field: add sliders or search, as the method is."""
    yield from (add if values[ui.method] == "directions" else run)(values, session)


def add_suggested(values: Values, session: gr.Request) -> Iterator[Updates]:
    """A suggestion was clicked and written into the fields: its sliders at once, where there is a photo."""
    if values[ui.method] == "directions" and values[ui.face.image]:
        yield from add(values, session)


def remover(place: int):
    """The handler that removes the direction in a slot."""

    def remove(values: Values, session: gr.Request) -> Updates:
        visit, edits = Visit.of(session), _edits(values)
        del edits[place : place + 1]
        if not edits:
            return panel.show(visit) | cleared()
        try:
            drawn = gpu.at_once(sessions.move_sliders, _task(visit, values), edits=edits)
        except Exception as error:
            return {ui.status: markup.problem(gpu.sentence(error))}
        return {ui.preview: panel.live(drawn["image"])[ui.preview], **_slots(edits, drawn["moved"])}

    return remove


def move(values: Values, session: gr.Request) -> Updates:
    """A slider moved: the picture again, and how many channels each direction moves."""
    started, edits = time.monotonic(), _edits(values)
    if not edits:
        return {ui.live_note: ""}
    try:
        drawn = gpu.at_once(sessions.move_sliders, _task(Visit.of(session), values), edits=edits)
    except Exception as error:
        return {ui.live_note: markup.problem(gpu.sentence(error))}
    return panel.live(drawn["image"]) | _moved(drawn["moved"]) | {ui.live_note: markup.repainted(started)}


def keep(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Add what the sliders show to the chain."""
    visit, edits = Visit.of(session), _edits(values)

    def begin():
        if not edits:
            raise BadRequest(*NO_DIRECTION)
        return gpu.run(sessions.keep_sliders, _task(visit, values), edits=edits)

    def finish(result: dict) -> Updates:
        visit.push(_short(", ".join(e["target"] for e in edits)), result)
        return panel.show(visit) | {ui.status: markup.kept(result)} | cleared()

    yield from panel.run(visit, begin, finish, silent=True)


def compare(values: Values, session: gr.Request) -> Iterator[Updates]:
    """Strengths times thresholds of the direction added last, as one picture."""
    visit, edits = Visit.of(session), _edits(values)

    def begin():
        if not edits:
            raise BadRequest(*NO_DIRECTION)
        task = _task(visit, values)
        return gpu.run(sessions.compare_sliders, task, edits=edits, alphas=ALPHAS, betas=BETAS)

    def finish(result: dict) -> Updates:
        sheet = sheet_of(edits[-1]["target"], result["pictures"], ALPHAS, BETAS)
        return {
            ui.status: f"<p>Compared in {result['elapsed']:.1f} s.</p>",
            ui.grid: gr.update(value=sheet, visible=True),
            ui.preview: panel.live(result["image"])[ui.preview],
        }

    yield from panel.run(visit, begin, finish)


def sheet_of(title: str, pictures: list[list[tuple[np.ndarray, int]]], alphas, betas) -> Image.Image:
    """Pictures [len(betas)][len(alphas)], each with its number of channels, as one labelled picture."""
    side, left, top, ink = 160, 92, 66, "#3a332c"
    sheet = Image.new("RGB", (left + side * len(alphas), top + side * len(betas)), "#f7f4f0")
    pen = ImageDraw.Draw(sheet)
    pen.text((10, 22), _short(title), ink, anchor="lm", font_size=20)
    for x, alpha in enumerate(alphas):
        middle = left + side * x + side / 2
        pen.text((middle, top - 12), f"strength {alpha:+g}", ink, anchor="mm", font_size=14)
    for y, beta in enumerate(betas):
        words, middle = f"threshold\n{beta:g}\n{pictures[y][0][1]} channels", top + side * y + side / 2
        pen.text((left / 2, middle), words, ink, anchor="mm", align="center", font_size=14)
        for x, (pixels, _) in enumerate(pictures[y]):
            cell = Image.fromarray(pixels).resize((side - 4, side - 4), Image.LANCZOS)
            sheet.paste(cell, (left + side * x + 2, top + side * y + 2))
    return sheet


# --- optimization and mappers -----------------------------------------------------------------


def form() -> set[Block]:
    """The controls of the methods "optimize" and "mapper"."""
    said = {ui.prompt, ui.neutral, ui.method, ui.mapper}
    return (
        ui.face.inputs | said | {ui.identity, ui.strength, ui.levels, ui.route, ui.where, ui.text_preset, ui.text_seed}
    )


def run(values: Values, session: gr.Request) -> Iterator[Updates]:
    """The Run button: latent optimization or a mapper."""
    mapped = values[ui.method] == "mapper"
    prompt = ((values[ui.mapper] if mapped else values[ui.prompt]) or "").strip()
    options = {
        "prompt": prompt,
        "method": values[ui.method],
        "route": values[ui.route],
        "preset": values[ui.text_preset],
        "seed": values[ui.text_seed],
        "where": where_of(values),
    }
    if mapped:
        options |= {"strength": float(values[ui.strength]), "levels": list(values[ui.levels])}
    else:
        options["identity"] = float(values[ui.identity])
        options["neutral"] = (values[ui.neutral] or "").strip()

    def task(visit: Visit) -> gpu.Task:
        photos.begin(visit, values, needed=False)
        if not prompt:
            raise BadRequest(*(NO_MAPPER if mapped else NO_PROMPT))
        photos.begin(visit, values)
        return visit.task("edit_text", options)

    timed = "mapper" if mapped else f"optimize {values[ui.text_preset]}"
    yield from panel.edit(session, task, _short(prompt), timed)


def mappers() -> list[str]:
    """Names of the mappers in the open pack and in the visitor's own folder."""
    from barbershop_core.styleclip import resources

    return sorted(resources.mappers(gpu.studio().pack))


def refresh_mappers(chosen: str | None):
    """Look again which mappers there are."""
    try:
        names = mappers()
    except Exception as error:
        return gr.update(info=gpu.sentence(error))
    return gr.update(choices=names, value=chosen if chosen in names else names[0] if names else None)


def choose_method(values: Values) -> Updates:
    """Show a method's controls, what it costs and the preset's weight of identity."""
    method, preset = values[ui.method], values[ui.text_preset]
    return {
        ui.directions_form: gr.update(visible=method == "directions"),
        ui.optimize_form: gr.update(visible=method == "optimize"),
        ui.mapper_form: gr.update(visible=method == "mapper"),
        ui.worded: gr.update(visible=method != "mapper"),
        ui.text_actions: gr.update(visible=method != "directions"),
        ui.method_time: cost(method, preset),
        ui.identity: IDENTITY_OF_PRESET[preset],
    }


def cost(method: str, preset: str) -> str:
    """How long a method takes."""
    if method == "directions" and (seconds := times.seconds(method)) is not None:
        return f"Opening the portrait took {seconds:.1f} s here; after that the sliders act at once."
    return times.words(f"optimize {preset}" if method == "optimize" else method)


def suggest(event: gr.SelectData) -> Updates:
    """A suggestion was clicked."""
    row = SUGGESTIONS[event.index if isinstance(event.index, int) else event.index[0]]
    return {ui.prompt: row["prompt"], ui.neutral: row["neutral"]}


def _short(words: str) -> str:
    return words if len(words) <= TITLE else words[: TITLE - 1].rstrip() + "…"
