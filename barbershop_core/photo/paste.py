"""Pastes an edited crop into the photo it was cut from, at the photo's own resolution.

Only what changed is replaced: a feathered mask follows the change and fades towards those edges of the
crop that lie inside the photo (hair longer than the crop fades instead of ending in a line).  Outside of
the mask every pixel stays bit for bit.  Inside, the crop often has fewer pixels than the photo; the
photo's finer detail is kept wherever the edit preserved the structure (also under a new colour), and
dropped where the edit replaced it::

    out = photo + m * (up(edited) - up(before)) - m * (1 - k) * (photo - up(before))

m is the mask, k in 0..1 how much of the structure is preserved, both in the crop's coordinates.  With
edited = before the result is the photo itself.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from PIL import Image

from ..errors import BadRequest
from .ramp import smoothstep

FEATHER = 0.035  # of the crop's side: how far the mask reaches beyond the change
EDGE = 0.08  # of the crop's side: width of the fade towards the crop's edges ...
EDGE_BELOW = 0.2  # ... and towards the lower one, where long hair leaves the crop
NOISE, CHANGE = 8.0, 20.0  # levels of difference: unchanged below the first, changed above the second
_BAND = 512  # rows composed at once: limits the memory on 60-megapixel photos


def paste(
    photo: np.ndarray, corners: np.ndarray, before: np.ndarray, edited: np.ndarray, changed: np.ndarray | None = None
) -> np.ndarray:
    """The photo with the edit in it, uint8 [H,W,3].

    photo: uint8 [H,W,3].  corners: [4,2] of the crop in the photo, in pixel edges, order upper left,
        lower left, lower right, upper right (a parallelogram; may reach outside of the photo).
    before, edited: uint8 [r,r,3], the crop before and after the edit.
    changed: [h,w] in 0..1, where the edit applies; None: where the crops differ.
    """
    corners = np.asarray(corners, dtype=np.float64)
    _check(photo, corners, before, edited, changed)
    side = float(np.sqrt(abs(np.linalg.det(np.stack([corners[3] - corners[0], corners[1] - corners[0]])))))
    rows, columns = edited.shape[:2]
    size = min(max(rows, columns), max(math.ceil(side), 8))  # smaller in the photo: no aliasing
    after_ = np.asarray(_resized(Image.fromarray(edited), size))
    before_ = np.asarray(_resized(Image.fromarray(before), size))
    mask = change_mask(before_, after_) if changed is None else _mask_at(changed, size)
    mask = feathered(mask) * edge_window(corners, photo.shape[:2], size)
    if not mask.any():
        return photo.copy()
    keep = kept_structure(before_, after_)
    return _compose(photo, corners, before_, after_, mask.astype(np.float32), keep.astype(np.float32))


def _check(photo, corners, before, edited, changed) -> None:
    for name, image in (("photo", photo), ("crop", before), ("edited crop", edited)):
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise BadRequest(f"The {name} must be uint8 [height, width, 3], not {image.dtype} {list(image.shape)}.")
    if edited.shape != before.shape or edited.shape[0] != edited.shape[1]:
        raise BadRequest(
            f"The edited crop must be square and as large as the crop, {list(before.shape)}, not {list(edited.shape)}."
        )
    if corners.shape != (4, 2) or not np.isfinite(corners).all():
        raise BadRequest("The corners must be four points (x, y).")
    if changed is not None and np.asarray(changed).ndim != 2:
        raise BadRequest("The mask of changes must be [height, width] in 0..1.")


def _resized(image: Image.Image, size: int) -> Image.Image:
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.LANCZOS)


def _mask_at(mask: np.ndarray, size: int) -> np.ndarray:
    plane = Image.fromarray(np.clip(np.nan_to_num(np.asarray(mask, dtype=np.float32)), 0, 1))
    # Not Lanczos: zeros must stay zeros.
    way = Image.Resampling.BOX if min(plane.size) > size else Image.Resampling.BILINEAR
    return np.asarray(plane if plane.size == (size, size) else plane.resize((size, size), way))


# ------------------------------------------------------------------------------ the mask, in the crop


def change_mask(before: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """Where two crops uint8 [r,r,3] differ visibly: float [r,r], from 0 (unchanged) to 1 (changed)."""
    difference = np.abs(edited.astype(np.float32) - before).max(2)
    difference = _blurred(difference, max(len(difference) / 200, 0.6))
    return smoothstep((difference - NOISE) / (CHANGE - NOISE))


def feathered(mask: np.ndarray) -> np.ndarray:
    """A mask [r,r] in 0..1 with a smooth fall-off to exactly zero at ``FEATHER`` beyond its border."""
    core = mask > 0.5
    if not core.any():
        return mask
    reach = max(FEATHER * len(mask), 1.5)
    return np.maximum(mask, smoothstep(1 - _away(core) / reach))


def edge_window(corners: np.ndarray, photo: tuple[int, int], size: int) -> np.ndarray:
    """1 inside the crop, falling to 0 towards those of its edges that lie inside the photo.

    Float [size,size].  corners: as in :func:`paste`.  photo: its (height, width).
    """
    height, width = photo
    ring = 2
    at = (np.arange(-ring, size + ring) + 0.5) / size
    right, down = corners[3] - corners[0], corners[1] - corners[0]
    x = corners[0, 0] + at[None, :] * right[0] + at[:, None] * down[0]
    y = corners[0, 1] + at[None, :] * right[1] + at[:, None] * down[1]
    slack = 1 + 0.002 * max(np.hypot(*right), np.hypot(*down))
    beyond = (x > slack) & (y > slack) & (x < width - slack) & (y < height - slack)
    beyond[ring:-ring, ring:-ring] = False
    below = beyond.copy()
    below[:-ring] = False
    window = np.ones((size, size))
    for part, share in ((beyond & ~below, EDGE), (below, EDGE_BELOW)):
        if part.any():
            distance = _away(part)[ring:-ring, ring:-ring]
            window *= smoothstep((distance - 1) / max(share * size, 2))
    return window


def kept_structure(before: np.ndarray, edited: np.ndarray) -> np.ndarray:
    """How much of the fine structure of ``before`` is preserved in ``edited``: float [r,r] in 0..1.

    Local correlation and contrast of the finest bands of luminance, as in the structure term of SSIM; a
    new colour or light keeps the structure, a new hairstyle does not.
    """

    def fine(image):
        luma = image.astype(np.float32) @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        return luma - local(luma)

    def local(values):
        return _blurred(values, 2.0, 4)

    a, b = fine(before), fine(edited)
    noise = 2.0  # levels squared: flat places count as unchanged
    var_a, var_b, together = local(a * a), local(b * b), local(a * b)
    structure = (together + noise) / (np.sqrt(var_a * var_b) + noise)
    contrast = np.sqrt((var_b + noise) / (var_a + noise))
    return smoothstep((structure - 0.2) / 0.6) * np.clip(1.25 * contrast, 0, 1)


def _blurred(plane: np.ndarray, sigma: float, deviations: int = 3) -> np.ndarray:
    """Gaussian blur of float32 [r,r] with a kernel of so many deviations on each side."""
    side = 2 * int(deviations * sigma + 0.5) + 1
    return cv2.GaussianBlur(plane, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def _away(mask: np.ndarray) -> np.ndarray:
    """Distance of each pixel from the nearest one where ``mask``, bool [r,r], is True: float32, pixels."""
    return cv2.distanceTransform(np.uint8(~mask), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


# ------------------------------------------------------------------------------ the photo


def _compose(photo, corners, before, edited, mask, keep) -> np.ndarray:
    size = len(mask)
    to_photo = np.stack([corners[3] - corners[0], corners[1] - corners[0]], axis=1) / size
    to_crop = np.linalg.inv(to_photo)
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in (edited, before, mask, keep)]
    out = photo.copy()
    left, top, right, bottom = _reach(to_photo, corners[0], mask, photo.shape[:2])
    if left >= right:
        return out
    for start in range(top, bottom, _BAND):
        stop = min(start + _BAND, bottom)
        shift = to_crop @ (np.array([left, start]) - corners[0])
        affine = (*to_crop[0], shift[0], *to_crop[1], shift[1])

        def warp(plane, way, shape=(right - left, stop - start), affine=affine):
            return np.asarray(plane.transform(shape, Image.Transform.AFFINE, affine, way))

        m = warp(planes[2], Image.Resampling.BILINEAR)
        touched = m > 0
        if not touched.any():
            continue
        band = out[start:stop, left:right]
        source = band[touched].astype(np.float32)
        new = warp(planes[0], Image.Resampling.BICUBIC)[touched].astype(np.float32)
        old = warp(planes[1], Image.Resampling.BICUBIC)[touched].astype(np.float32)
        lost = 1 - warp(planes[3], Image.Resampling.BILINEAR)[touched][:, None]
        value = source + m[touched][:, None] * ((new - old) - lost * (source - old))
        band[touched] = np.clip(np.rint(value), 0, 255).astype(np.uint8)
    return out


def _reach(to_photo, origin, mask, photo: tuple[int, int]) -> tuple[int, int, int, int]:
    """The box in the photo with every pixel that the mask can change: left, top, right, bottom."""
    ys, xs = np.nonzero(mask)
    corners = np.array([[x, y] for x in (xs.min() - 1, xs.max() + 2) for y in (ys.min() - 1, ys.max() + 2)])
    points = corners @ to_photo.T + origin
    low, high = np.floor(points.min(0)).astype(int), np.ceil(points.max(0)).astype(int)
    return max(low[0], 0), max(low[1], 0), min(high[0], photo[1]), min(high[1], photo[0])
