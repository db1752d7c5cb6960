"""What several parts of the page are made of."""

from __future__ import annotations

import gradio as gr

from barbershop_core.options import PRESET

from .. import frames, panel, zero_gpu
from ..photos import PhotoSlot, upload
from ..times import times
from ..ui import ui

PRIVATE = {"api_visibility": "private"}
GPU = {"concurrency_id": "gpu", "concurrency_limit": None, "show_progress": "hidden", **PRIVATE}
"""For everything that computes for seconds: one at a time, see :mod:`page.line`."""
LIVE = {
    "concurrency_id": "live",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    **PRIVATE,
}
"""For slider moves: they do not wait for anybody's run, and of many moves only the last is drawn."""
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}
PHOTO = {"concurrency_id": "photo", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
SHOW_RESULT = """() => {
  const side = document.querySelector('#side'), top = side.getBoundingClientRect().top;
  if (top < 0 || top > innerHeight / 2) side.scrollIntoView({behavior: 'smooth', block: 'start'});
}"""
"""Scrolls to the result panel where its picture is out of sight."""
SHOW_SLIDERS = """() => setTimeout(() =>
  [...document.querySelectorAll('#rig_controls .slot, [id^=slot_]')].filter(e => e.checkVisibility())
    .at(document.querySelector('#rig_controls')?.checkVisibility() ? 0 : -1)
    ?.scrollIntoView({behavior: 'smooth', block: innerWidth < 700 ? 'start' : 'nearest'}), 300)"""
"""Scrolls to the sliders that a run has made: the rig's first, or those of the last description."""
SOURCES = ["upload", "webcam", "clipboard"]
PRESETS = {"fast": "Fast", "released": "Thorough", "paper": "As published"}


def photo_slot(name: str, label: str, height: int = 180) -> PhotoSlot:
    """An upload with its notes beneath it."""
    with gr.Column(min_width=140):
        image = upload(label=label, height=height, elem_id=name, sources=SOURCES, buttons=["fullscreen"])
        return photo_notes(image, name)


def photo_notes(image: gr.Image, name: str) -> PhotoSlot:
    """What was found in a photo, and a choice among several faces."""
    note = gr.HTML(elem_classes="note", padding=False)
    return PhotoSlot(image, note, frames.build(f"{name}_faces"), gr.State(None))


def wire_photo(slot: PhotoSlot) -> None:
    """Look at a photo when it is uploaded."""
    slot.image.change(slot.look, slot.image, slot.notes, **PHOTO)
    slot.faces.select(slot.choose, slot.image, slot.notes, **PHOTO)


def presets(elem_id: str, timed: str = "", names=tuple(PRESETS)) -> tuple[gr.Radio, gr.Markdown]:
    """The choice of a preset, and the time that it takes.

    timed: start of the names in ``times``.
    """
    choices = [(PRESETS[name], name) for name in zero_gpu.presets(names)]
    info = None if len(choices) == len(names) else f"The papers' own are not offered here, {zero_gpu.TOO_LONG}."
    preset = gr.Radio(choices, value=PRESET.default, label="Quality", elem_id=elem_id, info=info)
    note = gr.Markdown(times.words(f"{timed}{PRESET.default}"), elem_classes="hint")
    preset.change(lambda name: times.words(f"{timed}{name}"), preset, note, **QUICK)
    return preset, note


def actions(prefix: str, label: str) -> tuple[gr.Button, gr.Button]:
    """Run and Stop."""
    with gr.Row(elem_classes="actions"):
        run = gr.Button(label, variant="primary", elem_id=f"{prefix}run", scale=3, min_width=140)
        stop = stop_button(f"{prefix}stop", scale=1)
    return run, stop


def stop_button(elem_id: str, scale: int = 0) -> gr.Button:
    """A Stop button; it comes alive when a run begins."""
    button = gr.Button("Stop", variant="stop", elem_id=elem_id, scale=scale, min_width=80, interactive=False)
    ui.stops.append(button)
    return button


def wire_stop(button: gr.Button, runs: list) -> None:
    """Let a button cancel the runs."""
    button.click(panel.stopped, None, panel.outputs(), cancels=runs, **QUICK).then(
        panel.stopped_for_good, None, panel.outputs(), **QUICK
    )
