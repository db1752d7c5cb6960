"""The portrait world's head as a morphable model, and theta of its portraits.

Shape and expression are linear in the world as it is.  What the world paints (skin tone, lips, brows, an
open mouth, a beard, glasses) is not; here its albedo is a least-squares fit that is linear in what it is
painted from.  Landmarks, which the world computes by formula, are vertices fitted likewise.  How far the
model is from the world is tested (tests/test_face_model.py).
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..face3d.morphable import Convention, Morphable
from ..face3d.theta import Theta
from ..networks.regressor import Reading
from . import meshes, params, render, shading
from .params import GROUPS, INDEX, Portrait

ORIGIN = (0.0, -0.25, 0.80)
"""On the face, between eyes and mouth: FFHQ alignment keeps about this point in place when a head turns."""
HALF_AXIS = 1.40  # of the FFHQ frame of the mean face, world units
CONVENTION = Convention(
    focal=render.CAMERA_DISTANCE / (2 * HALF_AXIS),
    distance=render.CAMERA_DISTANCE - ORIGIN[2],
    order="zxy",
    row_offset=0.0,
)
SAMPLES = 600


def uniform(p: Tensor) -> Tensor:
    """Standard normal numbers as the uniform ones in [-1,1] that the renderer uses."""
    return torch.erf(p / math.sqrt(2.0))


def face_part() -> tuple[np.ndarray, np.ndarray]:
    """The head's vertices that belong to the face, as indices [V], and its triangles [F,3] among them."""
    mean, _, faces = meshes.head_model()
    inside = (mean[:, 2] > 0.05) & (mean[:, 1] < 0.62) & (mean[:, 1] > -1.17)
    kept = np.flatnonzero(inside)
    place = np.full(len(mean), -1)
    place[kept] = np.arange(len(kept))
    return kept, place[faces[inside[faces].all(1)]]


def coefficients(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Identity [N,14], texture [N,10] and expression [N,5] coefficients of portraits as uniform numbers
    u [N,P] (see :func:`uniform`).

    texture: skin (5), hair_lightness, hair_red, beard, beard * hair_lightness, glasses.
    """
    beard = ((u[:, INDEX["beard"]] - 0.2) / 0.5).clamp(0, 1)
    painted = [u[:, INDEX[name]] for name in (*GROUPS["skin"], "hair_lightness", "hair_red")]
    painted += [beard, beard * u[:, INDEX["hair_lightness"]], (u[:, INDEX["glasses"]] > 0.6).to(u)]
    return u[:, params.indices("identity")], torch.stack(painted, 1), u[:, params.indices("expression")]


def light(p: Tensor) -> Tensor:
    """gamma [N,27] of portraits, colour by colour."""
    rows = [shading.gamma(Portrait(row)).T.reshape(-1) for row in p.double().cpu().numpy()]
    return torch.from_numpy(np.stack(rows)).to(p)


def build(samples: int = SAMPLES, seed: int = 77) -> Morphable:
    """The model, fitted to ``samples`` portraits."""
    kept, faces = face_part()
    mean, fields, _ = meshes.head_model()

    def columns(group: str) -> Tensor:
        return torch.from_numpy(np.stack([fields[n][kept].ravel() for n in GROUPS[group]], 1))

    p = params.sample(samples, seed)
    identity, texture, expression = coefficients(uniform(torch.from_numpy(p)))
    one = torch.ones(samples, 1)
    colours = torch.stack([_albedo(Portrait(row.astype(np.float64)), mean[kept]) for row in p])
    painted = _fit(torch.cat([one, texture, identity, expression], 1), colours)
    marks = torch.stack([_marks(Portrait(row.astype(np.float64))) for row in p])
    shaped = _fit(torch.cat([one, identity, expression], 1), marks)
    i, t = identity.shape[1], texture.shape[1]
    state = {
        "mean": torch.from_numpy((mean[kept] - ORIGIN).ravel()),
        "identity": columns("identity"),
        "expression": columns("expression"),
        "albedo": painted[0],
        "texture": painted[1 : 1 + t].T,
        "paint": painted[1 + t :].T,
        "faces": torch.from_numpy(faces),
        "landmark_mean": shaped[0],
        "landmark_identity": shaped[1 : 1 + i].T,
        "landmark_expression": shaped[1 + i :].T,
    }
    return Morphable({k: v.contiguous() for k, v in state.items()}, CONVENTION, GROUPS["expression"])


def theta_of(model: Morphable, p: Tensor) -> Theta:
    """Theta, on the model's device, of portraits p [N,P] as they are rendered, FFHQ alignment included."""
    device = model.mean.device
    theta, seen = described(model, uniform(p).to(device), light(p).to(device))
    return model.solve_translation(theta, seen, 1)


def theta_of_reading(model: Morphable, reading: Reading) -> Theta:
    """Theta of what a regressor read in pictures, differentiable.

    Head and face from its parameters, light from its theta; rho is where its landmarks are.
    """
    gamma = reading.theta[:, -27:].reshape(-1, 9, 3).transpose(1, 2).reshape(-1, 27)
    theta, _ = described(model, reading.p.clamp(-1.1, 1.1), gamma)
    return model.solve_translation(theta, reading.landmarks, 1)


def described(model: Morphable, u: Tensor, gamma: Tensor) -> tuple[Theta, Tensor]:
    """theta without translation of uniform numbers u [N,P], and its landmarks [N,68,2] (shares of the
    picture, y down) where FFHQ alignment puts them."""
    identity, texture, expression = coefficients(u)
    degrees = (26.0, "yaw"), (12.0, "pitch"), (4.0, "roll")
    yaw, pitch, roll = (torch.deg2rad(k * u[:, INDEX[name]]) for k, name in degrees)
    still = torch.stack([-pitch, yaw, torch.zeros_like(yaw)], 1)
    theta = Theta(still, torch.zeros_like(still), identity, texture, expression, gamma)
    # where the world's camera sees the landmarks before alignment, y down, then the alignment itself
    pivot = still.new_tensor([0.0, -0.75, -0.25])
    points = model.landmark_shape(theta) + still.new_tensor(ORIGIN) - pivot
    points = points @ model.rotation(theta).transpose(1, 2) + pivot
    flat = points[..., :2] * still.new_tensor([1.0, -1.0]) / (1 - points[..., 2:] / render.CAMERA_DISTANCE)
    left, right = flat[:, 36:42].mean(1), flat[:, 42:48].mean(1)
    eyes, across = (left + right) / 2, right - left
    down = (flat[:, 48] + flat[:, 54]) / 2 - eyes
    axis = across + torch.stack([down[:, 1], -down[:, 0]], 1)
    half = torch.maximum(across.norm(dim=1) * 2.0, down.norm(dim=1) * 1.8)
    turn = roll - torch.atan2(axis[:, 1], axis[:, 0])  # clockwise on the screen
    cos, sin = turn.cos()[:, None], turn.sin()[:, None]
    x, y = (flat - (eyes + 0.1 * down)[:, None]).unbind(-1)
    seen = torch.stack([x * cos - y * sin, x * sin + y * cos], -1) / half[:, None, None]
    return replace(theta, rotation=torch.stack([-pitch, yaw, -turn], 1)), (seen + 1) / 2


def _albedo(q: Portrait, canonical: np.ndarray) -> Tensor:
    return torch.from_numpy(shading.skin(q, shading.palette(q), canonical)[0].ravel()).float()


def _marks(q: Portrait) -> Tensor:
    """The world's landmarks on the unturned head, flat [204] (as in `render`, before its rotation)."""
    head = meshes.head(q)
    marks = render.landmarks_canonical(q)
    front = np.flatnonzero(head.canonical[:, 2] > 0.05)
    near = front[((head.canonical[front, None, :2] - marks) ** 2).sum(-1).argmin(0)]
    shift = np.concatenate([marks - head.canonical[near, :2], np.zeros((68, 1))], 1)
    return torch.from_numpy((head.vertices[near] + shift - ORIGIN).ravel()).float()


def _fit(inputs: Tensor, outputs: Tensor) -> Tensor:
    """Ridge regression [K,M] of outputs [N,M] from inputs [N,K]."""
    inputs, outputs = inputs.double(), outputs.double()
    gram = inputs.T @ inputs + 1e-3 * torch.eye(inputs.shape[1], dtype=torch.float64)
    return torch.linalg.solve(gram, inputs.T @ outputs)


def save(model: Morphable, path: Path) -> Path:
    """Write the model as ``networks.load("face_model", path)`` reads it, floats in half precision."""
    from ..face3d.model_files import to_state
    from ..weights.save import save_half

    save_half(to_state(model), path)
    return path


if __name__ == "__main__":
    import sys

    print(save(build(), Path(sys.argv[1])))
