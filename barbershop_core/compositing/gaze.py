"""Where the eyes look: each iris is moved within its eye's opening, and what it uncovers is filled with white.

The eyeball is a ball of known proportions, so that an angle says how far its iris moves and how much narrower it is
seen.  Lids, lashes and everything outside of the openings keep their pixels.  Points of MediaPipe's mesh say where
irises and lids are; the iris's outline is then laid on the picture's own edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ..errors import BadRequest
from ..photo.ramp import smoothstep
from .continuation import harmonic
from .face_points import EYES
from .photograph import Photograph
from .planes import enclosed

IRISES = ((468, 469, 470, 471, 472), (473, 474, 475, 476, 477))
"""Points of each iris, its middle first, in the order of `EYES`."""
CORNERS = ((33, 133), (263, 362))
"""Outer and inner corner of each eye."""
EYEBALL = 1.75
"""From the eyeball's middle to the plane of the iris, in radii of the iris (about 10.3 and 5.9 mm)."""
WORKING = 28.0
"""Radius of the iris, px, at which eyes are drawn."""
EDGE = 0.12
"""Softness of the iris's outline, in its radii."""
LID = 0.1
"""How far inside of the lids' points the change begins, likewise: lashes and the lids' edges stay."""
CLOSED = 0.62
"""MediaPipe's blink from which an eye counts as closed ..."""
NARROW = 0.13
"""... and the height of its opening as a share of its width."""
FAINT = 6.0
"""Least difference in L of Lab between iris and white; less is seen through dark glasses, or not at all."""
ASIDE = 0.55
"""Of two eyes, one that is this much narrower is turned away, and may be hidden."""
SEARCH = (
    ((0.85, 0.92, 1.0, 1.08, 1.18, 1.3, 1.42), (-0.24, -0.12, 0.0, 0.12, 0.24)),
    ((0.97, 1.0, 1.03), (-0.06, 0.0, 0.06)),
)
"""Factors of the iris's radius, and steps of its middle in radii, with which its outline is searched for."""
STRAYS = 0.06
"""What an outline apart from MediaPipe's costs for each radius, in brightness."""
BESIDE = 1.7
"""Up to how many radii from the iris's middle what is dark is not the white."""


@dataclass(frozen=True, eq=False)
class Eye:
    """One eye, ready to be moved; coordinates are pixels of an enlarged patch.

    corner: (x, y) px of the patch in the picture, which is `scale` times smaller; shape: (height, width) px there.
    image: float32 [H,W,3].  opening: float32 [H,W] in 0..1, where the eyeball is seen.  ball: float32 [H,W,3], the
    eyeball without its iris.  iris: float32 [H,W,3], the iris, whole.  middle: (x, y), radius: of the iris.
    """

    corner: tuple[int, int]
    shape: tuple[int, int]
    scale: float
    image: np.ndarray
    opening: np.ndarray
    ball: np.ndarray
    iris: np.ndarray
    middle: np.ndarray
    radius: float


def eyes(photograph: Photograph) -> tuple[Eye, ...]:
    """The eyes of a photograph, to be moved together.

    Raises BadRequest where there are none, where both are closed, and where one that faces the camera is not seen
    clearly, as behind dark glasses.
    """
    if photograph.mesh is None or len(photograph.mesh) < 478:
        raise BadRequest("No eyes were found that could look elsewhere.", "Leave the gaze as it is.")
    widths = [_width(photograph, corners) for corners in CORNERS]
    opened = [k for k in range(2) if not _closed(photograph, k)]
    if not opened:
        raise BadRequest("The eyes are closed, so that they cannot look elsewhere.", "Leave the gaze as it is.")
    found = {k: _eye(photograph, k) for k in opened}
    hidden = [k for k, eye in found.items() if eye is None and widths[k] > ASIDE * max(widths)]
    if hidden or not any(found.values()):
        raise BadRequest(
            "The eyes are not seen clearly enough to look elsewhere, as behind dark glasses.",
            "Leave the gaze as it is.",
        )
    return tuple(eye for eye in found.values() if eye is not None)


def looking(image: np.ndarray, seen: tuple[Eye, ...], sideways: float, up: float) -> tuple[np.ndarray, np.ndarray]:
    """The picture with its eyes turned, and where it changed: float32 [S,S,3] in 0..1, [S,S].

    image: float32 [S,S,3], the picture that ``seen`` was made of, perhaps in other tones.
    sideways, up: degrees from where they look now, to the picture's right and upwards.
    """
    image, changed = image.copy(), np.zeros(image.shape[:2], np.float32)
    for eye in seen if sideways or up else ():
        new, where = _turned(eye, sideways, up)
        (x, y), (height, width) = eye.corner, eye.shape
        window = np.s_[y : y + height, x : x + width]
        step = cv2.resize(where[..., None] * (new - eye.image), (width, height), interpolation=cv2.INTER_AREA)
        image[window] = np.clip(image[window] + step, 0, 1)
        changed[window] = np.maximum(changed[window], np.clip(np.abs(step).max(2) * 255 - 0.5, 0, 1))
    return image, changed


# --- the eyes ---------------------------------------------------------------------------------


def _width(photograph: Photograph, corners: tuple[int, int]) -> float:
    return float(np.linalg.norm(np.subtract(*photograph.mesh[list(corners), :2])))


def _closed(photograph: Photograph, k: int) -> bool:
    """Whether an eye is closed, by MediaPipe and by the shape of its opening."""
    side = ("Right", "Left")[k]  # the person's right eye is the picture's left one
    across = np.subtract(*photograph.mesh[list(CORNERS[k]), :2])
    height = np.ptp(photograph.mesh[list(EYES[k]), :2] @ np.array([-across[1], across[0]])) / max(across @ across, 1e-6)
    return photograph.blendshapes.get(f"eyeBlink{side}", 0.0) > CLOSED or height < NARROW


def _eye(photograph: Photograph, k: int) -> Eye | None:
    """An eye of a photograph; None where its iris and its white are not told apart."""
    outline, points = (photograph.mesh[list(ring), :2] for ring in (EYES[k], IRISES[k]))
    middle, radius = points[0], float(np.linalg.norm(points[1:] - points[0], axis=1).mean())
    low = np.floor(np.minimum(outline.min(0), middle - radius) - radius).astype(int).clip(0)
    high = np.ceil(np.maximum(outline.max(0), middle + radius) + radius).astype(int) + 1
    high = np.minimum(high, photograph.size)
    (width, height), scale = high - low, max(WORKING / max(radius, 1e-3), 1.0)
    if radius < 1.5 or min(width, height) < 4:
        return None
    shape = round(height * scale), round(width * scale)
    patch = photograph.image[low[1] : high[1], low[0] : high[0]]
    patch = cv2.resize(patch, shape[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
    outline, middle = ((points - low + 0.5) * scale - 0.5 for points in (outline, middle))
    radius *= scale
    hull = cv2.convexHull(outline.astype(np.float32))[:, 0]
    lids = enclosed(hull, shape)
    middle, radius = _fitted(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), lids, middle, radius)
    away, lab = _away(shape, middle) / radius, cv2.cvtColor(patch, cv2.COLOR_RGB2LAB)
    lids = np.maximum(lids, _beyond_the_lid(lab[..., 0], lids, away, middle, radius))
    inside = cv2.distanceTransform(np.uint8(lids > 0.5), cv2.DIST_L2, 5) / radius
    opening = smoothstep(inside, LID, LID + 2 * EDGE)
    white = (away > 1 + 1.5 * EDGE) & (inside > LID + EDGE)
    coloured = (away < 1 - EDGE) & (inside > LID)
    if white.sum() < 0.05 * radius**2 or coloured.sum() < 0.5 * radius**2:
        return None
    lightest, darkest = np.quantile(lab[white][:, 0], 0.75), np.median(lab[coloured][:, 0])
    if lightest - darkest < FAINT:
        return None
    # neither the lashes' shadows nor what MediaPipe leaves of the iris
    white &= (lab[..., 0] > (lightest + darkest) / 2) | (away > BESIDE)
    ball = _ball(patch, white, inside, radius)
    return Eye(tuple(low), (height, width), scale, patch, opening, ball, _iris(patch, away, inside), middle, radius)


def _beyond_the_lid(
    light: np.ndarray, lids: np.ndarray, away: np.ndarray, middle: np.ndarray, radius: float
) -> np.ndarray:
    """What of the iris is seen below MediaPipe's lower lid, float32 [H,W]: nearer to the iris's lightness than to the
    skin's beneath."""
    beside = cv2.dilate(lids, np.ones((2 * round(0.5 * radius) + 1,) * 2, np.uint8)) > 0.5
    lower = np.arange(len(lids))[:, None] > middle[1]
    skin = ~beside & lower & (away < 2.5)
    iris = (away < 0.9) & (lids > 0.5)
    if min(skin.sum(), iris.sum()) < 20:
        return np.zeros_like(lids)
    middling = (np.median(light[skin]) + np.median(light[iris])) / 2
    found = np.float32(beside & lower & (away < 1.1) & (light < middling) & (np.median(light[iris]) < middling))
    grown = cv2.morphologyEx(np.maximum(found, lids), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    return cv2.dilate(grown * found, np.ones((2 * round((LID + EDGE) * radius) + 1,) * 2, np.uint8)) * lower * beside


def _away(shape: tuple[int, int], middle: np.ndarray) -> np.ndarray:
    """Distance of each pixel from a point, [H,W]."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return np.hypot(x - middle[0], y - middle[1])


def _fitted(grey: np.ndarray, lids: np.ndarray, middle: np.ndarray, radius: float) -> tuple[np.ndarray, float]:
    """Middle and radius of the iris where brightness rises most across its outline, near MediaPipe's; first coarsely,
    then finely."""
    planes = np.dstack([cv2.GaussianBlur(grey, (0, 0), 0.06 * radius), lids])
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)], 1)
    around = around[np.abs(around[:, 1]) < 0.8]  # above and below are the lids

    def rise(at: np.ndarray, size: float) -> float:
        points = np.concatenate([at + share * size * around for share in (0.88, 1.12)])[None].astype(np.float32)
        within, beyond = cv2.remap(planes, points, None, cv2.INTER_LINEAR)[0].reshape(2, -1, 2)
        seen = beyond[:, 1] > 0.5
        if seen.sum() < 4:
            return -np.inf
        # MediaPipe is believed where edges do not say much else
        strayed = float(np.linalg.norm(at - middle) + abs(size - radius)) / radius
        return float((beyond - within)[seen, 0].mean()) * min(1.0, seen.mean() * 3) - STRAYS * strayed

    best = (middle, radius)
    for sizes, steps in SEARCH:
        candidates = [
            (best[0] + radius * np.array([right, down]), best[1] * size)
            for size in sizes
            for right in steps
            for down in steps
        ]
        best = max(candidates, key=lambda found: rise(*found))
    return best[0], float(best[1])


def _ball(patch: np.ndarray, white: np.ndarray, inside: np.ndarray, radius: float) -> np.ndarray:
    """The eyeball without its iris, [H,W,3]: its white continued, with the upper lid's shadow and the grain it has."""
    base = harmonic(patch, white)
    smooth = cv2.GaussianBlur(patch, (0, 0), 0.15 * radius)
    grain = np.zeros_like(patch)
    if white.sum() > 20:
        noise = np.random.default_rng(0).standard_normal(patch.shape[:2] + (1,)).astype(np.float32)
        grain = noise * float((patch - smooth)[white].std()) * 0.3
    shadow = 0.78 + 0.22 * smoothstep(inside, LID, 0.45)  # the lids shade what is just under them
    filled = base * shadow[..., None] + grain
    share = cv2.GaussianBlur(white.astype(np.float32), (0, 0), 0.05 * radius)[..., None]
    return np.clip(filled + share * (patch - filled), 0, 1)


def _iris(patch: np.ndarray, away: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The iris with what the lids hide of it, [H,W,3]: there it is as elsewhere at the same distance from its
    middle."""
    seen = (inside > LID + EDGE) & (away < 1.1)
    rings = np.linspace(0, 1.3, 27)
    levels = []
    for low, high in zip(rings, rings[1:]):
        ring = seen & (away >= low) & (away < high)
        levels.append(np.median(patch[ring], 0) if ring.sum() > 3 else (levels[-1] if levels else np.zeros(3)))
    middles = (rings[:-1] + rings[1:]) / 2
    alike = np.stack([np.interp(away, middles, np.array(levels)[:, k]) for k in range(3)], 2).astype(np.float32)
    share = cv2.GaussianBlur(smoothstep(inside, LID, LID + 2 * EDGE), (0, 0), 1.0)[..., None]
    return alike + share * (patch - alike)


# --- turning ----------------------------------------------------------------------------------


def _turned(eye: Eye, sideways: float, up: float) -> tuple[np.ndarray, np.ndarray]:
    """The patch with the eye turned, [H,W,3], and how much of it shows, [H,W]."""
    angles = np.radians([sideways, -up])
    move, narrow = EYEBALL * eye.radius * np.sin(angles), np.cos(angles)
    shape = eye.opening.shape
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    right, down = ((plane - eye.middle[k] - move[k]) / narrow[k] for k, plane in enumerate((x, y)))
    at = (np.float32(plane + eye.middle[k]) for k, plane in enumerate((right, down)))
    iris = cv2.remap(eye.iris, *at, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    share = 1 - smoothstep(np.hypot(right, down) / eye.radius, 1 - EDGE / 2, 1 + EDGE)
    made = eye.ball + share[..., None].astype(np.float32) * (iris - eye.ball)
    return np.clip(made, 0, 1), eye.opening.astype(np.float32)
