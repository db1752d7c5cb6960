"""What `analysis` computes.

Each function returns "files" (name -> bytes), "info" (figures as JSON) and "notices".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from barbershop_core.editing.picture_file import GENERATED, encode
from barbershop_core.errors import BadRequest
from barbershop_core.operations import photo_name
from barbershop_core.options import Option
from barbershop_core.progress import Steps

from ..edits import start
from ..gpu import Task

if TYPE_CHECKING:
    from barbershop_core.studio import Studio

SIZE = Option("size", None, "side of the aligned portrait", int, low=64, high=1024, unit="pixels", optional=True)


def align(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """The face of the photo "face" as networks see it, at the pack's size or the option ``size``."""
    yield from ()
    size = SIZE.check(task.options.get("size"))
    path, face, nudge = task.photos["face"]
    if path is None:
        raise BadRequest(f"The {photo_name('face')} is missing.", "Give one.")
    portrait = studio.read(path, face=face, nudge=nudge)
    picture = portrait.at(size or portrait.size)
    info = {"size": len(picture), "corners": np.round(portrait.quad, 2).tolist(), "index": portrait.index}
    info["faces"] = [[round(float(edge), 1) for edge in box] for box in portrait.faces]
    return _told({"aligned.png": encode(picture, source_type=None)}, info, portrait.notices)


def parse(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """The regions of the photo "face": their numbers as a grey picture, and their colours."""
    from barbershop_core.editing.mask_file import palette
    from barbershop_core.editing.regions import COLOURS, REGIONS

    done = yield from start(studio, task)
    labels = done.value
    shares = {name: round(float((labels == number).mean()), 4) for number, name in enumerate(REGIONS)}
    files = {"regions.png": encode(labels, source_type=None), "colours.png": encode(COLOURS[labels], source_type=None)}
    info = {"shares": {name: share for name, share in shares.items() if share}, "colours": palette()}
    return _told(files, info, done.notices)


def embed(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """The latent code of the photo "face", and the picture that the generator makes of it."""
    done = yield from start(studio, task)
    code = done.value
    picture = studio.render(code)
    error = np.mean((picture.astype(float) - done.portrait.at(len(picture)).astype(float)) ** 2)
    tensors = {name: list(value.shape) for name, value in vars(code).items() if hasattr(value, "shape")}
    info = {"space": code.space, "shapes": tensors, "psnr": round(float(10 * np.log10(255**2 / max(error, 1e-9))), 2)}
    files = {"code.safetensors": code.dumps(), "reconstruction.png": encode(picture, source_type=GENERATED)}
    return _told(files, info, done.notices)


def _told(files: dict[str, bytes], info: dict[str, Any], notices: Any) -> dict[str, Any]:
    return {"files": files, "info": info, "notices": list(notices)}
