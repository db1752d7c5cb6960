"""Colour of every visible point: skin, eyes, lips, hair, cloth, background, under SH light.

The head's details are drawn in canonical coordinates (x, y of the mean head), so they move with the
mesh.  Colours are display-referred floats, 0..1; labels are those of the 19-class face-parsing table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .meshes import both, bump, smooth
from .params import Portrait

LABELS = (
    "background",
    "skin",
    "l_brow",
    "r_brow",
    "l_eye",
    "r_eye",
    "eye_g",
    "l_ear",
    "r_ear",
    "ear_r",
    "nose",
    "mouth",
    "u_lip",
    "l_lip",
    "neck",
    "neck_l",
    "cloth",
    "hair",
    "hat",
)
LABEL = {name: i for i, name in enumerate(LABELS)}

SKIN_TONES = np.array([[250, 218, 194], [236, 190, 158], [206, 152, 116], [150, 100, 70], [98, 66, 48]]) / 255
HAIR_TONES = np.array([[24, 21, 22], [58, 40, 31], [106, 71, 46], [172, 130, 82], [226, 194, 142]]) / 255


def blend_stops(stops: np.ndarray, value: float) -> np.ndarray:
    """Colour at ``value`` in [-1, 1] along evenly spaced stops [K,3]."""
    place = (np.clip(value, -1, 1) + 1) / 2 * (len(stops) - 1)
    low = min(int(place), len(stops) - 2)
    return stops[low] + (stops[low + 1] - stops[low]) * (place - low)


def hue_colour(hue: float, saturation: float, lightness: float) -> np.ndarray:
    """A soft colour: hue in [-1,1] around the circle, the others in 0..1."""
    angle = np.pi * hue
    wheel = 0.5 + 0.5 * np.cos(angle - np.array([0.0, 2.094, 4.189]))
    return lightness * ((1 - saturation) + saturation * wheel)


@dataclass(frozen=True)
class Palette:
    """A portrait's colours, each float [3] in 0..1."""

    skin: np.ndarray
    hair: np.ndarray
    lips: np.ndarray
    iris: np.ndarray
    cloth: np.ndarray
    back: np.ndarray
    back_low: np.ndarray


def palette(q: Portrait) -> Palette:
    """The colours that a portrait's parameters stand for."""
    skin = blend_stops(SKIN_TONES, q.skin_tone) * (1 + 0.045 * (q.skin_warmth + 0.4) * np.array([1, 0.1, -1.3]))
    hair = blend_stops(HAIR_TONES, q.hair_lightness)
    red = max(q.hair_red, 0.0)
    hair = hair * (1 + red * np.array([0.30, -0.18, -0.42]))
    grey = smooth(np.float64(q.hair_grey), 0.45, 0.95)
    hair = hair + grey * (np.array([0.72, 0.71, 0.70]) * (0.75 + 0.25 * hair.mean() / 0.5) - hair)
    lips = skin * np.array([0.93, 0.58, 0.56]) * (1 + 0.12 * q.lip_red * np.array([0.6, -1.4, -0.9]))
    blue, green, brown = (np.array([0.36, 0.52, 0.66]), np.array([0.40, 0.46, 0.30]), np.array([0.30, 0.18, 0.10]))
    iris = brown + (green - brown) * smooth(np.float64(q.eye_hue), 0.0, 0.4)
    iris = iris + (blue - iris) * smooth(np.float64(q.eye_hue), 0.4, 0.8)
    cloth = hue_colour(q.cloth_hue, 0.35 + 0.30 * q.cloth_saturation, 0.50 + 0.38 * q.cloth_lightness)
    back = hue_colour(q.back_hue, 0.22, 0.58 + 0.30 * q.back_lightness)
    return Palette(skin, hair, lips, iris, cloth, back, back * (0.82 + 0.25 * q.back_gradient))


def spherical_harmonics(normal: np.ndarray) -> np.ndarray:
    """The first nine real basis functions: unit normals [N,3] -> [N,9]."""
    x, y, z = normal.T
    return np.stack(
        [
            np.full_like(x, 0.282095),
            0.488603 * y,
            0.488603 * z,
            0.488603 * x,
            1.092548 * x * y,
            1.092548 * y * z,
            0.315392 * (3 * z * z - 1),
            1.092548 * x * z,
            0.546274 * (x * x - y * y),
        ],
        1,
    )


def light_direction(q: Portrait) -> np.ndarray:
    """Unit vector towards the main light, camera space."""
    azimuth, elevation = 1.05 * q.light_azimuth, 0.45 + 0.40 * q.light_elevation
    return np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])


def gamma(q: Portrait) -> np.ndarray:
    """Illumination as 27 numbers: SH coefficients [9,3] of the irradiance (albedo multiplies it)."""
    key = 0.62 + 0.26 * q.light_contrast
    tint = 1 + 0.06 * q.light_warmth * np.array([1.0, 0.1, -1.0])
    lobe = np.array([np.pi, 2.094395, 0.785398])[[0, 1, 1, 1, 2, 2, 2, 2, 2]]  # clamped cosine
    toward = spherical_harmonics(light_direction(q)[None])[0] * lobe / np.pi
    fill = spherical_harmonics(np.array([[0.0, 0.35, 0.94]]))[0] * lobe / np.pi
    ambient = np.array([1.0, 0.16, 0.04, 0, 0, 0, 0, 0, 0]) / np.array([0.282095, 0.488603] + [0.488603] * 7)
    white = (0.64 - 0.22 * q.light_contrast) * ambient + 0.22 * fill
    return white[:, None] + (key * toward)[:, None] * tint


def _over(base: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return base + (colour - base) * alpha[:, None]


def _inside(distance: np.ndarray, soft: float = 0.012) -> np.ndarray:
    """1 where distance > 0, 0 where below, soft in between."""
    return smooth(distance, -soft, soft)


def eye_shape(q: Portrait) -> tuple[float, float, float]:
    """Half width, half height of the upper lid, openness 0..1 in canonical units."""
    size = 1.0 + 0.13 * q.eye_size
    openness = smooth(np.float64(q.eye_open), -1.0, -0.6)
    return 0.150 * size, 0.078 * size * (0.10 + 0.90 * openness) * (1 + 0.22 * max(q.eye_open, 0)), openness


def mouth_shape(q: Portrait) -> tuple[float, float, float, float, float]:
    """Half width, corner lift, gap, upper and lower lip heights in canonical units."""
    smile = q.smile
    half = 0.235 + 0.03 * smile
    lift = 0.055 * smile - 0.03 * max(q.frown, 0)
    gap = 0.15 * max(q.mouth_open, 0.0) + 0.035 * max(smile - 0.2, 0.0)
    full = 1.0 + 0.30 * q.lip_fullness - 0.15 * max(smile, 0)
    return half, lift, gap, 0.050 * full, 0.068 * full


def skin(q: Portrait, c: Palette, canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Albedo [N,3], label [N] and gloss [N] of points on the head, from canonical positions [N,3]."""
    x, y, z = canonical.T
    ax = np.abs(x)
    front = z > 0.0
    colour = np.repeat(c.skin[None], len(x), 0)
    label = np.full(len(x), LABEL["skin"])
    gloss = np.full(len(x), 0.16)
    blush = (0.5 + 0.4 * q.blush) * both(x, y, 0.40, -0.30, 0.17, 0.13) + 0.25 * bump(x, y, 0, -0.38, 0.1, 0.08)
    colour = colour * (1 - 0.22 * (blush * front)[:, None] * np.array([0.05, 1.0, 0.85]))
    shade = 0.30 * both(x, y, 0.20, 0.03, 0.07, 0.08) + 0.16 * both(x, y, 0.33, 0.09, 0.16, 0.05)
    shade += 0.12 * both(x, y, 0.31, -0.10, 0.13, 0.03) + 0.30 * bump(x, y, 0, -0.485, 0.11, 0.025)
    shade += 0.16 * bump(x, y, 0, -0.845, 0.13, 0.03) + 0.06 * bump(x, y, 0, -0.57, 0.03, 0.06)
    fold = (
        np.exp(-(((ax - 0.20 - 0.28 * (-0.42 - y)) / 0.025) ** 2)) * smooth(y, -0.66, -0.60) * smooth(y, -0.42, -0.50)
    )
    shade += (0.07 + 0.20 * max(q.smile, 0.0)) * fold
    # side planes of the nose, then the nostrils
    width = 0.07 + 0.07 * smooth(y, -0.1, -0.40)
    shade += 0.10 * np.exp(-(((ax - width - 0.02) / 0.035) ** 2)) * smooth(y, 0.05, -0.1) * smooth(y, -0.47, -0.40)
    nose = front & (ax < width + 0.035 * smooth(y, -0.30, -0.40)) & (y < 0.03) & (y > -0.475 - 0.02 * (1 - ax / 0.16))
    label[nose] = LABEL["nose"]
    nostril = np.exp(-((((ax - 0.075) / 0.034) ** 2 + ((y + 0.445 - 0.1 * (ax - 0.075)) / 0.020) ** 2) ** 2))
    colour = colour * (1 - (np.clip(shade, 0, 0.8) * front)[:, None] * np.array([0.75, 0.95, 1.0]))
    colour = _over(colour, c.skin * np.array([0.30, 0.18, 0.16]), 0.85 * nostril * front)

    # beard: jaw, chin, upper lip; drawn before the lips
    if q.beard_amount > 0:
        edge = -0.60 + 0.48 * smooth(ax, 0.25, 0.72)
        area = smooth(y, edge + 0.05, edge - 0.08)
        moustache = bump(x, y, 0, -0.565, 0.25, 0.05)
        area = np.clip(np.maximum(area, moustache), 0, 1) * (z > -0.15) * (y > -1.4)
        grain = 0.92 + 0.08 * np.sin(48 * x) * np.sin(43 * y + 3)
        colour = _over(colour, c.hair * 0.62 * grain[:, None], np.clip(area * q.beard_amount * 0.92, 0, 0.9))
        gloss = gloss * (1 - 0.7 * area * q.beard_amount)

    # lips and the open mouth
    half, lift, gap, upper, lower = mouth_shape(q)
    u = x / half
    arch = np.clip(1 - u * u, 0, 1)
    line = -0.70 + lift * (u * u - 0.35)
    top = line + upper * arch**0.7 * (1.0 - 0.22 * np.exp(-((u / 0.20) ** 2))) * (
        1 + 0.1 * np.exp(-(((np.abs(u) - 0.3) / 0.2) ** 2))
    )
    bite = line - gap * arch**0.8
    bottom = bite - lower * arch**0.75
    inside = front & (np.abs(u) < 1)
    a_top, a_bottom = _inside(top - y), _inside(y - bottom)
    lip = inside * a_top * a_bottom
    tone = c.lips * (1 - 0.14 * smooth(y, -0.705, -0.69))[:, None]
    colour = _over(colour, tone, 0.95 * lip * smooth(arch, 0.0, 0.12))
    gloss = gloss + 0.28 * lip * (y < bite)
    label[inside & (y < top) & (y > bottom)] = LABEL["l_lip"]
    label[inside & (y < top) & (y >= line)] = LABEL["u_lip"]
    hole = inside * _inside(line - y, 0.010) * _inside(y - bite, 0.010) * smooth(np.float64(gap), 0.0, 0.02)
    teeth = smooth(y, line - 0.050 - 0.1 * gap, line - 0.035 - 0.1 * gap) * smooth(arch, 0.05, 0.35)
    colour = _over(colour, np.array([0.22, 0.06, 0.06]), hole)
    colour = _over(colour, np.array([0.93, 0.91, 0.87]), hole * teeth)
    label[inside & (hole > 0.5)] = LABEL["mouth"]
    crease = inside * np.exp(-(((y - line) / 0.012) ** 2)) * smooth(np.float64(gap), 0.03, 0.0) * smooth(arch, 0.0, 0.2)
    colour = _over(colour, c.lips * 0.45, 0.8 * crease)

    # eyes
    wide, high, openness = eye_shape(q)
    ex = (ax - 0.32) / wide  # -1 inner corner .. 1 outer corner
    lid = np.clip(1 - ex * ex, 0, 1)
    tilt = 0.012 * ex
    up, down = tilt + high * lid**0.75, tilt - 0.55 * high * lid
    eye = front & (np.abs(ex) < 1)
    white = eye * _inside(up - y, 0.010) * _inside(y - down, 0.010)
    dx, dy = x - np.sign(x) * 0.318, y - 0.012
    radius = np.sqrt(dx * dx + dy * dy)
    ball = (
        np.array([0.93, 0.92, 0.90])
        * (1 - 0.30 * np.abs(ex) ** 2)[:, None]
        * (1 - 0.30 * smooth(up - y, 0.05, 0.0))[:, None]
    )
    ball = _over(ball, c.iris * (0.65 + 0.6 * smooth(radius, 0.02, 0.06))[:, None], _inside(0.068 - radius, 0.008))
    ball = _over(ball, c.iris * 0.25, _inside(radius - 0.058, 0.006) * _inside(0.070 - radius, 0.006))
    ball = _over(ball, np.array([0.03, 0.03, 0.03]), _inside(0.030 - radius, 0.008))
    glint = _inside(0.018 - np.hypot(dx - 0.024, dy - 0.026), 0.008)
    ball = _over(ball, np.array([1.0, 1.0, 1.0]), 0.95 * glint)
    crease = eye * np.exp(-(((y - up - 0.045) / 0.014) ** 2)) * lid
    colour = _over(colour, c.skin * np.array([0.55, 0.42, 0.38]), 0.45 * crease * openness)
    colour = _over(colour, ball, white)
    lash = eye * np.exp(-(((y - up - 0.006) / 0.015) ** 2)) * smooth(lid, 0.0, 0.15)
    colour = _over(colour, np.array([0.07, 0.05, 0.05]), 0.9 * lash)
    under = eye * np.exp(-(((y - down) / 0.010) ** 2)) * smooth(lid, 0.0, 0.3)
    colour = _over(colour, c.skin * 0.45, 0.5 * under)
    gloss = gloss * (1 - white)
    seen = eye & (y < up) & (y > down)
    label[seen & (x < 0)], label[seen & (x > 0)] = LABEL["l_eye"], LABEL["r_eye"]

    # brows
    bx = (ax - 0.32) / 0.20
    height = 0.185 + 0.035 * q.brow_raise + 0.03 * np.clip(1 - bx * bx, -1, 1) + 0.02 * bx
    height = (
        height - 0.05 * max(q.frown, 0.0) * smooth(bx, 0.4, -1.0) + 0.015 * max(-q.frown, 0) * smooth(bx, 0.4, -1.0)
    )
    thick = 0.036 * (1 + 0.30 * q.brow_weight) * (1 - 0.45 * smooth(bx, 0.1, 1.1))
    brow = front * _inside(thick - np.abs(y - height), 0.014) * smooth(np.abs(bx), 1.12, 0.92)
    dark = c.hair * 0.55 + 0.25 * c.skin * np.array([0.6, 0.45, 0.4])
    colour = _over(colour, np.minimum(dark, c.skin * 0.55), 0.88 * brow)
    gloss = gloss * (1 - brow)
    label[(brow > 0.5) & (x < 0)], label[(brow > 0.5) & (x > 0)] = LABEL["l_brow"], LABEL["r_brow"]

    if q.has_glasses:
        gx, gy = (ax - 0.335) / 0.215, (y + 0.015) / 0.165
        ring = np.abs((np.abs(gx) ** 2.6 + np.abs(gy) ** 2.6) ** (1 / 2.6) - 1.0)
        rim = _inside(0.085 - ring, 0.05) * front
        bridge = _inside(0.022 - np.abs(y - 0.045 - 0.03 * (1 - (ax / 0.12) ** 2)), 0.008) * (ax < 0.14) * front
        arm = _inside(0.026 - np.abs(y - 0.06), 0.008) * (ax > 0.53) * (z > -0.2)
        frame = np.clip(rim + bridge + arm, 0, 1)
        lens = front * (np.abs(gx) ** 2.6 + np.abs(gy) ** 2.6 < 1)
        colour = _over(colour, np.array([0.80, 0.86, 0.92]), 0.07 * lens)
        colour = _over(colour, np.array([0.10, 0.08, 0.09]), 0.95 * frame)
        gloss = gloss + 0.4 * frame
        label[frame > 0.5] = LABEL["eye_g"]
    return colour, label, gloss


_TABLE = np.random.default_rng(7).uniform(-1, 1, 4096)


def strand_noise(place: np.ndarray) -> np.ndarray:
    """Smooth, fixed noise in [-1,1] at any place on the line."""
    low = np.floor(place).astype(np.int64)
    t = place - low
    t = t * t * (3 - 2 * t)
    return _TABLE[low % 4096] * (1 - t) + _TABLE[(low + 1) % 4096] * t


def hair(q: Portrait, c: Palette, canonical: np.ndarray, back: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Albedo [N,3] and strand value [N] (for the highlight) of points on the hair sheet."""
    azimuth, t, along = canonical.T
    curl = max(q.curl + 0.1, 0.0)
    drift = 0.010 * np.sin(2.2 * along + 9 * azimuth) + 0.016 * curl * np.sin(
        (9.0 - 3.0 * q.wave_length) * (1 + 0.3 * curl) * along + 3.0 * np.sin(5 * np.pi * azimuth)
    )
    place = azimuth + drift
    coarse, fine = strand_noise(place * 34 + 300), strand_noise(place * 74 + 900 + 0.3 * along)
    value = 0.60 * coarse + 0.40 * fine
    roots = 0.80 + 0.20 * smooth(t, 0.0, 0.25)
    albedo = c.hair * (roots * (1 + 0.30 * value))[:, None] + 0.018
    albedo[back] *= 0.45
    return albedo, value
