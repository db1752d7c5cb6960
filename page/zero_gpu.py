"""What ZeroGPU (a GPU of Hugging Face's that is lent for seconds at a time) asks of the page, and says to visitors.

A call names the seconds that it may take: more than the visitor's tier allows is refused, more than is left of the
day's share is refused, too, and a call that takes longer is cut off.  So calls ask for what such work took before.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import gradio as gr
from gradio.utils import is_zero_gpu_space

from barbershop_core.errors import BadRequest
from barbershop_core.options import PRESET, PRESET_NAMES

MOST = 80
"""Seconds that a call may ask for: a slice of the present GPUs counts 1.5 times (`duration_factor` of the package
spaces), and visitors without a subscription may have 120 at a time."""
LEAST = 10
QUICK = ("target_mask", "move_sliders", "move_rig", "draw", "_read", "align", "parse")
"""Work that is expected to take a moment, before it has been measured."""
START, MARGIN = 5.0, 1.5
"""Seconds until a new child has the weights on its GPU; factor on what was measured."""
TOO_LONG = "as its steps take longer than the two minutes that ZeroGPU lends a visitor"

_main = os.getpid()
_longest: dict[tuple, float] = {}

_WORDS = {
    "ZeroGPU illegal duration": "This edit needs more GPU time in one piece than your account may have. "
    "Use fewer photos at once, or sign in to Hugging Face.",
    "ZeroGPU quota exceeded": "Your share of today's free GPU time is used up. Sign in to Hugging Face for a larger "
    "one, come back later, or run the program on a machine of your own.",
    "ZeroGPU pending credits exceeded": "Another of your edits is still using the GPU. Try again when it has ended.",
    "ZeroGPU queue timeout": "No GPU became free in time. Try again in a minute.",
    "ZeroGPU worker error": "The GPU was taken away before the edit had ended. Try again: photos that were embedded "
    "already are remembered, and more time will be asked for.",
}


def here() -> bool:
    """Whether this is a Space on ZeroGPU."""
    return is_zero_gpu_space()


def presets(names: tuple[str, ...] = PRESET_NAMES) -> tuple[str, ...]:
    """Those of the presets that can be run here."""
    return tuple(name for name in names if name == PRESET.default or not here())


def check(options: Mapping[str, Any]) -> None:
    """Raises BadRequest for a preset that cannot be run here."""
    preset = options.get("preset", PRESET.default)
    if preset not in presets():
        raise BadRequest(
            f"The preset '{preset}' is not offered here, {TOO_LONG}.",
            f"Use '{PRESET.default}', or run the program on a GPU of your own.",
        )


# --- seconds ----------------------------------------------------------------------------------


def seconds(kind: tuple) -> int:
    """What to ask for.

    kind: name of the work, operation, number of photos.  Before such work has been measured it is a guess.
    """
    if kind in _longest:
        wanted = START + MARGIN * _longest[kind]
    else:
        work, operation, photos = kind
        wanted = 15 if work in QUICK or operation in QUICK else 20 * (1 + photos)
    return math.ceil(min(max(wanted, LEAST), MOST))


def note(kind: tuple, took: float) -> None:
    """Remember how long work of a kind took; the longest counts, as photos used before are faster."""
    _longest[kind] = max(took, _longest.get(kind, 0.0))


@contextmanager
def aborted(kind: tuple) -> Iterator[None]:
    """Let the next call of this kind ask for more where one is cut off."""
    try:
        yield
    except gr.Error as error:
        if getattr(error, "title", "") == "ZeroGPU worker error":
            note(kind, seconds(kind))
        raise


def explained(error: gr.Error) -> str | None:
    """The refusals of the package spaces in plain words; None for other errors."""
    words = _WORDS.get(getattr(error, "title", ""))
    wait = re.search(r"Try again in [\d:, days]+\d", str(error.message))
    return f"{words} {wait[0]}." if words and wait else words


# --- children ---------------------------------------------------------------------------------


def in_child() -> None:
    """Make PyTorch usable in a forked child, where the parent's threads of OpenMP are missing: work that waits for
    them never ends."""
    if os.getpid() == _main:
        return
    with suppress(ImportError):
        import torch

        torch.set_num_threads(1)
