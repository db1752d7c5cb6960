"""The core as the page calls it: opened once, behind the GPU decorator, its errors in words."""

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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

from barbershop_core.errors import BarbershopError
from barbershop_core.progress import PreviewThrottle, Step

ASSETS = Path(__file__).parents[1] / "assets"
PRESETS = ("fast", "released", "paper")
UNKNOWN = "Something went wrong inside the program. Your photos and settings are kept: please try again."
log = logging.getLogger("barbershop")

_opened = threading.Lock()


@functools.cache
def _open_studio():
    from barbershop_core import Studio, open_pack

    return Studio(open_pack(os.environ.get("BARBERSHOP_PACK") or "auto", device="auto"))


def studio():
    """The facade on the pack that ``BARBERSHOP_PACK`` names, or the automatic choice."""
    with _opened:
        return _open_studio()


@functools.cache
def warm_up() -> None:
    """Once somebody sees the page: import the heavy libraries in the background.

    Downloads nothing and opens no network.  Earlier it would delay the first page.
    """
    threading.Thread(target=importlib.import_module, args=("barbershop_core.studio",), daemon=True).start()


def shown(error: BaseException) -> str:
    """The sentence for a person about ``error``; what is not ours goes to the log instead."""
    if isinstance(error, BarbershopError):
        return str(error)
    if isinstance(error, gr.Error):
        return str(error.message)
    log.error("unexpected error", exc_info=error)
    return UNKNOWN


def keep(data: bytes, name: str) -> str:
    """Put bytes into the page's temporary folder, where they are deleted in time; returns the path."""
    return save_bytes_to_cache(data, name, get_upload_folder())


# --- behind the GPU decorator -----------------------------------------------------------------

QUICK = ("mask", "sliders", "sliders result", "rig overlay", "rig result")


def _seconds(kind: str, request: dict) -> int:
    """How long a GPU slice to ask for; short ones wait less in the queue."""
    photos = sum(
        bool(request.get(n)) for n in ("face", "hair_shape", "hair_color", "extra_a", "extra_b", "into")
    )
    per_photo = {"fast": 20, "released": 150, "paper": 150}.get(request.get("preset", "fast"), 150)
    return 20 if kind in QUICK else 20 + per_photo * photos


def gpu(seconds):
    """``spaces.GPU`` where it exists, nothing elsewhere."""
    return spaces.GPU(duration=seconds) if spaces else lambda work: work


@gpu(_seconds)
def work(kind: str, request: dict) -> Iterator[tuple[str, Any]]:
    """Run one request; yields ("step", (Step without preview, image or None)) and at last ("result", dict).

    kind: one of ``barbershop_core.jobs`` ("transfer", "swap", "mask", "text", "pose") or of
    :mod:`.live` ("sliders", "rig", ...).  ``request["previous"]`` names the folder of the step to go on from.
    On ZeroGPU this runs in a forked child whose events are pickled, so they hold plain numpy arrays and
    bytes, and whatever has to outlive it lies on disk.
    """
    throttle = PreviewThrottle(1.0)
    last = float("-inf")
    steps = _start(kind, request)
    try:
        while True:
            step = next(steps)
            preview = throttle(step)
            if preview is not None or step.notice or step.index == 1 or time.monotonic() - last > 0.4:
                last = time.monotonic()
                plain = Step(step.stage, step.index, step.total, dict(step.losses), None, step.notice)
                yield "step", (plain, preview)
    except StopIteration as stop:
        yield "result", _plain(stop.value)
    finally:
        steps.close()


@gpu(15)
def moment(kind: str, request: dict) -> dict[str, Any]:
    """What answers within a moment: a slider's move (:data:`.live.MOMENTS`)."""
    from . import live

    return live.MOMENTS[kind](studio(), request)


def _start(kind: str, request: dict):
    from barbershop_core import jobs

    from . import live
    from .history import load_result

    if kind in live.KINDS:
        return live.KINDS[kind](studio(), request)
    previous = load_result(request["previous"]) if request.get("previous") else None
    return jobs.start(studio(), kind, {**request, "previous": previous})


def _plain(done) -> dict[str, Any]:
    """A finished request without anything that cannot leave the process, and what the history keeps."""
    from barbershop_core import jobs

    if not isinstance(done, jobs.Finished):
        return done
    event = jobs.outcome(done)
    if done.result is not None:
        event["code"] = done.result.code.dumps()
        event["changed"] = done.result.masks["changed"].astype("float16")
    return event
