"""A photograph with another expression: its own pixels, moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from .face_motion import LIDS, face_motion
from .layers import Layers, draw

CONTROLS: Mapping[str, Mapping[str, float]] = {
    "smile": {"mouthSmileLeft": 1.0, "mouthSmileRight": 1.0},
    "mouth_open": {"jawOpen": 0.95},
    "brow_raise": {"browInnerUp": 1.0, "browOuterUpLeft": 1.0, "browOuterUpRight": 1.0},
    "eye_open": {"eyeBlinkLeft": -1.2, "eyeBlinkRight": -1.2},
    "frown": {"browDownLeft": 0.9, "browDownRight": 0.9, "mouthFrownLeft": 0.8, "mouthFrownRight": 0.8},
}
"""Blendshapes of each control at 1."""
RANGE = (-0.6, 1.3)
"""Of a blendshape after an edit."""


def amounts(
    own: Mapping[str, float], controls: Mapping[str, float], beside: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Changes of blendshapes for changes of controls, as far as `RANGE` lets them; those that are none are left out.

    own: the photograph's blendshapes.  beside: changes of blendshapes to which the controls' are added.
    """
    total = dict(beside or {})
    for control, amount in controls.items():
        for name, share in CONTROLS[control].items():
            total[name] = total.get(name, 0.0) + amount * share
    found = {}
    for name, amount in total.items():
        start = 0.0 if name in LIDS else own.get(name, 0.0)
        found[name] = float(np.clip(start + amount, min(RANGE[0], start), max(RANGE[1], start)) - start)
    return {name: amount for name, amount in found.items() if abs(amount) > 1e-3}


def express(
    layers: Layers, image: np.ndarray, own: Mapping[str, float], controls: Mapping[str, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Move an expression.

    layers: of the photograph.  image: [S,S,3], the same photograph in other tones.  own, controls: see `amounts`.
    Returns the picture, float32 [S,S,3] in 0..1, and where it moved, float32 [S,S].
    """
    head = layers.head
    motion = face_motion().move(amounts(own, controls), head.face)
    toned = replace(layers, image=image, person=layers.person + image - layers.image)
    return draw(toned, head.moved(expression=motion), head.moved())
