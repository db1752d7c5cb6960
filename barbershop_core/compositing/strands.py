"""Strands for hair that lacks them beside the photo it comes into: from a smaller photo, or rendered."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import nnls

from ..photo.ramp import smoothstep
from .continuation import continue_colours
from .planes import widened

ANGLES = 12
"""Directions that strands are drawn in; those between are mixed."""
LENGTH = 31
"""px of a drawn strand."""
BANDS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Sigmas, px, between which detail is compared; the last band is what both pictures are taken to have."""
LEAST = 0.5
"""Share of an octave's detail that has to be missing for strands to be drawn in it."""
FINEST = 2
"""Octaves that strands are drawn in; coarser detail is the hair's own shape."""
DRAWN = 0.6
"""Share of the missing detail that is drawn."""
CONTRAST = 2.0
"""Largest ratio of the two pictures' coarsest bands that is believed."""
USUAL = (0.032, 0.060, 0.058, 0.060)
"""Standard deviation of each octave's detail in photographed hair, relative to the hair's mean light: at 1024 px."""
COARSEST = 128
"""Octave k is drawn in pictures of at least this many px times 2**k."""
TEXTURE, SHADING = 0.004, 0.016
"""Sigmas between which rendered hair shows its flow, not its shading; as shares of the picture's side."""
FLOW = 0.025
"""Sigma of the neighbourhood that shares a direction, in the same unit."""
RIM = 0.010
"""Width of the outline that rendering darkens, in the same unit."""
LOOSE, SOFT = 0.06, 0.003
"""How unevenly strands end at the outline, and how softly, the second in the same unit."""


def with_finer_strands(
    image: np.ndarray, mask: np.ndarray, like: np.ndarray, like_mask: np.ndarray, seed: int = 0
) -> np.ndarray:
    """Hair with the fine detail that it lacks beside other hair, drawn along its strands: float32 [H,W,3].

    image: float32 [H,W,3] in 0..1; mask: float32 [H,W], its hair.  like, like_mask: a picture of the same resolution
    with hair as sharp as wanted.  Detail is compared by octaves, relative to the coarsest; where nothing is missing,
    or a mask is too small to tell, the image comes back.
    """
    if min((mask > 0.9).sum(), (like_mask > 0.9).sum()) < 256:
        return image
    grey, other = (cv2.cvtColor(np.float32(x), cv2.COLOR_RGB2GRAY) for x in (image, like))
    own, wanted = _levels(grey, mask > 0.9), _levels(other, like_mask > 0.9)
    wanted = wanted * np.clip(own[-1] / max(wanted[-1], 1e-6), 1 / CONTRAST, CONTRAST)
    missing = np.sqrt(np.maximum(wanted**2 - own**2, 0))
    missing[FINEST:] = 0
    missing[own > (1 - LEAST) * wanted] = 0
    if not missing.any():
        return image
    y, x, height, width = _box(mask)
    part = np.s_[y : y + height, x : x + width]
    drawn = _drawn(_direction(grey[part], 2, LENGTH / 2), seed)
    detail = np.zeros_like(drawn)
    for level, band in zip(missing, _bands(drawn)):
        detail += DRAWN * band * level / max(float(band.std()), 1e-6)
    # in proportion to the light: shadows between strands stay dark
    light = cv2.GaussianBlur(grey[part], (0, 0), BANDS[-1])
    relative = detail / max(float(light[mask[part] > 0.9].mean()), 0.02)
    result = image.copy()
    result[part] *= 1 + (mask[part] * np.clip(relative, -0.6, 0.8))[..., None]
    return np.clip(result, 0, 1).astype(np.float32)


def with_strands(image: np.ndarray, alpha: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Smooth rendered hair as it would be photographed: with strands, without a dark rim, with loose ends.

    image: float32 [S,S,3] in 0..1, the hair's colours, also beyond its outline.  alpha: float32 [S,S].  Strands of
    several widths follow the hair's flow, with `DRAWN` of what each octave of detail lacks beside photographed hair
    (`USUAL`).  Returns image and alpha, as they came where no octave lacks much.
    """
    size, sure = len(alpha), alpha > 0.9
    if sure.sum() < 256:
        return image, alpha
    y, x, height, width = _box(alpha)
    part = np.s_[y : y + height, x : x + width]
    sure, colours = sure[part], _without_rim(image[part], alpha[part], RIM * size)
    grey = cv2.cvtColor(colours, cv2.COLOR_RGB2GRAY)
    flow = cv2.GaussianBlur(grey, (0, 0), max(TEXTURE * size, 0.5)) - cv2.GaussianBlur(grey, (0, 0), SHADING * size)
    angle = _direction(flow, 0.5, FLOW * size)
    light = max(float(grey[sure].mean()), 0.02)
    octaves = min(len(USUAL), 1 + int(np.log2(max(1, size / COARSEST))))
    own, wanted = _levels(grey, sure)[:octaves], light * np.array(USUAL[:octaves])
    if (own > (1 - LEAST) * wanted).all():
        return image, alpha
    drawn = []
    for k in range(octaves):
        small = (max(1, width >> k), max(1, height >> k))
        strands = _drawn(cv2.resize(angle, small, interpolation=cv2.INTER_NEAREST), seed + k)
        drawn.append(cv2.resize(strands, (width, height), interpolation=cv2.INTER_CUBIC))
    # Independent, so that their variances add up, octave by octave.
    bands = [_bands(strands)[k] for k, strands in enumerate(drawn)]
    variances = np.stack([_levels(band, sure)[:octaves] ** 2 for band in bands], 1)
    shares, _ = nnls(variances, np.maximum(wanted**2 - own**2, 0))
    detail = sum(np.float32(DRAWN * np.sqrt(share)) * band for share, band in zip(shares, bands))
    ends = sum(drawn) / np.float32(np.sqrt(len(drawn)))
    result, loose = image.copy(), alpha.copy()
    result[part] = np.clip(colours * (1 + np.clip(detail / light, -0.6, 0.8))[..., None], 0, 1)
    edge = cv2.GaussianBlur(alpha[part], (0, 0), max(SOFT * size, 0.5))
    loose[part] = smoothstep(edge + 4 * LOOSE * edge * (1 - edge) * ends, 0.2, 0.8)
    return result, loose


def _without_rim(image: np.ndarray, alpha: np.ndarray, width: float) -> np.ndarray:
    """Hair's colours [H,W,3] with those along its outline, ``width`` px, continued from inside."""
    core = widened(alpha > 0.9, -width)
    if not core.any():
        return np.float32(image)
    inner = np.clip(2 * cv2.GaussianBlur(core, (0, 0), max(width / 2, 0.5)) - 1, 0, 1)[..., None]
    outwards = continue_colours(image, core)
    return np.float32(outwards + inner * (image - outwards))


def _bands(grey: np.ndarray) -> list[np.ndarray]:
    """Octaves of detail, from fine to coarse."""
    blurs = [grey, *(cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in BANDS)]
    return [fine - coarse for fine, coarse in zip(blurs, blurs[1:])]


def _levels(grey: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Standard deviation of each octave."""
    return np.array([band[at].std() for band in _bands(grey)])


def _direction(detail: np.ndarray, fine: float, wide: float) -> np.ndarray:
    """Direction of the strands of ``detail``, in kernels of `_line`: float32 [H,W] in 0..ANGLES.

    fine: sigma of what is not looked at; wide: of the neighbourhood that is averaged; px.
    """
    across, down = (cv2.Sobel(cv2.GaussianBlur(detail, (0, 0), fine), cv2.CV_32F, *order) for order in ((1, 0), (0, 1)))
    xx, yy, xy = (cv2.GaussianBlur(plane, (0, 0), wide) for plane in (across**2, down**2, across * down))
    return (0.5 * np.arctan2(2 * xy, xx - yy) + np.pi / 2) % np.pi * ANGLES / np.pi


def _drawn(angle: np.ndarray, seed: int) -> np.ndarray:
    """Noise drawn out along the directions of `_direction`: float32 [H,W]."""
    noise = np.random.default_rng(seed).standard_normal(angle.shape, np.float32)
    result, weight = np.zeros_like(noise), np.zeros_like(noise)
    for k in range(ANGLES):
        apart = np.abs((angle - k + ANGLES / 2) % ANGLES - ANGLES / 2)
        share = np.maximum(1 - apart, 0)
        result += share * cv2.filter2D(noise, -1, _line(k * np.pi / ANGLES), borderType=cv2.BORDER_REFLECT)
        weight += share**2
    return result / np.sqrt(np.maximum(weight, 1e-6))


def _line(angle: float) -> np.ndarray:
    """A soft line through the middle of [LENGTH,LENGTH], unit norm."""
    reach = LENGTH // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, away = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    line = np.exp(-((along / (0.45 * reach)) ** 2) - (away / 0.7) ** 2).astype(np.float32)
    return line / np.linalg.norm(line)


def _box(mask: np.ndarray) -> tuple[int, int, int, int]:
    """y, x, height and width of what the mask covers."""
    rows, columns = (np.flatnonzero(mask.max(axis) > 0.02) for axis in (1, 0))
    return rows[0], columns[0], rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
