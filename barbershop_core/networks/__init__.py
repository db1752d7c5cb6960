"""Networks in the layouts of their published checkpoints.

Each module is pure: no I/O, no device, no globals.  :func:`load` makes a network of a checkpoint, whose
sizes are all read from the weights; it alone may read a file, by :mod:`barbershop_core.weights.checkpoint`.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import BadRequest
from ..weights import checkpoint as weight_files

# kind -> module with from_state(checkpoint, **options)
KINDS = {
    "stylegan2": ".stylegan2_layouts",
    "bisenet": ".bisenet",
    "arcface": ".arcface",
    "e4e": ".e4e",
    "vgg16": ".vgg",
    "regressor": ".regressor",
    "face_model": "..face3d.model_files",
    "rignet": ".rignet",
    "face3d": "..face3d.deep3d",
    "clip": ".clip",
    "mapper": ".mapper",
}


def load(kind: str, checkpoint: Any, **options: Any) -> nn.Module:
    """A network in evaluation mode, its parameters frozen.

    kind: one of :data:`KINDS`; "vgg16" gives the convolutions only.
    checkpoint: path of a weight file (see ``weights.checkpoint.read``), a state dict, or the object that
        a published file holds.  options: passed to the module's ``from_state``.

    Raises errors.BadRequest for an unknown kind, errors.WeightMissing, errors.WeightCorrupt (truncated,
    damaged, weights of something else), errors.UnsafePickle.
    """
    if kind not in KINDS:
        raise BadRequest(f"There is no network of the kind '{kind}'.", f"Choose one of {', '.join(KINDS)}.")
    module = import_module(KINDS[kind], __name__)
    if isinstance(checkpoint, (str, Path)):
        own = kind == "face_model"  # the only kind with file formats of its own
        checkpoint = (module if own else weight_files).read(checkpoint)
    return module.from_state(checkpoint, **options).eval().requires_grad_(False)
