"""The page: what stands where, nothing else.  Start it with ``python app.py``.

The package ``page`` holds what the controls do; ``barbershop_core`` does the work.
"""

from __future__ import annotations

import gradio as gr

from page import gpu, language, links, panel, person, photos, upkeep
from page.api import endpoints, missing, refusals
from page.files import ASSETS, TEXT
from page.layout import captions, crop, first, hair, result, rig, words
from page.layout.parts import PHOTO, PRIVATE, QUICK, SOURCES, photo_notes
from page.links import TABS
from page.ui import ui

CSS = (ASSETS / "text" / "page.css").read_text(encoding="utf-8")
HEAD = f"<style>{(ASSETS / 'text' / 'frame.css').read_text(encoding='utf-8')}</style>"
SCRIPTS = [
    (ASSETS / "text" / name).read_text(encoding="utf-8") for name in ("sphere.js", "palette.js", "again.js", "names.js")
]
TAB = (ASSETS / "text" / "tab.js").read_text(encoding="utf-8")
SERVER = {"max_threads": 100, "state_session_capacity": 50}
"""Who waits holds a thread (see :mod:`page.line`).  Gradio keeps 1.2 MB for each of 10,000 visitors unless it is told
otherwise; who is dropped has to prepare sliders or a painted mask again, and loses nothing else."""
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
    button_primary_background_fill="#a44a2c",
    button_primary_background_fill_hover="#873c24",
    button_primary_background_fill_dark="#a44a2c",
    button_primary_text_color="#ffffff",
)


def person_slot() -> None:
    """The photo that every tab edits."""
    with gr.Row(elem_classes="photos", elem_id="person"):
        image = photos.upload(
            label="Person", height=190, elem_id="face", sources=SOURCES, buttons=["fullscreen"], min_width=160
        )
        with gr.Column(min_width=160, elem_id="person_words"):
            gr.Markdown(TEXT["person"])
            ui.face = photo_notes(image, "face")


def wire_person(runs: list) -> None:
    """Another photo of the person begins a new chain and cancels the runs."""
    settings = {"inputs": ui.face.image, "outputs": person.outputs(), "cancels": runs, **PHOTO}
    gr.on([ui.face.image.input, ui.face.image.clear], person.look, **settings)
    ui.face.faces.select(person.choose, **settings)


def wire_reload() -> None:
    """After a reload a tab has its photo, chain and result again; then what its address asks for."""
    number = gr.Textbox(visible=False)
    back = demo.load(
        person.resume,
        number,
        panel.outputs() | set(ui.nudge.values()) | {ui.face.image, ui.face.index},
        js=TAB,
        **QUICK,
    )
    asked = back.then(links.follow, None, links.outputs(), **QUICK)
    asked.then(person.resume_notes, ui.face.inputs, ui.face.notes, **PHOTO)


gpu.prepare()
upkeep.own_folder()


class Page(language.Page, missing.Completing):
    """In the visitor's language; for programs old and new."""


with Page(title="Barbershop", analytics_enabled=False, delete_cache=(3600, 3600), fill_width=False) as demo:
    gr.Markdown(TEXT["intro"], elem_id="intro")
    examples = first.build()
    with gr.Row(elem_id="bench"):
        with gr.Column(scale=6, min_width=320):
            person_slot()
            crop.build()
            with gr.Tabs(elem_id="task") as ui.tabs:
                with gr.Tab(TABS["hair"], id="hair"):
                    hair.build()
                with gr.Tab(TABS["swap"], id="swap"):
                    hair.build_swap()
                with gr.Tab(TABS["words"], id="words") as ui.words_tab:
                    words.build()
                with gr.Tab(TABS["pose"], id="pose"):
                    rig.build()
            gr.Markdown(TEXT["consent"], elem_id="consent", elem_classes="hint")
            with gr.Accordion("What works, what does not, and where it comes from", open=False):
                gr.Markdown(TEXT["limits"])
        with gr.Column(scale=5, min_width=320, elem_id="side"):
            result.build()
    runs = [run for tab in (hair, words, rig) for run in tab.wire()]
    wire_person(runs)
    crop.wire(runs)
    result.wire(runs)
    hair.wire_examples(examples, runs)
    for tab in (hair, words, rig):
        tab.wire_stops(runs)
    wire_reload()
    captions.wire(demo, examples)
    endpoints.wire()
    demo.load(gpu.warm_up, queue=False, show_progress="hidden", **PRIVATE)
    for script in (*SCRIPTS, language.script()):
        demo.load(None, js=script, **PRIVATE)

demo.queue(max_size=500)  # who may wait for a turn, and for how long, is decided in page.line

if __name__ == "__main__":
    upkeep.start()
    demo.launch(
        theme=THEME,
        css=CSS,
        head=HEAD,
        footer_links=["api", "gradio"],
        **SERVER,
        i18n=demo.words,
        max_file_size="64mb",
        show_error=True,
        mcp_server=True,
        app_kwargs=refusals.APP,
        run_history=False,
        ssr_mode=False,
        _frontend=False,  # or Gradio gives up where a busy machine takes 3 s to answer it
    )
