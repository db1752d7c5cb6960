"""The core as the page calls it: one open pack, and everything that computes behind the GPU decorator."""

from __future__ import annotations

try:  # on ZeroGPU this import has to come before anything that touches CUDA
    import spaces
except ImportError:
    spaces = None

import functools
import importlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import gradio as gr

from barbershop_core.errors import BarbershopError
from barbershop_core.options import PRESET
from barbershop_core.progress import PreviewThrottle, Step, Steps

if TYPE_CHECKING:
    from barbershop_core.studio import Studio

UNKNOWN = "Something went wrong inside the program. Your photos and settings are kept: please try again."
log = logging.getLogger("barbershop")

_opening = threading.Lock()


@functools.cache
def _open_studio() -> Studio:
    from barbershop_core import Studio, open_pack

    return Studio(open_pack(os.environ.get("BARBERSHOP_PACK") or "auto", device="auto"))


def studio() -> Studio:
    """The facade on the pack that ``BARBERSHOP_PACK`` names, or on the automatic choice."""
    with _opening:
        return _open_studio()


@functools.cache
def warm_up() -> None:
    """Import the heavy libraries in the background, once somebody has opened the page.

    Downloads nothing and opens no network.  Done earlier, it would delay the first page.
    """
    threading.Thread(target=importlib.import_module, args=("barbershop_core.studio",), daemon=True).start()


def sentence(error: BaseException) -> str:
    """What to tell a person about ``error``; unexpected errors go to the log instead."""
    if isinstance(error, BarbershopError):
        return str(error)
    if isinstance(error, gr.Error):
        return str(error.message)
    log.error("unexpected error", exc_info=error)
    return UNKNOWN


# --- behind the GPU decorator -----------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """An operation on photos in plain values, which can be sent to another process.

    operation: name in :data:`barbershop_core.jobs.OPERATIONS`.  photos: path and number of the face (None for
        the largest) by role.  options: of the operation, by name.
    previous: folder of the step to start from (see :mod:`.visits`); None for the photo.
    key: identifies the portrait whose sliders or rig are kept open (see :mod:`.sessions`).
    """

    operation: str
    photos: Mapping[str, tuple[str | None, int | None]]
    options: Mapping[str, Any] = field(default_factory=dict)
    previous: str | None = None
    key: tuple = ()


Work = Callable[..., Steps[dict[str, Any]]]
"""``work(studio, task, **arguments)``: steps that return plain numpy arrays, bytes and numbers."""
QUICK = ("target_mask", "direction_sliders")


def _seconds(work: Work, task: Task, **arguments) -> int:
    """Length of the GPU slice to ask for; short ones wait less in the queue."""
    photos = sum(path is not None for path, _ in task.photos.values())
    per_photo = 20 if task.options.get("preset", PRESET.default) == "fast" else 150
    return 20 if task.operation in QUICK else 20 + per_photo * photos


def gpu(seconds):
    """``spaces.GPU`` where it exists; elsewhere the function itself."""
    return spaces.GPU(duration=seconds) if spaces else lambda function: function


@gpu(_seconds)
def run(work: Work, task: Task, **arguments) -> Iterator[tuple[str, Any]]:
    """Do some work; yields ("step", (Step without preview, image or None)) and at last ("result", dict).

    work: a function of :mod:`.edits` or :mod:`.sessions`.  On ZeroGPU it runs in a forked child whose events
    are pickled, so they hold no tensors, and what has to outlive the child is on disk.
    """
    throttle, last = PreviewThrottle(1.0), float("-inf")
    steps = work(studio(), task, **arguments)
    try:
        while True:
            step = next(steps)
            preview = throttle(step)
            if preview is not None or step.notice or step.index == 1 or time.monotonic() - last > 0.4:
                last = time.monotonic()
                plain = Step(step.stage, step.index, step.total, dict(step.losses), None, step.notice)
                yield "step", (plain, preview)
    except StopIteration as stop:
        yield "result", stop.value
    finally:
        steps.close()


@gpu(15)
def at_once(work: Callable[..., dict[str, Any]], task: Task, **arguments) -> dict[str, Any]:
    """Do what takes a moment, such as a slider's move."""
    return work(studio(), task, **arguments)
