"""What a portrait is: named numbers, each standard normal, in one vector.

A portrait is ``p`` [P] (P = ``COUNT``).  The generator's input ``z`` [Z] begins with ``p``.  StyleGAN2
normalizes z to length sqrt(Z), so the remaining entries ("slack") are given the length that is left, and the
normalization does not change the portrait (:func:`to_z`, :func:`from_z`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

GROUPS: dict[str, tuple[str, ...]] = {
    "identity": (
        "face_width",
        "jaw_width",
        "chin_length",
        "nose_length",
        "nose_width",
        "nose_height",
        "eye_size",
        "eye_gap",
        "mouth_width",
        "lip_fullness",
        "head_height",
        "cheekbones",
        "brow_height",
        "brow_weight",
    ),
    "skin": ("skin_tone", "skin_warmth", "blush", "lip_red", "eye_hue"),
    "expression": ("smile", "mouth_open", "brow_raise", "eye_open", "frown"),
    "pose": ("yaw", "pitch", "roll"),
    "light": ("light_azimuth", "light_elevation", "light_contrast", "light_warmth"),
    "hair_shape": ("hair_length", "hair_volume", "fringe", "sweep", "parting", "curl", "wave_length"),
    "hair_color": ("hair_lightness", "hair_red", "hair_grey"),
    "extras": ("glasses", "beard", "neckline"),
    "cloth": ("cloth_hue", "cloth_saturation", "cloth_lightness"),
    "background": ("back_hue", "back_lightness", "back_gradient"),
}
NAMES: tuple[str, ...] = tuple(name for names in GROUPS.values() for name in names)
COUNT = len(NAMES)
INDEX = {name: i for i, name in enumerate(NAMES)}

# What the generator's fine layers (W+ rows from 7 on) learn to control; the coarse ones control all else, as
# F and S do in Barbershop.
APPEARANCE: tuple[str, ...] = (
    "skin_tone",
    "skin_warmth",
    "blush",
    "lip_red",
    "eye_hue",
    "hair_lightness",
    "hair_red",
    "hair_grey",
    "cloth_hue",
    "cloth_saturation",
    "cloth_lightness",
    "back_hue",
    "back_lightness",
    "back_gradient",
    "light_warmth",
)


def indices(*names: str) -> list[int]:
    """Places in the vector of parameters or whole groups, by name."""
    return [INDEX[n] for name in names for n in GROUPS.get(name, (name,))]


def sample(count: int, seed: int) -> np.ndarray:
    """``count`` portraits, float32 [count, P], standard normal."""
    return np.random.default_rng([seed, 0xB0B]).standard_normal((count, COUNT)).astype(np.float32)


def to_z(p: np.ndarray, z_dim: int, seed: int | None = None) -> np.ndarray:
    """Generator inputs for portraits: float32 [N,P] -> [N,z_dim] with rows of length sqrt(z_dim).

    seed: draws the direction of the slack; ``None`` gives one fixed direction.
    """
    p = np.atleast_2d(np.asarray(p, np.float32))
    slack = np.ones((len(p), z_dim - COUNT), np.float32)
    if seed is not None:
        slack = np.random.default_rng([seed, 0x51AC]).standard_normal(slack.shape).astype(np.float32)
    slack /= np.linalg.norm(slack, axis=1, keepdims=True)
    left = np.sqrt(np.maximum(z_dim - (p**2).sum(1, keepdims=True), 1.0))
    return np.concatenate([p, slack * left], 1)


def from_z(z: np.ndarray) -> np.ndarray:
    """The portraits that generator inputs stand for: [N,Z] -> [N,P]."""
    z = np.atleast_2d(np.asarray(z, np.float32))
    return (z * np.sqrt(z.shape[1]) / np.linalg.norm(z, axis=1, keepdims=True))[:, :COUNT]


def uniform(value: float) -> float:
    """A standard normal number as one uniform in [-1, 1]."""
    return math.erf(value / math.sqrt(2.0))


@dataclass(frozen=True)
class Portrait:
    """One portrait's parameters by name, each mapped to [-1, 1] (uniformly distributed)."""

    p: np.ndarray

    def __getattr__(self, name: str) -> float:
        if name in INDEX:
            return uniform(float(self.p[INDEX[name]]))
        raise AttributeError(name)

    @property
    def has_glasses(self) -> bool:
        return self.glasses > 0.6  # one in five

    @property
    def beard_amount(self) -> float:
        """0 (none, three in five) to 1."""
        return float(np.clip((self.beard - 0.2) / 0.5, 0.0, 1.0))

    @property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch, roll in degrees: positive yaw turns the face to the picture's right, positive
        pitch up, positive roll clockwise."""
        return 26.0 * self.yaw, 12.0 * self.pitch, 4.0 * self.roll


def caption(p: np.ndarray) -> str:
    """A sentence that is true of the portrait."""
    q = Portrait(p)
    length = "short" if q.hair_length < -0.35 else "long" if q.hair_length > 0.35 else "medium-length"
    if q.hair_grey > 0.7:
        colour = "grey"
    elif q.hair_red > 0.6 and q.hair_lightness > -0.5:
        colour = "red"
    else:
        colour = "black" if q.hair_lightness < -0.4 else "blond" if q.hair_lightness > 0.45 else "brown"
    curl = "curly " if q.curl > 0.45 else "straight " if q.curl < -0.1 else "wavy "
    parts = [f"{length} {curl}{colour} hair"]
    if q.fringe > 0.3:
        parts.append("a fringe")
    if q.has_glasses:
        parts.append("glasses")
    if q.beard_amount > 0.4:
        parts.append("a beard")
    face = "smiling" if q.smile > 0.4 else "frowning" if q.frown > 0.6 and q.smile < 0 else ""
    who = "smiling person" if face == "smiling" else "frowning person" if face == "frowning" else "person"
    if q.mouth_open > 0.5:
        parts.append("an open mouth")
    return f"a portrait of a {who} with " + ", ".join(parts[:-1] + (["and " + parts[-1]] if len(parts) > 1 else parts))
