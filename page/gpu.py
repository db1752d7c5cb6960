"""The core as the page calls it: one open pack, and everything that computes behind the GPU decorator.

On ZeroGPU the decorated function runs in a forked child, which alone has a GPU; arguments and events are pickled.
A child is kept for the next call of the same function, so there is one function for long work and for moves of
sliders: what one call opened, the next one finds.
"""

from __future__ import annotations

try:  # on ZeroGPU this import has to come before anything that touches CUDA
    import spaces
except ImportError:
    spaces = None

import functools
import importlib
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from barbershop_core.errors import BarbershopError, NoFaceFound, explained
from barbershop_core.process import give_back
from barbershop_core.progress import PreviewThrottle, Steps

from . import zero_gpu
from .line import line
from .pace import paces, pack_name

if TYPE_CHECKING:
    from barbershop_core.photo import Nudge, Portrait
    from barbershop_core.studio import Studio

UNKNOWN = "Something went wrong inside the program. Your photos and settings are kept: please try again."
WORDS = ("clip", "directions", "style_statistics")
"""Optional networks that every edit by words needs."""
log = logging.getLogger("barbershop")

_opening = threading.Lock()


@functools.cache
def _open_studio() -> Studio:
    from barbershop_core import Studio, open_pack

    return Studio(open_pack(pack_name(), device="auto"))


def studio() -> Studio:
    """The facade on the pack that ``BARBERSHOP_PACK`` names, or on the automatic choice."""
    with _opening:
        return _open_studio()


def prepare() -> None:
    """On ZeroGPU, fetch the weights and open every network on "cuda"; elsewhere nothing is opened before it is needed.

    To be called when the page is imported: `spaces` emulates CUDA in the main thread only, and hands what is open
    when the page starts to the children.  Pickled weights are converted to safetensors by another process, whose
    PyTorch is not patched.  A pack that cannot be opened is explained to whoever uses it.
    """
    if not zero_gpu.here():
        return
    from barbershop_core.pack import choose_pack

    try:
        name, _ = choose_pack()
        command = ["download", "--pack", name, "--device", "cpu", "--convert", "--also", *WORDS]
        call, folder = [sys.executable, "-m", "barbershop_core", *command], Path(__file__).parents[1]
        subprocess.run(call, cwd=folder, stdout=subprocess.DEVNULL, check=False)
        studio().pack.open_all()
    except BarbershopError as error:
        log.error("the pack cannot be opened: %s", error)


@functools.cache
def warm_up() -> None:
    """Import the heavy libraries in the background, once somebody has opened the page.

    Downloads nothing and opens no network.  Done earlier, it would delay the first page.
    """
    threading.Thread(target=importlib.import_module, args=("barbershop_core.studio",), daemon=True).start()


def sentence(error: BaseException) -> str:
    """What to tell a person about ``error``; unexpected errors go to the log instead."""
    error = explained(error) or error
    if isinstance(error, BarbershopError):
        return str(error)
    if isinstance(error, gr.Error):
        return zero_gpu.explained(error) or str(error.message)
    log.error("unexpected error", exc_info=error)
    return UNKNOWN


# --- behind the GPU decorator -----------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """An operation on photos in plain values, which can be sent to another process.

    operation: name in :data:`barbershop_core.operations.OPERATIONS`.  photos: path, number of the face (None for
        the largest) and perhaps the nudge of the crop, by role.  options: of the operation, by name.
    previous: folder of the step to start from (see :mod:`.visits`); None for the photo.
    key: identifies the portrait whose sliders or rig are kept open (see :mod:`.sessions`).
    """

    operation: str
    photos: Mapping[str, tuple]
    options: Mapping[str, Any] = field(default_factory=dict)
    previous: str | None = None
    key: tuple = ()


Work = Callable[..., Steps[dict[str, Any]]]
"""``work(studio, task, **arguments)``: steps that return plain numpy arrays, bytes and numbers."""


def run(work: Work, task: Task, timed: str = "", **arguments) -> Iterator[tuple[str, Any]]:
    """Do some work when it is its turn.

    Yields ("wait", Standing) about once a second before that, then ("step", (Step without preview, image or None,
    Progress)), and at last ("result", dict) with "elapsed", the seconds since the turn came.

    work: a function of :mod:`.edits` or :mod:`.sessions`.  timed: name of the setting in ``times``.
    Raises Busy where too many wait; gr.Error with a sentence; on ZeroGPU BadRequest for what takes too long there.
    """
    zero_gpu.check(task.options)
    kind = _timed_as(work, task)
    with line.join(paces.seconds(kind)) as place:
        for standing in place.waiting():
            yield "wait", standing
        pace = paces.of(kind)
        with closing(_events(work, task, **arguments)) as events:
            for what, event in events:
                if what == "result":
                    paces.note(kind, pace, timed)
                    yield what, {**event, "elapsed": pace.elapsed}
                    continue
                progress = pace(event[0])
                if progress.left is not None:
                    place.needs(progress.left)
                yield what, (*event, progress)
        give_back()


def _timed_as(work: Work, task: Task) -> str:
    """The kind of a run, for its expected time: runs of a kind go through the same stages."""
    named = (task.options.get(name) for name in ("method", "preset"))
    photos = sum(path is not None for path, *_ in task.photos.values())
    kind = [pack_name(), work.__name__, task.operation, *named, photos]
    return " ".join(str(word) for word in [*kind, "chained" * bool(task.previous)] if word)


def _events(work: Work, task: Task, **arguments) -> Iterator[tuple[str, Any]]:
    """:func:`run` at once: ("step", (Step without preview, image or None)) and ("result", dict)."""
    kind = (work.__name__, task.operation, sum(path is not None for path, *_ in task.photos.values()))
    with closing(_compute(work, task, kind, arguments)) as events, zero_gpu.aborted(kind):
        for what, event in events:
            if what == "seconds":
                zero_gpu.note(kind, event)
            else:
                yield what, event


def at_once(work: Work, task: Task, **arguments) -> dict[str, Any]:
    """The result of work that takes a moment, such as a slider's move."""
    zero_gpu.check(task.options)
    *_, (_, result) = _events(work, task, **arguments)
    return result


def gpu(seconds):
    """``spaces.GPU`` where it exists; elsewhere the function itself."""
    return spaces.GPU(duration=seconds) if spaces else lambda function: function


@gpu(lambda work, task, kind, arguments: zero_gpu.seconds(kind))
def _compute(work: Work, task: Task, kind: tuple, arguments: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """:func:`run` behind the decorator; also yields ("seconds", float), the time that it took.

    Events hold no tensors, and what has to outlive a child is on disk.
    """
    zero_gpu.in_child()
    throttle, last, started = PreviewThrottle(1.0), float("-inf"), time.monotonic()
    try:
        with closing(work(studio(), task, **arguments)) as steps:
            while True:
                try:
                    step = next(steps)
                except StopIteration as stop:
                    yield "seconds", time.monotonic() - started
                    yield "result", stop.value
                    return
                preview = throttle(step)
                if preview is not None or step.notice or step.index == 1 or time.monotonic() - last > 0.4:
                    last = time.monotonic()
                    plain = replace(step, losses=dict(step.losses), preview=None)
                    yield "step", (plain, preview)
    except Exception as error:
        # ZeroGPU passes on the text of gr.Error only.
        raise gr.Error(sentence(error), print_exception=False) from error


def read(path: str, face: int | None = None, nudge: Nudge | None = None) -> Portrait:
    """The portrait in a photo, see :meth:`barbershop_core.studio.Studio.read`.  Raises PhotoError.

    On ZeroGPU this process reads it without the pack's parser, which is asked where MediaPipe finds no face: that
    takes a moment of GPU time.
    """
    if not zero_gpu.here():
        return studio().read(path, face=face, nudge=nudge)
    from barbershop_core import photo

    pack = studio().pack
    try:
        return photo.read(path, pack.working_size, pack.landmarker, face, nudge=nudge)
    except NoFaceFound:
        return at_once(_read, Task("read", {"face": (path, face, nudge)}))["portrait"]


def _read(studio: Studio, task: Task) -> Steps[dict[str, Portrait]]:
    yield from ()
    path, face, nudge = task.photos["face"]
    return {"portrait": studio.read(path, face=face, nudge=nudge)}
