"""The tabs "Hair" and "Face swap", and the stored examples."""

from __future__ import annotations

import gradio as gr

from barbershop_core.barbershop.options import MODE, SMOOTH
from barbershop_core.options import SEED

from .. import examples, hair, ready
from ..files import TEXT
from ..panel import outputs
from ..times import times
from ..ui import ui
from .parts import GPU, PHOTO, PRIVATE, QUICK, SHOW_RESULT, actions, photo_slot, presets, wire_photo, wire_stop


def build() -> None:
    """The hair form."""
    _ready_made()
    gr.Markdown(TEXT["hair"], elem_classes="hint")
    with gr.Row(elem_classes="photos"):
        ui.hair_shape = photo_slot("hair_shape", "Hair shape", 160)
        ui.hair_color = photo_slot("hair_color", "Hair colour", 160)
    ui.preset, ui.time = presets("preset")
    ui.run, ui.stop = actions("", "Run")
    with gr.Accordion("Advanced: more parts from more photos", open=False):
        with gr.Row(elem_classes="photos"):
            ui.hair_structure = photo_slot("hair_structure", "Hair structure", 160)
            gr.Markdown(TEXT["structure"])
        gr.Markdown(TEXT["references"])
        with gr.Row(elem_classes="photos"):
            ui.extra_a = photo_slot("extra_a", "Photo A", 160)
            ui.extra_b = photo_slot("extra_b", "Photo B", 160)
        with gr.Row(elem_classes="choices"):
            ui.sources = {
                feature: gr.Dropdown(hair.CHOICES, value=hair.KEEP, label=feature.capitalize(), min_width=130)
                for feature in hair.FEATURES
            }
        ui.mode = gr.Radio(
            [(mode.capitalize(), mode) for mode in MODE.choices], value=MODE.default, label="How gaps are filled"
        )
        gr.Markdown(TEXT["mode"], elem_classes="hint")
        with gr.Row():
            ui.smooth = gr.Slider(
                SMOOTH.low, 20, value=SMOOTH.default, step=1, label="Softness of the borders", min_width=160
            )
            ui.seed = gr.Number(SEED.default, label="Seed", precision=0, minimum=SEED.low, min_width=100)
    with gr.Accordion("Paint the mask yourself", open=False, elem_id="paint"):
        gr.Markdown(TEXT["mask"])
        ui.prepare = gr.Button("Prepare mask", elem_id="prepare", size="sm")
        ui.legend = gr.HTML(elem_classes="note", padding=False, elem_id="legend")
        ui.editor = gr.ImageEditor(
            type="numpy",
            image_mode="RGBA",
            sources=(),
            transforms=(),
            show_label=False,
            elem_id="editor",
            brush=gr.Brush(colors=["#be5a38"], color_mode="fixed", default_size=12),
            eraser=gr.Eraser(default_size=12),
            layers=gr.LayerOptions(allow_additional_layers=False, layers=["Painted"]),
            canvas_size=(512, 512),
            height=560,
            format="png",
            buttons=["fullscreen"],
        )
        ui.mask_state = gr.State(None, time_to_live=3600)


def _ready_made() -> None:
    """Styles and colours to click instead of photos."""
    with gr.Column(elem_id="ready"):
        gr.HTML("<b>Style</b>", padding=False, elem_classes="group-title")
        ui.styles = _cards("style", "Style", "styles")
        with gr.Row(elem_classes="colour-head"):
            gr.HTML("<b>Colour</b>", padding=False, elem_classes="group-title")
            ui.any_colour = gr.ColorPicker(
                label="Or any colour", value="#7a4a2b", elem_id="any_colour", container=True, scale=0, min_width=60
            )
        ui.colours = _cards("colour", "Colour", "colours")


def _cards(kind: str, label: str, elem_id: str) -> gr.Gallery:
    return gr.Gallery(
        ready.cards(kind),
        label=label,
        show_label=False,
        columns=6,
        height="auto",
        allow_preview=False,
        interactive=False,
        object_fit="cover",
        format="jpeg",
        buttons=[],
        elem_id=elem_id,
        elem_classes="ready",
    )


def build_swap() -> None:
    """The face swap form."""
    with gr.Row(elem_classes="photos"):
        ui.swap_face = photo_slot("swap_face", "Face to put in")
        gr.Markdown(TEXT["swap"])
    ui.swap_preset, ui.swap_time = presets("swap_preset", "swap ")
    ui.swap_run, ui.swap_stop = actions("swap_", "Swap the face")


def wire() -> list:
    """Connect both forms; returns the runs, which Stop cancels."""
    # What is wired first comes first, and the browser waits for its answer before it asks for the next.
    references = list(hair.references().values())
    for slot in (ui.face, *references):
        slot.image.change(hair.clear_mask, None, {ui.editor, ui.mask_state, ui.legend}, **QUICK)
    for slot in (*references, ui.swap_face):
        wire_photo(slot)
    ui.styles.select(ready.choose_style, None, {ui.hair_shape.image}, **QUICK)
    ui.colours.select(ready.choose_colour, None, {ui.hair_color.image, ui.any_colour}, **QUICK)
    gr.on(
        [ui.any_colour.release, ui.any_colour.submit], ready.pick_colour, ui.any_colour, {ui.hair_color.image}, **QUICK
    )
    for button in (ui.run, ui.swap_run):
        button.click(None, js=SHOW_RESULT, **PRIVATE)
    run = ui.run.click(hair.run_transfer, hair.form(), outputs(), **GPU)
    swap = ui.swap_run.click(hair.run_swap, hair.swap_form(), outputs(), **GPU)
    prepared = ui.prepare.click(hair.prepare_mask, hair.form(), outputs(), **GPU)
    run.then(times.words, ui.preset, ui.time, **QUICK)
    swap.then(lambda preset: times.words(f"swap {preset}"), ui.swap_preset, ui.swap_time, **QUICK)
    return [run, swap, prepared]


def wire_stops(runs: list) -> None:
    """Both Stop buttons."""
    for button in (ui.stop, ui.swap_stop):
        wire_stop(button, runs)


def stored_examples() -> gr.Gallery | None:
    """The gallery of stored examples."""
    cards = examples.cards()
    if not cards:
        return None
    return gr.Gallery(
        cards,
        columns=3,
        height="auto",
        allow_preview=False,
        show_label=False,
        interactive=False,
        format="jpeg",
        buttons=[],
        elem_id="examples",
        elem_classes="examples",
    )


def wire_examples(gallery: gr.Gallery | None, runs: list) -> None:
    """A click on an example shows its result and what was found in its photo, and cancels the runs."""
    if gallery is None:
        return
    shown = gallery.select(examples.show_example, None, examples.outputs(), cancels=runs, **QUICK)
    shown.then(ui.face.look, ui.face.image, ui.face.notes, **PHOTO)
    shown.then(None, js=SHOW_RESULT, **PRIVATE)
