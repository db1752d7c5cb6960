"""The crop of the person's photo, beneath it: closed until somebody wants to adjust it."""

from __future__ import annotations

import gradio as gr

from barbershop_core.options import NUDGE

from .. import crop, person
from ..files import TEXT
from ..ui import ui
from .parts import LIVE, PHOTO

LABELS = {"x": "Move to the side", "y": "Move up or down", "turn": "Turn (°)", "zoom": "Zoom"}
REACH = {"x": 0.3, "y": 0.3, "turn": 30}
"""Ends of the sliders that start in their middle: as far as crops are usually moved."""


def build() -> None:
    """Sliders beside the crop that they show."""
    with gr.Accordion("Adjust the crop", open=False, elem_id="adjust") as ui.adjust:
        gr.Markdown(TEXT["crop"], elem_classes="hint")
        with gr.Row(elem_classes="photos"):
            with gr.Column(min_width=200):
                ui.nudge = {
                    part.name: gr.Slider(
                        -REACH[part.name] if part.name in REACH else part.low,
                        REACH.get(part.name, part.high),
                        value=part.default,
                        step=1 if part.unit else 0.01,
                        label=LABELS[part.name],
                        elem_id=f"nudge_{part.name}",
                    )
                    for part in NUDGE
                }
                ui.crop_regions = gr.Checkbox(False, label="Show the regions", elem_id="crop_regions")
            with gr.Column(min_width=200):
                ui.crop_picture = gr.Image(
                    label="Crop", visible=False, interactive=False, format="png", buttons=[], elem_id="crop_picture"
                )
                ui.crop_colours = gr.HTML(padding=False, elem_classes="note", elem_id="crop_colours")
        ui.crop_note = gr.HTML(padding=False, elem_classes="note", elem_id="crop_note")
        with gr.Row(elem_classes="actions"):
            ui.crop_use = gr.Button("Use this crop", variant="primary", elem_id="crop_use", min_width=130)
            ui.crop_reset = gr.Button("Reset", elem_id="crop_reset", min_width=80)


def wire(runs: list) -> None:
    """Moves are shown at once; another crop begins a new chain and cancels the runs."""
    live = {"inputs": crop.form(), "outputs": crop.outputs(), **LIVE}
    moves = [slider.input for slider in ui.nudge.values()]
    gr.on([*moves, ui.crop_regions.input, ui.adjust.expand], crop.move, **live)
    ui.crop_reset.click(crop.reset, **live)
    ui.crop_use.click(person.use_crop, crop.form(), person.outputs(), cancels=runs, **PHOTO)
