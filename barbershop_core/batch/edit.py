"""Carries out the jobs that one worker is given: reads, edits, writes the pictures."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from .. import atomic
from ..editing.mask_file import read_mask
from ..editing.picture_file import GENERATED, SUFFIXES, encode
from ..editing.regions import COLOURS
from ..editing.result import Result
from ..errors import BarbershopError, CorruptPhoto, OutOfMemory, PhotoError
from ..inversion.cache import CodeCache
from ..inversion.codes import Code
from ..pack import open_pack
from ..photo import Portrait
from ..progress import Step, run
from ..studio import Studio
from . import files
from .check import with_regions
from .job import Job, Photo
from .portraits import Portraits


@dataclass(frozen=True)
class Opener:
    """Opens a pack in the process of a worker, and returns its `Editor`.

    pack: name, or path of the manifest.  cache: see `Studio`.  out, paste, suffix: see `Editor`.
    """

    pack: str
    device: str
    cache: CodeCache | Literal[False] | None
    out: Path
    paste: bool = True
    suffix: str = ".png"

    def __call__(self) -> Editor:
        studio = Studio(open_pack(self.pack, device=self.device), self.cache)
        return Editor(studio, self.out, self.paste, self.suffix)


class Editor:
    """Does one job after the other with an open studio.

    out: folder of the pictures.  paste: whether the whole photos are written, too.  suffix: of edited pictures, one of
    `picture_file.SUFFIXES`; masks are PNG.
    """

    def __init__(self, studio: Studio, out: Path, paste: bool = True, suffix: str = ".png"):
        self.studio, self.out, self.paste, self.suffix = studio, out, paste, suffix
        self._portraits = Portraits(self._read)

    def __call__(self, job: Job) -> dict[str, Any]:
        """Do a job and write its files; returns its line of the manifest (see :mod:`.manifest`)."""
        began = time.perf_counter()
        try:
            told = self._done(job)
        except OutOfMemory as error:
            self._portraits.clear()
            told = {"error": str(error)}
        except BarbershopError as error:
            told = {"error": str(error)}
        except Exception as error:
            told = {"error": sentence_about(error)}
        self._portraits.shrink()
        return line_of(job, told, time.perf_counter() - began)

    def _done(self, job: Job) -> dict[str, Any]:
        portraits = {role: self._portrait(photo) for role, photo in job.photos.items()}
        options = with_regions(job.options, job.photos)
        if job.mask is not None:
            options["mask"] = read_mask(job.mask.path)
        notices: dict[str, None] = {}

        def listen(step: Step) -> None:
            if step.notice:
                notices[step.notice] = None

        value = run(self.studio.start(job.operation, portraits, options, paste=self.paste), listen)
        notices |= dict.fromkeys((*self.studio.pack.notices, *getattr(value, "notices", ())))
        data = self._files(value)
        names = {kind: f"{job.name}{ending}" for kind, (ending, _) in data.items()}
        for kind, (_, content) in data.items():
            atomic.write(self.out / names[kind], content, durable=True)
        scores, recipe = (value.scores, value.recipe) if isinstance(value, Result) else ({}, None)
        return {"files": names, "scores": _plain(scores), "recipe": recipe, "notices": list(notices)}

    def _portrait(self, photo: Photo) -> Portrait:
        try:
            return self._portraits(photo)
        except PhotoError as error:
            raise type(error)(f"{files.name_of(photo.path)}: {error.what}", error.remedy) from error

    def _read(self, photo: Photo) -> Portrait:
        source = files.contents(photo.path) if files.is_url(photo.path) else photo.path
        try:
            digest = hashlib.sha256(source).hexdigest() if isinstance(source, bytes) else files.sha256(source)
        except OSError as error:
            raise CorruptPhoto("The photo is no longer there.", "Put it back, then give --retry-failed.") from error
        if digest != photo.sha256:
            raise CorruptPhoto("The photo changed while the batch ran.", "Start the batch again.")
        return self.studio.read(source, photo.face)

    def _files(self, value: Any) -> dict[str, tuple[str, bytes]]:
        """What an operation returned as files: kind -> ending of the name, content."""
        if isinstance(value, Result):
            kind = SUFFIXES[self.suffix]
            found = {"image": (self.suffix, encode(value.image, value.recipe, kind))}
            if value.pasted is not None:
                found["photo"] = (f"-photo{self.suffix}", encode(value.pasted, value.recipe, kind))
            return found
        if isinstance(value, Code):
            rebuilt = encode(self.studio.render(value), source_type=GENERATED)
            return {"code": (".safetensors", value.dumps()), "reconstruction": (".png", rebuilt)}
        labels = np.asarray(value, np.uint8)
        colours = encode(COLOURS[labels], source_type=None)
        return {"labels": (".png", encode(labels, source_type=None)), "colours": ("-colours.png", colours)}


def line_of(job: Job, told: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """A line of the manifest."""
    asked = {"key": job.key, "name": job.name, "line": job.line, "operation": job.operation}
    photos = {role: asdict(photo) for role, photo in job.photos.items()}
    if job.mask is not None:
        photos["mask"] = asdict(job.mask)
    return {**asked, "photos": photos, "options": dict(job.options), "seconds": round(seconds, 2), **told}


def sentence_about(error: BaseException) -> str:
    """What to tell of an error that was not foreseen."""
    if isinstance(error, BarbershopError):
        return str(error)
    return f"Something went wrong inside the program ({type(error).__name__}: {error})."


def _plain(value: Any) -> Any:
    """Scores as JSON has them."""
    if isinstance(value, Mapping):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return value.item() if hasattr(value, "item") else value
