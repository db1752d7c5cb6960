"""The tab "Pose & light"."""

from __future__ import annotations

import gradio as gr

from barbershop_core.pie.options import ANGLES, GAZE_PARTS, LIGHT_PARTS, STRENGTH

from .. import panel, rig
from ..files import TEXT
from ..times import times
from ..ui import ui
from .parts import (
    GPU,
    LIVE,
    PRIVATE,
    QUICK,
    SHOW_RESULT,
    SHOW_SLIDERS,
    photo_slot,
    presets,
    stop_button,
    wire_photo,
    wire_stop,
)

REACH = {"yaw": 30, "pitch": 20, "roll": 15}
"""Ends of the sliders in degrees: as far as portraits can usually be turned."""


def build() -> None:
    """Embedding first, then live controls."""
    gr.Markdown(TEXT["rig"], elem_classes="hint")
    ui.rig_preset, ui.rig_time = presets("rig_preset", "rig ", ("fast", "paper"))
    with gr.Row(elem_classes="actions"):
        ui.rig_open = gr.Button("Prepare the portrait", variant="primary", elem_id="rig_open", scale=3, min_width=150)
        ui.rig_stop = stop_button("rig_stop", scale=1)
    ui.prepared = gr.State(None)
    with gr.Column(visible=False, elem_id="rig_controls") as ui.rig_ready:
        _head()
        _eyes()
        _expression()
        _light()
        _actions()
    with gr.Accordion("Copy from another photo", open=False, elem_id="rig_copy"):
        with gr.Row(elem_classes="photos"):
            ui.like = photo_slot("like", "The other photo", 160)
            with gr.Column(min_width=160):
                ui.copied = gr.CheckboxGroup(list(rig.COPIED), value=["pose"], label="Take from it", elem_id="copied")
                ui.copy = gr.Button("Copy", variant="primary", elem_id="copy")
    with gr.Accordion("Advanced", open=False):
        ui.rig_method = gr.Radio(
            [("The live sliders", "rig"), ("A search", "optimize")], value="rig", label="How kept edits are made"
        )
        gr.Markdown(TEXT["rig_method"], elem_classes="hint")


def _head() -> None:
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Head</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="slot-sliders"):
            ui.pose = {
                angle.name: gr.Slider(
                    -REACH[angle.name],
                    REACH[angle.name],
                    value=angle.default,
                    step=1,
                    label=f"{rig.ANGLES[angle.name].capitalize()} (°)",
                    min_width=130,
                    elem_id=angle.name,
                )
                for angle in ANGLES
            }


def _eyes() -> None:
    labels = ("Look to the side (°)", "Look up or down (°)")
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Eyes</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="slot-sliders"):
            ui.gaze = {
                part.name: gr.Slider(
                    part.low,
                    part.high,
                    value=part.default,
                    step=1,
                    label=label,
                    min_width=150,
                    elem_id=f"gaze_{part.name}",
                )
                for part, label in zip(GAZE_PARTS, labels)
            }


def _expression() -> None:
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Expression</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="slot-sliders"):
            ui.expression = gr.Dropdown(
                rig.CHOICES, value=rig.NEUTRAL, label="Name", min_width=150, elem_id="expression"
            )
            ui.expression_strength = gr.Slider(
                STRENGTH.low,
                STRENGTH.high,
                value=STRENGTH.default,
                step=0.05,
                label="Strength",
                min_width=150,
                elem_id="expression_strength",
            )
        with gr.Accordion("Advanced: single movements", open=False, elem_id="single"):
            ui.no_controls = gr.Markdown("The face model of this pack has no single movements.", elem_classes="hint")
            with gr.Row(elem_classes="slot-sliders"):
                ui.controls = [
                    gr.Slider(-2, 2, value=0, step=0.05, label="", visible=False, min_width=210, elem_id=f"control_{k}")
                    for k in range(rig.CONTROLS)
                ]
            gr.Markdown("Movements set here replace the named expression.", elem_classes="hint")


def _light() -> None:
    labels = ("From the side (°)", "From above (°)", "Strength", "Cool to warm")
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Light</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="light-row"):
            ui.sphere = gr.HTML(padding=False, elem_id="sphere", min_width=110)
            with gr.Column(min_width=200, scale=4):
                ui.light_on = gr.Checkbox(False, label="Change the light", elem_id="light_on")
                ui.light = {
                    part.name: gr.Slider(
                        part.low,
                        part.high,
                        value=part.default,
                        step=1 if part.unit else 0.05,
                        label=label,
                        elem_id=f"light_{part.name}",
                    )
                    for part, label in zip(LIGHT_PARTS, labels)
                }


def _actions() -> None:
    ui.rig_note = gr.HTML(padding=False, elem_classes="note", elem_id="rig_note")
    with gr.Row(elem_classes="actions"):
        ui.keep_rig = gr.Button("Keep this edit", variant="primary", elem_id="keep_rig", min_width=130)
        ui.rig_reset = gr.Button("Reset", elem_id="rig_reset", min_width=80)
        ui.show_overlay = gr.Button("Show the 3D face", elem_id="show_overlay", min_width=130)
    ui.overlay = gr.Image(
        label="Fitted 3D face",
        visible=False,
        interactive=False,
        format="png",
        height=300,
        elem_id="overlay",
        buttons=["fullscreen"],
    )
    with gr.Accordion("Animation", open=False, elem_id="animate"):
        with gr.Row():
            ui.sweep = gr.Radio(
                [("Turn the head", "yaw"), ("Move the light", "light")], value="yaw", label="What moves", min_width=170
            )
            ui.film = gr.Radio([("GIF", "gif"), ("MP4", "mp4")], value="gif", label="File", min_width=120)
            ui.frames = gr.Slider(8, 60, value=24, step=1, label="Frames", min_width=120)
        with gr.Row(elem_classes="actions"):
            ui.animation_run = gr.Button("Create", elem_id="animation_run")
            ui.animation_file = gr.DownloadButton("Download", interactive=False, elem_id="animation_file")
        ui.animation = gr.Image(
            label="Animation",
            visible=False,
            interactive=False,
            type="filepath",
            height=300,
            elem_id="animation",
            buttons=[],
        )


def wire() -> list:
    """Connect the tab; returns the runs, which Stop cancels."""
    wire_photo(ui.like)
    controls, outputs = rig.controls(), rig.outputs()
    animation = controls | {ui.sweep, ui.frames, ui.film}
    for button in (ui.rig_open, ui.copy):
        button.click(None, js=SHOW_RESULT, **PRIVATE)
    runs = [
        ui.rig_open.click(rig.open_rig, {*ui.face.inputs, ui.rig_preset}, outputs, **GPU),
        ui.keep_rig.click(rig.keep, {*controls, ui.rig_method}, outputs, **GPU),
        ui.show_overlay.click(rig.overlay, {ui.rig_preset, ui.prepared}, outputs, **GPU),
        ui.copy.click(rig.copy, rig.copy_form(), panel.outputs(), **GPU),
        ui.animation_run.click(rig.animate, animation, outputs, **GPU),
    ]
    runs[0].success(None, js=SHOW_SLIDERS, **PRIVATE)
    runs[0].then(lambda preset: times.words(f"rig {preset}"), ui.rig_preset, ui.rig_time, **QUICK)
    repaint = {"inputs": controls, "outputs": rig.live_outputs(), **LIVE}
    light = set(ui.light.values())
    moved = [*ui.pose.values(), *ui.gaze.values(), ui.expression, ui.expression_strength, ui.light_on, *ui.controls]
    gr.on([control.input for control in moved], rig.move, **repaint)
    gr.on([slider.input for slider in light], rig.relight, **repaint)
    gr.on([slider.change for slider in light], rig.sphere, light, ui.sphere, **QUICK)
    ui.rig_reset.click(rig.reset, None, set(rig.reset()), **QUICK).then(rig.move, **repaint)
    return runs


def wire_stops(runs: list) -> None:
    """The tab's Stop button."""
    wire_stop(ui.rig_stop, runs)
