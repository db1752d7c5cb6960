"""theta: the numbers from which a morphable model renders a face (PIE, section 3.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from ..errors import BadRequest

TAU: Mapping[str, str] = {"pose": "rotation", "expression": "expression", "light": "light"}
"""What a rig edits (the paper's tau), and the part of theta that it is."""


@dataclass(frozen=True)
class Theta:
    """A batch of faces.

    rotation [B,3]: phi, radians about x, y and z (see :meth:`angles`).  translation [B,3]: rho, model units.
    identity [B,I]: alpha.  texture [B,T]: delta.  expression [B,E]: beta.  light [B,27]: gamma, nine
    spherical-harmonics coefficients for each of red, green and blue in turn.
    With a Basel model I, T, E are 80, 80, 64: 257 numbers.
    """

    rotation: Tensor
    translation: Tensor
    identity: Tensor
    texture: Tensor
    expression: Tensor
    light: Tensor

    def __len__(self) -> int:
        return len(self.rotation)

    def __getitem__(self, rows) -> Theta:
        """Some of the faces; a number keeps the batch dimension."""
        rows = slice(rows, rows + 1) if isinstance(rows, int) else rows
        return self.map(lambda part: part[rows])

    def map(self, change) -> Theta:
        """``change`` applied to every part."""
        return Theta(**{f.name: change(getattr(self, f.name)) for f in fields(self)})

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers in each part, in the order of :meth:`flat`."""
        return {f.name: getattr(self, f.name).shape[1] for f in fields(self)}

    def flat(self) -> Tensor:
        """All numbers, [B, 33 + I + T + E]."""
        return torch.cat([getattr(self, f.name) for f in fields(self)], 1)

    def tau(self, name: str) -> Tensor:
        """The part for ``name``: "pose", "expression" or "light"."""
        return getattr(self, TAU[tau_name(name)])

    def with_tau(self, name: str, value: Tensor) -> Theta:
        """[theta^(not tau), value]: the same face except for one part."""
        return replace(self, **{TAU[tau_name(name)]: value})

    def mixed(self, other: Theta, names: Iterable[str]) -> Theta:
        """[theta^(not tau), other^tau] for each tau in ``names``."""
        mixed = self
        for name in names:
            mixed = mixed.with_tau(name, other.tau(name))
        return mixed

    def angles(self) -> Tensor:
        """Yaw, pitch, roll in degrees [B,3]: positive to the picture's right, up, and clockwise."""
        x, y, z = self.rotation.unbind(1)
        return torch.rad2deg(torch.stack([y, -x, -z], 1))


def rotation_from_angles(degrees: Tensor) -> Tensor:
    """phi [B,3] from yaw, pitch, roll in degrees [B,3]; undoes :meth:`Theta.angles`."""
    yaw, pitch, roll = torch.deg2rad(degrees).unbind(1)
    return torch.stack([-pitch, yaw, -roll], 1)


def from_flat(numbers: Tensor, sizes: Mapping[str, int]) -> Theta:
    """Undoes :meth:`Theta.flat`: numbers [B,N], sizes as in :attr:`Theta.sizes`."""
    parts = numbers.split(list(sizes.values()), 1)
    return Theta(**dict(zip(sizes, parts)))


def tau_name(name: str) -> str:
    """A name of `TAU`, in lower case.  Raises BadRequest for others."""
    known = str(name).strip().lower()
    if known not in TAU:
        raise BadRequest(f"A rig cannot edit '{name}'.", f"Choose from: {', '.join(TAU)}.")
    return known
