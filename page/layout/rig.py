"""The tab "Rig"."""

from __future__ import annotations

import gradio as gr

from .. import rig
from ..times import times
from .parts import (
    GPU,
    LIVE,
    PRESETS,
    PRIVATE,
    QUICK,
    SHOW_RESULT,
    TEXT,
    outputs,
    photo_slot,
    preset,
    stops,
    wire_photo,
)


def build(ui: dict) -> None:
    """Embedding first, then live controls."""
    gr.Markdown(TEXT["rig"], elem_classes="hint")
    preset(ui, "rig_", "rig ", (PRESETS[0], PRESETS[2]))
    with gr.Row(elem_classes="actions"):
        ui["rig_open"] = gr.Button(
            "Prepare the portrait", variant="primary", elem_id="rig_open", scale=3, min_width=150
        )
        ui["rig_stop"] = gr.Button("Stop", variant="stop", elem_id="rig_stop", scale=1, min_width=80)
    ui["controls"], ui["rig_key"] = gr.State([]), gr.State(None)
    with gr.Column(visible=False, elem_id="rig_controls") as ui["rig_ready"]:
        _sliders(ui)
    with gr.Accordion("Copy from another photo", open=False, elem_id="rig_copy"):
        with gr.Row(elem_classes="photos"):
            photo_slot(ui, "like", "The other photo", 160)
            with gr.Column(min_width=160):
                ui["copied"] = gr.CheckboxGroup(
                    list(rig.COPIED), value=["pose"], label="Take from it", elem_id="copied"
                )
                ui["copy"] = gr.Button("Copy", variant="primary", elem_id="copy")
    with gr.Accordion("Advanced", open=False):
        ui["rig_method"] = gr.Radio(
            [("The rig", "rig"), ("Latent optimization", "optimize")],
            value="rig",
            label="What is kept is made by",
        )
        gr.Markdown(TEXT["rig_method"], elem_classes="hint")


def _sliders(ui: dict) -> None:
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Head</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="slot-sliders"):
            for name, most, words in (("yaw", 30, "turn"), ("pitch", 20, "nod"), ("roll", 15, "tilt")):
                ui[name] = gr.Slider(
                    -most,
                    most,
                    value=0,
                    step=1,
                    label=f"{name.capitalize()} ({words})",
                    min_width=130,
                    elem_id=name,
                )
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Expression</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="slot-sliders"):
            ui["expression"] = gr.Dropdown(
                [rig.NEUTRAL, *rig.EXPRESSIONS],
                value=rig.NEUTRAL,
                label="Name",
                min_width=150,
                elem_id="expression",
            )
            ui["expression_strength"] = gr.Slider(
                0, 1.5, value=1, step=0.05, label="Strength", min_width=150, elem_id="expression_strength"
            )
        with gr.Accordion("Advanced: single movements", open=False, elem_id="single"):
            ui["no_controls"] = gr.Markdown("This face model names no single movements.", elem_classes="hint")
            with gr.Row(elem_classes="slot-sliders"):
                for k in range(rig.CONTROLS):
                    ui[f"control_{k}"] = gr.Slider(
                        -2,
                        2,
                        value=0,
                        step=0.05,
                        label="",
                        visible=False,
                        min_width=210,
                        elem_id=f"control_{k}",
                    )
            gr.Markdown("Anything moved here replaces the named expression.", elem_classes="hint")
    with gr.Column(elem_classes="slot"):
        gr.HTML("<b>Light</b>", padding=False, elem_classes="group-title")
        with gr.Row(elem_classes="light-row"):
            ui["sphere"] = gr.HTML(padding=False, elem_id="sphere", min_width=110)
            with gr.Column(min_width=200, scale=4):
                ui["light_on"] = gr.Checkbox(False, label="Change the light", elem_id="light_on")
                for name, low, high, step, words in (
                    ("light_azimuth", -75, 75, 1, "From the side (°)"),
                    ("light_elevation", -15, 75, 1, "From above (°)"),
                    ("light_strength", 0.5, 1.5, 0.05, "Strength"),
                    ("light_warmth", -1.5, 1.5, 0.05, "Cool to warm"),
                ):
                    ui[name] = gr.Slider(
                        low, high, value=rig.LIGHT_START[name], step=step, label=words, elem_id=name
                    )
    ui["rig_note"] = gr.HTML(padding=False, elem_classes="note", elem_id="rig_note")
    with gr.Row(elem_classes="actions"):
        ui["keep_rig"] = gr.Button("Keep this edit", variant="primary", elem_id="keep_rig", min_width=130)
        ui["rig_reset"] = gr.Button("Reset", elem_id="rig_reset", min_width=80)
        ui["show_overlay"] = gr.Button("Show the 3D face", elem_id="show_overlay", min_width=130)
    ui["overlay"] = gr.Image(
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
            ui["sweep"] = gr.Radio(
                [("Turn the head", "yaw"), ("Move the light", "light")],
                value="yaw",
                label="Sweep",
                min_width=170,
            )
            ui["film"] = gr.Radio([("GIF", "gif"), ("MP4", "mp4")], value="gif", label="File", min_width=120)
            ui["frames"] = gr.Slider(8, 60, value=24, step=1, label="Frames", min_width=120)
        with gr.Row(elem_classes="actions"):
            ui["animation_run"] = gr.Button("Make it", elem_id="animation_run")
            ui["animation_file"] = gr.DownloadButton("Download", interactive=False, elem_id="animation_file")
        ui["animation"] = gr.Image(
            label="Animation",
            visible=False,
            interactive=False,
            type="filepath",
            height=300,
            elem_id="animation",
            buttons=[],
        )


def wire(ui: dict) -> list:
    """Connect the tab; returns the runs, to be stopped."""
    wire_photo(ui, "like")
    everything = outputs(ui, rig.OUTPUTS)
    live = [*(ui[name] for name in rig.LIVE_INPUTS)]
    person = [ui[name] for name in rig.PERSON]
    chosen, method, key = ui["rig_preset"], ui["rig_method"], ui["rig_key"]
    animation = [*(ui[name] for name in ("sweep", "frames", "film")), ui["rig_preset"], *live]
    runs = [
        ui["rig_open"].click(rig.open_rig, person, everything, **GPU),
        ui["keep_rig"].click(rig.keep, [chosen, method, *live], everything, **GPU),
        ui["show_overlay"].click(rig.overlay, [chosen, key], everything, **GPU),
        ui["copy"].click(rig.copy, [ui[n] for n in rig.COPY_INPUTS], outputs(ui), **GPU),
        ui["animation_run"].click(rig.animate, animation, everything, **GPU),
    ]
    runs[0].then(lambda name: times.words(f"rig {name}"), chosen, ui["rig_time"], **QUICK)
    for name in ("rig_open", "copy"):
        ui[name].click(None, js=SHOW_RESULT, **PRIVATE)
    moved = [ui[n].input for n in rig.LIVE_INPUTS if n not in ("controls", "rig_key", *rig.LIGHT)]
    repaint = {"fn": rig.move, "inputs": [chosen, *live], "outputs": outputs(ui, rig.LIVE_OUTPUTS), **LIVE}
    gr.on(moved, **repaint)
    light = [ui[name] for name in rig.LIGHT]
    lit = {"fn": rig.relight, "outputs": [*outputs(ui, rig.LIVE_OUTPUTS), ui["light_on"]]}
    gr.on([c.input for c in light], **{**repaint, **lit})
    gr.on([c.change for c in light], rig.sphere, light, ui["sphere"], **QUICK)
    ui["rig_reset"].click(rig.reset, None, [ui[name] for name in rig.RESET], **QUICK).then(**repaint)
    return runs


def wire_stops(ui: dict, runs: list) -> None:
    """The tab's Stop button."""
    stops(ui, "rig_stop", runs)
