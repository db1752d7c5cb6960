"""How a picture was made.

A recipe is JSON, stored in the picture's file (see :mod:`.picture_file`): the operation, its options, digests of the
photos, the pack and its fingerprint, and versions.  It holds no names of files or people; whoever repeats it
brings the same photos.  Recipes of format 1 are read as well.
"""

from __future__ import annotations

import base64
import io
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import BadRequest
from . import picture_file

if TYPE_CHECKING:
    from ..photo import Portrait
    from ..protocols import PackLike
    from .request import Request

FORMAT = 2


def make(request: Request, pack: PackLike) -> dict[str, Any]:
    """The recipe of a request.

    Keys: "format", "operation", "options", "photos" (role -> "digest", "face", its number, and "nudge", how the crop
    was moved, if it was), "pack", "versions"; and "chain", the recipes of earlier edits, oldest first, where there
    are any.
    """
    from .. import __version__

    chain = [] if request.previous is None else steps(request.previous.recipe)
    device = str(getattr(pack.device, "type", pack.device))
    return {
        "format": FORMAT,
        **({"chain": chain} if chain else {}),
        "operation": request.operation,
        "options": {name: _plain(name, value) for name, value in request.options.items()},
        "photos": {role: _photo(portrait) for role, portrait in request.photos.items()},
        "pack": {"name": pack.name, "fingerprint": pack.fingerprint, "size": pack.working_size},
        "versions": {
            "barbershop": __version__,
            "torch": version("torch"),
            "python": platform.python_version(),
            "device": device,
        },
    }


def _photo(portrait: Portrait) -> dict[str, Any]:
    found = {"digest": portrait.digest, "face": portrait.index}
    return found if portrait.nudge is None else found | {"nudge": portrait.nudge.numbers}


def steps(recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The recipe of each edit that led to a result, oldest first."""
    return [*recipe.get("chain", []), {k: v for k, v in recipe.items() if k != "chain"}]


def options_of(step: Mapping[str, Any]) -> dict[str, Any]:
    """A step's options as :func:`barbershop_core.jobs.start` takes them.  Raises BadRequest."""
    options = dict(step["options"])
    if step["operation"] == "edit_text":  # older edits by words changed whatever the generator changed
        options.setdefault("where", "everywhere")
    if options.get("mask") is not None:
        try:
            picture = Image.open(io.BytesIO(base64.b64decode(options["mask"])))
            options["mask"] = np.asarray(picture.convert("L"))
        except (OSError, ValueError) as error:
            raise BadRequest("The mask in the recipe is damaged.", "Give the PNG as it was downloaded.") from error
    return options


def _plain(name: str, value: Any) -> Any:
    """An option's value as JSON: a preset by its name, a mask as a PNG in base64."""
    if name == "preset":
        return getattr(value, "name", value)
    if isinstance(value, np.ndarray):
        return base64.b64encode(picture_file.encode(value, source_type=None)).decode()
    if is_dataclass(value):
        return asdict(value)
    if isinstance(value, Mapping):
        return {key: _plain("", entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain("", entry) for entry in value]
    return value


# --- files ------------------------------------------------------------------------------------


def read(path: str | Path) -> dict[str, Any]:
    """The recipe in a PNG, JPEG or WebP file.  Raises BadRequest where there is none that can be read."""
    path = Path(path)
    remedy = "Give a picture that this program wrote and no other program changed."
    try:
        text = picture_file.read_text(path)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadRequest(f"'{path.name}' cannot be read as a picture.", remedy) from error
    if text is None:
        raise BadRequest(f"'{path.name}' carries no recipe.", remedy)
    try:
        recipe = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"The recipe in '{path.name}' is damaged.", remedy) from error
    if not isinstance(recipe, dict) or recipe.get("format") not in (1, FORMAT) or "operation" not in recipe:
        raise BadRequest(f"The recipe in '{path.name}' is of another version.", remedy)
    return recipe if recipe["format"] == FORMAT else _upgraded(recipe)


# --- format 1 ---------------------------------------------------------------------------------

_OPERATIONS = {"text": "edit_text", "pose": "repose"}


def _upgraded(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe of format 1 as one of format 2."""
    *earlier, last = [_upgraded_step(step) for step in steps(recipe)]
    return {**last, **({"chain": earlier} if earlier else {})}


def _upgraded_step(step: Mapping[str, Any]) -> dict[str, Any]:
    """One step.  Where format 1 stored the request that made it, that is complete; a step from Python only
    has settings and digests."""
    operation = _OPERATIONS.get(step["operation"], step["operation"])
    options = {**step["settings"], "preset": step["preset"], "seed": step["seed"]}
    photos = {role: {"digest": digest, "face": None} for role, digest in step["inputs"].items()}
    if request := step.get("request"):
        options = {k: v for k, v in request.items() if k not in ("task", "photos")}
        photos = request["photos"]
    elif operation == "swap_face":
        photos = {"face": photos["swapped"], "into": photos["face"]}
    elif operation == "transfer":
        if options["mask"] is not None:
            raise BadRequest("The recipe holds no copy of the mask that was painted.", "Paint it again.")
        options["regions"] = {r: f"region {r}" for r in options["regions"]} or None
    kept = {k: step[k] for k in ("pack", "versions")}
    return {"format": FORMAT, "operation": operation, "options": options, "photos": photos, **kept}
