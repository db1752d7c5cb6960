"""The result panel: progress, picture, chain, downloads, scores."""

from __future__ import annotations

import gradio as gr

from .. import downloads, panel
from ..ui import ui
from .parts import PRIVATE, QUICK

PRESS_AGAIN = "() => document.getElementById(window.pressed)?.click()"


def build() -> None:
    """The panel beside the tabs."""
    ui.status = gr.HTML(panel.EMPTY, elem_id="status", padding=False)
    ui.retry = gr.Button("Try again", visible=False, elem_id="retry", size="sm")
    ui.preview = gr.Image(
        elem_id="preview", label="Preview", visible=False, interactive=False, format="png", buttons=[], height=460
    )
    ui.slider = gr.ImageSlider(
        label="Before and after",
        interactive=False,
        format="png",
        height=460,
        max_height=460,
        elem_id="result",
        buttons=["fullscreen"],
    )
    with gr.Column(elem_id="chain"):
        with gr.Row(elem_classes="chain-bar"):
            gr.HTML("<h2>History</h2>", padding=False, elem_classes="chain-title")
            ui.undo, ui.redo, ui.restart = (
                gr.Button(label, size="sm", interactive=False, elem_id=name, min_width=76, scale=0)
                for name, label in (("undo", "↶ Undo"), ("redo", "↷ Redo"), ("restart", "Original"))
            )
        ui.history = gr.Gallery(
            visible=False,
            columns=6,
            height="auto",
            allow_preview=False,
            show_label=False,
            interactive=False,
            object_fit="cover",
            format="png",
            buttons=[],
            elem_id="history",
        )
        ui.chain_note = gr.HTML(panel.EMPTY_CHAIN, elem_id="chain_note", padding=False)
    with gr.Row(elem_classes="actions", elem_id="files", equal_height=True):
        ui.photo_file = gr.DownloadButton(
            downloads.PHOTO, interactive=False, elem_id="download_photo", variant="primary", min_width=150, size="md"
        )
        ui.jpeg = gr.Button(downloads.JPEG, interactive=False, elem_id="download_jpeg", min_width=120, size="md")
        ui.crop_file = gr.DownloadButton(
            downloads.CROP, interactive=False, elem_id="download", min_width=150, size="md"
        )
        ui.jpeg_file = gr.DownloadButton(downloads.JPEG, elem_id="jpeg_file", elem_classes="away")
    with gr.Accordion("Details", open=False, elem_id="details"):
        ui.details = gr.Markdown("Scores and times of the last edit will be here.", elem_id="scores")
    with gr.Row(elem_classes="photos"):
        ui.pasted, ui.mask = (
            gr.Image(
                label=label,
                visible=False,
                interactive=False,
                format="png",
                height=240,
                elem_id=name,
                buttons=["fullscreen"],
                min_width=140,
            )
            for name, label in (("pasted", "Back in the photo"), ("mask", "Target mask"))
        )


def wire(runs: list) -> None:
    """The chain's buttons and pictures.  Each cancels the runs, which started from another step."""
    moves = {ui.undo.click: panel.undo, ui.redo.click: panel.redo, ui.restart.click: panel.restart}
    ui.retry.click(None, js=PRESS_AGAIN, **PRIVATE)
    made = ui.jpeg.click(downloads.as_jpeg, ui.photo_file, ui.jpeg_file, **QUICK)
    made.then(None, js=downloads.FETCH, **PRIVATE)
    for event, move in (moves | {ui.history.select: panel.go_to}).items():
        event(move, None, panel.outputs(), cancels=runs, **QUICK)
