"""The page: what stands where, nothing else.  Start it with ``python app.py``.

The package ``page`` says what the controls do; ``barbershop_core`` does it.
"""

from __future__ import annotations

import gradio as gr

import endpoints
from page import core, photos
from page.layout import hair, result, rig, words
from page.layout.parts import PHOTO, PRIVATE, TEXT, outputs, photo_notes

CSS = (core.ASSETS / "text" / "page.css").read_text(encoding="utf-8")
BALL = (core.ASSETS / "text" / "sphere.js").read_text(encoding="utf-8")
TERRACOTTA = gr.themes.Color(
    *("#fbf1ec", "#f6dfd5", "#edc1af", "#e19c81", "#d27955", "#be5a38"),
    *("#a44a2c", "#873c24", "#6b301e", "#522619", "#2f140c"),
)
THEME = gr.themes.Base(
    primary_hue=TERRACOTTA,
    secondary_hue=TERRACOTTA,
    neutral_hue=gr.themes.colors.stone,
    radius_size=gr.themes.sizes.radius_lg,
    font=["ui-sans-serif", "system-ui", "sans-serif"],  # plain names: nothing is fetched from elsewhere
    font_mono=["ui-monospace", "monospace"],
).set(
    body_background_fill="#f7f4f0",
    body_background_fill_dark="#1b1917",
    block_border_width="1px",
    block_shadow="none",
    button_primary_background_fill="#be5a38",
    button_primary_background_fill_hover="#a44a2c",
    button_primary_background_fill_dark="#be5a38",
    button_primary_text_color="#ffffff",
)


def person(ui: dict) -> None:
    """The photo that every tab edits."""
    with gr.Row(elem_classes="photos", elem_id="person"):
        ui["face"] = gr.Image(
            label="Person",
            type="filepath",
            image_mode=None,
            height=190,
            elem_id="face",
            sources=["upload", "webcam", "clipboard"],
            buttons=["fullscreen"],
            min_width=160,
        )
        ui["face"].preprocess = lambda payload: payload.path if payload else None
        with gr.Column(min_width=160, elem_id="person_words"):
            gr.Markdown(TEXT["person"])
            photo_notes(ui, "face")


def wire_person(ui: dict) -> None:
    """A new photo of the person begins a new chain."""
    seen = [ui[f"face_{part}"] for part in ("note", "faces", "index")] + outputs(ui)
    gr.on(
        [ui["face"].input, ui["face"].clear],
        photos.look_at_person,
        [ui["face"], gr.State(None)],
        seen,
        **PHOTO,
    )
    ui["face_faces"].select(photos.choose_person, ui["face"], seen, **PHOTO)


with gr.Blocks(
    title="Barbershop", analytics_enabled=False, delete_cache=(3600, 3600), fill_width=False
) as demo:
    ui: dict = {}
    gr.Markdown(TEXT["intro"], elem_id="intro")
    with gr.Row(elem_id="bench"):
        with gr.Column(scale=6, min_width=320):
            person(ui)
            with gr.Tabs(elem_id="task"):
                with gr.Tab("Hair"):
                    hair.build(ui)
                with gr.Tab("Face swap"):
                    hair.build_swap(ui)
                with gr.Tab("Words") as ui["words_tab"]:
                    words.build(ui)
                with gr.Tab("Rig"):
                    rig.build(ui)
        with gr.Column(scale=5, min_width=320, elem_id="side"):
            result.build(ui)
    hair.stored_examples(ui)
    gr.Markdown(TEXT["consent"], elem_id="consent", elem_classes="hint")
    with gr.Accordion("What works, what does not, and where it comes from", open=False):
        gr.Markdown(TEXT["limits"])
    wire_person(ui)
    result.wire(ui)
    runs = [run for tab in (hair, words, rig) for run in tab.wire(ui)]
    for tab in (hair, words, rig):
        tab.wire_stops(ui, runs)
    endpoints.wire()
    demo.load(core.warm_up, queue=False, show_progress="hidden", **PRIVATE)
    demo.load(None, js=BALL, **PRIVATE)

demo.queue(max_size=20)

if __name__ == "__main__":
    demo.launch(
        theme=THEME,
        css=CSS,
        footer_links=["api", "gradio"],
        max_file_size="64mb",
        show_error=True,
        run_history=False,
        ssr_mode=False,
    )
