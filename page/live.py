"""What stays open between slider moves: the portrait's style vectors, its embedding in the rig.

Open objects are kept in this process, a few of them for half an hour.  Where a move meets another process
(ZeroGPU forks) or an object that is gone, it is opened again from the cached codes, which is quick.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST, AGE = 8, 1800.0


@dataclass
class Open:
    """An open object: of a portrait, at a step of its chain."""

    portrait: Any
    object: Any
    known: dict = field(default_factory=dict)
    # No RLock: Gradio may continue a generator in another thread than the one that took the lock.
    lock: threading.Lock = field(default_factory=threading.Lock)
    used: float = field(default_factory=time.monotonic)


class SessionCache:
    """Open objects by key, least recently used ones put away first."""

    def __init__(self, most: int = MOST, age: float = AGE):
        self.most, self.age = most, age
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
            while len(self._kept) > self.most:
                self._kept.popitem(last=False)
        return entry


shelf = SessionCache()


def _opened(studio, request: dict, kind: str, make: Callable):
    """Steps that return the open object of a request's portrait, made by ``make(portrait, previous)``."""
    from barbershop_core.progress import Step

    from .history import load_result

    options = tuple(sorted((request.get("options") or {}).items()))
    key = (kind, *request["key"], options)
    entry = shelf.get(key)
    if entry is None:
        portrait = studio.read(request["face"], face=request["face_index"])
        yield Step("read photos", 1, 1)
        previous = load_result(request["previous"]) if request.get("previous") else None
        entry = shelf.put(
            key, Open(portrait, (yield from make(portrait, previous=previous, **dict(options))))
        )
    return entry


def _finished(studio, entry: Open, result):
    from barbershop_core import jobs

    notices = tuple(dict.fromkeys((*studio.pack.notices, *result.notices)))
    return jobs.Finished(result, entry.portrait, None, notices, dict(result.recipe))


# --- words ------------------------------------------------------------------------------------


def _sliders(studio, request: dict):
    """The open sliders of a portrait with every pair of the request added."""
    entry = yield from _opened(studio, request, "sliders", studio.direction_sliders)
    with entry.lock:
        for edit in request["edits"]:
            pair = (edit["target"], edit["neutral"])
            if pair not in entry.known:
                entry.known[pair] = entry.object.add(*pair)
    return entry


def _places(entry: Open, edits: list[dict]) -> list[tuple[int, float, float]]:
    return [(entry.known[e["target"], e["neutral"]], e["alpha"], e["beta"]) for e in edits]


def _drawn(entry: Open, edits: list[dict]) -> dict[str, Any]:
    with entry.lock:
        places = _places(entry, edits)
        image = np.asarray(entry.object.image(places))
        return {"image": image, "moved": [int(entry.object.moved(i, beta)) for i, _, beta in places]}


def open_sliders(studio, request: dict):
    """Steps; returns {"image", "moved", "notices"} of the request's ``edits``."""
    entry = yield from _sliders(studio, request)
    return {**_drawn(entry, request["edits"]), "notices": list(entry.object.notices)}


def keep_sliders(studio, request: dict):
    """Steps; returns the Finished edit."""
    entry = yield from _sliders(studio, request)
    with entry.lock:
        result = yield from entry.object.result(_places(entry, request["edits"]))
    return _finished(studio, entry, result)


def compare_sliders(studio, request: dict):
    """Steps; returns {"pictures", "image", "moved"}: rows by ``betas``, columns by ``alphas``, of the
    last edit on top of the others, each with its number of channels moved; and where the sliders stand."""
    from barbershop_core.progress import Step

    entry = yield from _sliders(studio, request)
    *others, last = request["edits"]
    alphas, betas = request["alphas"], request["betas"]
    rows, done = [], 0
    for beta in betas:
        row = []
        for alpha in alphas:
            drawn = _drawn(entry, [*others, {**last, "alpha": alpha, "beta": beta}])
            row.append((drawn["image"], drawn["moved"][-1]))
            done += 1
            yield Step("compare", done, len(alphas) * len(betas), preview=lambda image=row[-1][0]: image)
        rows.append(row)
    return {"pictures": rows, **_drawn(entry, request["edits"])}


def move_slider(studio, request: dict) -> dict[str, Any]:
    """A slider of the words moved: {"image", "moved"}."""
    from barbershop_core.progress import run

    return _drawn(run(_sliders(studio, request)), request["edits"])


# --- rig --------------------------------------------------------------------------------------


def _rig(studio, request: dict):
    return (yield from _opened(studio, request, "rig", studio.rig))


def open_rig(studio, request: dict):
    """Steps; returns {"image", "controls", "light", "live", "notices"}: the embedded portrait, names of its
    single movements, the light found in it, and whether a rig makes its sliders live."""
    from barbershop_core.pie import repose as edit

    entry = yield from _rig(studio, request)
    with entry.lock:
        session = entry.object
        return {
            "image": edit.preview(session),
            "controls": list(session.controls),
            "light": dict(vars(session.light)),
            "live": session.rig is not None,
            "notices": list(session.notices),
        }


def keep_rig(studio, request: dict):
    """Steps; returns the Finished edit."""
    entry = yield from _rig(studio, request)
    with entry.lock:
        result = yield from entry.object.result(**request["pose"])
    return _finished(studio, entry, result)


def overlay_rig(studio, request: dict):
    """Steps; returns {"image"}: the fitted face over the portrait."""
    entry = yield from _rig(studio, request)
    with entry.lock:
        return {"image": np.asarray(entry.object.overlay())}


def animate_rig(studio, request: dict):
    """Steps; returns {"data", "name", "gif", "image", "notices"}: a sweep as a GIF or MP4, a GIF to look at,
    and where the sliders stand."""
    from barbershop_core.pie import animation

    entry = yield from _rig(studio, request)
    with entry.lock:
        frames = yield from entry.object.sweep(request["sweep"], int(request["frames"]), **request["pose"])
        image = np.asarray(entry.object.image(**request["pose"]))
    made = yield from animation.encode(list(frames), request["format"], int(request["fps"]))
    return {**made, "image": image}


def move_rig(studio, request: dict) -> dict[str, Any]:
    """A slider of the rig moved: {"image"}."""
    from barbershop_core.progress import run

    entry = run(_rig(studio, request))
    with entry.lock:
        return {"image": np.asarray(entry.object.image(**request["pose"]))}


KINDS = {
    "sliders": open_sliders,
    "sliders result": keep_sliders,
    "compare": compare_sliders,
    "rig": open_rig,
    "rig result": keep_rig,
    "rig overlay": overlay_rig,
    "animation": animate_rig,
}
MOMENTS = {"sliders": move_slider, "rig": move_rig}
