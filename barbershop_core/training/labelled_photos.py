"""Labelled photographs for the parser's training: read from tar files, split by hash.

The photographs are not part of the project.  Their folder holds ``hair256.tar`` (pairs of a photo and a hair
mask) and ``faces192.tar``, ``faces192.json``, ``labels192.tar`` (aligned portraits and machine-made label
maps).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy import ndimage

from ..world.shading import LABEL, LABELS

IGNORE = 255
SWAPS = (("l_brow", "r_brow"), ("l_eye", "r_eye"), ("l_ear", "r_ear"))
SMALLEST = {
    "background": 0.004,
    "skin": 0.004,
    "hair": 0.006,
    "cloth": 0.004,
    "neck": 0.003,
    "hat": 0.01,
    "eye_g": 0.002,
}  # share of the image below which a component counts as a speckle
SPECKLE = 0.0004  # of every other class


def held_out(name: str) -> bool:
    """Whether a name belongs to the tenth that is never trained on, by its sha256."""
    return hashlib.sha256(name.encode()).digest()[0] * 10 < 256


def swap_table() -> np.ndarray:
    """uint8 [256]: the label each label has in a mirrored image."""
    table = np.arange(256, dtype=np.uint8)
    for left, right in SWAPS:
        table[LABEL[left]], table[LABEL[right]] = LABEL[right], LABEL[left]
    return table


def clean(labels: np.ndarray) -> np.ndarray:
    """uint8 [H,W] -> the same with components too small for their class set to ``IGNORE``."""
    result = labels.copy()
    for index, box in enumerate(ndimage.find_objects(labels.astype(np.int32) + 1)):
        if box is None:
            continue
        parts, _ = ndimage.label(labels[box] == index)
        small = np.bincount(parts.ravel()) < SMALLEST.get(LABELS[index], SPECKLE) * labels.size
        small[0] = False
        result[box][small[parts]] = IGNORE
    return result


def _files(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {m.name: tar.extractfile(m).read() for m in tar if m.isfile()}


def _square(image: Image.Image, size: int, fill: int | None = None) -> np.ndarray:
    """Longest side to ``size`` px, padded at the right and below: with ``fill``, or the last row."""
    scale = size / max(image.size)
    shape = [max(1, round(s * scale)) for s in image.size]
    method = Image.Resampling.BOX if fill is None else Image.Resampling.NEAREST
    small = np.asarray(image.resize(shape, method))
    pad = [(0, size - shape[1]), (0, size - shape[0])] + [(0, 0)] * (small.ndim - 2)
    return np.pad(small, pad, "edge") if fill is None else np.pad(small, pad, constant_values=fill)


def hair_pairs(folder: Path, is_held_out: bool = False) -> dict[str, tuple[Image.Image, np.ndarray]]:
    """Name -> photo and hair mask (bool [H,W]), of the held-out tenth or of the rest."""
    files = _files(Path(folder) / "hair256.tar")
    pairs = {}
    for name in sorted(files):
        if name.endswith(".jpg") and held_out(name) == is_held_out:
            mask = Image.open(io.BytesIO(files[name.removesuffix(".jpg") + ".png"]))
            photo = Image.open(io.BytesIO(files[name])).convert("RGB")
            pairs[name] = photo, np.asarray(mask.convert("L")) > 127
    return pairs


def hair_arrays(folder: Path, size: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Training pairs of "figaro" or "lfw", squared as for the parser: uint8 [N,S,S,3] and labels uint8
    [N,S,S] (hair, background for all else, ``IGNORE`` where the mask cannot be trusted)."""
    images, labels = [], []
    for name, (image, mask) in hair_pairs(folder).items():
        if name.startswith(kind):
            images.append(np.asarray(image.resize((size, size), Image.Resampling.BICUBIC)))
            drawn = np.where(mask, LABEL["hair"], 0).astype(np.uint8)
            drawn = np.asarray(Image.fromarray(drawn).resize((size, size), Image.Resampling.NEAREST))
            labels.append(doubted(drawn) if kind == "lfw" else drawn)
    return np.stack(images), np.stack(labels)


def doubted(labels: np.ndarray) -> np.ndarray:
    """The labels of a photo of LFW with ``IGNORE`` where its mask is no truth for us.

    Its masks consist of superpixels, hence not their edges; they call beards hair, hence no hair within
    the lower face, which lies at one place since these photos are aligned.  labels: uint8 [S,S].
    """
    size = len(labels)
    hair = (labels == LABEL["hair"]).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, [2 * round(size / 100) + 1] * 2)
    edge = cv2.dilate(hair, disc) != cv2.erode(hair, disc)
    y, x = (np.mgrid[:size, :size] + 0.5) / size
    face = ((x - 0.5) / 0.19) ** 2 + ((y - 0.6) / 0.24) ** 2 < 1
    return np.where(edge | (face & (y > 0.5) & (hair > 0)), IGNORE, labels).astype(np.uint8)


def face_arrays(folder: Path, size: int, is_held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Aligned portraits uint8 [N,S,S,3] and whom they show, int [N]; people are either trained on or held out."""
    folder = Path(folder)
    people = {f["file"]: str(f["person"]) for f in json.loads((folder / "faces192.json").read_text())}
    images, shown = [], []
    for name, data in sorted(_files(folder / "faces192.tar").items()):
        if name in people and held_out(people[name]) == is_held_out:
            images.append(_square(Image.open(io.BytesIO(data)).convert("RGB"), size))
            shown.append(int(people[name]))
    return np.stack(images), np.array(shown)


def part_arrays(folder: Path, size: int, is_held_out: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Aligned portraits uint8 [N,S,S,3] and their cleaned weak labels uint8 [N,S,S]; people are
    either trained on or held out.  Left is the image's left, as in the renders."""
    folder = Path(folder)
    people = {f["file"]: str(f["person"]) for f in json.loads((folder / "faces192.json").read_text())}
    weak, faces = _files(folder / "labels192.tar"), _files(folder / "faces192.tar")
    swap, images, labels = swap_table(), [], []
    for name, data in sorted(weak.items()):
        photo = f"{Path(name).stem}.jpg"
        if held_out(people[photo]) == is_held_out:
            images.append(_square(Image.open(io.BytesIO(faces[photo])).convert("RGB"), size))
            cleaned = clean(swap[np.asarray(Image.open(io.BytesIO(data)))])
            labels.append(_square(Image.fromarray(cleaned), size, IGNORE))
    return np.stack(images), np.stack(labels)
