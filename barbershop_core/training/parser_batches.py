"""Batches for the parser: renders, photographs with hair masks, and photographs with weak labels.

Each picture is moved, recoloured and degraded on its own, at a size drawn for it, as cameras and file
formats would; its labels move with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from ..editing.regions import Parser
from ..world.shading import LABEL
from . import labelled_photos as photos
from . import pool

SIZE = 128  # px of the labels that the loss sees
PHOTO_SIZE = 256  # px at which photographs are kept


@dataclass(frozen=True)
class Moves:
    """Ranges of a kind's moves; what is seen of the picture is ``1 / zoom`` of it."""

    zoom: tuple[float, float]
    turn: float = 0.3  # radians
    shift: float = 0.15  # share of the side
    stretch: float = 0.12  # logarithm of width / height


KINDS = {
    "renders": Moves((0.85, 1.2), turn=0.2, shift=0.12, stretch=0.07),
    "figaro": Moves((0.75, 1.7), stretch=0.25),
    "lfw": Moves((0.85, 1.9)),
    "parts": Moves((0.7, 1.6)),
}
"""The sets, in the order of ``Schedule.batch``.  Figaro's photographs are of every shape, and the parser
squares them; the faces of LFW are small in theirs."""

HAIR_ONLY = ("figaro", "lfw")


class Batches:
    """Random batches, deterministic by seed.

    folder: of a pool of renders; data: of photographs, or None for renders alone.
    """

    def __init__(self, folder: Path, data: Path | None, seed: int):
        self.rng = np.random.default_rng(seed)
        self.sets = {"renders": tuple(pool.load(folder, "images", "labels"))}
        if data:
            self.sets |= {kind: photos.hair_arrays(data, PHOTO_SIZE, kind) for kind in HAIR_ONLY}
            self.sets["parts"] = photos.part_arrays(data, PHOTO_SIZE)

    def draw(self, input_size: int, batch: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, list[str]]:
        """Network input [B,3,S,S], labels long [B,SIZE,SIZE], the kind of each picture.

        batch: pictures of each kind of ``KINDS``; without photographs all of them are renders.
        """
        inputs, targets, kinds = [], [], []
        for kind, count in zip(self.sets, batch if len(self.sets) > 1 else (sum(batch),)):
            images, labels = self.sets[kind]
            for row in self.rng.integers(0, len(images), count):
                image, label = images[row], labels[row]
                if kind == "renders":
                    image = other_background(image, label, self.rng)
                elif kind == "parts" or self.rng.random() < 0.5:
                    image = other_hair(image, label, self.rng)
                image, label = augment(image, label, KINDS[kind], input_size, self.rng)
                inputs.append(image)
                targets.append(label)
                kinds.append(kind)
        return normal(np.stack(inputs)), torch.from_numpy(np.stack(targets)).long(), kinds


def normal(images: np.ndarray) -> Tensor:
    """uint8 [B,H,W,3] -> the network's input, float [B,3,H,W]."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    return (x - torch.tensor(Parser.mean).view(1, 3, 1, 1)) / torch.tensor(Parser.std).view(1, 3, 1, 1)


def augment(
    image: np.ndarray, labels: np.ndarray, moves: Moves, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [H,H,3] and uint8 [H,H] -> uint8 [size,size,3] and uint8 [SIZE,SIZE].

    Mirrored, moved, recoloured, degraded.  What comes from beyond the picture is ignored by the loss.
    """
    matrix, mirrored = random_move(moves, rng)
    middle = size if rng.random() < 0.5 else int(rng.integers(min(SIZE, size), size + 1))
    moved = recolour(warp(image, matrix, middle, rng), rng)
    moved = degrade(moved, rng)
    if middle != size:
        moved = cv2.resize(moved, (size, size), interpolation=cv2.INTER_CUBIC if rng.random() < 0.5 else 1)
    drawn = warp_labels(labels, matrix)
    return moved, photos.swap_table()[drawn] if mirrored else drawn


# ---------------------------------------------------------------- moves


def random_move(moves: Moves, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """[2,3]: place in the result -> place in the picture, both -1..1; whether it mirrors."""
    mirrored = bool(rng.random() < 0.5)
    angle = rng.uniform(-moves.turn, moves.turn)
    scale = 1 / np.exp(rng.uniform(*np.log(moves.zoom)))
    stretch = np.exp(rng.uniform(-moves.stretch, moves.stretch) / 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    linear = turn @ np.diag([scale * stretch * (-1 if mirrored else 1), scale / stretch])
    # closer views may look at any part of the picture, so that hair leaves the frame
    reach = 2 * moves.shift + 0.5 * max(0.0, 1 - scale)
    return np.column_stack([linear, rng.uniform(-reach, reach, 2)]), mirrored


def _pixels(matrix: np.ndarray, side: int, size: int) -> np.ndarray:
    """The same between pixel centres of a result of ``size`` px and of a picture of ``side`` px."""
    linear = matrix[:, :2] * side / size
    offset = side / 2 * (matrix[:, 2] + 1) - 0.5 + linear @ (np.array([0.5, 0.5]) - size / 2)
    return np.column_stack([linear, offset])


def warp(image: np.ndarray, matrix: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """uint8 [H,H,3] -> [size,size,3]; beyond the picture its last row or one colour."""
    inner = _pixels(matrix, image.shape[0], size)
    less = np.sqrt(abs(np.linalg.det(inner[:, :2])))
    if less > 1.2:
        image = cv2.GaussianBlur(image, (0, 0), 0.4 * less)
    border = cv2.BORDER_REPLICATE if rng.random() < 0.5 else cv2.BORDER_CONSTANT
    fill = (0, 0, 0) if rng.random() < 0.5 else tuple(int(v) for v in rng.integers(0, 256, 3))
    way = cv2.WARP_INVERSE_MAP | (cv2.INTER_CUBIC if rng.random() < 0.5 else cv2.INTER_LINEAR)
    return cv2.warpAffine(image, inner, (size, size), flags=way, borderMode=border, borderValue=fill)


def warp_labels(labels: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """uint8 [H,H] -> [SIZE,SIZE], ``IGNORE`` beyond the picture."""
    inner = _pixels(matrix, labels.shape[0], SIZE)
    way = cv2.WARP_INVERSE_MAP | cv2.INTER_NEAREST
    return cv2.warpAffine(labels, inner, (SIZE, SIZE), flags=way, borderValue=photos.IGNORE)


# ---------------------------------------------------------------- colours


def recolour(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Exposure, contrast, saturation, tint and tone curve of other cameras; a tenth becomes grey."""
    x = image.astype(np.float32) / 255
    grey = x.mean(2, keepdims=True)
    saturation = 0.0 if rng.random() < 0.1 else rng.uniform(0.5, 1.5)
    x = grey + (x - grey) * saturation
    x = x * np.float32(np.exp(rng.uniform(-0.35, 0.35))) * (1 + rng.uniform(-0.1, 0.1, 3).astype(np.float32))
    x = np.clip(x + np.float32(rng.uniform(-0.1, 0.1)), 0, 1)
    if rng.random() < 0.5:
        x = cv2.pow(x, float(np.exp(rng.uniform(-0.5, 0.5))))
    return (x * 255).astype(np.uint8)


def degrade(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Some are blurred or sharpened, some get grain, some the blocks of JPEG."""
    chance = rng.random()
    if chance < 0.25:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.012 * image.shape[0]))
    elif chance < 0.45:
        soft = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.7, 2.0))
        amount = rng.uniform(0.3, 1.5)
        image = cv2.addWeighted(image, 1 + amount, soft, -amount, 0)
    if rng.random() < 0.4:
        grain = cv2.randn(np.empty(image.shape, np.int16), 0, float(rng.uniform(1, 14)))
        image = np.clip(image.astype(np.int16) + grain, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        _, stored = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 90))])
        image = cv2.imdecode(stored, cv2.IMREAD_COLOR)
    return image


def other_hair(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator, share: float = 0.2) -> np.ndarray:
    """The hair of some gets another tone and colour: white, grey, dyed.  uint8 [H,H,3]."""
    if rng.random() >= share:
        return image
    mask = cv2.GaussianBlur((labels == LABEL["hair"]).astype(np.float32), (0, 0), image.shape[0] / 128)[..., None]
    x = image.astype(np.float32) / 255
    grey = x.mean(2, keepdims=True)
    paint = grey + (x - grey) * np.float32(rng.uniform(0, 1)) + rng.normal(0, 0.06, 3).astype(np.float32)
    paint = np.clip(paint, 0, 1) ** np.float32(np.exp(rng.uniform(-0.9, 0.5)))
    return ((x + (paint - x) * mask) * 255).clip(0, 255).astype(np.uint8)


def other_background(image: np.ndarray, labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A third of the renders get clouds of random colours behind them.  uint8 [H,H,3]."""
    if rng.random() >= 0.33:
        return image
    side = image.shape[0]
    clouds = np.zeros((side, side, 3), np.float32)
    for cells, amount in ((2, 0.3), (6, 0.3), (24, 0.12)):
        coarse = rng.normal(0, amount, (cells, cells, 3)).astype(np.float32)
        clouds += cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)
    return np.where((labels == 0)[..., None], np.clip((clouds + 0.5) * 255, 0, 255).astype(np.uint8), image)
