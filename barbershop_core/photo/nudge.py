"""A crop that is moved, turned and zoomed by hand, from where the alignment put it.

Everything is told of what the crop shows, as sliders beside it do: to the right means that the face goes to the right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from ..errors import BadRequest
from ..options import NUDGE, Checked

X, Y, TURN, ZOOM = NUDGE


@dataclass(frozen=True)
class Nudge(Checked):
    """Turned and zoomed about the crop's middle, then moved.

    x, y: to the right and down, in sides of the crop, -0.5 to 0.5.  turn: degrees, clockwise, -45 to 45.
    zoom: 0.5 to 2; 2 shows the face twice as large.  Raises BadRequest for numbers outside of these ranges.
    """

    OPTIONS = NUDGE

    x: float = X.default
    y: float = Y.default
    turn: float = TURN.default
    zoom: float = ZOOM.default

    @classmethod
    def of(cls, given: Nudge | Mapping[str, Any] | None) -> Nudge | None:
        """A nudge from its numbers by name; None for one that changes nothing.  Raises BadRequest."""
        if given is None or isinstance(given, Nudge):
            return given or None
        names = [field.name for field in fields(cls)]
        if not isinstance(given, Mapping) or set(given) - set(names):
            raise BadRequest("The nudge of the crop is not understood.", f"Give numbers for {', '.join(names)}.")
        return cls(**{name: value for name, value in given.items() if value is not None}) or None

    def __bool__(self) -> bool:
        return self != Nudge()

    @property
    def numbers(self) -> dict[str, float]:
        return asdict(self)

    def corners(self, corners: np.ndarray) -> np.ndarray:
        """The nudged crop's corners, float64 [4,2].

        corners: of the crop, (x, y) in the source; order upper left, lower left, lower right, upper right.
        """
        if not self:
            return np.asarray(corners, np.float64)
        across, down = corners[3] - corners[0], corners[1] - corners[0]
        angle = math.radians(self.turn)
        back = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) / self.zoom
        places = np.array([[-0.5, -0.5], [-0.5, 0.5], [0.5, 0.5], [0.5, -0.5]]) - [self.x, self.y]
        return np.mean(corners, axis=0) + places @ back.T @ np.stack([across, down])
