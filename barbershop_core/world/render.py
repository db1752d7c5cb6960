"""A portrait's parameters -> picture, labels, landmarks, caption, theta."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from ..face3d.zbuffer import visible_triangles
from . import meshes, shading
from .params import Portrait, caption, indices

CAMERA_DISTANCE = 9.0  # from the head's middle, in units of 100 mm
SUPERSAMPLING = 2


@dataclass(frozen=True)
class Rendering:
    """One portrait with its ground truth.

    image: uint8 [S,S,3] RGB, FFHQ-aligned but for the portrait's own small roll.
    labels: uint8 [S,S], ids of the 19-class face-parsing table.
    landmarks: float32 [68,2], x and y in pixels (iBUG order).
    caption: a true sentence.
    theta: float32: rotation in radians (3), translation (3), identity, skin, expression, light (27).
    """

    image: np.ndarray
    labels: np.ndarray
    landmarks: np.ndarray
    caption: str
    theta: np.ndarray


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation matrix from angles in degrees (see ``Portrait.angles``)."""
    a, b, c = np.radians([yaw, pitch, roll])
    ry = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    rx = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    rz = np.array([[np.cos(c), np.sin(c), 0], [-np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return rz @ rx @ ry


def landmarks_canonical(q: Portrait) -> np.ndarray:
    """The 68 landmarks in canonical x, y: [68,2], for this expression."""
    wide, high, _ = shading.eye_shape(q)
    half, lift, gap, upper, lower = shading.mouth_shape(q)
    turn = np.linspace(-1, 1, 17)
    jaw = np.stack([0.70 * np.sin(turn * 1.5) * (1 - 0.12 * (1 - turn**2)), -0.02 - 1.08 * np.cos(turn * 1.5)], 1)

    def brow(sign):
        bx = np.linspace(1, -1, 5) if sign < 0 else np.linspace(-1, 1, 5)
        return np.stack([sign * (0.32 + 0.20 * bx), 0.185 + 0.035 * q.brow_raise + 0.03 * (1 - bx**2) + 0.02 * bx], 1)

    def eye(sign):
        ex = np.array([1, 0.4, -0.4, -1, -0.4, 0.4]) if sign < 0 else np.array([-1, -0.4, 0.4, 1, 0.4, -0.4])
        lid = 1 - ex * ex
        ys = np.array([0, *(high * lid[1:3] ** 0.75), 0, *(-0.55 * high * lid[4:])]) + 0.012 * ex
        return np.stack([sign * (0.32 + wide * ex), ys], 1)

    bridge = np.stack([np.zeros(4), np.linspace(0.02, -0.36, 4)], 1)
    base = np.stack([np.linspace(-0.14, 0.14, 5), [-0.44, -0.465, -0.48, -0.465, -0.44]], 1)

    def line(u):
        return -0.70 + lift * (u * u - 0.35)

    u = np.array([-1, -0.6, -0.25, 0, 0.25, 0.6, 1])
    arch = 1 - u * u
    outer_top = np.stack([half * u, line(u) + upper * arch**0.7], 1)
    v = u[-2:0:-1]
    outer_low = np.stack([half * v, line(v) - gap * (1 - v * v) ** 0.8 - lower * (1 - v * v) ** 0.75], 1)
    w = np.array([-0.9, -0.4, 0, 0.4, 0.9])
    inner_top = np.stack([half * w, line(w)], 1)
    w = w[-2:0:-1]
    inner_low = np.stack([half * w, line(w) - gap * (1 - w * w) ** 0.8], 1)
    return np.concatenate(
        [jaw, brow(-1), brow(1), bridge, base, eye(-1), eye(1), outer_top, outer_low, inner_top, inner_low]
    )


def ffhq_frame(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre and half axes [2] of the FFHQ crop from 68 points [68,2], y down (Karras et al. 2019)."""
    left, right = points[36:42].mean(0), points[42:48].mean(0)
    eyes, mouth = (left + right) / 2, (points[48] + points[54]) / 2
    across, down = right - left, mouth - eyes
    x = across - down[::-1] * [-1, 1]
    x = x / np.hypot(*x) * max(np.hypot(*across) * 2.0, np.hypot(*down) * 1.8)
    return eyes + down * 0.1, x, x[::-1] * [-1, 1]


def vertex_normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Unit normals [V,3], each the sum of its triangles' normals."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    n = np.cross(b - a, c - a)
    total = np.stack([np.bincount(faces.ravel(), np.repeat(n[:, k], 3), len(vertices)) for k in range(3)], 1)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)


def _assemble(q: Portrait):
    """All meshes, posed: vertices in camera space, normals, faces, canonical, part, two-sided, pose."""
    turn = rotation(q.angles[0], q.angles[1], 0.0)
    slight = rotation(0.45 * q.angles[0], 0.2 * q.angles[1], 0.0)
    pivot = np.array([0.0, -0.75, -0.25])
    head = meshes.head(q)
    parts = [
        (head, turn),
        *((m, turn) for m in meshes.ears(q)),
        (meshes.hair(q), turn),
        *((m, slight) for m in meshes.body(q)),
    ]
    vertices, normals, faces, canonical, part, two_sided = [], [], [], [], [], []
    start = 0
    for mesh, r in parts:
        v = (mesh.vertices - pivot) @ r.T + pivot
        vertices.append(v)
        normals.append(vertex_normals(v, mesh.faces))
        faces.append(mesh.faces + start)
        canonical.append(mesh.canonical)
        part.append(mesh.part)
        two_sided.append(np.full(len(mesh.faces), mesh.two_sided))
        start += len(v)
    marks = landmarks_canonical(q)
    mean = head.canonical
    front = np.flatnonzero(mean[:, 2] > 0.05)
    near = front[((mean[front, None, :2] - marks) ** 2).sum(-1).argmin(0)]
    shift = np.concatenate([marks - mean[near, :2], np.zeros((68, 1))], 1)
    marks = (head.vertices[near] + shift - pivot) @ turn.T + pivot
    return [np.concatenate(a) for a in (vertices, normals, faces, canonical, part, two_sided)] + [marks]


def _project(points: np.ndarray) -> np.ndarray:
    """Perspective onto the plane through the head's middle, y down."""
    return points[:, :2] * [1, -1] / (1 - points[:, 2:] / CAMERA_DISTANCE)


def render(p: np.ndarray, size: int = 128) -> Rendering:
    """Draw the portrait ``p`` [P] at ``size`` px."""
    q = Portrait(np.asarray(p, np.float64))
    c = shading.palette(q)
    big = size * SUPERSAMPLING
    vertices, normals, faces, canonical, part, two_sided, marks = _assemble(q)
    flat = _project(marks)
    centre, x_axis, y_axis = ffhq_frame(flat)
    roll = np.radians(q.angles[2])
    spin = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    frame = np.stack([x_axis, y_axis]) / (x_axis @ x_axis)

    def screen(points, pixels):
        return ((points - centre) @ frame.T @ spin.T + 1.0) / 2.0 * pixels

    xy = screen(_project(vertices), big)
    placed = torch.from_numpy(np.concatenate([xy, vertices[:, 2:]], 1).astype(np.float32))
    pixel, triangle, weight = (
        a.numpy() for a in visible_triangles(placed, torch.from_numpy(faces), torch.from_numpy(two_sided), big)
    )
    corner = faces[triangle]

    def interpolate(values):
        values = values.astype(np.float32)
        return sum(weight[:, k, None] * values[corner[:, k]] for k in range(3))

    normal = interpolate(normals)
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)
    back = normal[:, 2] < 0
    normal[back] *= -1
    place = interpolate(canonical)
    kind = part[corner[:, 0]]
    albedo = np.zeros((len(pixel), 3))
    label = np.zeros(len(pixel), np.uint8)
    gloss = np.zeros(len(pixel))
    occlusion = np.ones(len(pixel))

    on = kind == meshes.SKIN
    albedo[on], label[on], gloss[on] = shading.skin(q, c, place[on])
    on = kind == meshes.EAR
    albedo[on] = c.skin * np.array([0.97, 0.86, 0.83])
    label[on] = np.where(xy[corner[on, 0], 0] < big / 2, shading.LABEL["l_ear"], shading.LABEL["r_ear"])
    on = kind == meshes.NECK
    albedo[on], label[on] = c.skin * np.array([0.96, 0.92, 0.90]), shading.LABEL["neck"]
    occlusion[on] = 0.50 + 0.50 * meshes.smooth(place[on, 1], -0.95, -1.35)
    on = kind == meshes.CLOTH
    albedo[on], label[on] = c.cloth, shading.LABEL["cloth"]
    on = kind == meshes.HAIR
    albedo[on], strand = shading.hair(q, c, place[on], back[on])
    label[on] = shading.LABEL["hair"]

    # hair darkens the skin beside it
    covered = np.zeros(big * big, np.float32)
    covered[pixel[on]] = 1.0
    near = cv2.GaussianBlur(np.roll(covered.reshape(big, big)[::2, ::2], big // 100, 0), (0, 0), big / 64)
    near = np.repeat(np.repeat(near, 2, 0), 2, 1).ravel()[pixel]
    occlusion[~on] *= 1 - 0.42 * np.clip(near[~on], 0, 1)

    light = shading.gamma(q)
    irradiance = shading.spherical_harmonics(normal) @ light.astype(np.float32)
    colour = albedo * np.maximum(irradiance, 0.05) * occlusion[:, None]
    toward = shading.light_direction(q)
    halfway = toward + [0, 0, 1]
    halfway /= np.linalg.norm(halfway)
    shine = np.maximum(normal @ halfway, 0) ** 18
    strength = 0.6 + 0.3 * q.light_contrast
    colour += (gloss * shine * strength * occlusion)[:, None]
    # Kajiya-Kay: strands run downwards along the surface
    n = normal[on]
    tangent = np.array([0.0, -1.0, 0.0]) - n * -n[:, 1:2]
    tangent /= np.maximum(np.linalg.norm(tangent, axis=1, keepdims=True), 1e-3)
    sheen = np.sqrt(np.maximum(1 - (tangent @ halfway) ** 2, 0)) ** 28 * np.maximum(n @ halfway, 0)
    sheen = sheen * (0.75 + 0.6 * strand) * ~back[on] * strength
    colour[on] += sheen[:, None] * (0.16 * c.hair + 0.09 + 0.10 * c.hair.mean())

    yy, xx = np.mgrid[:big, :big] / big
    glow = np.exp(-(((xx - 0.5 - 0.25 * toward[0]) / 0.6) ** 2) - ((yy - 0.4) / 0.7) ** 2)
    image = (c.back + (c.back_low - c.back) * yy[..., None]) * (0.80 + 0.25 * glow[..., None])
    image = image.reshape(-1, 3)
    image[pixel] = colour
    image = image.reshape(big, big, 3)
    bright = image > 0.8  # soft highlights
    image[bright] = 0.8 + 0.2 * np.tanh((image[bright] - 0.8) / 0.2)
    image = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)

    ids = np.zeros(big * big, np.uint8)
    ids[pixel] = label
    # the commonest of each 2 x 2: where the first has no equal, the second or the third has one
    a, b, c_, d = (ids.reshape(big, big)[i::2, j::2] for i in (0, 1) for j in (0, 1))
    labels = np.where((a == b) | (a == c_) | (a == d), a, np.where((b == c_) | (b == d), b, np.where(c_ == d, d, a)))

    theta = np.concatenate(
        [
            np.radians(q.angles),
            [*centre, np.hypot(*x_axis)],
            q.p[indices("identity", "skin", "expression")],
            light.ravel(),
        ]
    )
    return Rendering(
        np.clip(np.rint(image * 255), 0, 255).astype(np.uint8),
        labels,
        screen(flat, size).astype(np.float32),
        caption(p),
        theta.astype(np.float32),
    )
