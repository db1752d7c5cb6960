"""What is asked of a rig, checked: degrees, an expression, a light, or another photo's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ..errors import BadRequest
from ..face3d.theta import TAU, Theta, rotation_from_angles
from ..options import checked
from . import expressions
from .light import Light, read
from .options import ANGLES, EXPRESSIONS, GAZE_PARTS, POSE


@dataclass(frozen=True)
class RigRequest:
    """A checked request.

    angles: yaw, pitch, roll, degrees to turn by.
    expression: a name with ``strength``, or amounts by control.
    gaze: degrees to turn the eyes by, sideways and up.
    copied, like: names of tau to copy from another photo's theta.
    """

    angles: tuple[float, float, float] = (0.0, 0.0, 0.0)
    expression: str | Mapping[str, float] | None = None
    strength: float = 1.0
    light: Light | None = None
    gaze: tuple[float, float] = (0.0, 0.0)
    copied: tuple[str, ...] = ()
    like: Theta | None = None

    @property
    def asks(self) -> bool:
        """Whether anything is asked for."""
        return bool(self.taus) or any(self.gaze)

    @property
    def taus(self) -> tuple[str, ...]:
        """Names of tau that change, in the order in which they are applied."""
        moved = {"pose": any(self.angles), "expression": bool(self.expression), "light": self.light is not None}
        return tuple(name for name in TAU if moved[name] or name in self.copied)

    def theta(self, model, own: Theta) -> Theta:
        """The theta asked for, from the portrait's own.  Raises BadRequest."""
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

    @classmethod
    def of(cls, **pose: Any) -> RigRequest:
        """A request from the options of :data:`.options.POSE`.  Raises BadRequest."""
        values = checked(POSE, pose)
        expression = values["expression"]
        if not isinstance(expression, (str, Mapping, type(None))) or (
            isinstance(expression, str) and expression and expression.strip().lower() not in EXPRESSIONS
        ):
            raise BadRequest(f"There is no expression '{expression}'.", f"Choose one of: {', '.join(EXPRESSIONS)}.")
        angles = tuple(float(values[angle.name]) for angle in ANGLES)
        gaze = values["gaze"]
        if gaze is not None and not isinstance(gaze, Mapping):
            raise BadRequest(f"There is no gaze '{gaze}'.", 'Give degrees such as {"sideways": 15, "up": 0}.')
        parts = checked(GAZE_PARTS, gaze or {})
        eyes = tuple(float(parts[part.name]) for part in GAZE_PARTS)
        return cls(angles, expression or None, values["strength"], read(values["light"]), eyes)
