"""The stored examples: shown at once, nothing is computed."""

from __future__ import annotations

import html
import json
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from . import core, panel
from .photos import NOBODY

TARGETS = ("face", "hair_shape", "hair_color", *panel.OUTPUTS)


def examples() -> list[dict]:
    """The stored examples, ``assets/examples/examples.json``, as far as their files are there."""
    folder = core.ASSETS / "examples"
    listing = folder / "examples.json"
    if not listing.is_file():
        return []
    rows = []
    for row in json.loads(listing.read_text()):
        files = ("face", "hair_shape", "hair_color", "result", "pasted", "mask", "card")
        row = {k: str(folder / v) if k in files and v else v for k, v in row.items()}
        if Path(row["face"]).is_file() and Path(row["result"]).is_file():
            rows.append(row)
    return rows


def show_example(event: gr.SelectData):
    """Put an example's photos into the form and its stored result beside it; runs nothing."""
    row = examples()[event.index]
    size = Image.open(row["result"]).size
    before = np.asarray(Image.open(row["face"]).convert("RGB").resize(size, Image.LANCZOS))
    shown = NOBODY | {
        "status": f"<p>Stored example: {html.escape(row.get('title', ''))}. Press Run to make it again.</p>",
        "preview": gr.update(visible=False),
        "slider": gr.update(value=(before, row["result"]), visible=True),
        "pasted": gr.update(value=row.get("pasted"), visible="pasted" in row),
        "mask": gr.update(value=row.get("mask"), visible="mask" in row),
        "details": panel.details(row),
        "crop_file": gr.update(value=row["result"], interactive=True),
        "photo_file": gr.update(value=row.get("pasted"), interactive=bool(row.get("pasted"))),
    }
    return row["face"], row.get("hair_shape"), row.get("hair_color"), *panel.updates(**shown)
