"""A 3D morphable model: theta to vertices, colours, landmarks and a picture.

Blanz and Vetter 1999, with MoFA's image formation (Tewari et al. 2017, section 4; PIE, section 3.1):

    shape    = mean + identity alpha + expression beta
    albedo   = mean + texture delta (+ paint [alpha, beta], see :class:`Morphable`)
    vertex   = R(phi) shape + rho, projected in perspective
    colour   = albedo * sum_k gamma_k H_k(normal), nine spherical harmonics for each colour

The same class holds Basel models (:mod:`.basel`) and the portrait world's head
(:mod:`barbershop_core.world.morphable_head`); they differ only in data, see :class:`Convention`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import harmonics
from .rasterize import rasterize
from .theta import Theta, from_flat

LANDMARKS_66 = tuple(i for i in range(68) if i not in (60, 64))
"""PIE compares 66 of the 68 iBUG landmarks: the inner corners of the mouth lie on the outer ones."""


PUBLISHED_SIZE = 224
"""px to which Deep3DFaceRecon's row offset refers."""


@dataclass(frozen=True)
class Convention:
    """The units and axes of a model's numbers.

    focal: in picture heights.  distance: of the camera from the model's origin, model units; the camera
    looks along -z, x to the right, y up.  order: "zyx" for R = Rz Ry Rx, "zxy" for Rz Rx Ry (of column
    vectors).  row_offset: pixel row = size - row_offset - v, where v grows upwards from the lowest edge.
    """

    focal: float = 1015.0 / 224.0
    distance: float = 10.0
    order: str = "zyx"
    row_offset: float = 1.0


@dataclass(frozen=True)
class Drawn:
    """A rendered batch: image [B,3,S,S] RGB in 0..1 (a strong light may go beyond) on black; mask
    [B,1,S,S], 1 where the face is."""

    image: Tensor
    mask: Tensor


class Morphable(nn.Module):
    """See the module; all tensors are buffers, nothing is learnt.

    mean [3V], identity [3V,I], expression [3V,E]: x, y, z of each vertex in turn.
    albedo [3V], texture [3V,T]: red, green, blue in 0..1.  paint [3V,I+E]: albedo that goes with the
        shape's coefficients (in the portrait world an open mouth is painted); absent in Basel models.
    faces [F,3]: counter-clockwise from outside.
    neighbours [V,K]: faces around each vertex, F for none; made from ``faces`` where not given.
    landmark_mean [3L], landmark_identity [3L,I], landmark_expression [3L,E]: landmarks as vertices.
    light_scale, light_offset [9]: irradiance = sum_k (gamma_k light_scale_k + light_offset_k) H_k with the
        orthonormal H of :mod:`.harmonics`.
    expression_names: of the expression coefficients, if each has a meaning of its own; else empty.
    """

    def __init__(self, state: Mapping[str, Tensor], convention: Convention, expression_names: tuple[str, ...] = ()):
        super().__init__()
        state = dict(state)
        for name, value in _defaults(state).items():
            state.setdefault(name, value)
        for name, value in state.items():
            exact = value is None or name in ("faces", "neighbours")
            self.register_buffer(name, value if exact else value.float())
        self.convention, self.expression_names = convention, tuple(expression_names)

    @property
    def sizes(self) -> dict[str, int]:
        """Numbers in each part of theta; their sum is 257 for Basel models."""
        return {
            "rotation": 3,
            "translation": 3,
            "identity": self.identity.shape[1],
            "texture": self.texture.shape[1],
            "expression": self.expression.shape[1],
            "light": 27,
        }

    def neutral(self, batch: int = 1) -> Theta:
        """The mean face, frontal, in even white light."""
        zero = self.mean.new_zeros(batch, sum(self.sizes.values()))
        even = zero.new_zeros(9)
        even[0] = 1 / harmonics.NORMS[0]
        return replace(
            from_flat(zero, self.sizes), light=self.to_light(even[:, None].expand(9, 3)).expand(batch, -1).clone()
        )

    # ------------------------------------------------------------------------- the face itself

    def shape(self, theta: Theta) -> Tensor:
        """Vertices [B,V,3] before the rotation."""
        flat = self.mean + theta.identity @ self.identity.T + theta.expression @ self.expression.T
        return flat.reshape(len(theta), -1, 3)

    def skin(self, theta: Theta) -> Tensor:
        """Albedo of each vertex [B,V,3], about 0..1."""
        flat = self.albedo + theta.texture @ self.texture.T
        if self.paint is not None:
            flat = flat + torch.cat([theta.identity, theta.expression], 1) @ self.paint.T
        return flat.reshape(len(theta), -1, 3)

    def normals(self, shape: Tensor) -> Tensor:
        """Unit vertex normals of [B,V,3]: the direction of the sum of the faces' unit normals."""
        a, b, c = (shape[:, self.faces[:, k]] for k in range(3))
        face = F.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
        face = torch.cat([face, face.new_zeros(len(face), 1, 3)], 1)
        return F.normalize(face[:, self.neighbours].sum(2), dim=-1)

    # ------------------------------------------------------------------------- pose and light

    def rotation(self, theta: Theta) -> Tensor:
        """R [B,3,3] of column vectors."""
        x, y, z = theta.rotation.unbind(1)
        one, zero = torch.ones_like(x), torch.zeros_like(x)

        def matrix(*rows: Tensor) -> Tensor:
            return torch.stack(rows, 1).reshape(-1, 3, 3)

        rx = matrix(one, zero, zero, zero, x.cos(), -x.sin(), zero, x.sin(), x.cos())
        ry = matrix(y.cos(), zero, y.sin(), zero, one, zero, -y.sin(), zero, y.cos())
        rz = matrix(z.cos(), -z.sin(), zero, z.sin(), z.cos(), zero, zero, zero, one)
        return rz @ (ry @ rx if self.convention.order == "zyx" else rx @ ry)

    def place(self, points: Tensor, theta: Theta) -> Tensor:
        """Model points [B,N,3] rotated and translated: the camera's axes, the model's origin."""
        return points @ self.rotation(theta).transpose(1, 2) + theta.translation[:, None]

    def irradiance(self, normals: Tensor, light: Tensor) -> Tensor:
        """[B,V,3] at rotated unit normals [B,V,3] under gamma [B,27]."""
        return harmonics.basis(normals) @ self.from_light(light)

    def from_light(self, light: Tensor) -> Tensor:
        """gamma [B,27] -> coefficients of the orthonormal harmonics [B,9,3]."""
        colours = light.reshape(-1, 3, 9) * self.light_scale + self.light_offset
        return colours.transpose(1, 2)

    def to_light(self, coefficients: Tensor) -> Tensor:
        """Undoes :meth:`from_light`: [..., 9, 3] -> [B,27]."""
        colours = coefficients.reshape(-1, 9, 3).transpose(1, 2)
        return ((colours - self.light_offset) / self.light_scale).reshape(-1, 27)

    # ------------------------------------------------------------------------- the picture

    def project(self, placed: Tensor, size: int) -> Tensor:
        """Points of :meth:`place` -> u to the right, v upwards, in pixels of a ``size`` px picture."""
        away = self.convention.distance - placed[..., 2:]
        return (placed[..., :2] / away * self.convention.focal + 0.5) * size

    def to_rows(self, uv: Tensor, size: int) -> Tensor:
        """The same with y downwards."""
        return torch.stack([uv[..., 0], size - self.convention.row_offset - uv[..., 1]], -1)

    def landmark_shape(self, theta: Theta) -> Tensor:
        """Landmarks on the face before the rotation [B,L,3]."""
        flat = (
            self.landmark_mean
            + theta.identity @ self.landmark_identity.T
            + theta.expression @ self.landmark_expression.T
        )
        return flat.reshape(len(theta), -1, 3)

    def landmarks(self, theta: Theta, size: int) -> Tensor:
        """Landmarks in pixels, y downwards [B,L,2]; L = 68, or 0 if the model's file has none."""
        return self.to_rows(self.project(self.place(self.landmark_shape(theta), theta), size), size)

    def shares(self, theta: Theta) -> Tensor:
        """Landmarks as fractions of the picture's side, y downwards [B,L,2]."""
        return self.landmarks(theta, PUBLISHED_SIZE) / PUBLISHED_SIZE

    def colours(self, theta: Theta, shape: Tensor) -> Tensor:
        """Lit vertex colours [B,V,3]."""
        normals = self.normals(shape) @ self.rotation(theta).transpose(1, 2)
        return self.skin(theta) * self.irradiance(normals, theta.light)

    def render(self, theta: Theta, size: int) -> Drawn:
        """Render the faces, differentiable in all of theta (see :mod:`.rasterize`)."""
        shape = self.shape(theta)
        placed = self.place(shape, theta)
        points = self.to_rows(self.project(placed, size), size)
        found = rasterize(points, self.convention.distance - placed[..., 2], self.faces, size)
        return Drawn(found.image(found.interpolate(self.colours(theta, shape))), found.mask())

    def solve_translation(self, theta: Theta, landmarks: Tensor, size: int) -> Theta:
        """theta with the translation that moves its landmarks to ``landmarks`` [B,L,2] (pixels, y down).

        Least squares of the projection's equations, which are linear in it: f (X + tx) = u (d - Z - tz).
        """
        turned = self.landmark_shape(theta) @ self.rotation(theta).transpose(1, 2)
        rows = size - self.convention.row_offset - landmarks[..., 1]
        target = torch.stack([landmarks[..., 0], rows], -1) / size - 0.5
        f, zero = self.convention.focal, torch.zeros_like(target[..., 0])
        ahead = self.convention.distance - turned[..., 2]
        system, answer = [], []
        for axis in (0, 1):
            columns = [zero, zero, target[..., axis]]
            columns[axis] = zero + f
            system.append(torch.stack(columns, -1))
            answer.append(target[..., axis] * ahead - f * turned[..., axis])
        a, b = torch.cat(system, 1), torch.cat(answer, 1)[..., None]
        solved = torch.linalg.solve(a.transpose(1, 2) @ a, a.transpose(1, 2) @ b)
        return replace(theta, translation=solved[..., 0])


def _defaults(state: Mapping[str, Tensor]) -> dict[str, Tensor | None]:
    identity, expression = state["identity"], state["expression"]
    vertices = len(state["mean"]) // 3
    landmarks = state.get("landmark_mean", state["mean"].new_zeros(0))
    return {
        "paint": None,
        "neighbours": state["neighbours"] if "neighbours" in state else _around(state["faces"], vertices),
        "landmark_mean": landmarks,
        "landmark_identity": identity.new_zeros(len(landmarks), identity.shape[1]),
        "landmark_expression": expression.new_zeros(len(landmarks), expression.shape[1]),
        "light_scale": identity.new_ones(9),
        "light_offset": identity.new_zeros(9),
    }


def _around(faces: Tensor, vertices: int) -> Tensor:
    """The faces around each vertex [V,K], padded with the number of faces."""
    corner = faces.reshape(-1)
    order = corner.argsort(stable=True)
    counts = torch.bincount(corner, minlength=vertices)
    slot = torch.arange(len(corner)) - (counts.cumsum(0) - counts)[corner[order]]
    table = torch.full((vertices, int(counts.max())), len(faces), dtype=torch.long)
    table[corner[order], slot] = order // 3
    return table
