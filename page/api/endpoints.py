"""The named endpoints for programs, over HTTP and as MCP tools.

Their names, parameters and order are a promise; the page's own events are private and may change.
"""

from __future__ import annotations

from collections.abc import Callable

import gradio as gr

from . import mcp, refusals
from .analysis import align, embed, parse
from .controls import controls
from .edits import direction_sliders, edit_text, repose, swap_face, transfer_hair

EDITED = ("portrait", "photo", "scores, recipe, notices")
ENDPOINTS: dict[Callable[..., tuple], tuple[str, ...]] = {
    transfer_hair: EDITED,
    swap_face: EDITED,
    edit_text: EDITED,
    direction_sliders: EDITED,
    repose: EDITED,
    align: ("aligned portrait", "corners, faces, notices"),
    parse: ("regions", "colours", "shares, colours, notices"),
    embed: ("code", "reconstruction", "space, shapes, psnr, notices"),
}
"""What each returns: files, and JSON at last."""


def wire() -> None:
    """Every endpoint on hidden controls, and as a tool of MCP."""
    mcp.show_every_output()
    refusals.install()
    button = gr.Button(visible=False)
    for endpoint, returned in ENDPOINTS.items():
        outputs = [gr.File(label=label, visible=False) for label in returned[:-1]]
        outputs.append(gr.JSON(label=returned[-1], visible=False))
        shared = {"concurrency_id": "gpu", "concurrency_limit": None}  # one at a time, see page.line
        button.click(endpoint, controls(endpoint), outputs, api_name=endpoint.__name__, **shared)
