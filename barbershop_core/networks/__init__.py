"""Networks in the layouts of their published checkpoints.

Each module is pure: no I/O, no device, no globals.  ``load`` is the one way in: a file or a checkpoint
object becomes a network, whose sizes and widths are all read from the weights.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from torch import nn

from ..errors import BadRequest

# kind -> module with from_state(checkpoint, **options)
KINDS = {
    "stylegan2": "stylegan2_layouts",
    "bisenet": "bisenet",
    "arcface": "arcface",
    "e4e": "e4e",
    "vgg16": "vgg",
    "regressor": "regressor",
    "face_model": ".face3d.model_files",
    "rignet": "rignet",
    "face3d": ".face3d.deep3d",
    "clip": "clip",
    "mapper": "mapper",
}


def load(kind: str, checkpoint: Any, **options: Any) -> nn.Module:
    """A network in evaluation mode, its parameters frozen.

    kind: "stylegan2", "bisenet", "arcface", "e4e" or "vgg16" (features only).
    checkpoint: path of a weight file (see ``checkpoint.read``), a state dict, or the object that a
        published file holds.

    Raises errors.BadRequest for an unknown kind, errors.WeightMissing, errors.WeightCorrupt (cut off,
    damaged, weights of something else), errors.UnsafePickle.
    """
    if kind not in KINDS:
        raise BadRequest(f"There is no network of the kind '{kind}'.", f"Choose one of {', '.join(KINDS)}.")
    module = import_module(f".{KINDS[kind]}", __name__)
    if isinstance(checkpoint, (str, Path)):
        from ..weights.checkpoint import read

        # face models come in files that no other network comes in
        checkpoint = getattr(module, "read", read)(checkpoint)
    net = module.from_state(checkpoint, **options)
    return net.eval().requires_grad_(False)
