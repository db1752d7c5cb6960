"""The tab "Words"."""

from __future__ import annotations

import gradio as gr

from .. import words
from .parts import GPU, LIVE, PHOTO, PRESETS, PRIVATE, QUICK, SHOW_RESULT, TEXT, buttons, outputs, stops


def build(ui: dict) -> None:
    """Prompt, suggestions, method and its controls."""
    with gr.Column() as ui["worded"]:
        with gr.Row(elem_classes="prompt-row"):
            ui["prompt"] = gr.Textbox(
                label="What should be seen",
                placeholder="blond hair · smiling person · a beard",
                elem_id="prompt",
                lines=1,
                min_width=180,
                scale=3,
            )
            ui["neutral"] = gr.Textbox(
                label="Instead of",
                placeholder="hair · may stay empty",
                elem_id="neutral",
                lines=1,
                min_width=120,
                scale=2,
            )
        ui["suggestions"] = gr.Dataset(
            components=[gr.Textbox(visible=False)],
            samples=[[row["prompt"]] for row in words.SUGGESTIONS],
            label="Suggestions",
            type="index",
            layout="gallery",
            samples_per_page=20,
            elem_id="suggestions",
            show_label=False,
        )
    ui["method"] = gr.Radio(list(words.METHODS), value="directions", label="Method", elem_id="method")
    ui["method_time"] = gr.Markdown(
        words.cost("directions", "fast"), elem_classes="hint", elem_id="method_time"
    )
    with gr.Column(elem_classes="method") as ui["directions_form"]:
        _directions(ui)
    with gr.Column(visible=False, elem_classes="method") as ui["optimize_form"]:
        gr.Markdown(TEXT["optimize"], elem_classes="hint")
        ui["identity"] = gr.Slider(
            0,
            1,
            value=words.IDENTITY["fast"],
            step=0.005,
            label="How firmly to stay the same person",
            elem_id="identity",
            info="0 lets the face become another's (age, fame); the more, the more it stays this one's.",
        )
        ui["text_preset"] = gr.Radio(list(PRESETS), value="fast", label="Steps")
    with gr.Column(visible=False, elem_classes="method") as ui["mapper_form"]:
        gr.Markdown(TEXT["mapper"], elem_classes="hint")
        with gr.Row(elem_classes="mapper-row"):
            ui["mapper"] = gr.Dropdown([], label="Mapper", elem_id="mapper", min_width=180, scale=3)
            ui["mapper_refresh"] = gr.Button("Look again", size="sm", scale=1, min_width=90)
        ui["strength"] = gr.Slider(
            -3, 3, value=1, step=0.1, label="Strength", info="1 as it was trained; below 0 the opposite."
        )
    with gr.Column(visible=False) as ui["text_actions"]:
        buttons(ui, "text_", "Run")
    with gr.Accordion("Advanced", open=False):
        ui["route"] = gr.Radio(
            [("Whole face (W+)", "W+"), ("Colours only (keep F)", "F")],
            value="W+",
            label="What an edit may change",
        )
        gr.Markdown(TEXT["route"], elem_classes="hint")
        ui["text_seed"] = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=100)


def _directions(ui: dict) -> None:
    """Sliders, each direction its own."""
    gr.Markdown(TEXT["directions"], elem_classes="hint")
    ui["add"] = gr.Button("Add sliders", variant="primary", elem_id="add")
    ui["slots"] = gr.State([])
    for k in range(words.SLOTS):
        with gr.Column(visible=False, elem_classes="slot", elem_id=f"slot_{k}") as ui[f"slot_{k}"]:
            with gr.Row(elem_classes="slot-head"):
                ui[f"name_{k}"] = gr.Markdown(elem_classes="slot-name")
                ui[f"moved_{k}"] = gr.HTML(elem_classes="moved", elem_id=f"moved_{k}", padding=False)
                ui[f"remove_{k}"] = gr.Button("✕", size="sm", min_width=36, scale=0, elem_id=f"remove_{k}")
            with gr.Row(elem_classes="slot-sliders"):
                ui[f"alpha_{k}"] = gr.Slider(
                    -10,
                    10,
                    value=words.ALPHA,
                    step=0.1,
                    label="Strength α",
                    min_width=150,
                    elem_id=f"alpha_{k}",
                )
                ui[f"beta_{k}"] = gr.Slider(
                    0.02,
                    0.4,
                    value=words.BETA,
                    step=0.01,
                    label="Threshold β",
                    min_width=150,
                    elem_id=f"beta_{k}",
                )
    ui["live_note"] = gr.HTML(padding=False, elem_classes="note", elem_id="live_note")
    with gr.Row(visible=False, elem_classes="actions") as ui["slots_actions"]:
        ui["keep_words"] = gr.Button("Keep this edit", variant="primary", elem_id="keep_words", min_width=130)
        ui["compare"] = gr.Button("Compare strengths", elem_id="compare", min_width=130)
        ui["words_stop"] = gr.Button("Stop", variant="stop", elem_id="words_stop", min_width=80, scale=0)
    ui["grid"] = gr.Image(
        show_label=False,
        visible=False,
        interactive=False,
        format="png",
        elem_id="grid",
        buttons=["fullscreen", "download"],
    )


def wire(ui: dict) -> list:
    """Connect the tab; returns the runs, to be stopped."""
    panel_and_slots = outputs(ui, words.OUTPUTS)
    live = [ui[name] for name in words.LIVE_INPUTS]
    opening = [ui["prompt"], ui["neutral"], ui["face"], ui["face_index"], *live]
    runs = [
        ui["add"].click(words.add, opening, panel_and_slots, **GPU),
        ui["keep_words"].click(words.keep, live, panel_and_slots, **GPU),
        ui["compare"].click(words.compare, live, panel_and_slots, **GPU),
        ui["text_run"].click(words.run, [ui[n] for n in words.RUN_INPUTS], outputs(ui), **GPU),
    ]
    ui["text_run"].click(None, js=SHOW_RESULT, **PRIVATE)
    moves = [ui[f"{part}_{k}"].input for part in ("alpha", "beta") for k in range(words.SLOTS)]
    gr.on([*moves, ui["route"].input], words.move, live, outputs(ui, words.LIVE_OUTPUTS), **LIVE)
    for k in range(words.SLOTS):
        ui[f"remove_{k}"].click(words.remover(k), live, panel_and_slots, **GPU)
    ui["suggestions"].select(words.suggest, None, [ui["prompt"], ui["neutral"]], **QUICK)
    groups = outputs(ui, words.METHOD_OUTPUTS)
    choice = [ui["method"], ui["text_preset"]]
    gr.on([ui["method"].change, ui["text_preset"].change], words.choose_method, choice, groups, **QUICK)
    for run in runs:
        run.then(words.cost, choice, ui["method_time"], **QUICK)
    look = [ui["mapper_refresh"].click, ui["words_tab"].select]
    gr.on(look, words.refresh_mappers, ui["mapper"], ui["mapper"], **PHOTO)
    return runs


def wire_stops(ui: dict, runs: list) -> None:
    """The tab's Stop buttons."""
    for name in ("text_stop", "words_stop"):
        stops(ui, name, runs)
