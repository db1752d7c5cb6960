"""Expressions by name, for any face model.

If a model's coefficients have meanings of their own (the portrait world), an expression is a set of values
for some of them.  Otherwise (Basel) it is a movement of landmarks, and the coefficients are solved for.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import BadRequest
from ..face3d.morphable import Morphable
from .options import EXPRESSIONS, STRENGTH

BY_COEFFICIENT: Mapping[str, Mapping[str, float]] = {
    "smile": {"smile": 0.9, "frown": -0.3},
    "open mouth": {"mouth_open": 0.9},
    "raised brows": {"brow_raise": 0.9},
    "closed eyes": {"eye_open": -0.95},
    "frown": {"frown": 0.9, "smile": -0.5},
    "neutral": {"smile": 0.0, "mouth_open": -0.2, "brow_raise": 0.0, "eye_open": 0.1, "frown": 0.0},
}

# iBUG points and how far they move, in distances between the eyes: outwards, upwards
BY_LANDMARK: Mapping[str, tuple[tuple[tuple[int, ...], float, float], ...]] = {
    "smile": (((48, 54, 60, 64), 0.12, 0.10), ((49, 53, 59, 55), 0.05, 0.04)),
    "open mouth": (((55, 56, 57, 58, 59, 65, 66, 67), 0.0, -0.30), ((6, 7, 8, 9, 10), 0.0, -0.22)),
    "raised brows": ((tuple(range(17, 27)), 0.0, 0.14),),
    "closed eyes": (((37, 38, 43, 44), 0.0, -0.10),),
    "frown": (((20, 21, 22, 23), -0.04, -0.08), ((48, 54, 60, 64), 0.0, -0.08)),
    "neutral": (),
}


def controls(model: Morphable) -> tuple[str, ...]:
    """Names of a model's controls: its coefficients, or else the named expressions."""
    return model.expression_names or tuple(name for name in EXPRESSIONS if name != "neutral")


def moved(
    model: Morphable, expression: Tensor, asked: str | Mapping[str, float] | None, strength: float = 1.0
) -> Tensor:
    """Change an expression beta [1,E].

    asked: a name of `options.EXPRESSIONS`, which strength 1 reaches from any expression; or amounts by
        control, -2..2, which are multiplied by strength and added.  strength: 0..1.5.
    Raises BadRequest for unknown names and numbers out of range.
    """
    if asked is None:
        return expression
    STRENGTH.check(strength)
    if not isinstance(asked, str):
        return expression + strength * _added(model, asked, expression)
    name = asked.strip().lower()
    if name not in EXPRESSIONS:
        raise BadRequest(f"There is no expression '{asked}'.", f"Choose one of: {', '.join(EXPRESSIONS)}.")
    if not model.expression_names:
        return (1 - min(strength, 1.0)) * expression + strength * solved(model, name).to(expression)
    wanted = expression.clone()
    for control, value in BY_COEFFICIENT[name].items():
        place = _place(model, control)
        wanted[:, place] += strength * (value - expression[:, place])
    return wanted


def _added(model: Morphable, amounts: Mapping[str, float], like: Tensor) -> Tensor:
    total = torch.zeros_like(like)
    for control, amount in amounts.items():
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not -2 <= amount <= 2:
            raise BadRequest(f"{control} = {amount} is out of range.", "Give -2 to 2.")
        if model.expression_names:
            total[:, _place(model, control)] += amount
        elif control in EXPRESSIONS:
            total += amount * solved(model, control).to(like)
        else:
            raise _unknown(model, control)
    return total


def _place(model: Morphable, control: str) -> int:
    if control not in model.expression_names:
        raise _unknown(model, control)
    return model.expression_names.index(control)


def _unknown(model: Morphable, control: str) -> BadRequest:
    return BadRequest(f"The face model has no control '{control}'.", f"Choose from: {', '.join(controls(model))}.")


def solved(model: Morphable, name: str, ridge: float = 1e-3) -> Tensor:
    """beta [1,E] that moves the landmarks as in BY_LANDMARK, by ridge regression.

    Raises BadRequest if the model has no landmarks.
    """
    mean = model.landmark_mean.reshape(-1, 3)
    if not len(mean):
        raise BadRequest(
            "Named expressions need landmarks, which this face model does not have.",
            "Use BFM_model_front.mat or 3DDFA-V3's face_model.npy.",
        )
    eyes = (mean[42:48].mean(0) - mean[36:42].mean(0)).norm()
    wanted = torch.zeros_like(mean[:, :2])
    for points, outside, upwards in BY_LANDMARK[name]:
        rows = list(points)
        side = torch.sign(mean[rows, 0] - mean[27:31, 0].mean())
        wanted[rows] += eyes * torch.stack([outside * side, upwards * torch.ones_like(side)], 1)
    basis = model.landmark_expression.reshape(len(mean), 3, -1)[:, :2].reshape(2 * len(mean), -1)
    gram = basis.T @ basis
    gram = gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    return torch.linalg.solve(gram, basis.T @ wanted.reshape(-1))[None]
