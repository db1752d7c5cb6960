"""The tab "Words"."""

from __future__ import annotations

import gradio as gr

from barbershop_core.options import PRESET, SEED
from barbershop_core.styleclip.options import (
    ALPHA,
    BETA,
    IDENTITY,
    IDENTITY_OF_PRESET,
    LEVEL_NAMES,
    METHOD,
    ROUTE,
    STRENGTH,
    WHERE,
)

from .. import panel, words, zero_gpu
from ..files import TEXT
from ..ui import ui
from .parts import GPU, LIVE, PHOTO, PRESETS, PRIVATE, QUICK, SHOW_RESULT, SHOW_SLIDERS, actions, stop_button, wire_stop


def build() -> None:
    """Prompt, suggestions, method and its controls."""
    with gr.Column() as ui.worded:
        with gr.Row(elem_classes="prompt-row"):
            ui.prompt = gr.Textbox(
                label="Description",
                placeholder="blond hair · smiling person · a beard",
                elem_id="prompt",
                lines=1,
                min_width=180,
                scale=3,
            )
            ui.neutral = gr.Textbox(
                label="Instead of", placeholder="hair · optional", elem_id="neutral", lines=1, min_width=120, scale=2
            )
        ui.suggestions = gr.Dataset(
            components=[gr.Textbox(visible=False)],
            samples=[[row["prompt"]] for row in words.SUGGESTIONS],
            label="Suggestions",
            type="index",
            layout="gallery",
            samples_per_page=20,
            elem_id="suggestions",
            show_label=False,
        )
    ui.method = gr.Radio(list(words.METHODS), value=METHOD.default, label="Method", elem_id="method")
    ui.method_time = gr.Markdown(words.cost(METHOD.default, PRESET.default), elem_classes="hint", elem_id="method_time")
    with gr.Column(elem_classes="method") as ui.directions_form:
        _directions()
    with gr.Column(visible=False, elem_classes="method") as ui.optimize_form:
        gr.Markdown(TEXT["optimize"], elem_classes="hint")
        ui.identity = gr.Slider(
            IDENTITY.low,
            IDENTITY.high,
            value=IDENTITY_OF_PRESET[PRESET.default],
            step=0.005,
            label="How strongly to keep the same person",
            elem_id="identity",
            info="0 lets the face become another person's (older, famous); higher values prevent that.",
        )
        choices = [(PRESETS[name], name) for name in zero_gpu.presets()]
        ui.text_preset = gr.Radio(choices, value=PRESET.default, label="Quality")
    with gr.Column(visible=False, elem_classes="method") as ui.mapper_form:
        gr.Markdown(TEXT["mapper"], elem_classes="hint")
        with gr.Row(elem_classes="mapper-row"):
            ui.mapper = gr.Dropdown([], label="Ready-made edit", elem_id="mapper", min_width=180, scale=3)
            ui.mapper_refresh = gr.Button("Refresh", size="sm", scale=1, min_width=90)
        ui.strength = gr.Slider(
            STRENGTH.low,
            STRENGTH.high,
            value=STRENGTH.default,
            step=0.1,
            label="Strength",
            info="1 is as trained; below 0 is the opposite.",
        )
        ui.levels = gr.CheckboxGroup(
            [("pose and shapes", "coarse"), ("features", "medium"), ("colours", "fine")],
            value=list(LEVEL_NAMES),
            label="What it may change",
            elem_id="levels",
        )
    with gr.Column(visible=False) as ui.text_actions:
        ui.text_run, ui.text_stop = actions("text_", "Run")
    with gr.Accordion("Advanced", open=False):
        ui.route = gr.Radio(
            [("Whole face (W+)", "W+"), ("Colours only (keep F)", "F")],
            value=ROUTE.default,
            label="What an edit may change",
        )
        gr.Markdown(TEXT["route"], elem_classes="hint")
        ui.where = gr.Checkbox(
            WHERE.default == "named", label="Change only what the words name (hair, face)", elem_id="where"
        )
        ui.text_seed = gr.Number(SEED.default, label="Seed", precision=0, minimum=SEED.low, min_width=100)


def _directions() -> None:
    """Slots of directions, each with its sliders."""
    gr.Markdown(TEXT["directions"], elem_classes="hint")
    ui.add = gr.Button("Add sliders", variant="primary", elem_id="add")
    ui.slots = gr.State([])
    ui.slot, ui.name, ui.moved, ui.remove, ui.alpha, ui.beta = [], [], [], [], [], []
    for k in range(words.SLOTS):
        _slot(k)
    ui.live_note = gr.HTML(padding=False, elem_classes="note", elem_id="live_note")
    with gr.Row(visible=False, elem_classes="actions") as ui.slots_actions:
        ui.keep_words = gr.Button("Keep this edit", variant="primary", elem_id="keep_words", min_width=130)
        ui.compare = gr.Button("Compare strengths", elem_id="compare", min_width=130)
        ui.words_stop = stop_button("words_stop")
    ui.grid = gr.Image(
        show_label=False,
        visible=False,
        interactive=False,
        format="png",
        elem_id="grid",
        buttons=["fullscreen", "download"],
    )


def _slot(k: int) -> None:
    with gr.Column(visible=False, elem_classes="slot", elem_id=f"slot_{k}") as slot:
        ui.slot.append(slot)
        with gr.Row(elem_classes="slot-head"):
            ui.name.append(gr.Markdown(elem_classes="slot-name"))
            ui.moved.append(gr.HTML(elem_classes="moved", elem_id=f"moved_{k}", padding=False))
            ui.remove.append(gr.Button("✕", size="sm", min_width=36, scale=0, elem_id=f"remove_{k}"))
        with gr.Row(elem_classes="slot-sliders"):
            ui.alpha.append(
                gr.Slider(
                    ALPHA.low,
                    ALPHA.high,
                    value=ALPHA.default,
                    step=0.1,
                    label="Strength",
                    min_width=150,
                    elem_id=f"alpha_{k}",
                )
            )
            ui.beta.append(  # outside these ends, all channels move or none
                gr.Slider(
                    0.02, 0.4, value=BETA.default, step=0.01, label="How selective", min_width=150, elem_id=f"beta_{k}"
                )
            )


def wire() -> list:
    """Connect the tab; returns the runs, which Stop cancels."""
    sliders, outputs = words.sliders(), words.outputs()
    ui.text_run.click(None, js=SHOW_RESULT, **PRIVATE)
    chosen = ui.suggestions.select(words.suggest, None, {ui.prompt, ui.neutral}, **QUICK)
    runs = [
        ui.add.click(words.add, {ui.prompt, ui.neutral, *ui.face.inputs, *sliders}, outputs, **GPU),
        ui.keep_words.click(words.keep, sliders, outputs, **GPU),
        ui.compare.click(words.compare, sliders, outputs, **GPU),
        ui.text_run.click(words.run, words.form(), panel.outputs(), **GPU),
        gr.on([ui.prompt.submit, ui.neutral.submit], words.go, words.form() | sliders, outputs, **GPU),
        chosen.then(words.add_suggested, {ui.prompt, ui.neutral, ui.method, *ui.face.inputs, *sliders}, outputs, **GPU),
    ]
    for added in (runs[0], runs[-2], runs[-1]):  # by the button, by Enter, by a suggestion
        added.success(None, js=SHOW_SLIDERS, **PRIVATE)
    moves = [slider.input for slider in (*ui.alpha, *ui.beta, ui.route, ui.where)]
    gr.on(moves, words.move, sliders, {ui.preview, ui.slider, ui.live_note, *ui.moved}, **LIVE)
    for k, button in enumerate(ui.remove):
        button.click(words.remover(k), sliders, outputs, **GPU)
    forms = {ui.directions_form, ui.optimize_form, ui.mapper_form, ui.worded, ui.text_actions}
    choice, shown = {ui.method, ui.text_preset}, {*forms, ui.method_time, ui.identity}
    gr.on([ui.method.change, ui.text_preset.change], words.choose_method, choice, shown, **QUICK)
    for run in runs:
        run.then(words.cost, [ui.method, ui.text_preset], ui.method_time, **QUICK)
    look = [ui.mapper_refresh.click, ui.words_tab.select]
    gr.on(look, words.refresh_mappers, ui.mapper, ui.mapper, **PHOTO)
    return runs


def wire_stops(runs: list) -> None:
    """The tab's Stop buttons."""
    for button in (ui.text_stop, ui.words_stop):
        wire_stop(button, runs)
