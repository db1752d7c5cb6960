"""What all endpoints share: photos and names as they are given, and files, notices and errors as they are answered."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import gradio as gr

from barbershop_core.editing import likeness
from barbershop_core.options import Option

from .. import files, gpu

if TYPE_CHECKING:
    from barbershop_core.photo import Nudge

Answer = tuple[str, str, dict]
Preset = Literal["fast", "released", "paper"]
INDEX = Option("face_index", -1, "which face, 0 for the largest", int, high=10_000)


def explained(endpoint: Callable[..., tuple]) -> Callable[..., tuple]:
    """The endpoint with errors as their sentences."""

    @functools.wraps(endpoint)
    def called(*given, **named) -> tuple:
        try:
            return endpoint(*given, **named)
        except Exception as error:
            raise gr.Error(gpu.sentence(error), print_exception=False) from None

    return called


def answer(function: gpu.Work, task: gpu.Task, **arguments) -> tuple:
    """Run a task: paths of the files that it made, then what is to know about them."""
    notices = []
    for what, event in gpu.run(function, task, **arguments):
        if what == "step" and event[0].notice:
            notices.append(event[0].notice)
        elif what == "result":
            made = event.get("files") or {"barbershop.png": event["png"], "barbershop-photo.png": event["pasted_png"]}
            info = dict(event["info"] if "info" in event else {k: event[k] for k in ("scores", "recipe")})
            if alike := likeness.words(event.get("scores") or {}, (event.get("recipe") or {}).get("operation", "")):
                info["likeness"] = alike
            info["notices"] = list(dict.fromkeys(notices + event["notices"]))
    return *(files.keep(data, name) for name, data in made.items()), info


def photo(
    path: str | None, face: float | None = None, nudge: dict | None = None
) -> tuple[str | None, int | None, Nudge | None]:
    """A photo, which of its faces, where a negative number means the largest, and how its crop is moved."""
    from barbershop_core.photo import Nudge

    index = None if face is None else INDEX.check(face)
    return path, None if index is None or index < 0 else index, Nudge.of(nudge)


def names(listed: str) -> list[str]:
    """Names from a text with commas between them, such as "hair, brows"."""
    return [name.strip() for name in (listed or "").split(",") if name.strip()]
