"""FFHQ alignment: 68 landmarks -> the square around a head -> its pixels.

The published procedure (Karras et al., A Style-Based Generator Architecture for GANs, CVPR 2019,
appendix C; Barbershop's and encoder4editing's ``align_face``): an oriented square from eyes and mouth;
shrink, crop, pad by reflection with a blur towards the border, then one warp.  Networks trained on FFHQ
expect pictures made exactly this way.

Coordinates: the published quad refers to pixel *centres* (0 is the middle of the first pixel);
``Crop.corners`` refers to pixel *edges* (0 is the picture's left border), for pasting an edit back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from ..errors import BadRequest


@dataclass(frozen=True)
class Crop:
    """An aligned crop and how it was made.

    image: uint8 [S,S,3].
    corners: float64 [4,2], (x, y) of the crop's corners in the source, in pixel edges; order upper
        left, lower left, lower right, upper right; may lie outside of the source.
    shrink: factor by which the source was reduced first.
    box: (left, top, right, bottom) cut from the reduced source, None if nothing was cut off.
    pad: pixels added after that (left, top, right, bottom).
    warp: float64 [4,2], corners given to the warp, in the padded picture.
    warp_size: (width, height) of the padded picture.
    """

    image: np.ndarray
    corners: np.ndarray
    shrink: int
    box: tuple[int, int, int, int] | None
    pad: tuple[int, int, int, int]
    warp: np.ndarray
    warp_size: tuple[int, int]


def ffhq_quad(landmarks: np.ndarray) -> np.ndarray:
    """Corners of FFHQ's square, float64 [4,2] in pixel centres, from iBUG landmarks [68,2] (x, y).

    Order: upper left, lower left, lower right, upper right.
    """
    points = np.asarray(landmarks, dtype=np.float64)
    if points.shape != (68, 2):
        raise BadRequest(f"Alignment needs 68 landmarks (x, y), not an array {list(points.shape)}.")
    left_eye, right_eye = points[36:42].mean(0), points[42:48].mean(0)
    eyes, mouth = (left_eye + right_eye) / 2, (points[48] + points[54]) / 2
    across, down = right_eye - left_eye, mouth - eyes
    x = across - _turned(down)
    x *= max(2.0 * np.hypot(*across), 1.8 * np.hypot(*down)) / np.hypot(*x)
    y = _turned(x)
    centre = eyes + 0.1 * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def _turned(v: np.ndarray) -> np.ndarray:
    """The vector turned by 90 degrees, from the x axis to the y axis."""
    return np.array([-v[1], v[0]])


def align(image: np.ndarray, quad: np.ndarray, size: int = 1024, transform_size: int = 4096) -> Crop:
    """Cut the square ``quad`` out of ``image``, as published.

    image: uint8 [H,W,3].  quad: [4,2] in pixel centres (:func:`ffhq_quad`).
    size: side of the crop.  transform_size: side of the bilinear warp, which Lanczos then reduces to
        ``size``: 4096 in Barbershop and FFHQ, ``size`` itself (256) in encoder4editing.
    """
    quad = np.asarray(quad, dtype=np.float64)
    picture = Image.fromarray(image)
    side = float(np.hypot(*(quad[3] - quad[0])))
    shrink = max(int(math.floor(side / size * 0.5)), 1)
    scale = np.ones(2)
    if shrink > 1:
        full = np.array(picture.size, dtype=np.float64)
        picture = picture.resize(tuple(int(n) for n in np.rint(full / shrink)), Image.Resampling.LANCZOS)
        scale = full / picture.size
        quad, side = quad / shrink, side / shrink
    border = max(int(np.rint(side * 0.1)), 3)

    box = _around(quad, border, picture.size)
    offset = np.zeros(2)
    if box[2] - box[0] < picture.width or box[3] - box[1] < picture.height:
        picture, offset = picture.crop(box), np.array(box[:2], dtype=np.float64)
    else:
        box = None
    inside = quad - offset

    pad = _missing(inside, border, picture.size)
    if max(pad) > border - 4:
        pad = tuple(max(n, int(np.rint(side * 0.3))) for n in pad)
        picture = Image.fromarray(_pad(np.asarray(picture), pad, blur=side * 0.02))
        inside = inside + np.array(pad[:2], dtype=np.float64)
    else:
        pad = (0, 0, 0, 0)

    warp = inside + 0.5
    warped = picture.transform(
        (transform_size, transform_size), Image.Transform.QUAD, tuple(warp.ravel()), Image.Resampling.BILINEAR
    )
    if size < transform_size:
        warped = warped.resize((size, size), Image.Resampling.LANCZOS)
    return Crop(np.array(warped), (quad + 0.5) * scale, shrink, box, pad, warp, picture.size)


def _around(quad: np.ndarray, border: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    low = np.floor(quad.min(0)).astype(int) - border
    high = np.ceil(quad.max(0)).astype(int) + border
    return (int(max(low[0], 0)), int(max(low[1], 0)), int(min(high[0], size[0])), int(min(high[1], size[1])))


def _missing(quad: np.ndarray, border: int, size: tuple[int, int]) -> tuple[int, int, int, int]:
    low = border - np.floor(quad.min(0)).astype(int)
    high = np.ceil(quad.max(0)).astype(int) - np.array(size) + border
    return tuple(int(max(n, 0)) for n in (*low, *high))


def _pad(image: np.ndarray, pad: tuple[int, int, int, int], blur: float) -> np.ndarray:
    """Pad by reflection, blurred and faded into the median colour towards the new border."""
    left, top, right, bottom = pad
    out = np.pad(image.astype(np.float32), ((top, bottom), (left, right), (0, 0)), "reflect")
    height, width = out.shape[:2]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)
    # 1 at the new border, 0 at the photo's border, negative inside the photo
    depth_x = 1 - np.minimum(x / left, x[::-1] / right)
    depth_y = 1 - np.minimum(y / top, y[::-1] / bottom)
    depth = np.maximum(depth_x[None, :], depth_y[:, None])[..., None]
    out += (_gaussian(out, blur) - out) * np.clip(depth * 3 + 1, 0, 1)
    step = max(int(math.sqrt(height * width / 2e6)), 1)  # for speed: the median of 2 million pixels is enough
    out += (np.median(out[::step, ::step], axis=(0, 1)) - out) * np.clip(depth, 0, 1)
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _gaussian(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur; wide ones on a reduced picture (which differs by less than half a level)."""
    factor = int(sigma // 8)
    if factor < 2:
        return ndimage.gaussian_filter(image, (sigma, sigma, 0))
    height, width = image.shape[:2]
    small = (max(width // factor, 1), max(height // factor, 1))
    out = np.empty_like(image)
    for channel in range(image.shape[2]):
        plane = Image.fromarray(image[..., channel]).resize(small, Image.Resampling.BOX)
        sigmas = (sigma * small[1] / height, sigma * small[0] / width)
        soft = ndimage.gaussian_filter(np.asarray(plane), sigmas)
        out[..., channel] = Image.fromarray(soft).resize((width, height), Image.Resampling.BICUBIC)
    return out


def cut(image: np.ndarray, corners: np.ndarray, size: int) -> np.ndarray:
    """Cut out an upright box ``corners`` (pixel edges, inside the picture); uint8 [size,size,3], Lanczos."""
    left, top = corners.min(0)
    right, bottom = corners.max(0)
    picture = Image.fromarray(image)
    return np.array(picture.resize((size, size), Image.Resampling.LANCZOS, box=(left, top, right, bottom)))


def box_corners(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Corners of an upright box, float64 [4,2], in the order of :class:`Crop`."""
    return np.array([[left, top], [left, bottom], [right, bottom], [right, top]], dtype=np.float64)


def crop_grid(corners: np.ndarray, size: int) -> np.ndarray:
    """Where the centres of a crop's pixels lie in its source: float64 [size,size,2], (x, y) in pixel edges.

    corners: as in :class:`Crop`.
    """
    at = (np.arange(size) + 0.5) / size
    right, down = corners[3] - corners[0], corners[1] - corners[0]
    return corners[0] + at[None, :, None] * right + at[:, None, None] * down


def inside(places: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """bool [...]: whether places [...,2], (x, y) in pixel edges, lie in a picture of this shape ([H,W,...])."""
    x, y = np.moveaxis(places, -1, 0)
    return (x >= 0) & (y >= 0) & (x <= shape[1]) & (y <= shape[0])
