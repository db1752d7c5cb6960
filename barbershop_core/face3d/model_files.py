"""Morphable face models from weight files: our own safetensors layout, or Basel's.

Layout: the buffers of :class:`barbershop_core.face3d.morphable.Morphable` by name, the convention as
``convention`` [4] (focal, distance, 1 where the order is "zxy", row offset), and the names of the
expressions as the bytes of a comma-separated text under ``expression_names``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..networks import layout
from ..weights import checkpoint as checkpoint_file
from . import basel
from .morphable import Convention, Morphable

WHAT = "morphable face model"


def to_state(model: Morphable) -> dict[str, Tensor]:
    """The state dict that :func:`from_state` reads."""
    c = model.convention
    numbers = [c.focal, c.distance, float(c.order == "zxy"), c.row_offset]
    names = torch.tensor(list(",".join(model.expression_names).encode()), dtype=torch.uint8)
    return {**model.state_dict(), "convention": torch.tensor(numbers), "expression_names": names}


def read(path: str | Path) -> Any:
    """A file's state dict, or the model itself from one of Basel's files (see :mod:`.basel`)."""
    return basel.load(path) if Path(path).suffix in (".mat", ".npy") else checkpoint_file.read(path)


def from_state(checkpoint: Any) -> Morphable:
    """A model from our layout, or as ``read`` has made it.

    Raises errors.WeightCorrupt for anything else.
    """
    if isinstance(checkpoint, Morphable):
        return checkpoint
    state = layout.state_of(checkpoint, WHAT)
    for name, dims in (
        ("mean", 1),
        ("identity", 2),
        ("expression", 2),
        ("albedo", 1),
        ("texture", 2),
        ("faces", 2),
        ("convention", 1),
        ("expression_names", 1),
    ):
        layout.shape_of(state, name, WHAT, dims)
    focal, distance, order, row_offset = state.pop("convention").tolist()
    names = bytes(state.pop("expression_names").tolist()).decode(errors="replace")
    rows = {len(state[name]) for name in ("mean", "identity", "expression", "albedo", "texture")}
    if len(rows) != 1 or int(state["faces"].max()) >= len(state["mean"]) // 3:
        raise layout.wrong(WHAT, "its parts do not fit each other")
    convention = Convention(focal, distance, "zxy" if order else "zyx", row_offset)
    return Morphable(state, convention, tuple(names.split(",")) if names else ())
