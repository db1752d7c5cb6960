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
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .barbershop.transfer_presets import PRESETS
from .editing import chain
from .editing.mask_file import palette, read_mask
from .editing.recipe import save_png, steps
from .editing.regions import COLOURS
from .errors import BadRequest, FaceIndexError
from .progress import Step, Steps

PHOTOS = {
    "face": "person",
    "hair_shape": "hair shape",
    "hair_color": "hair colour",
    "into": "receiving",
    "extra_a": "A",
    "extra_b": "B",
    "like": "model",
}
DEFAULTS = {"preset": "fast", "mode": "realistic", "smooth": 5, "seed": 0}
SETTINGS = {"transfer": tuple(DEFAULTS), "swap": ("preset", "seed"), "mask": tuple(DEFAULTS)}

EDITS = {"text": "styleclip.edit_text", "pose": "pie.repose"}
"""Edits of one portrait, each in a module of its own with

- ``DEFAULTS``: its settings, plain values, by name;
- ``start(studio, portraits, settings, previous)``: the facade's steps, which return a Result."""


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
    Also the names of EDITS, whose requests hold their settings.  ``previous``: the Result to go on from.
    """
    portraits = yield from read_photos(studio, request)
    return (yield from _start(studio, kind, request, portraits))


def _start(studio, kind: str, request: Mapping[str, Any], portraits: Mapping[str, Any]) -> Steps[Finished]:
    previous = request.get("previous")
    if kind in EDITS:
        if "face" not in portraits:
            raise BadRequest("The photo of the person is missing.")
        edit = import_module(f".{EDITS[kind]}", __package__)
        settings = {k: v if request.get(k) is None else request[k] for k, v in edit.DEFAULTS.items()}
        result = yield from edit.start(studio, portraits, settings, previous)
        recipe = {"task": kind, **settings, "photos": _fingerprints(portraits)}
        return _finished(studio, result, portraits["face"], recipe)
    settings = {k: DEFAULTS[k] if request.get(k) is None else request[k] for k in SETTINGS[kind]}
    settings["seed"] = int(settings["seed"])
    if "face" not in portraits:
        raise BadRequest("The photo of the person is missing.")
    recipe = {"task": kind, **settings, "photos": _fingerprints(portraits)}
    if kind == "swap":
        if "into" not in portraits:
            raise BadRequest("The photo that receives the face is missing.")
        result = yield from studio.swap_face(
            face=portraits["face"], into=portraits["into"], previous=previous, **settings
        )
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
        labels = yield from studio.target_mask(face=portraits["face"], previous=previous, **given, **settings)
        return Finished(
            None, portraits["face"], np.asarray(labels, np.uint8), tuple(studio.pack.notices), recipe
        )
    mask = request.get("mask")
    if isinstance(mask, str):
        mask = read_mask(mask)
    if mask is not None:
        recipe["mask"] = _mask_text(mask)
    result = yield from studio.transfer(
        face=portraits["face"], **given, mask=mask, previous=previous, **settings
    )
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
    if recipe.get("chain"):
        raise BadRequest(
            "The picture was made in several steps.",
            "Repeat it with: python -m barbershop_core repeat PICTURE.png PHOTO ...",
        )
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


def replay(studio, recipe: Mapping[str, Any], photos: list[str]) -> Steps[Finished]:
    """Do every step of a recipe again, each on the result of the one before.

    photos: paths, in any order; a step finds its own by their content.  Raises BadRequest where one is
    missing, or where a step cannot be repeated.
    """
    done = None
    wanted = [_request_of(step) for step in steps(dict(recipe))]
    known: dict[str, Any] = {}
    faces = {None} | {photo["face"] for request in wanted for photo in request["photos"].values()}
    for number, path in enumerate(photos, 1):
        for face in sorted(faces, key=lambda f: -1 if f is None else f):
            try:
                portrait = studio.read(path, face=face)
            except FaceIndexError:
                continue
            known.setdefault(portrait.digest, portrait)
        yield Step("read photos", number, len(photos))
    missing = {name: p for r in wanted for name, p in r["photos"].items() if p["digest"] not in known}
    if missing:
        raise BadRequest(
            f"Not among the photos: {', '.join(_title(name) for name in missing)}.",
            "Give the very photos that the picture was made of.",
        )
    for request in wanted:
        portraits = {name: known[photo["digest"]] for name, photo in request.pop("photos").items()}
        names = {name: name for name in portraits}
        request["previous"] = done.result if done else None
        done = yield from _start(studio, request.pop("task"), names | request, portraits)
    return done


def _request_of(step: Mapping[str, Any]) -> dict[str, Any]:
    """A recipe's request: as written, or, of a recipe that the API wrote, told from its settings."""
    stored = step.get("request")
    if isinstance(stored, Mapping):
        request = {"face": None, **stored}
        if request.get("task") in SETTINGS:
            request |= repeat({"request": stored})
        return request
    operation, settings, inputs = step["operation"], dict(step["settings"]), step["inputs"]
    photos = {role: {"digest": digest, "face": None} for role, digest in inputs.items()}
    shared = {"preset": step["preset"], "seed": step["seed"]}
    if operation in EDITS:
        return {"task": operation, **settings, **shared, "photos": photos}
    if operation == "transfer" and not settings.get("mask"):
        named = {role.replace("region ", "photo:"): photo for role, photo in photos.items()}
        regions = {role.removeprefix("photo:"): role for role in named if role.startswith("photo:")}
        own = {"mode": settings["mode"], "smooth": settings["smooth"], "regions": regions}
        return {"task": "transfer", **own, **shared, "photos": named}
    if operation == "swap_face":
        return {"task": "swap", **shared, "photos": {"face": photos["swapped"], "into": photos["face"]}}
    raise BadRequest(f"The step '{operation}' of the recipe does not say how to repeat it.")


def _finished(studio, result, portrait, request: dict[str, Any]) -> Finished:
    result = chain.with_request(result, request)
    return Finished(result, portrait, _target(result), _notices(studio, result), dict(result.recipe))


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
