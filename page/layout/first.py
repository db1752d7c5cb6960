"""What the page does, in pictures, above everything else: a before and after, and a row of examples."""

from __future__ import annotations

import html
from pathlib import Path

import gradio as gr

from ..files import ASSETS
from . import hair

PICTURES = ASSETS / "examples"
BEFORE, AFTER = PICTURES / "first-before.jpg", PICTURES / "first-after.jpg"


def build() -> gr.Gallery | None:
    """The pictures are files: nothing is computed or opened for them.  Returns the gallery of examples."""
    if not (BEFORE.is_file() and AFTER.is_file()):
        return None
    gr.set_static_paths([PICTURES])
    with gr.Row(elem_id="first", equal_height=True):
        with gr.Column(scale=4, min_width=300):
            gr.HTML(pair(), padding=False, elem_id="before_after")
        with gr.Column(scale=7, min_width=300, elem_id="shown"):
            gr.Markdown("**Examples.** Click one to see its result; nothing has to be computed.", elem_classes="hint")
            return hair.stored_examples()


def pair() -> str:
    """Before and after, side by side, as HTML."""
    pictures = (
        (BEFORE, "Before", "The Mona Lisa as Leonardo painted her"),
        (AFTER, "After", "The same painting: she smiles and turns her head"),
    )
    return f'<div class="pair">{"".join(_figure(*picture) for picture in pictures)}</div>'


def _figure(path: Path, label: str, words: str) -> str:
    source = f"gradio_api/file={html.escape(str(path))}"
    return f'<figure><img src="{source}" alt="{html.escape(words)}"><figcaption>{label}</figcaption></figure>'
