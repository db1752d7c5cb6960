"""Light by a lamp's direction, strength and warmth, over a soft fill."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..errors import BadRequest
from ..face3d import harmonics
from ..options import Checked, checked
from .options import AZIMUTH, ELEVATION, LAMP, LIGHT_PARTS, WARMTH

KEY, SPREAD = 0.62, 0.26  # irradiance of the lamp at strength 1, and its variation in the world
AMBIENT, DIMMING, FILL = 0.64, 0.22, 0.22  # DIMMING: ambient light lost for each SPREAD of the lamp
TINT = (0.06, 0.006, -0.06)  # of red, green and blue at warmth 1


@dataclass(frozen=True)
class Light(Checked):
    """A lamp over a soft fill.

    azimuth: degrees, positive from the picture's right.  elevation: degrees, positive from above.
    strength: of the lamp over the fill, 1 for a portrait's usual light.  warmth: -1 cool to 1 warm.
    Raises BadRequest for values outside the ranges of `options.LIGHT_PARTS`.
    """

    OPTIONS = LIGHT_PARTS

    azimuth: float = AZIMUTH.default
    elevation: float = ELEVATION.default
    strength: float = LAMP.default
    warmth: float = WARMTH.default

    def coefficients(self) -> Tensor:
        """Irradiance in orthonormal harmonics, [9,3] (see :mod:`..face3d.harmonics`)."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        towards = torch.tensor([math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)])
        key = KEY * self.strength
        lamp = key / math.pi * harmonics.lamp(towards)
        tint = 1 + self.warmth * torch.tensor(TINT)
        return _white(key)[:, None] + lamp[:, None] * tint


def read(light: Light | Mapping[str, float] | None) -> Light | None:
    """A light from its numbers by name, or by default where they are missing.  Raises BadRequest."""
    if light is None or isinstance(light, Light):
        return light
    if not isinstance(light, Mapping):
        remedy = 'Give numbers by name, such as {"azimuth": -40} for a lamp on the picture\'s left.'
        raise BadRequest(f"A light cannot be given as {str(light)[:40]!r}.", remedy)
    return Light(**checked(LIGHT_PARTS, light))


def nearest_light(coefficients: Tensor) -> Light:
    """The light nearest to coefficients [9,3], within the ranges of `options.LIGHT_PARTS`."""
    scale = 2 / 3 * harmonics.NORMS[1]
    luminance, key = coefficients.mean(1), KEY
    for _ in range(40):  # the fill depends slightly on the lamp's strength
        y, z, x = ((luminance - _white(key))[1:4] / scale).tolist()
        key = math.sqrt(x * x + y * y + z * z)
    red, blue = (float((coefficients[:, k] - luminance)[0]) for k in (0, 2))
    own = key * harmonics.NORMS[0]
    warmth = (red - blue) / (TINT[0] - TINT[2]) / max(own, 1e-6)
    found = {
        "azimuth": math.degrees(math.atan2(x, max(z, 1e-6))),
        "strength": key / KEY,
        "warmth": warmth,
        "elevation": math.degrees(math.atan2(y, math.hypot(x, z))),
    }
    return Light(**{o.name: float(min(max(found[o.name], o.low), o.high)) for o in LIGHT_PARTS})


def sphere(light: Light | Mapping[str, float], side: int = 120) -> np.ndarray:
    """A grey sphere under the light, on a dark background: uint8 [side,side,3]."""
    at = (torch.arange(side) + 0.5) * (2.3 / side) - 1.15
    x, y = at[None].expand(side, side), -at[:, None].expand(side, side)
    inside = x * x + y * y <= 1
    normal = torch.stack([x, y, (1 - x * x - y * y).clamp_min(0).sqrt()], -1)
    colour = 0.8 * harmonics.basis(normal) @ read(light).coefficients()
    ground = torch.tensor([0.227, 0.204, 0.18])
    picture = torch.where(inside[..., None], colour.clamp(0, 1), ground)
    return (picture * 255).round().to(torch.uint8).numpy()


def _white(key: float) -> Tensor:
    """Ambient light, slightly from above, and a fill from the front: coefficients [9].

    The stronger the lamp, the less ambient light, as with a camera's exposure.
    """
    ambient = torch.zeros(9)
    ambient[0], ambient[1], ambient[2] = 1.0, 0.16, 0.04
    ambient = ambient / torch.tensor([harmonics.NORMS[0]] + [harmonics.NORMS[1]] * 8)
    fill = FILL / math.pi * harmonics.lamp(torch.tensor([0.0, 0.35, 0.94]))
    return max(AMBIENT - DIMMING * (key - KEY) / SPREAD, 0.1) * ambient + fill
