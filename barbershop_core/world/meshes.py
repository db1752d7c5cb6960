"""Head, ears, neck, shoulders and hair as triangle meshes.

Units: 1 = 100 mm; x to the picture's right, y up, z towards the viewer; the eyes lie at y = 0,
x = +-0.32, the mouth at y = -0.70.  The head is linear in identity and expression:
vertices = mean + sum of coefficient * displacement field, so it is a morphable model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .params import GROUPS, Portrait

SKIN, EAR, NECK, CLOTH, HAIR = range(5)
HEAD_ROWS, HEAD_COLUMNS = 72, 88
HAIR_ROWS, HAIR_COLUMNS = 44, 132


@dataclass(frozen=True)
class Mesh:
    """Triangles with what shading needs at each vertex.

    vertices [V,3]; faces [F,3]; canonical [V,3]: for the head the mean shape's position, for hair
    (azimuth / pi, way along the strand 0..1, layer), else the position; part [V].
    """

    vertices: np.ndarray
    faces: np.ndarray
    canonical: np.ndarray
    part: np.ndarray
    two_sided: bool = False


def grid_faces(rows: int, columns: int, wrap: bool = False) -> np.ndarray:
    """Two triangles for each cell of a rows x columns grid of vertices."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    r, c = r.ravel(), c.ravel()
    n = (c + 1) % columns
    a, b, d, e = r * columns + c, r * columns + n, (r + 1) * columns + c, (r + 1) * columns + n
    return np.concatenate([np.stack([a, d, b], 1), np.stack([b, d, e], 1)])


def smooth(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Cubic step from 0 at ``low`` to 1 at ``high`` (``low`` may be the larger)."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def bump(x, y, cx, cy, sx, sy):
    """A Gaussian hill of height 1."""
    return np.exp(-(((x - cx) / sx) ** 2) - ((y - cy) / sy) ** 2)


def both(x, y, cx, cy, sx, sy):
    """The same hill on both sides of the face."""
    return bump(np.abs(x), y, cx, cy, sx, sy)


@lru_cache(maxsize=1)
def head_model() -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """The morphable head: mean [V,3], displacement fields by parameter name [V,3], faces [F,3]."""
    # More columns in front than behind, more rows in the face than on the skull.
    u = np.linspace(-1.0, 1.0, HEAD_COLUMNS)
    azimuth = np.pi * (0.55 * u + 0.45 * u**3)
    v = np.linspace(0.0, 1.0, HEAD_ROWS)
    polar = np.pi * np.clip(v + 0.045 * np.sin(2 * np.pi * v), 0.004, 0.996)
    polar, azimuth = np.meshgrid(polar, azimuth, indexing="ij")
    dx, dy, dz = np.sin(polar) * np.sin(azimuth), np.cos(polar), np.sin(polar) * np.cos(azimuth)
    x, y, z = 0.77 * dx, 1.10 * dy - 0.08, 0.93 * dz
    front = smooth(dz, 0.0, 0.55)
    # jaw: narrower and further forward towards the chin
    low = smooth(y, -0.25, -1.15)
    x = x * (1.0 - 0.30 * low)
    z = z - front * 0.10 * smooth(np.abs(x), 0.15, 0.7) + 0.14 * low * front
    z = np.where(dz > 0, z, z * 0.98)
    # nose
    ridge = smooth(y, 0.08, -0.36) * smooth(y, -0.485, -0.40)
    width = 0.085 + 0.05 * smooth(y, -0.1, -0.4)
    nose = ridge * np.exp(-((x / width) ** 2)) * front
    wings = both(x, y, 0.125, -0.405, 0.055, 0.06) * front
    z = z + 0.27 * nose + 0.07 * wings
    # sockets, brows, cheekbones, lips, chin
    z = z - 0.075 * both(x, y, 0.30, 0.01, 0.15, 0.09) * front
    z = z + 0.03 * both(x, y, 0.30, 0.20, 0.22, 0.07) * front
    z = z + 0.045 * both(x, y, 0.45, -0.24, 0.18, 0.15) * front
    z = z + 0.055 * bump(x, y, 0.0, -0.70, 0.20, 0.11) * front
    z = z - 0.025 * bump(x, y, 0.0, -0.86, 0.22, 0.05) * front
    z = z + 0.06 * bump(x, y, 0.0, -1.02, 0.17, 0.11) * front
    mean = np.stack([x, y, z], -1).reshape(-1, 3)
    x, y, z = mean.T
    front, ridge, width = front.ravel(), ridge.ravel(), width.ravel()
    side = np.sign(x) * np.minimum(np.abs(x) / 0.3, 1.0)
    zero = np.zeros_like(x)

    def field(fx=zero, fy=zero, fz=zero):
        return np.stack([fx + zero, fy + zero, fz + zero], 1)

    low = smooth(y, -0.35, -1.0)
    nose = nose.ravel()
    below_nose = smooth(y, -0.30, -0.44) * np.exp(-((x / 0.3) ** 2)) * smooth(y, -0.62, -0.48)
    fields = {
        "face_width": field(fx=0.055 * x / 0.77),
        "jaw_width": field(fx=0.10 * x * low),
        "chin_length": field(fy=-0.085 * smooth(y, -0.72, -1.12)),
        "nose_length": field(fy=-0.045 * (nose * smooth(y, -0.1, -0.35) + 0.8 * below_nose)),
        "nose_width": field(fx=0.30 * x * both(x, y, 0.10, -0.40, 0.12, 0.10) * front),
        "nose_height": field(fz=0.075 * nose),
        "eye_gap": field(fx=0.030 * side * both(x, y, 0.32, 0.05, 0.26, 0.26) * front),
        "eye_size": field(),
        "mouth_width": field(fx=0.10 * x * bump(x, y, 0, -0.70, 0.4, 0.12) * front),
        "lip_fullness": field(fz=0.02 * bump(x, y, 0, -0.70, 0.2, 0.1) * front),
        "head_height": field(fy=0.07 * smooth(y, 0.25, 0.95)),
        "cheekbones": field(
            fx=0.035 * side * both(x, y, 0.5, -0.2, 0.25, 0.2), fz=0.03 * both(x, y, 0.45, -0.24, 0.2, 0.15) * front
        ),
        "brow_height": field(fy=0.025 * both(x, y, 0.3, 0.2, 0.3, 0.12) * front),
        "brow_weight": field(fz=0.02 * both(x, y, 0.3, 0.19, 0.25, 0.07) * front),
        "smile": field(
            fx=0.05 * x * bump(x, y, 0, -0.66, 0.5, 0.14) * front,
            fy=0.045 * both(x, y, 0.30, -0.62, 0.18, 0.14) * front,
            fz=0.03 * both(x, y, 0.42, -0.36, 0.14, 0.13) * front,
        ),
        "mouth_open": field(fy=-0.085 * smooth(y, -0.70, -0.92)),
        "brow_raise": field(fy=0.03 * both(x, y, 0.3, 0.2, 0.3, 0.12) * front),
        "eye_open": field(),
        "frown": field(
            fy=-0.02 * both(x, y, 0.12, 0.19, 0.14, 0.1) * front, fz=0.012 * both(x, y, 0.1, 0.2, 0.08, 0.06) * front
        ),
    }
    # The two ends of a row meet at the back of the head: the same place twice, so no wrap is needed.
    return mean, fields, grid_faces(HEAD_ROWS, HEAD_COLUMNS)


def head(portrait: Portrait) -> Mesh:
    """The head with the portrait's identity and expression."""
    mean, fields, faces = head_model()
    vertices = mean.copy()
    for name in GROUPS["identity"] + GROUPS["expression"]:
        vertices += getattr(portrait, name) * fields[name]
    return Mesh(vertices, faces, mean, np.full(len(mean), SKIN))


def _surface(x, y, z, part, rows, columns, wrap=False) -> Mesh:
    vertices = np.stack([x, y, z], -1).reshape(-1, 3)
    return Mesh(vertices, grid_faces(rows, columns, wrap), vertices, np.full(len(vertices), part))


def ears(portrait: Portrait) -> list[Mesh]:
    """Two flat ellipsoids that stand out a little."""
    meshes = []
    wide = 0.755 + 0.055 * portrait.face_width
    for sign in (-1.0, 1.0):
        polar, turn = np.meshgrid(np.linspace(0.05, 3.09, 12), np.linspace(-np.pi, np.pi, 16), indexing="ij")
        ex = 0.055 * np.sin(polar) * np.sin(turn)
        ey, ez = 0.20 * np.cos(polar), 0.11 * np.sin(polar) * np.cos(turn)
        x = sign * (wide + 0.03) + ex + sign * 0.25 * np.clip(-ez, 0, 1) + sign * 0.10 * (ey + 0.05)
        meshes.append(_surface(x, ey - 0.13, ez - 0.10, EAR, 12, 16))
    return meshes


def body(portrait: Portrait) -> list[Mesh]:
    """Neck and shoulders."""
    t, turn = np.meshgrid(np.linspace(0, 1, 14), np.linspace(-np.pi, np.pi, 40), indexing="ij")
    y = -0.62 - 1.25 * t
    wide = 0.43 - 0.05 * np.sin(np.pi * np.clip(t * 1.3, 0, 1)) + 0.5 * smooth(t, 0.62, 1.0)
    neck = _surface(wide * np.sin(turn), y, 0.86 * wide * np.cos(turn) - 0.16 - 0.10 * t, NECK, 14, 40)
    t, turn = np.meshgrid(np.linspace(0.0, 1, 16), np.linspace(-np.pi, np.pi, 48), indexing="ij")
    opening = 0.40 + 0.16 * (portrait.neckline + 1.0) * np.clip(np.cos(turn), 0, 1)
    shoulder = 1.55
    wide = opening + (shoulder - opening) * np.sin(0.5 * np.pi * t)
    depth = 0.42 + 0.30 * np.sin(0.5 * np.pi * t)
    drop = -1.30 - 0.16 * (portrait.neckline + 1.0) * np.clip(np.cos(turn), 0, 1) ** 2 * (1 - t) ** 2
    y = drop - 0.95 * (1.0 - np.cos(0.5 * np.pi * t)) - 0.05 * t
    cloth = _surface(wide * np.sin(turn), y, depth * np.cos(turn) - 0.26 + 0.03, CLOTH, 16, 48)
    return [neck, cloth]


def hair(portrait: Portrait) -> Mesh:
    """A sheet of strands that run from the crown over the skull and then hang.

    Columns are azimuths around the head (0 in front), rows the way along a strand.
    """
    q = portrait
    a, t = np.meshgrid(np.linspace(-np.pi, np.pi, HAIR_COLUMNS), np.linspace(0, 1, HAIR_ROWS))
    # fixed, smooth, seamless irregularity between strands
    rough = (np.sin(7 * a + 1.3) + np.sin(13 * a + 0.4) + 0.8 * np.sin(29 * a + 2.0)) / 2.8
    length = 0.5 * (q.hair_length + 1.0)  # 0 short .. 1 long
    volume = 0.055 + 0.055 * (q.hair_volume + 1.0) + 0.05 * length + 0.05 * max(q.curl, 0.0)
    sides = smooth(np.abs(a), 0.72, 1.25)  # 0 over the forehead, 1 beside and behind
    behind = smooth(np.abs(a), 1.5, 2.2)
    # where a strand ends: hairline in front, temples and nape for short hair, lower for long
    hairline = 0.60 + 0.07 * q.head_height - 0.05 * smooth(np.abs(a), 0.35, 0.0)
    fringe = max(q.fringe, -0.15) + 0.15
    front_end = hairline - 0.40 * fringe * (1.0 + 0.35 * q.sweep * np.sin(1.6 * a)) + 0.025 * rough * (fringe > 0)
    short_end = 0.02 - 0.55 * behind
    hang = 1.75 * smooth(length, 0.18, 1.0)
    side_end = short_end - hang * (1.0 - 0.1 * behind) + 0.06 * rough * (0.3 + length)
    end = front_end * (1 - sides) + side_end * sides
    # over the skull to its widest place, then straight down
    top, middle = 1.02 + 0.07 * q.head_height, -0.05
    arc = np.arccos(np.clip((np.maximum(end, middle) - middle) / (top - middle), -1, 1))
    fall = np.maximum(middle - end, 0.0)
    path = arc + fall
    along = t * path
    angle = np.minimum(along, arc)
    drop = np.maximum(along - arc, 0.0)
    y = middle + (top - middle) * np.cos(angle) - drop
    ring = np.sin(angle)
    thick = volume * (0.75 + 0.25 * ring) * smooth(t, 1.0, 0.80) ** 0.5 * (0.45 + 0.55 * sides)
    thick = thick + volume * 0.55 * (1 - sides) * smooth(t, 0.0, 0.3) * smooth(t, 1.0, 0.55)
    lift = 1.0 + 0.0 * a
    # curls: a wave along the strand, out of step between neighbours
    curl = max(q.curl + 0.1, 0.0)
    waves = (9.0 - 3.0 * q.wave_length) * (1.0 + 0.3 * curl)
    phase = waves * along + 3.0 * np.sin(5 * a) + 2.0 * np.sin(11 * a + 1.0)
    growing = smooth(along, 0.25, 0.9)
    wobble = 0.050 * curl * growing * np.sin(phase)
    sway = 0.035 * curl * growing * np.cos(phase)
    wide = 0.78 + 0.055 * q.face_width + thick + wobble + 0.10 * length * drop * (1 - 0.6 * smooth(drop, 0.5, 1.4))
    deep = 0.90 + thick + wobble
    az = a + sway
    x = wide * ring * np.sin(az)
    z = deep * ring * np.cos(az) - 0.03
    # hanging hair lies back over the shoulders rather than in front of the face
    z = z - 0.16 * smooth(drop, 0.0, 0.6) * smooth(np.cos(a), -0.2, 0.5)
    y = y * lift + thick * np.cos(angle) * (1.0 + 0.35 * (q.hair_volume > 0) * q.hair_volume)
    # parting: a groove, and the crown moves to its side
    part = 0.28 * q.parting
    upper = smooth(angle, 1.2, 0.0)
    x = x + part * upper * smooth(t, 0.0, 0.05)
    groove = np.exp(-(((x - part) / 0.05) ** 2)) * smooth(z, 0.0, 0.3) * smooth(y, 0.5, 0.8) * (fringe < 0.6)
    y = y - 0.05 * groove
    vertices = np.stack([x, y, z], -1).reshape(-1, 3)
    canonical = np.stack([a / np.pi, t, along], -1).reshape(-1, 3)
    return Mesh(vertices, grid_faces(HAIR_ROWS, HAIR_COLUMNS), canonical, np.full(len(vertices), HAIR), True)
