"""Target masks from files, and painted over an automatic mask: region numbers, region colours, strokes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from ..errors import BadRequest
from .regions import COLOURS, REGIONS


def palette() -> dict[str, str]:
    """Colour of each region as "#rrggbb", in the order of REGIONS."""
    return {name: "#" + bytes(colour).hex() for name, colour in zip(REGIONS, COLOURS)}


def nearest_region(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Region of the nearest colour for uint8 [H,W,3], and the squared distance to it, each [H,W]."""
    best = np.zeros(rgb.shape[:2], np.uint8)
    least = np.full(rgb.shape[:2], np.iinfo(np.int32).max, np.int32)
    for number, colour in enumerate(COLOURS.astype(np.int32)):
        distance = ((rgb.astype(np.int32) - colour) ** 2).sum(-1)
        closer = distance < least
        best[closer], least[closer] = number, distance[closer]
    return best, least


def read_mask(path: str | Path) -> np.ndarray:
    """A target mask from a picture: region numbers (grey or palette) or region colours (RGB), as
    ``parse`` writes them.

    Returns uint8 [H,W] of indices into REGIONS.
    Raises BadRequest if the file is not an image, contains other numbers or colours, or only background.
    """
    remedy = "Write one with the 'parse' command and repaint it with its own colours."
    try:
        with Image.open(path) as picture:
            picture.load()
            if picture.mode in ("L", "P", "I", "I;16", "1") and picture.getpalette() is None:
                labels = np.asarray(picture.convert("I"))
                if labels.max() >= len(REGIONS):
                    raise BadRequest(f"The mask holds the number {labels.max()}, which is not a region.", remedy)
                labels = labels.astype(np.uint8)
            else:
                labels, distance = nearest_region(np.asarray(picture.convert("RGB")))
                if (distance > 48**2).mean() > 0.01:  # soft edges of a brush are fine, a photo is not
                    raise BadRequest("The mask is not painted in the regions' colours.", remedy)
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise BadRequest(f"The mask {Path(path).name} cannot be read as a picture.", remedy) from error
    if not labels.any():
        raise BadRequest("The mask is empty: every pixel is background.", remedy)
    return labels


def paint_over(labels: np.ndarray, layer: np.ndarray) -> np.ndarray:
    """The mask with a visitor's strokes on it.

    labels: uint8 [r,r], the automatic mask.
    layer: uint8 [H,W,4] RGBA in the palette's colours; of any size, resized to the mask's; pixels of
        less than half opacity are not painted.

    Returns uint8 [r,r].  Raises BadRequest where nothing but background is left.
    """
    height, width = labels.shape
    layer = np.asarray(Image.fromarray(layer, "RGBA").resize((width, height), Image.NEAREST))
    regions, _ = nearest_region(layer[..., :3])
    painted = np.where(layer[..., 3] > 127, regions, labels).astype(np.uint8)
    if not painted.any():
        raise BadRequest("The painted mask is empty: every pixel is background.", "Paint some hair or face.")
    return painted
