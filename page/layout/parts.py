"""What several parts of the page are made of."""

from __future__ import annotations

import gradio as gr

from .. import core, panel, photos
from ..times import times

TEXT = {path.stem: path.read_text(encoding="utf-8") for path in (core.ASSETS / "text").glob("*.md")}
PRIVATE = {"api_visibility": "private"}
GPU = {"concurrency_id": "gpu", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
"""For all that computes for seconds: one at a time."""
LIVE = {
    "concurrency_id": "live",
    "concurrency_limit": 1,
    "show_progress": "hidden",
    "trigger_mode": "always_last",
    **PRIVATE,
}
"""For slider moves: never behind somebody's run, and of many moves only the last."""
QUICK = {"queue": False, "show_progress": "hidden", **PRIVATE}
PHOTO = {"concurrency_id": "photo", "concurrency_limit": 1, "show_progress": "hidden", **PRIVATE}
SHOW_RESULT = "() => document.querySelector('#status').scrollIntoView({behavior: 'smooth', block: 'nearest'})"


def photo_slot(ui: dict, name: str, label: str, height: int = 200) -> None:
    """An upload with, beneath it, what was seen in it and the choice among several faces."""
    with gr.Column(min_width=140):
        ui[name] = gr.Image(
            label=label,
            type="filepath",
            image_mode=None,
            height=height,
            elem_id=name,
            sources=["upload", "webcam", "clipboard"],
            buttons=["fullscreen"],
        )
        # The core reads the bytes as uploaded: it knows more formats, and says better what is wrong.
        ui[name].preprocess = lambda payload: payload.path if payload else None
        photo_notes(ui, name)


def photo_notes(ui: dict, name: str) -> None:
    """What was seen in a photo, and the choice among several faces."""
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
    """Look at a photo when it comes."""
    seen = [ui[f"{name}_note"], ui[f"{name}_faces"], ui[f"{name}_index"]]
    ui[name].change(photos.look, ui[name], seen, **PHOTO)
    ui[f"{name}_faces"].select(photos.choose_face, ui[name], seen, **PHOTO)


PRESETS = (("Fast", "fast"), ("As released", "released"), ("As in the paper", "paper"))


def preset(ui: dict, prefix: str = "", times_of: str = "", choices=PRESETS) -> None:
    """Preset with its expected time.

    times_of: begins the names of the times.
    """
    ui[f"{prefix}preset"] = gr.Radio(list(choices), value="fast", label="Preset", elem_id=f"{prefix}preset")
    ui[f"{prefix}time"] = gr.Markdown(times.words(f"{times_of}fast"), elem_classes="hint")
    ui[f"{prefix}preset"].change(
        lambda name: times.words(f"{times_of}{name}"), ui[f"{prefix}preset"], ui[f"{prefix}time"], **QUICK
    )


def buttons(ui: dict, prefix: str, run_label: str) -> None:
    """Run and Stop."""
    with gr.Row(elem_classes="actions"):
        ui[f"{prefix}run"] = gr.Button(
            run_label, variant="primary", elem_id=f"{prefix}run", scale=3, min_width=140
        )
        ui[f"{prefix}stop"] = gr.Button(
            "Stop", variant="stop", elem_id=f"{prefix}stop", scale=1, min_width=80
        )


def outputs(ui: dict, names: tuple[str, ...] = panel.OUTPUTS) -> list:
    """Components by name."""
    return [ui[name] for name in names]


def stops(ui: dict, button: str, runs: list) -> None:
    """Let a button cancel the runs."""
    ui[button].click(panel.stopped, None, outputs(ui), cancels=runs, **QUICK).then(
        panel.stopped_for_good, None, outputs(ui), **QUICK
    )
