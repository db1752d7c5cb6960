"""What the page does, in pictures, above everything else: one photo changed three times, and a row of examples."""

from __future__ import annotations

import html
from pathlib import Path

import gradio as gr

from ..files import ASSETS
from . import hair

PICTURES = ASSETS / "examples"
FIRST = (
    ("first-before.jpg", "Photo", "The Mona Lisa"),
    ("first-hair.jpg", "New hair", "The same with the hair of La Velata"),
    ("first-words.jpg", "“Smiling”", "The same smiling, asked for in words"),
    ("first-pose.jpg", "Pose and light", "The same with her head turned, lit from the side"),
)
"""File, label and description; made by ``barbershop_core.evaluation.examples``."""


def build() -> gr.Gallery | None:
    """The pictures are files: nothing is computed or opened for them.  Returns the gallery of examples."""
    if not all((PICTURES / file).is_file() for file, *_ in FIRST):
        return None
    gr.set_static_paths([PICTURES])
    with gr.Column(elem_id="first"):
        gr.HTML(strip(), padding=False, elem_id="before_after")
        gr.Markdown("**Examples.** Click one to see its result at once.", elem_classes="hint")
        return hair.stored_examples()


def strip() -> str:
    """The pictures side by side, as HTML."""
    return f'<div class="pair">{"".join(_figure(PICTURES / file, *words) for file, *words in FIRST)}</div>'


def _figure(path: Path, label: str, words: str) -> str:
    source = f"gradio_api/file={html.escape(str(path))}"
    caption = f"<figcaption>{html.escape(label)}</figcaption>"
    return f'<figure><img src="{source}" alt="{html.escape(words)}">{caption}</figure>'
