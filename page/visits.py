"""The chain of edits of one visit, on disk: what each step left, for going on, undo and redo.

A visit is a tab that somebody has open: it survives a reload, as the tab remembers a random number that nobody can
guess (``assets/text/tab.js``).  Its folder, named by a hash of the number, holds the photo and, for each step,
picture, photo, code and mask of changes: plain files, so that forked workers (ZeroGPU) see the same as the server.
Only their owner can read the folders; they are deleted two hours after the last step.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from PIL import Image

from barbershop_core import atomic
from barbershop_core.errors import BadRequest

from .gpu import Task, read

if TYPE_CHECKING:
    from barbershop_core.editing.result import Result
    from barbershop_core.photo import Nudge, Portrait

KEPT = 2 * 3600.0
"""Seconds after the last step until a visit is forgotten."""
LONGEST = 30
"""Most steps kept; after that the oldest is deleted (the original stays)."""
LEAST = 32
"""Characters of a tab's number."""
_lock = threading.RLock()
_tabs: OrderedDict[str, str] = OrderedDict()
"""The numbers of open tabs by Gradio's session, which is another one after a reload; the last 10,000."""


def root() -> Path:
    """The folder of all visits, beside the cache of codes."""
    from barbershop_core.inversion.cache import default_folder

    return default_folder().parent / "visits"


@dataclass(frozen=True)
class Shown:
    """Where a visit stands in its chain.

    at: number of the step, 0 for the original photo.  titles: of all steps, the original's first.
    pictures: their crops.  step: what is stored with this one (scores, recipe, ...), empty for the original.
    folder: its files.
    """

    at: int
    titles: list[str]
    pictures: list[Path]
    step: dict[str, Any]
    folder: Path


def claim(request: gr.Request, number: str | None) -> Visit:
    """The visit of a page that has just been loaded in the tab with this number; sweeps the visits, too.

    A page without a number, as in a browser that keeps nothing, has a visit that ends with it; so has one whose
    visitor was quicker than its number."""
    session = getattr(request, "session_hash", None)
    if session and isinstance(number, str) and LEAST <= len(number) <= 2 * LEAST:
        _number(session, number)
    sweep()
    return Visit.of(request)


def _number(session: str, number: str) -> str:
    """The number by which a session's visit is named: the first one that was given."""
    found = _tabs.setdefault(session, number)
    while len(_tabs) > 10_000:
        _tabs.popitem(last=False)
    return found


class Visit:
    """The chain of one open tab."""

    def __init__(self, session: str | None):
        name = hashlib.sha256(f"visit {session}".encode()).hexdigest()[:32]
        self.folder = root() / name

    @classmethod
    def of(cls, request: gr.Request | None) -> Visit:
        """The visit that a Gradio event belongs to."""
        session = getattr(request, "session_hash", None)
        return cls(session and _number(session, session))

    # ------------------------------------------------------------------------------ reading

    @property
    def begun(self) -> bool:
        return (self.folder / "visit.json").is_file()

    @property
    def chain(self) -> str | None:
        """Identifies the chain, another one for each beginning; None where there is no photo."""
        place = self.place()
        return None if place is None else place[0]

    def _read(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "visit.json").read_text())
        except (OSError, ValueError):
            raise BadRequest("There is no portrait yet.", "Upload a photo of the person first.") from None

    def photo(self) -> tuple[Path, int, Nudge | None]:
        """The visit's photo, the number of the face and the crop's nudge.  Raises BadRequest where there is none."""
        from barbershop_core.photo import Nudge

        state = self._read()
        return self.folder / state["photo"], state["face"], Nudge.of(state.get("nudge"))

    def corners(self) -> list[list[float]]:
        """The crop's corners in the photo as they were found, before any nudge.  Raises BadRequest."""
        return self._read()["corners"]

    def shown(self) -> Shown:
        """Where the visit stands.  Raises BadRequest where there is no photo yet."""
        state = self._read()
        folders = [self.folder / "original", *(self.folder / step["folder"] for step in state["steps"])]
        at = state["at"]
        titles = ["Original", *(step["title"] for step in state["steps"])]
        step = json.loads((folders[at] / "step.json").read_text()) if at else {}
        return Shown(at, titles, [f / "result.png" for f in folders], step, folders[at])

    def place(self) -> tuple[str, ...] | None:
        """Identifies the chain and the step where the visit stands; None where there is no photo.

        A run whose place is no longer this one has nothing to say any more."""
        try:
            state = self._read()
        except BadRequest:
            return None
        return (state["id"], *(step["folder"] for step in state["steps"][: state["at"]]))

    def task(
        self,
        operation: str,
        options: Mapping[str, Any] | None = None,
        photos: Mapping[str, tuple] | None = None,
        person: str = "face",
    ) -> Task:
        """An operation that starts where the visit stands.

        photos: the other ones, as in `Task`.  person: role of the visit's own photo.
        """
        state = self._read()
        previous = str(self.folder / state["steps"][state["at"] - 1]["folder"]) if state["at"] else None
        path, *crop = self.photo()
        mine = {person: (str(path), *crop)}
        key = (self.folder.name, state["id"], previous)
        return Task(operation, mine | dict(photos or {}), dict(options or {}), previous, key)

    # ------------------------------------------------------------------------------ changing

    def begin(self, path: str, index: int | None = None, portrait: Portrait | None = None) -> bool:
        """Start a chain with a photo, unless there is one of the same photo and face; returns whether it did.

        portrait: the photo, where it was read already.  Raises PhotoError as reading it does.
        """
        data = Path(path).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        if self._is_of(digest, index):
            return False
        if portrait is None:
            portrait = read(path, index)
        with _lock:
            if self._is_of(digest, portrait.index):  # another event with this photo was quicker
                return False
            self._start(
                data, Path(path).suffix, {"digest": digest, "corners": np.asarray(portrait.quad).tolist()}, portrait
            )
        sweep()
        return True

    def crop(self, nudge: Nudge | None) -> None:
        """Start the chain anew with another crop of its photo.  Raises BadRequest where there is none."""
        path, face, _ = self.photo()
        portrait = read(str(path), face, nudge)
        with _lock:
            state = self._read()
            kept = {"digest": state["digest"], "corners": state["corners"], "nudge": nudge and nudge.numbers}
            self._start(path.read_bytes(), path.suffix, kept, portrait)

    def _start(self, data: bytes, suffix: str, state: dict[str, Any], portrait: Portrait) -> None:
        self.forget()
        original = self.folder / "original"
        self.folder.mkdir(parents=True, mode=0o700)
        original.mkdir(mode=0o700)
        photo = "photo" + suffix.lower()[:8]
        (self.folder / photo).write_bytes(data)
        Image.fromarray(portrait.at(portrait.size)).save(original / "result.png")
        chain = {"id": os.urandom(16).hex(), "photo": photo, "face": portrait.index, "at": 0, "made": 0, "steps": []}
        self._write({**state, **chain})

    def _is_of(self, digest: str, index: int | None) -> bool:
        """Whether there is a chain of this photo and face, None for whichever."""
        try:
            state = self._read()
        except BadRequest:
            return False
        return state["digest"] == digest and index in (None, state["face"])

    def push(self, title: str, event: dict[str, Any]) -> None:
        """Add a step after the present one; steps that were undone are deleted.

        event: what :func:`.edits.edit` returns.
        """
        with _lock:
            state = self._read()
            gone, steps = state["steps"][state["at"] :], state["steps"][: state["at"]]
            made = state["made"] + 1
            folder = self.folder / str(made)
            shutil.rmtree(folder, ignore_errors=True)  # of a step that was cut off
            folder.mkdir(mode=0o700)
            (folder / "result.png").write_bytes(event["png"])
            (folder / "photo.png").write_bytes(event["pasted_png"])
            (folder / "code.safetensors").write_bytes(event["code"])
            np.savez_compressed(folder / "changed.npz", changed=event["changed"])
            if event.get("mask_picture") is not None:
                Image.fromarray(event["mask_picture"]).save(folder / "mask.png")
            stored = {k: event[k] for k in ("scores", "recipe", "notices")}
            (folder / "step.json").write_text(json.dumps({**stored, "title": title}))
            steps.append({"title": title, "folder": folder.name})
            if len(steps) > LONGEST:
                gone.append(steps.pop(0))
            self._write({**state, "steps": steps, "at": len(steps), "made": made})
            for step in gone:
                shutil.rmtree(self.folder / step["folder"], ignore_errors=True)

    def move(self, to: int) -> Shown:
        """Go to a step, 0 for the original; numbers beyond either end mean that end."""
        with _lock:
            state = self._read()
            self._write({**state, "at": min(max(int(to), 0), len(state["steps"]))})
            return self.shown()

    def forget(self) -> None:
        """Delete everything of this visit."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, state: dict[str, Any]) -> None:
        atomic.write(self.folder / "visit.json", json.dumps(state).encode(), private=True)


def load_result(folder: str | Path) -> Result:
    """What the next edit needs of a step's Result: picture, code, mask and recipe."""
    from barbershop_core.editing.result import Result
    from barbershop_core.inversion import codes

    folder = Path(folder)
    try:
        step = json.loads((folder / "step.json").read_text())
        with Image.open(folder / "result.png") as picture:
            image = picture.convert("RGB")
        with np.load(folder / "changed.npz") as arrays:
            changed = arrays["changed"].astype(np.float32)
    except (OSError, ValueError, KeyError):
        raise BadRequest(
            "The step to start from is no longer kept.", "Upload the photo again, or the downloaded result."
        ) from None
    code = codes.load(folder / "code.safetensors")
    return Result(image, None, code, {"changed": changed}, step["scores"], step["recipe"], ())


def sweep(now: float | None = None) -> None:
    """Delete the visits whose time is over."""
    from barbershop_core.inversion.cache import is_over

    try:
        visits = list(root().iterdir())
    except OSError:
        return
    for visit in visits:
        record = visit / "visit.json"
        try:
            over = is_over(record if record.is_file() else visit, KEPT, now)
        except OSError:
            continue  # forgotten just now
        if over:
            shutil.rmtree(visit, ignore_errors=True)
