"""The result panel that all tabs share: progress, picture, chain of edits, downloads, scores."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import gradio as gr
from gradio.blocks import Block
from PIL import Image

from barbershop_core.errors import BadRequest, BarbershopError

from . import downloads, edits, gpu, markup, photos, turns
from .files import keep
from .line import Busy
from .ui import Updates, ui
from .visits import Shown, Visit

STARTING = '<div class="run"><b>Starting</b><div class="bar"><i class="idle"></i></div></div>'
EMPTY = '<p class="quiet empty">The result will appear here.</p>'
EMPTY_CHAIN = '<p class="quiet">Your edits are listed here, from every tab; each starts from the one before.</p>'


def outputs() -> set[Block]:
    """The components that a run may update."""
    files, masks = downloads.outputs(), {ui.editor, ui.legend, ui.mask_state}
    chain = {ui.history, ui.undo, ui.redo, ui.restart, ui.chain_note}
    shown = {ui.status, ui.retry, ui.preview, ui.slider, ui.pasted, ui.mask, ui.details}
    return {*shown, *files, *masks, *chain, *ui.stops}


def stops(alive: bool) -> Updates:
    """The Stop buttons: alive while there is something to stop."""
    return {button: gr.update(interactive=alive) for button in ui.stops}


# --- a run ------------------------------------------------------------------------------------


def run(
    visit: Visit,
    begin: Callable[[], Iterator[tuple[str, Any]]],
    finish: Callable[[dict[str, Any]], Updates],
    silent: bool = False,
) -> Iterator[Updates]:
    """Do some work with progress, previews and notices on the page.

    begin: checks what was asked for and returns the events of :func:`.gpu.run`.
    finish: makes updates of the result, to which all "notices" were added.
    silent: show no previews.

    Ends without a word once the visit has another photo or stands at another step than where the run began.
    Raises gr.Error with the sentence of an error, after it was shown as status.
    """
    turns.press(visit)
    yield {ui.status: STARTING, ui.retry: gr.update(visible=False)} | stops(True)
    turns.looked(visit)
    with turns.running(visit):
        yield from _run(visit, begin, finish, silent)


def _run(visit: Visit, begin: Callable, finish: Callable, silent: bool) -> Iterator[Updates]:
    notices, place = [], None
    replaced = False  # whether previews have taken the picture's place
    try:
        with closing(begin()) as events:
            place = visit.place()
            for what, event in events:
                if visit.place() != place:
                    return
                if what == "wait":
                    yield {ui.status: markup.waiting(event)}
                    continue
                if what == "result":
                    turns.made(visit)
                    found = [*notices, *event.get("notices", ()), *markup.doubts(event)]
                    event["notices"] = [words for words in dict.fromkeys(found) if not photos.told(words)]
                    yield finish(event) | stops(False)
                    continue
                step, image, progress = event
                if step.notice and not photos.told(step.notice):
                    notices.append(step.notice)
                update: Updates = {ui.status: markup.bar(step, progress) + markup.notes(notices)}
                if image is not None and not silent:
                    update[ui.preview] = gr.update(value=image, visible=True, label="Preview", elem_classes=[])
                    update[ui.slider], replaced = gr.update(visible=False, elem_classes=[]), True
                yield update
    except Exception as error:
        if place is not None and visit.place() != place:
            return
        sentence = gpu.sentence(error)
        before = without_preview(visit) if replaced else {}
        again = {ui.retry: gr.update(visible=isinstance(error, Busy))}
        yield {ui.status: markup.problem(sentence)} | before | again | stops(False)
        raise gr.Error(sentence, print_exception=False) from None


def edit(session: gr.Request, task: Callable[[Visit], gpu.Task], title: str, timed: str = "") -> Iterator[Updates]:
    """Run an edit and add its result to the chain.

    task: makes the task, given the visit.  title: of the step.  timed: name of the setting in ``times``.
    """
    visit = Visit.of(session)

    def finish(result: dict) -> Updates:
        visit.push(title, result)
        status = f"<p>Done in {result['elapsed']:.1f} s.</p>" + markup.notes(result["notices"])
        return show(visit) | {ui.status: status} | mask_tools(result)

    yield from run(visit, lambda: gpu.run(edits.edit, task(visit), timed), finish)


def mask_tools(result: dict) -> Updates:
    """Updates of the mask editor where a result has a target mask."""
    if "labels" not in result:
        return {}
    background = {"background": result["mask_overlay"], "layers": [], "composite": None}
    colours = result["palette"]
    brush = gr.Brush(default_color=colours["hair"], colors=list(colours.values()), color_mode="fixed", default_size=12)
    return {
        ui.legend: markup.legend(result["palette"]),
        ui.mask_state: {"labels": result["labels"]},
        ui.editor: gr.update(value=background, brush=brush),
    }


def live(image) -> Updates:
    """The picture while sliders are moved; on a phone it floats over the controls."""
    preview = gr.update(value=image, visible=True, label="Live", elem_classes="live")
    return {ui.preview: preview, ui.slider: gr.update(visible=False, elem_classes=[])}


# --- the present portrait ---------------------------------------------------------------------


def show(visit: Visit) -> Updates:
    """Where a visit stands.  Raises BadRequest where there is no photo yet."""
    now = visit.shown()
    last = len(now.titles) - 1
    pictures = [keep(path.read_bytes(), "step.png") for path in now.pictures]
    return {
        **(_edited(now) if now.at else _original(now)),
        ui.history: gr.update(value=list(zip(pictures, now.titles)), selected_index=now.at, visible=last > 0),
        ui.undo: gr.update(interactive=now.at > 0),
        ui.redo: gr.update(interactive=now.at < last),
        ui.restart: gr.update(interactive=now.at > 0),
        ui.chain_note: chain_note(now),
        **stops(False),
    }


def _original(now: Shown) -> Updates:
    picture = keep(now.pictures[0].read_bytes(), "portrait.png")
    return {
        ui.status: '<p class="quiet">Every tab starts from this portrait.</p>',
        ui.preview: gr.update(value=picture, visible=True, label="Portrait", elem_classes=[]),
        ui.slider: gr.update(value=None, visible=False, elem_classes=[]),
        ui.pasted: gr.update(value=None, visible=False),
        ui.mask: gr.update(value=None, visible=False),
        ui.details: "",
        **downloads.offer(),
    }


def _edited(now: Shown) -> Updates:
    crop = keep((now.folder / "result.png").read_bytes(), "barbershop.png")
    photo = keep((now.folder / "photo.png").read_bytes(), "barbershop-photo.png")
    with Image.open(now.pictures[0]) as original, Image.open(crop) as edited:
        before = original.convert("RGB").resize(edited.size)
    mask = now.folder / "mask.png"
    mask = keep(mask.read_bytes(), "mask.png") if mask.is_file() else None
    return {
        ui.status: f"<p>Step {now.at} of {len(now.titles) - 1}: {html.escape(now.titles[now.at])}.</p>",
        ui.preview: gr.update(visible=False, label="Preview", elem_classes=[]),
        ui.slider: gr.update(value=(before, crop), visible=True, elem_classes=[]),
        ui.pasted: gr.update(value=photo, visible=True),
        ui.mask: gr.update(value=mask, visible=mask is not None),
        ui.details: markup.details(now.step),
        **downloads.offer(crop, photo),
    }


def nothing() -> Updates:
    """No photo, no result."""
    return {
        ui.status: EMPTY,
        ui.preview: gr.update(value=None, visible=False, elem_classes=[]),
        ui.slider: gr.update(value=None, visible=True, elem_classes=[]),
        ui.history: gr.update(value=None, visible=False),
        ui.undo: gr.update(interactive=False),
        ui.redo: gr.update(interactive=False),
        ui.restart: gr.update(interactive=False),
        **downloads.offer(),
        ui.pasted: gr.update(value=None, visible=False),
        ui.mask: gr.update(value=None, visible=False),
        ui.details: "",
        ui.chain_note: "",
        **stops(False),
    }


def without_preview(visit: Visit) -> Updates:
    """The picture as it was before a run showed its previews."""
    if not visit.begun:
        return {ui.preview: gr.update(visible=False), ui.slider: gr.update(visible=True)}
    shown = show(visit)
    return {component: shown[component] for component in (ui.preview, ui.slider)}


def chain_note(now: Shown) -> str:
    """What the next edit starts from, as HTML."""
    if len(now.titles) == 1:
        return EMPTY_CHAIN
    start = "the original" if now.at == 0 else f"step {now.at}, {now.titles[now.at]}"
    lost = " It deletes the steps that were undone." if now.at < len(now.titles) - 1 else ""
    return f"<p>The next edit starts from {html.escape(start)}.{lost} Click a picture to go there.</p>"


def undo(session: gr.Request) -> Updates:
    """One step back."""
    return _moved(session, -1)


def redo(session: gr.Request) -> Updates:
    """One step forward again."""
    return _moved(session, 1)


def restart(session: gr.Request) -> Updates:
    """Back to the original; the steps stay until the next edit."""
    return _moved(session, None)


def go_to(event: gr.SelectData, session: gr.Request) -> Updates:
    """A picture of the chain was clicked."""
    return _moved(session, None, event.index)


def _moved(session: gr.Request, by: int | None, to: int = 0) -> Updates:
    visit = Visit.of(session)
    before = turns.runs(visit)
    try:
        visit.move(to if by is None else visit.shown().at + by)
        turns.let_end(before)
        return show(visit)
    except BarbershopError as error:
        return {ui.status: markup.problem(str(error))}


# --- stopping ---------------------------------------------------------------------------------


def stopped(session: gr.Request) -> Updates:
    """The Stop button: the event itself cancels the run; the chain stays as it was."""
    visit, status = Visit.of(session), {ui.status: "<p>Stopped. Your photos and settings are kept.</p>"}
    turns.stop(visit)
    try:
        return show(visit) | status
    except BadRequest:
        return without_preview(visit) | status


def stopped_for_good(session: gr.Request) -> Updates:
    """As :func:`stopped`, once the visit's cancelled run has ended and cannot replace the first answer."""
    visit = Visit.of(session)
    turns.let_end(turns.runs(visit))
    return {ui.status: gr.skip()} if turns.begun_since_stop(visit) else stopped(session)
