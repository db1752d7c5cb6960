"""The page: layout and wiring, nothing else.  Start it with ``python app.py``.

``page.py`` says what the controls do; ``barbershop_core`` does it.
"""

from __future__ import annotations

import gradio as gr

import endpoints
import page

TEXT = {path.stem: path.read_text(encoding="utf-8") for path in (page.ASSETS / "text").glob("*.md")}
CSS = (page.ASSETS / "text" / "page.css").read_text(encoding="utf-8")
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
SHOW_RESULT = "() => document.querySelector('#status').scrollIntoView({behavior: 'smooth', block: 'nearest'})"
GPU = {"concurrency_id": "gpu", "concurrency_limit": 1, "show_progress": "hidden"}
PRIVATE = {"api_visibility": "private"}


def photo_slot(ui: dict, name: str, label: str, height: int = 220, placeholder: str | None = None) -> None:
    """An upload with, beneath it, what was seen in it and the choice among several faces."""
    with gr.Column(min_width=150):
        ui[name] = gr.Image(
            label=label,
            type="filepath",
            image_mode=None,
            height=height,
            elem_id=name,
            placeholder=placeholder,
            sources=["upload", "webcam", "clipboard"],
            buttons=["fullscreen"],
        )
        # The core reads the bytes as uploaded: it knows more formats, and says better what is wrong.
        ui[name].preprocess = lambda payload: payload.path if payload else None
        ui[f"{name}_note"] = gr.HTML(elem_classes="note", padding=False)
        ui[f"{name}_faces"] = gr.Gallery(
            visible=False,
            columns=4,
            height=110,
            allow_preview=False,
            show_label=False,
            interactive=False,
            object_fit="cover",
            buttons=[],
            elem_classes="faces",
            elem_id=f"{name}_faces",
            format="jpeg",
        )
        ui[f"{name}_index"] = gr.State(None)


def wire_photo(ui: dict, name: str) -> None:
    seen = [ui[f"{name}_note"], ui[f"{name}_faces"], ui[f"{name}_index"]]
    common = {"concurrency_id": "photo", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
    ui[name].change(page.look, ui[name], seen, **common)
    ui[f"{name}_faces"].select(page.choose_face, ui[name], seen, **common)
    if name in page.PHOTOS[:5]:
        ui[name].change(page.clear_mask, None, [ui["editor"], ui["mask_state"]], queue=False, **PRIVATE)


def settings(ui: dict, prefix: str = "") -> None:
    """Preset with its expected time, seed."""
    ui[f"{prefix}preset"] = gr.Radio(
        [("Fast", "fast"), ("As released", "released"), ("As in the paper", "paper")],
        value="fast",
        label="Preset",
        elem_id=f"{prefix}preset",
    )
    ui[f"{prefix}time"] = gr.Markdown(page.times.words("fast"), elem_classes="hint")
    ui[f"{prefix}preset"].change(
        page.times.words,
        ui[f"{prefix}preset"],
        ui[f"{prefix}time"],
        queue=False,
        show_progress="hidden",
        **PRIVATE,
    )


def buttons(ui: dict, prefix: str, run_label: str) -> None:
    with gr.Row(elem_classes="actions"):
        ui[f"{prefix}run"] = gr.Button(
            run_label, variant="primary", elem_id=f"{prefix}run", scale=3, min_width=140
        )
        ui[f"{prefix}stop"] = gr.Button(
            "Stop", variant="stop", elem_id=f"{prefix}stop", scale=1, min_width=80
        )


def hair_form(ui: dict) -> None:
    with gr.Row(elem_classes="photos"):
        photo_slot(ui, "face", "Person")
        photo_slot(ui, "hair_shape", "Hair shape")
        photo_slot(ui, "hair_color", "Hair colour")
    gr.Markdown(
        "Leave *shape* empty to recolour only; leave *colour* empty to keep the colour.",
        elem_classes="hint",
    )
    settings(ui)
    buttons(ui, "", "Run")
    with gr.Accordion("Advanced: more parts from more photos", open=False):
        gr.Markdown(TEXT["references"])
        with gr.Row(elem_classes="photos"):
            photo_slot(ui, "extra_a", "Photo A", 160)
            photo_slot(ui, "extra_b", "Photo B", 160)
        with gr.Row(elem_classes="choices"):
            for feature in page.FEATURES:
                ui[f"from_{feature}"] = gr.Dropdown(
                    [page.KEEP, *page.SOURCES],
                    value=page.KEEP,
                    label=feature.capitalize(),
                    min_width=130,
                )
        ui["mode"] = gr.Radio(
            [(m.capitalize(), m) for m in page.MODES], value="realistic", label="Filling of the mask"
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


def swap_form(ui: dict) -> None:
    with gr.Row(elem_classes="photos"):
        photo_slot(ui, "swap_face", "Face")
        photo_slot(ui, "into", "Into this photo")
    gr.Markdown("Hair, light and background stay those of the second photo.", elem_classes="hint")
    settings(ui, "swap_")
    buttons(ui, "swap_", "Run")


def results(ui: dict) -> None:
    ui["status"] = gr.HTML(
        '<p class="quiet">The result will appear here.</p>', elem_id="status", padding=False
    )
    ui["preview"] = gr.Image(
        elem_id="preview",
        label="Preview",
        visible=False,
        interactive=False,
        format="png",
        buttons=[],
        height=460,
    )
    ui["slider"] = gr.ImageSlider(
        label="Before and after",
        interactive=False,
        format="png",
        height=460,
        max_height=460,
        elem_id="result",
        buttons=["fullscreen"],
    )
    with gr.Row(elem_classes="actions"):
        ui["crop_file"] = gr.DownloadButton(
            "Download portrait", interactive=False, elem_id="download", min_width=160
        )
        ui["photo_file"] = gr.DownloadButton("Download whole photo", interactive=False, min_width=160)
    ui["details"] = gr.Markdown(elem_id="scores")
    with gr.Row(elem_classes="photos"):
        ui["pasted"] = gr.Image(
            label="Back in the photo",
            visible=False,
            interactive=False,
            format="png",
            height=260,
            elem_id="pasted",
            buttons=["fullscreen"],
            min_width=150,
        )
        ui["mask"] = gr.Image(
            label="Target mask",
            visible=False,
            interactive=False,
            format="png",
            height=260,
            elem_id="mask",
            buttons=["fullscreen"],
            min_width=150,
        )


def wire(ui: dict) -> None:
    """Connect buttons to handlers; one shared slot for all that computes."""
    outputs = [ui[name] for name in page.OUTPUTS]
    form = [ui[name] for name in page.TRANSFER_INPUTS]
    swap = [
        ui["swap_" + name if name in ("face", "face_index", "preset") else name] for name in page.SWAP_INPUTS
    ]
    stopping = [ui["status"], ui["preview"], ui["slider"]]
    runs = {
        "": ui["run"].click(page.run_transfer, form, outputs, **GPU, **PRIVATE),
        "prepare": ui["prepare"].click(page.prepare_mask, form, outputs, **GPU, **PRIVATE),
        "swap_": ui["swap_run"].click(page.run_swap, swap, outputs, **GPU, **PRIVATE),
    }
    for prefix in ("", "swap_"):
        ui[f"{prefix}run"].click(None, js=SHOW_RESULT, **PRIVATE)
        stops = list(runs.values())
        ui[f"{prefix}stop"].click(
            page.stopped, None, stopping, cancels=stops, queue=False, show_progress="hidden", **PRIVATE
        ).then(page.stopped_for_good, None, stopping, queue=False, show_progress="hidden", **PRIVATE)
        runs[prefix].then(
            page.times.words,
            ui[f"{prefix}preset"],
            ui[f"{prefix}time"],
            queue=False,
            show_progress="hidden",
            **PRIVATE,
        )


def stored_examples(ui: dict) -> None:
    rows = page.examples()
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
    targets = ("face", "hair_shape", "hair_color", "status", "preview", "slider", "pasted", "mask", "details")
    targets += ("crop_file", "photo_file")
    gallery.select(
        page.show_example, None, [ui[n] for n in targets], queue=False, show_progress="hidden", **PRIVATE
    )


with gr.Blocks(
    title="Barbershop", analytics_enabled=False, delete_cache=(3600, 3600), fill_width=False
) as demo:
    ui: dict = {}
    gr.Markdown(TEXT["intro"], elem_id="intro")
    with gr.Tabs():
        with gr.Tab("Hair & face"):
            with gr.Row(elem_id="bench"):
                with gr.Column(scale=6, min_width=320):
                    with gr.Tabs(elem_id="task"):
                        with gr.Tab("New hair"):
                            hair_form(ui)
                        with gr.Tab("Face swap"):
                            swap_form(ui)
                with gr.Column(scale=5, min_width=320):
                    results(ui)
            stored_examples(ui)
    gr.Markdown(TEXT["consent"], elem_id="consent", elem_classes="hint")
    with gr.Accordion("What works, what does not, and where it comes from", open=False):
        gr.Markdown(TEXT["limits"])
    for slot in (*page.PHOTOS, "swap_face"):
        wire_photo(ui, slot)
    wire(ui)
    endpoints.wire()
    demo.load(page.warm_up, queue=False, show_progress="hidden", **PRIVATE)

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
