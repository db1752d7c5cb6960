"""A drawn portrait with MediaPipe's outline, its parts known exactly, for tests of photographs' geometry."""

from __future__ import annotations

import cv2
import numpy as np

from barbershop_core.compositing.face_points import CHIN, EARS, FOREHEAD, LOWER_OVAL, NOSE_BASE, UPPER_OVAL
from barbershop_core.compositing.motion import Field
from barbershop_core.compositing.photograph import Photograph
from barbershop_core.photo.crop import inside

SIZE = 256


def head(size: int = SIZE) -> np.ndarray:
    """A face like an egg shell, [478,3] px, as if photographed from the front."""
    direction = np.random.default_rng(1).normal(size=(478, 3))
    direction[:, 2] = -np.abs(direction[:, 2])
    mesh = direction / np.linalg.norm(direction, axis=1, keepdims=True)
    ring = UPPER_OVAL + LOWER_OVAL
    for angle, point in zip(np.linspace(0, -2 * np.pi, len(ring), endpoint=False), ring):
        mesh[point] = [np.cos(angle), np.sin(angle), 0.0]
    mesh[FOREHEAD], mesh[CHIN] = [0, -1, 0], [0, 1, 0]
    mesh[EARS[0]], mesh[EARS[1]] = [-1, 0, 0.1], [1, 0, 0.1]
    mesh[NOSE_BASE], mesh[33], mesh[263] = [0, 0.2, -0.98], [-0.5, -0.2, -0.85], [0.5, -0.2, -0.85]
    return (mesh * [0.25, 0.32, 0.27] * size + [size / 2, size * 0.55, 0]).astype(np.float32)


def moved(mesh: np.ndarray, scale: float, degrees: float, shift: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """The mesh after a similarity, and its matrix [2,3]."""
    turn = np.radians(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.concatenate([matrix, np.array(shift)[:, None]], 1)
    flat = mesh[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([flat, scale * mesh[:, 2:]], 1).astype(np.float32), matrix


def portrait(hair: tuple[float, float, float], seed: int = 0, long: float = 1.2, size: int = SIZE) -> Photograph:
    """Face with freckles before a wall, hair of this colour around it, ``long`` face heights down from the crown."""
    random = np.random.default_rng(seed)
    y, x = (np.mgrid[:size, :size] - np.array([0.55, 0.5])[:, None, None] * size) / size
    face = np.clip((1 - np.hypot(x / 0.25, y / 0.32)) * 40 + 0.5, 0, 1)
    cap = np.hypot(x / 0.36, np.minimum(y, 0) / 0.46)
    hairy = np.clip((1 - cap) * 40, 0, 1) * (y < -0.46 + 0.64 * long) * (1 - face * np.clip((y + 0.2) * 40, 0, 1))
    freckles = cv2.GaussianBlur(random.normal(size=(size, size)), (0, 0), size / 120)
    strands = cv2.GaussianBlur(random.normal(size=(size, size)), (0, 0), sigmaX=0.8, sigmaY=6)
    image = np.array([0.75, 0.78, 0.8]) + random.normal(0, 0.01, (size, size, 3))
    skin = np.array([0.8, 0.62, 0.52]) * (1 + 0.1 * freckles / freckles.std())[..., None]
    skin = skin + random.normal(0, 0.005, skin.shape)
    image += face[..., None] * (skin - image)
    image += hairy[..., None] * (np.array(hair) * (1 + 0.25 * strands / strands.std())[..., None] - image)
    parts = {"hair": hairy, "skin": face * (1 - hairy), "background": (1 - face) * (1 - hairy)}
    parts = {name: np.float32(plane) for name, plane in parts.items()}
    return Photograph(np.float32(np.clip(image, 0, 1)), np.ones((size, size), np.float32), parts, head(size))


def moved_portrait(
    photograph: Photograph, scale: float, degrees: float, shift: tuple[float, float], gain: float = 1.0
) -> Photograph:
    """The portrait photographed again: turned in plane, nearer or farther, brighter; beyond its frame not known."""
    mesh, matrix = moved(photograph.mesh, scale, degrees, shift)
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    field = Field.affine(inverse, photograph.image.shape[:2])
    parts = {name: field.sample(plane, "linear").clip(0, 1) for name, plane in photograph.parts.items()}
    image = field.sample(photograph.image) * gain
    image = np.clip(image + np.random.default_rng(3).normal(0, 0.004, image.shape), 0, 1).astype(np.float32)
    return Photograph(image, np.float32(inside(field.at + 0.5, photograph.image.shape)), parts, mesh)
