"""The tabs "Hair" and "Face swap", and the stored examples."""

from __future__ import annotations

import gradio as gr

from .. import examples, hair
from ..times import times
from .parts import (
    GPU,
    PRIVATE,
    QUICK,
    SHOW_RESULT,
    TEXT,
    buttons,
    outputs,
    photo_slot,
    preset,
    stops,
    wire_photo,
)


def build(ui: dict) -> None:
    """The hair form."""
    with gr.Row(elem_classes="photos"):
        photo_slot(ui, "hair_shape", "Hair shape")
        photo_slot(ui, "hair_color", "Hair colour")
    gr.Markdown(
        "Leave *shape* empty to recolour only; leave *colour* empty to keep the colour.", elem_classes="hint"
    )
    preset(ui)
    buttons(ui, "", "Run")
    with gr.Accordion("Advanced: more parts from more photos", open=False):
        gr.Markdown(TEXT["references"])
        with gr.Row(elem_classes="photos"):
            photo_slot(ui, "extra_a", "Photo A", 160)
            photo_slot(ui, "extra_b", "Photo B", 160)
        with gr.Row(elem_classes="choices"):
            for feature in hair.FEATURES:
                ui[f"from_{feature}"] = gr.Dropdown(
                    [hair.KEEP, *hair.SOURCES], value=hair.KEEP, label=feature.capitalize(), min_width=130
                )
        ui["mode"] = gr.Radio(
            [(m.capitalize(), m) for m in hair.MODES], value="realistic", label="Filling of the mask"
        )
        gr.Markdown(TEXT["mode"], elem_classes="hint")
        with gr.Row():
            ui["smooth"] = gr.Slider(0, 20, value=5, step=1, label="Softness of the borders", min_width=160)
            ui["seed"] = gr.Number(0, label="Seed", precision=0, minimum=0, min_width=100)
    with gr.Accordion("Paint the mask yourself", open=False, elem_id="paint"):
        gr.Markdown(TEXT["mask"])
        ui["prepare"] = gr.Button("Prepare mask", elem_id="prepare", size="sm")
        ui["editor"] = gr.ImageEditor(
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
        ui["legend"] = gr.HTML(elem_classes="note", padding=False)
        ui["painted"] = ui["editor"]
        ui["mask_state"] = gr.State(None, time_to_live=3600)


def build_swap(ui: dict) -> None:
    """The face swap form."""
    with gr.Row(elem_classes="photos"):
        photo_slot(ui, "swap_face", "Face to put in")
        gr.Markdown(TEXT["swap"])
    preset(ui, "swap_", "swap ")
    buttons(ui, "swap_", "Swap the face")


def wire(ui: dict) -> list:
    """Connect both forms; returns the runs, to be stopped."""
    for name in (*hair.PHOTOS[1:], "swap_face"):
        wire_photo(ui, name)
    for name in hair.PHOTOS:
        ui[name].change(hair.clear_mask, None, [ui["editor"], ui["mask_state"]], **QUICK)
    form = [ui[name] for name in hair.TRANSFER_INPUTS]
    swap = [ui[name] for name in hair.SWAP_INPUTS]
    runs = {
        "": ui["run"].click(hair.run_transfer, form, outputs(ui), **GPU),
        "swap_": ui["swap_run"].click(hair.run_swap, swap, outputs(ui), **GPU),
    }
    prepared = ui["prepare"].click(hair.prepare_mask, form, outputs(ui), **GPU)
    for prefix, run in runs.items():
        ui[f"{prefix}run"].click(None, js=SHOW_RESULT, **PRIVATE)
        named = "swap " if prefix else ""
        run.then(
            lambda name, named=named: times.words(f"{named}{name}"),
            ui[f"{prefix}preset"],
            ui[f"{prefix}time"],
            **QUICK,
        )
    return [*runs.values(), prepared]


def wire_stops(ui: dict, runs: list) -> None:
    """Both Stop buttons."""
    for prefix in ("", "swap_"):
        stops(ui, f"{prefix}stop", runs)


def stored_examples(ui: dict) -> None:
    """The gallery of stored examples."""
    rows = examples.examples()
    if not rows:
        return
    gr.Markdown(
        "### Examples\nRendered people with stored results: click one to see it; nothing is computed."
    )
    gallery = gr.Gallery(
        [(row.get("card", row["result"]), row.get("title", "")) for row in rows],
        columns=3,
        height="auto",
        allow_preview=False,
        show_label=False,
        interactive=False,
        format="png",
        buttons=[],
        elem_id="examples",
        elem_classes="examples",
    )
    gallery.select(examples.show_example, None, outputs(ui, examples.TARGETS), **QUICK)
