"""The facade's edits by words: what `Studio.edit_text` and `Studio.direction_sliders` do.

Arguments are checked when called; the work is a generator of steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..photo import Portrait
from ..progress import Steps
from ..result import Result

METHODS = ("directions", "optimize", "mapper")
ROUTES = ("W+", "F")
DEFAULTS: dict[str, Any] = {
    "prompt": "", "method": "directions", "neutral": "", "alpha": 4.0, "beta": 0.15, "strength": 1.0,
    "identity": None, "route": "W+", "edits": None, "preset": "fast", "seed": 0,
}  # fmt: skip
"""Settings of a request (`barbershop_core.jobs`) and of a recipe."""


def start(studio, portraits: Mapping[str, Portrait], settings: Mapping[str, Any], previous: Result | None
          ) -> Steps[Result]:
    """A request of `barbershop_core.jobs`: settings as in ``DEFAULTS``."""
    given = dict(settings)
    return edit_text(studio, portraits["face"], given.pop("prompt"), given.pop("method"), previous=previous,
                     **given)


def edit_text(
    studio, portrait: Portrait, prompt: str, method: str = "directions", neutral: str = "",
    alpha: float = 4.0, beta: float = 0.15, strength: float = 1.0, identity: float | None = None,
    route: str = "W+", edits: list[dict] | None = None, preset: str = "fast", seed: int = 0,
    previous: Result | None = None, paste: bool = True,
) -> Steps[Result]:
    """Edit a portrait by words."""
    raise NotImplementedError


def direction_sliders(studio, portrait: Portrait, previous: Result | None = None, route: str = "W+",
                      preset: str = "fast", seed: int = 0) -> Steps[Any]:
    """Everything computed once that sliders of global directions need."""
    raise NotImplementedError
