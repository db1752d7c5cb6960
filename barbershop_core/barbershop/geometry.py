"""The position of a face, from its label map, and warping one face onto another.

Eyes and mouths of aligned portraits agree only roughly, so a reference is rotated, scaled and moved by a
similarity before its hair is laid on the person's head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from ..editing.regions import region_mask

POINTS = ("left eye", "right eye", "nose", "mouth")
_WEIGHTS = {"left eye": 1.0, "right eye": 1.0, "nose": 0.5, "mouth": 1.0}
_ENOUGH = 4e-5  # share of the image that a part must cover to have a centre


def face_points(labels: Tensor) -> dict[str, Tensor]:
    """Centres of eyes, nose and mouth that are visible: name -> (x, y) in [0,1].

    labels: [R,R] region indices.  "left" is the picture's left.
    """
    found = {}
    for name in ("nose", "mouth"):
        if (centre := _centre(region_mask(labels, name))) is not None:
            found[name] = centre
    middle = found.get("nose", found.get("mouth"))
    for part in ("eyes", "glasses"):  # behind dark glasses there are no eyes
        mask = region_mask(labels, part)
        whole = _centre(mask)
        if whole is None:
            continue
        split = float(middle[0]) if middle is not None else float(whole[0])
        columns = torch.arange(mask.shape[1], device=mask.device) / mask.shape[1] < split
        for name, half in (("left eye", mask & columns), ("right eye", mask & ~columns)):
            if name not in found and (centre := _centre(half)) is not None:
                found[name] = centre
    return found


def similarity(reference: Tensor, person: Tensor) -> Tensor:
    """The similarity that maps the reference's face onto the person's.

    reference, person: label maps [R,R].  Returns [2,3] float32 on the CPU, which maps a point (x, y) of the
    *person's* image to the reference's, both in [0,1], as sampling needs it; the identity if fewer than two
    parts are visible in both, or if the similarity is implausible.
    """
    identity = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    a, b = face_points(person), face_points(reference)
    names = [name for name in POINTS if name in a and name in b]
    if len(names) < 2:
        return identity
    weight = torch.tensor([_WEIGHTS[name] for name in names])
    weight = weight / weight.sum()
    p, q = torch.stack([a[n] for n in names]), torch.stack([b[n] for n in names])
    p0, q0 = (weight[:, None] * p).sum(0), (weight[:, None] * q).sum(0)
    p, q = p - p0, q - q0
    # Least squares over x' = s R x + t, with complex numbers written out.
    spread = (weight * p.square().sum(1)).sum().clamp_min(1e-9)
    cos = (weight * (p * q).sum(1)).sum() / spread
    sin = (weight * (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0])).sum() / spread
    scale, angle = math.hypot(cos, sin), math.degrees(math.atan2(sin, cos))
    if not 0.5 <= scale <= 2.0 or abs(angle) > 40:
        return identity
    matrix = torch.tensor([[cos, -sin], [sin, cos]])
    return torch.cat([matrix, (q0 - matrix @ p0)[:, None]], 1)


def residual(reference: Tensor, person: Tensor) -> float:
    """Largest distance between corresponding parts after the best similarity, as a share of the image's
    side.  It measures the difference in pose: 0.01 is alike, 0.04 is another pose."""
    matrix = similarity(reference, person)
    a, b = face_points(person), face_points(reference)
    names = [name for name in POINTS if name in a and name in b]
    if len(names) < 2:
        return 0.0
    p, q = torch.stack([a[n] for n in names]), torch.stack([b[n] for n in names])
    return float((p @ matrix[:, :2].T + matrix[:, 2] - q).norm(dim=1).max())


def warp(values: Tensor, matrix: Tensor, mode: str = "bilinear") -> Tensor:
    """Resample an image or feature map of the reference in the person's frame.

    values: [B,C,h,w] float; matrix: of :func:`similarity`; mode: "bilinear" or "nearest".  Outside of the
    image the value of the nearest border pixel is used.
    """
    a, t = matrix[:, :2], matrix[:, 2]
    # affine_grid's coordinates run from -1 to 1
    theta = torch.cat([a, (2 * t + a.sum(1) - 1)[:, None]], 1)[None].to(values)
    if torch.allclose(theta[0].cpu().float(), torch.eye(3)[:2], atol=1e-6):
        return values
    grid = F.affine_grid(theta.expand(len(values), -1, -1), list(values.shape), align_corners=False)
    return F.grid_sample(values, grid, mode=mode, padding_mode="border", align_corners=False)


def warp_labels(labels: Tensor, matrix: Tensor) -> Tensor:
    """The same for a label map [R,R]."""
    return warp(labels[None, None].float(), matrix, "nearest")[0, 0].round().to(labels.dtype)


def _centre(mask: Tensor) -> Tensor | None:
    """Centre of gravity (x, y) in [0,1] on the CPU; ``None`` for an empty or tiny mask."""
    weight = mask.float()
    area = float(weight.sum())
    if area < max(_ENOUGH * mask.numel(), 1):
        return None
    height, width = mask.shape
    x = (torch.arange(width, device=mask.device) + 0.5) / width
    y = (torch.arange(height, device=mask.device) + 0.5) / height
    return torch.stack([(weight.sum(0) * x).sum() / area, (weight.sum(1) * y).sum() / area]).cpu().float()
