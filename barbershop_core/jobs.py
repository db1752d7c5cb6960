"""Requests in plain values, for whoever has file paths instead of portraits: the page and the command line.

A request is a dict of strings, numbers and paths (so it can be pickled, printed and stored); running
one yields steps as everything slow does.
"""

from __future__ import annotations

import base64
import io
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .barbershop.presets import PRESETS
from .barbershop.regions import COLOURS
from .errors import BadRequest
from .mask_file import palette, read_mask
from .progress import Step, Steps
from .recipe import save_png

PHOTOS = {
    "face": "person",
    "hair_shape": "hair shape",
    "hair_color": "hair colour",
    "into": "receiving",
    "extra_a": "A",
    "extra_b": "B",
}
DEFAULTS = {"preset": "fast", "mode": "realistic", "smooth": 5, "seed": 0}
SETTINGS = {"transfer": tuple(DEFAULTS), "swap": ("preset", "seed"), "mask": tuple(DEFAULTS)}


@dataclass(frozen=True)
class Finished:
    """A finished request.

    result: the core's Result; None for "mask".  portrait: the one that was edited.  labels: uint8 [r,r], the
    target mask as region indices.  recipe: the result's, with the request that repeats it under "request".
    """

    result: Any
    portrait: Any
    labels: np.ndarray | None
    notices: tuple[str, ...]
    recipe: Mapping[str, Any]


def read_photos(studio, request: Mapping[str, Any]) -> Steps[dict[str, Any]]:
    """Read every photo of a request once.  Returns portraits by the request's names.

    A name's index, ``<name>_index``, chooses among several faces; None takes the largest.
    Raises PhotoError with the name of the photo in front, so that a person knows which one is meant.
    """
    wanted = {
        name: (request[name], request.get(f"{name}_index")) for name in request if _is_photo(request, name)
    }
    portraits, seen = {}, {}
    for number, (name, (path, index)) in enumerate(wanted.items(), 1):
        index = None if index is None else int(index)
        if (path, index) not in seen:
            seen[path, index] = studio.read(path, face=index)
        portraits[name] = seen[path, index]
        notices = [f"{_title(name)}: {n}" for n in portraits[name].notices]
        for notice in notices or [""]:
            yield Step("read photos", number, len(wanted), notice=notice)
    return portraits


def _is_photo(request: Mapping[str, Any], name: str) -> bool:
    return request[name] is not None and (name in PHOTOS or name.startswith("photo:"))


def _title(name: str) -> str:
    words = PHOTOS.get(name, name.removeprefix("photo:"))
    return f"{words[:1].upper()}{words[1:]} photo"


def start(studio, kind: str, request: Mapping[str, Any]) -> Steps[Finished]:
    """Run a request.

    kind: "transfer", "swap" or "mask" (only the target mask of a transfer).
    request: paths by the names of PHOTOS, or "photo:<region>"; ``regions`` maps a region to one of
        these names; ``mask`` is a path or uint8 [r,r] region indices; ``preset``, ``mode``, ``smooth``,
        ``seed`` as in :class:`barbershop_core.studio.Studio`.
    """
    portraits = yield from read_photos(studio, request)
    settings = {k: DEFAULTS[k] if request.get(k) is None else request[k] for k in SETTINGS[kind]}
    settings["seed"] = int(settings["seed"])
    if "face" not in portraits:
        raise BadRequest("The photo of the person is missing.")
    recipe = {"task": kind, **settings, "photos": _fingerprints(portraits)}
    if kind == "swap":
        if "into" not in portraits:
            raise BadRequest("The photo that receives the face is missing.")
        result = yield from studio.swap_face(face=portraits["face"], into=portraits["into"], **settings)
        return _finished(studio, result, portraits["into"], recipe)
    regions = {}
    for region, name in (request.get("regions") or {}).items():
        if name not in portraits:
            raise BadRequest(f"The photo for '{region}' is missing.")
        regions[region] = portraits[name]
    recipe["regions"] = dict(request.get("regions") or {})
    given = {
        "hair_shape": portraits.get("hair_shape"),
        "hair_color": portraits.get("hair_color"),
        "regions": regions or None,
    }
    if kind == "mask":
        labels = yield from studio.target_mask(face=portraits["face"], **given, **settings)
        return Finished(
            None, portraits["face"], np.asarray(labels, np.uint8), tuple(studio.pack.notices), recipe
        )
    mask = request.get("mask")
    if isinstance(mask, str):
        mask = read_mask(mask)
    if mask is not None:
        recipe["mask"] = _mask_text(mask)
    result = yield from studio.transfer(face=portraits["face"], **given, mask=mask, **settings)
    return _finished(studio, result, portraits["face"], recipe)


def _fingerprints(portraits: Mapping[str, Any]) -> dict[str, dict]:
    return {name: {"digest": p.digest, "face": p.index} for name, p in portraits.items()}


def _mask_text(labels: np.ndarray) -> str:
    file = io.BytesIO()
    Image.fromarray(labels.astype(np.uint8)).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def repeat(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, region assignment and painted mask of a stored recipe, as a request without photos.

    Raises BadRequest where the recipe was not written by a request.
    """
    stored = recipe.get("request")
    if not isinstance(stored, Mapping) or stored.get("task") not in SETTINGS:
        raise BadRequest(
            "The recipe does not say how to repeat it.", "Give the PNG that the page or this program wrote."
        )
    request = {k: stored[k] for k in DEFAULTS if k in stored}
    request["regions"] = dict(stored.get("regions") or {})
    if stored.get("mask"):
        try:
            request["mask"] = np.asarray(
                Image.open(io.BytesIO(base64.b64decode(stored["mask"]))).convert("L")
            )
        except (OSError, ValueError) as error:
            raise BadRequest(
                "The mask in the recipe is damaged.", "Give the PNG as it was downloaded."
            ) from error
    return request


def differences(recipe: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Why ``made`` is no exact repetition of ``recipe``: other photos, another pack; as sentences."""
    old, new = recipe["request"]["photos"], made["request"]["photos"]
    changed = [name for name in old if name not in new or new[name]["digest"] != old[name]["digest"]]
    found = [f"{_title(name)}: not the one of the recipe, so the result differs." for name in changed]
    if recipe["pack"] != made["pack"]:
        found.append(f"The recipe was made with the pack '{recipe['pack']['name']}' as it was then.")
    return found


def _finished(studio, result, portrait, request: dict[str, Any]) -> Finished:
    recipe = {**result.recipe, "request": request}
    return Finished(result, portrait, _target(result), _notices(studio, result), recipe)


def _notices(studio, result) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*studio.pack.notices, *result.notices)))


def _target(result) -> np.ndarray | None:
    target = result.masks.get("target")
    return None if target is None else np.asarray(target, np.uint8)


def passes(preset: str, photos: int = 3) -> int:
    """Generator passes of a transfer between so many new photos, early stops not counted."""
    numbers = PRESETS[preset]
    embedding = numbers.inversion.w_steps + numbers.inversion.w_plus_steps + numbers.inversion.fs_steps
    aligned = photos if numbers.every_reference else 1
    turned = numbers.pose_steps * (photos - 1)
    align = aligned * (numbers.align_steps + numbers.align_style_steps)
    return photos * embedding + numbers.mask_steps + turned + align + numbers.blend_steps


def to_png(image: Image.Image, recipe: Mapping[str, Any]) -> bytes:
    """A picture as the bytes of a PNG that carries the recipe."""
    with tempfile.TemporaryDirectory() as folder:
        return save_png(Path(folder) / "picture.png", image, dict(recipe)).read_bytes()


def picture_of(labels: np.ndarray) -> np.ndarray:
    """Region indices [H,W] as colours, uint8 [H,W,3]."""
    return COLOURS[labels]


def outcome(done: Finished) -> dict[str, Any]:
    """What the page shows of a finished request, as plain numpy arrays, bytes and numbers.

    Keys: labels, mask_picture, mask_overlay (colours over the portrait), palette; for an edit also image,
    before (the portrait at the image's size), png, pasted_png (with the recipe inside), scores, recipe,
    notices.
    """
    shown: dict[str, Any] = {"notices": list(done.notices), "labels": done.labels, "palette": palette()}
    size = done.portrait.size if done.result is None else done.result.image.width
    before = done.portrait.at(size)
    if done.labels is not None:
        large = max(size, 256)
        picture = Image.fromarray(picture_of(done.labels)).resize((large, large), Image.NEAREST)
        shown["mask_picture"] = np.asarray(picture)
        shown["mask_overlay"] = np.asarray(
            Image.blend(Image.fromarray(before).resize((large, large)), picture, 0.45)
        )
    if done.result is not None:
        result, recipe = done.result, dict(done.recipe)
        shown |= {
            "image": np.asarray(result.image),
            "before": before,
            "scores": result.scores,
            "recipe": recipe,
        }
        shown["png"], shown["pasted_png"] = to_png(result.image, recipe), to_png(result.pasted, recipe)
    return shown
