"""Portraits that stay open between slider moves: style vectors for directions, embeddings for the rig.

The process that computes keeps a few of them for half an hour.  Where a move meets another process (a fresh child
on ZeroGPU) or a portrait that is no longer open, it is opened again from the cached codes, which is quick.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from barbershop_core.jobs import Done
from barbershop_core.progress import Step, Steps

from .edits import outcome, start
from .gpu import Task

if TYPE_CHECKING:
    from barbershop_core.editing.result import Result
    from barbershop_core.pie.session import RigSession
    from barbershop_core.studio import Studio
    from barbershop_core.styleclip.sliders import Sliders


@dataclass
class Open:
    """An open portrait.

    done: the finished task that opened it.  directions: index in the sliders of each (target, neutral).
    """

    done: Done
    directions: dict[tuple[str, str], int] = field(default_factory=dict)
    # No RLock: Gradio may continue a generator in another thread than the one that took the lock.
    lock: threading.Lock = field(default_factory=threading.Lock)
    used: float = field(default_factory=time.monotonic)

    @property
    def session(self) -> Sliders | RigSession:
        """Its sliders or its rig."""
        return self.done.value


class SessionCache:
    """Open portraits by key.

    most, memory: how many are kept, and how many bytes their arrays may take; the one not used for longest is
    dropped first, the latest never.  age: seconds without use after which one is dropped.
    """

    def __init__(self, most: int = 8, age: float = 1800.0, memory: float = 512 * 2**20):
        self.most, self.age, self.memory = most, age, memory
        self._kept: OrderedDict[tuple, Open] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple) -> Open | None:
        with self._lock:
            now = time.monotonic()
            for old in [k for k, v in self._kept.items() if now - v.used > self.age]:
                del self._kept[old]
            found = self._kept.get(key)
            if found is not None:
                found.used = now
                self._kept.move_to_end(key)
            return found

    def put(self, key: tuple, entry: Open) -> Open:
        with self._lock:
            self._kept[key] = entry
            while len(self._kept) > 1 and (len(self._kept) > self.most or self._bytes() > self.memory):
                self._kept.popitem(last=False)
        return entry

    def _bytes(self) -> int:
        from barbershop_core.memory import bytes_of

        return bytes_of(*(entry.done for entry in self._kept.values()))  # what they share counts once


cache = SessionCache()


def _open(studio: Studio, task: Task) -> Steps[Open]:
    """The open portrait of a task with the operation "direction_sliders" or "rig"."""
    key = _key(task)
    entry = cache.get(key)
    if entry is None:
        entry = cache.put(key, Open((yield from start(studio, task))))
    return entry


def _key(task: Task) -> tuple:
    return (task.operation, *task.key, *sorted(task.options.items()))


def _kept(studio: Studio, entry: Open, result: Result) -> dict[str, Any]:
    notices = dict.fromkeys((*studio.pack.notices, *result.notices))
    return outcome(Done(result, entry.done.portrait, tuple(notices)))


# --- directions -------------------------------------------------------------------------------

Edits = Sequence[Mapping[str, Any]]
"""Each {"target", "neutral", "alpha", "beta"}."""


def _sliders(studio: Studio, task: Task, edits: Edits) -> Steps[Open]:
    """The open sliders of a portrait with the directions of these edits added; what cannot be read of a new one is
    told before the portrait is opened."""
    from barbershop_core.styleclip.edit_text import unread

    known = cache.get(_key(task))
    new = [e for e in edits if known is None or (e["target"], e["neutral"]) not in known.directions]
    yield from unread(studio.pack, new)
    entry = yield from _open(studio, task)
    with entry.lock:
        for edit in edits:
            pair = (edit["target"], edit["neutral"])
            if pair not in entry.directions:
                entry.directions[pair] = entry.session.add(*pair)
    return entry


def _placed(entry: Open, edits: Edits) -> list[tuple[int, float, float]]:
    return [(entry.directions[e["target"], e["neutral"]], e["alpha"], e["beta"]) for e in edits]


def _drawn(entry: Open, edits: Edits) -> dict[str, Any]:
    with entry.lock:
        placed = _placed(entry, edits)
        image = np.asarray(entry.session.image(placed))
        return {"image": image, "moved": [int(entry.session.moved(i, beta)) for i, _, beta in placed]}


def open_sliders(studio: Studio, task: Task, edits: Edits) -> Steps[dict[str, Any]]:
    """Open the sliders.  Returns "image", "moved" (the number of channels of each edit) and "notices"."""
    entry = yield from _sliders(studio, task, edits)
    return {**_drawn(entry, edits), "notices": list(entry.session.notices)}


def keep_sliders(studio: Studio, task: Task, edits: Edits) -> Steps[dict[str, Any]]:
    """What the sliders show as an edit; returns :func:`.edits.outcome`."""
    entry = yield from _sliders(studio, task, edits)
    with entry.lock:
        result = yield from entry.session.result(_placed(entry, edits))
    return _kept(studio, entry, result)


def compare_sliders(
    studio: Studio, task: Task, edits: Edits, alphas: Sequence[float], betas: Sequence[float]
) -> Steps[dict[str, Any]]:
    """The last edit at several strengths and thresholds on top of the others.

    Returns "pictures", rows by betas and columns by alphas, each (image, channels moved); and "image" and
    "moved" as the sliders stand.
    """
    entry = yield from _sliders(studio, task, edits)
    *others, last = edits
    rows, done = [], 0
    for beta in betas:
        row = []
        for alpha in alphas:
            drawn = _drawn(entry, [*others, {**last, "alpha": alpha, "beta": beta}])
            row.append((drawn["image"], drawn["moved"][-1]))
            done += 1
            yield Step("compare", done, len(alphas) * len(betas), preview=lambda image=row[-1][0]: image)
        rows.append(row)
    return {"pictures": rows, **_drawn(entry, edits)}


def move_sliders(studio: Studio, task: Task, edits: Edits) -> Steps[dict[str, Any]]:
    """The portrait as the sliders stand: "image" and "moved"."""
    return _drawn((yield from _sliders(studio, task, edits)), edits)


# --- rig --------------------------------------------------------------------------------------


def open_rig(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """Embed the portrait.

    Returns "image", the embedded portrait; "controls", the names of single movements; "light", the light
    found in it; "live", whether the pack has a rig, so that sliders act at once; and "notices".
    """
    entry = yield from _open(studio, task)
    with entry.lock:
        session = entry.session
        return {
            "image": session.preview,
            "controls": list(session.controls),
            "light": asdict(session.light),
            "live": session.live,
            "notices": list(session.notices),
        }


def keep_rig(studio: Studio, task: Task, pose: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """What the controls show as an edit; returns :func:`.edits.outcome`."""
    entry = yield from _open(studio, task)
    with entry.lock:
        result = yield from entry.session.result(**pose)
    return _kept(studio, entry, result)


def overlay_rig(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """The fitted face over the portrait: "image"."""
    entry = yield from _open(studio, task)
    with entry.lock:
        return {"image": np.asarray(entry.session.overlay())}


def animate_rig(
    studio: Studio, task: Task, pose: Mapping[str, Any], sweep: str, frames: int, file: str
) -> Steps[dict[str, Any]]:
    """A sweep of the head or the light, with everything else as in ``pose``.

    Returns what :func:`.animation.encode` does, and "image", the portrait as the controls stand.
    """
    from barbershop_core.pie import animation

    entry = yield from _open(studio, task)
    with entry.lock:
        pictures = yield from entry.session.sweep(sweep, frames, **pose)
        image = np.asarray(entry.session.image(**pose))
    return {**(yield from animation.encode(pictures, file)), "image": image}


def move_rig(studio: Studio, task: Task, pose: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """The portrait as the controls stand: "image"."""
    entry = yield from _open(studio, task)
    with entry.lock:
        return {"image": np.asarray(entry.session.image(**pose))}
