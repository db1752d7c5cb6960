"""The stored examples: shown at once, nothing is computed."""

from __future__ import annotations

import html
import json
from pathlib import Path

import gradio as gr
import numpy as np
from gradio.blocks import Block
from PIL import Image

from . import downloads, files, markup, panel, person, turns
from .ui import Updates, ui
from .visits import Visit


def outputs() -> set[Block]:
    """The components that an example fills."""
    return person.outputs() | {ui.face.image, ui.hair_shape.image, ui.hair_color.image}


def examples() -> list[dict]:
    """The stored examples, ``assets/examples/examples.json``, as far as their files exist."""
    folder = files.ASSETS / "examples"
    listing = folder / "examples.json"
    if not listing.is_file():
        return []
    rows = []
    for row in json.loads(listing.read_text()):
        names = ("face", "hair_shape", "hair_color", "before", "result", "pasted", "mask", "card")
        row = {k: str(folder / v) if k in names and v else v for k, v in row.items()}
        if Path(row["face"]).is_file() and Path(row["result"]).is_file():
            rows.append(row)
    return rows


def cards() -> list[tuple[str, str]]:
    """Pictures and titles, for a gallery."""
    return [(row.get("card", row["result"]), row.get("title", "")) for row in examples()]


def show_example(event: gr.SelectData, session: gr.Request) -> Updates:
    """An example was clicked."""
    return show(event.index, session)


def show(number: int, session: gr.Request) -> Updates:
    """Put an example's photos into the form and its stored result beside it; runs nothing."""
    visit = Visit.of(session)
    before = turns.runs(visit)
    visit.forget()
    turns.let_end(before)
    row = examples()[number]
    size = Image.open(row["result"]).size
    before = np.asarray(Image.open(row.get("before", row["face"])).convert("RGB").resize(size, Image.LANCZOS))
    title = html.escape(row.get("title", ""))
    again = " Press Run to make it again." if row.get("operation", "transfer") == "transfer" else ""
    slot = ui.face
    nobody = {slot.note: "", slot.faces: gr.update(value=None, visible=False), slot.index: None}
    cleared = panel.nothing() | person.cleared() | nobody
    return cleared | {
        ui.face.image: row["face"],
        ui.hair_shape.image: row.get("hair_shape"),
        ui.hair_color.image: row.get("hair_color"),
        ui.status: f"<p>Stored example: {title}.{again}</p>",
        ui.preview: gr.update(visible=False),
        ui.slider: gr.update(value=(before, row["result"]), visible=True, elem_classes=[]),
        ui.pasted: gr.update(value=row.get("pasted"), visible="pasted" in row),
        ui.mask: gr.update(value=row.get("mask"), visible="mask" in row),
        ui.details: markup.details(row),
        **downloads.offer(row["result"], row.get("pasted")),
    }
