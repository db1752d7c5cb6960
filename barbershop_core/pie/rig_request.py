"""What is asked of a rig, checked: degrees, an expression, a light, or another photo's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..errors import BadRequest
from ..face3d.theta import TAU, Theta, rotation_from_angles
from . import expressions
from .light import Light as Lamp
from .light import read

ANGLES = {"yaw": 50.0, "pitch": 30.0, "roll": 20.0}
"""Degrees to either side that may be asked for."""
Light = Lamp | Mapping[str, float] | None
"""A light as it may be given."""
POSE: Mapping[str, Any] = {
    "yaw": 0.0,
    "pitch": 0.0,
    "roll": 0.0,
    "expression": None,
    "strength": 1.0,
    "light": None,
}
"""What :func:`asked` takes, as it is when nothing is asked for."""


@dataclass(frozen=True)
class RigRequest:
    """A checked request: degrees to turn by, expression, light; or another photo's theta and what to copy."""

    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    expression: str | Mapping[str, float] | None = None
    strength: float = 1.0
    light: Lamp | None = None
    copied: tuple[str, ...] = ()
    like: Theta | None = None

    @property
    def taus(self) -> tuple[str, ...]:
        """What is moved, in the order in which it is."""
        moved = {
            "pose": any(self.angles),
            "expression": bool(self.expression),
            "light": self.light is not None,
        }
        return tuple(name for name in TAU if moved[name] or name in self.copied)

    def theta(self, model, own: Theta) -> Theta:
        """What the portrait's theta shall be.  Raises BadRequest."""
        wanted = own.mixed(self.like, self.copied) if self.like is not None else own
        if any(self.angles):
            turned = wanted.angles() + torch.tensor([self.angles]).to(wanted.rotation)
            wanted = replace(wanted, rotation=rotation_from_angles(turned))
        moved = expressions.moved(model, wanted.expression, self.expression or None, self.strength)
        wanted = replace(wanted, expression=moved)
        if self.light is not None:
            sh = self.light.coefficients().to(wanted.light)
            wanted = replace(wanted, light=model.to_light(sh))
        return wanted


def asked(
    yaw: float = 0.0,
    pitch: float = 0.0,
    roll: float = 0.0,
    expression: str | Mapping[str, float] | None = None,
    strength: float = 1.0,
    light: Light = None,
) -> RigRequest:
    """A checked request; `POSE` holds the same names.

    yaw, pitch, roll: degrees to turn by (see `ANGLES`).  expression: a name of `expressions.NAMES`, or
    amounts by control; strength 0..1.5.  light: azimuth, elevation, strength, warmth, see `light.Light`.
    Raises BadRequest.
    """
    for name, value in (("yaw", yaw), ("pitch", pitch), ("roll", roll)):
        most = ANGLES[name]
        number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        if not number or abs(value) > most:
            raise BadRequest(
                f"A head cannot be turned by a {name} of {value} degrees here.",
                f"Give -{most:g} to {most:g} degrees.",
            )
    if not isinstance(expression, (str, Mapping, type(None))):
        raise BadRequest(
            f"'{expression}' is no expression.", f"Choose one of: {', '.join(expressions.NAMES)}."
        )
    if isinstance(expression, str) and expression.strip().lower() not in expressions.NAMES:
        raise BadRequest(
            f"There is no expression '{expression}'.", f"Choose one of: {', '.join(expressions.NAMES)}."
        )
    return RigRequest((float(yaw), float(pitch), float(roll)), expression or None, strength, read(light))
