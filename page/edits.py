"""Tasks of the page as steps of the core, and their results as arrays and PNG bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from barbershop_core import jobs
from barbershop_core.progress import Steps

from .gpu import Task
from .visits import load_result

if TYPE_CHECKING:
    from barbershop_core.studio import Studio


def start(studio: Studio, task: Task) -> Steps[jobs.Done]:
    """The task's operation, on the step that it starts from."""
    previous = load_result(task.previous) if task.previous else None
    return (yield from jobs.start(studio, task.operation, task.photos, task.options, previous))


def edit(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """An edit; returns what :func:`outcome` does.  The mask of a transfer may be the path of a picture."""
    if isinstance(task.options.get("mask"), str):
        from barbershop_core.editing.mask_file import read_mask

        task = replace(task, options={**task.options, "mask": read_mask(task.options["mask"])})
    return outcome((yield from start(studio, task)))


def target_mask(studio: Studio, task: Task) -> Steps[dict[str, Any]]:
    """The automatic target mask of a transfer; returns what :func:`mask_pictures` does, and "notices"."""
    done = yield from start(studio, task)
    return {**mask_pictures(done.portrait, done.value), "notices": list(done.notices)}


def outcome(done: jobs.Done) -> dict[str, Any]:
    """A finished edit in plain values.

    Keys: "png" and "pasted_png" (PNG files with the recipe inside), "code" (a safetensors file), "changed"
    (float16 [R,R]), "scores", "recipe", "notices"; of a transfer also those of :func:`mask_pictures`.
    """
    from barbershop_core.editing.picture_file import encode

    result, labels = done.value, done.value.masks.get("target")
    return {
        "png": encode(result.image, result.recipe),
        "pasted_png": encode(result.pasted, result.recipe),
        "code": result.code.dumps(),
        "changed": result.masks["changed"].astype("float16"),
        "scores": result.scores,
        "recipe": dict(result.recipe),
        "notices": list(done.notices),
        **({} if labels is None else mask_pictures(done.portrait, np.asarray(labels, np.uint8))),
    }


def mask_pictures(portrait, labels: np.ndarray) -> Mapping[str, Any]:
    """A target mask to look at and to paint over.

    labels: region indices, uint8 [R,R].  Keys: "labels"; "mask_picture", the regions' colours, and
    "mask_overlay", those over the portrait, uint8 [S,S,3]; "palette", region -> "#rrggbb".
    """
    from barbershop_core.editing.mask_file import palette
    from barbershop_core.editing.regions import COLOURS

    side = max(len(labels), 256)
    picture = Image.fromarray(COLOURS[labels]).resize((side, side), Image.NEAREST)
    photo = Image.fromarray(portrait.at(len(labels))).resize((side, side))
    overlay = Image.blend(photo, picture, 0.45)
    pictures = {"mask_picture": np.asarray(picture), "mask_overlay": np.asarray(overlay)}
    return {"labels": labels, "palette": palette(), **pictures}
