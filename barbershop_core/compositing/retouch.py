"""The generator's change of a picture as a change of the photograph.

Only what differs between the generator's pictures without and with an edit counts, not what they differ by from the
photograph.  The difference is taken in Lab, freed of what the edit drags along (a little of everything changes), laid
on the photograph along its own edges, and added to its low frequencies, so that strands, pores and grain stay.
"""

from __future__ import annotations

from functools import cached_property

import cv2
import numpy as np

from .matting import continue_colours, hair_alpha
from .motion import Field, face_field
from .photograph import Photograph

AREAS = {
    "hair": ("hair",),
    "skin": ("skin", "nose", "ears", "neck"),
    "brows": ("brows",),
    "eyes": ("eyes", "glasses"),
    "mouth": ("mouth",),
    "background": ("background",),
    "clothes": ("clothes", "necklace", "earrings", "hat"),
}
"""Regions that an edit either names or not."""
WHOLE = ("hair", "background", "clothes")
"""Areas that change as a whole; in the others an edit may add something small (glasses, a beard)."""
ASIDE, NAMED = 0.3, 0.55
"""Mean change of an area, as a share of the largest: dragged along below the first, named above the second."""
NOISE = 2.5
"""Least difference in Lab that counts."""
ADDED = 6.0
"""Difference from its surroundings in Lab above which an edit adds something, such as the frame of glasses."""
ADDED_PEAK = 0.35
"""... as a share of the edit's largest ones."""
BRISTLES = 0.3
"""How much the darkness of an added beard varies from hair to hair."""
PEAK = 0.2
"""... as a share of the edit's largest differences."""
GUIDED = 512
"""px at most at which the difference is laid along the photo's edges."""
TEXTURE = 1 / 80
"""Scale below which detail of the photograph counts as texture, as a share of the crop's side."""
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
"""Points of MediaPipe's mesh."""
GAIN = (0.6, 1.8)
"""Bounds of how much stronger texture becomes where things become lighter."""
LIGHTEST, MOST_COLOUR = 82.0, 48.0
"""Lightness and chroma beyond which an edit changes less and less, so that nothing burns out."""


def retouch(
    photograph: Photograph,
    before: np.ndarray,
    after: np.ndarray,
    where: np.ndarray | None = None,
    plain: tuple[Photograph, Photograph] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Change a photograph as the generator's picture changes.

    before, after: float32 [R,R,3] in 0..1, the generator's pictures without and with the edit.  where: float32 [R,R]
    in 0..1, where it applies; None finds it from their difference.  plain: see :class:`Retouch`.
    Returns the picture [S,S,3] in 0..1, and where it changed, float32 [S,S]; elsewhere the photograph is untouched.
    """
    found = Retouch(photograph, before, plain and plain[0])
    return found(after, where, plain and plain[1])


class Retouch:
    """A photograph ready for any number of changes, see :func:`retouch`.

    plain: the generator's picture of the latent code alone, without the edit: not much like the photograph, but a clean
    face of the kind that the generator knows, at R px with its mesh.  What an edit adds to a face is taken from there
    and carried by the points of both faces.
    """

    def __init__(self, photograph: Photograph, before: np.ndarray, plain: Photograph | None = None):
        self.photograph, self.before = photograph, _lab(before)
        self.areas = _areas(photograph, len(before))
        self.plain = plain if plain is not None and plain.mesh is not None and photograph.mesh is not None else None

    def __call__(
        self, after: np.ndarray, where: np.ndarray | None = None, plain: Photograph | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """plain: the picture of the code alone with the edit.  Others: see :func:`retouch`."""
        after = _lab(after)
        change = after - self.before
        if where is None:
            change, where = self._named(change)
        added = 0 if plain is None or self.plain is None else self._added(plain)
        return self._applied(change * where[..., None], self._gain(after), added)

    # ------------------------------------------------------------------ at the generator's resolution

    def _named(self, change: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The change without what the edit drags along, and where it counts, [R,R,3] and [R,R]."""
        size = _size(_blur(change, 1 / 200))
        means = {name: (size * share).sum() / share.sum() for name, share in self.areas.items()}
        largest = max(max(means.values()), 1e-6)
        weight, total = np.zeros_like(size), np.zeros_like(change)
        for name, share in self.areas.items():
            named = _smoothstep((means[name] / largest - ASIDE) / (NAMED - ASIDE))
            weight += named * share
            total += share[..., None] * (self._even(change, share) if name in WHOLE else _median(change, share))
        size = _size(_blur(total, 1 / 200))
        least = max(NOISE, PEAK * float(np.quantile(size * weight, 0.98)))
        return total, weight * _smoothstep(size / least - 0.5)

    def _even(self, change: np.ndarray, share: np.ndarray) -> np.ndarray:
        """The change of an area at low frequencies: colour nearly the same everywhere, lightness as the area's."""
        change = continue_colours(change, _smoothstep(2 * share - 0.5))
        guide, size = self.before[..., 0], len(change)
        planes = [
            cv2.ximgproc.guidedFilter(guide, plane, round(reach * size), 100)
            for plane, reach in zip(np.moveaxis(change, 2, 0), (1 / 16, 1 / 7, 1 / 7))
        ]
        return np.stack(planes, 2)

    def _added(self, plain: Photograph) -> np.ndarray:
        """What the edit adds to the face, [G,G,3]."""
        change = self._carry.sample(_lab(plain.image) - _lab(self.plain.image))
        face = self._face
        common = _median(change, face)
        change = change - common
        strength = _size(_blur(change, 1 / 300))
        least = max(ADDED, ADDED_PEAK * float(np.quantile(strength[face > 0.5], 0.99))) + np.linalg.norm(common) / 2
        change *= (face * _smoothstep(strength / least - 0.5))[..., None]
        # A broad dark patch on skin is hair of a beard; a frame is not broad.
        broad = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (len(face) // 36) + 1,) * 2)
        darker = cv2.morphologyEx(-change[..., 0], cv2.MORPH_OPEN, broad)
        beard = _smoothstep(_blur(darker, 1 / 100) / 8 - 0.5)
        change *= (1 + beard * self._bristles)[..., None]
        return change

    @cached_property
    def _face(self) -> np.ndarray:
        """Where edits add something: the face within its outline, without what is between the lips, [G,G]."""
        size = len(self._guide)
        points = self.photograph.resized(size).mesh[:, :2]
        outline, lips = (np.zeros((size, size), np.float32) for _ in range(2))
        for mask, hull in ((outline, points), (lips, points[list(INNER_LIPS)])):
            cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(hull).astype(np.int32)), 1)
        face = self.photograph.part("skin", "nose", "brows", "eyes", "glasses", "mouth", size=size)
        return face * _blur(outline, 1 / 100) * (1 - _blur(lips, 1 / 400))

    @cached_property
    def _bristles(self) -> np.ndarray:
        """Short strokes, mostly downwards, [G,G]: how much darker than their mean."""
        size = len(self._guide)
        noise = np.random.default_rng(0).standard_normal((size, size)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), 0.5, sigmaY=1.8)
        return BRISTLES * np.clip(noise / noise.std(), -2, 2)

    @cached_property
    def _carry(self) -> Field:
        return face_field(self.photograph.resized(len(self._guide)), self.plain)

    def _gain(self, after: np.ndarray) -> np.ndarray:
        """How much stronger texture becomes, [R,R]."""
        old, new = (_blur(lab[..., 0], 1 / 64) for lab in (self.before, after))
        return np.clip(((new + 8) / (old + 8)) ** 0.7, *GAIN)

    # ------------------------------------------------------------------ at the photograph's

    @cached_property
    def _photo(self) -> np.ndarray:
        return _lab(self.photograph.image)

    @cached_property
    def _excess(self) -> np.ndarray:
        """What of the photograph itself lies beyond the limits."""
        return self._photo - _limited(self._photo)

    @cached_property
    def _texture(self) -> np.ndarray:
        lightness = self._photo[..., 0]
        return lightness - _blur(lightness, TEXTURE)

    @cached_property
    def _guide(self) -> np.ndarray:
        return _resized(255 * self.photograph.image, min(self.photograph.size, GUIDED))

    @cached_property
    def _hair(self) -> np.ndarray:
        return hair_alpha(self.photograph)[..., None]

    def _applied(self, change: np.ndarray, gain: np.ndarray, added: np.ndarray | int) -> tuple[np.ndarray, np.ndarray]:
        shift = self._laid(np.concatenate([change, (gain * _some(change) + 1 - _some(change))[..., None]], 2))
        change, gain = shift[..., :3], shift[..., 3]
        if np.any(added):
            change = change + _resized(added, self.photograph.size)
        change = change * _smoothstep(_size(change) - 0.5)[..., None]
        changed = np.clip(_size(change) / 2, 0, 1)
        change[..., 0] += changed * (gain - 1) * self._texture
        lab = _limited(self._photo + change) + self._excess
        image = np.clip(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), 0, 1)
        return np.where(changed[..., None] > 0, image, self.photograph.image), changed

    def _laid(self, planes: np.ndarray) -> np.ndarray:
        """Planes [R,R,C] on the photograph [S,S,C]: hair's up to its alpha, the others' along the photo's edges."""
        size, shares = self.photograph.size, self.areas
        hair = shares["hair"] if "hair" in shares else np.zeros(planes.shape[:2], np.float32)
        inner, outer = (continue_colours(planes, _smoothstep(2 * share - 0.6)) for share in (hair, 1 - hair))
        outer = _resized(self._guided(outer), size)
        return outer + self._hair * (_resized(inner, size) - outer)

    def _guided(self, planes: np.ndarray) -> np.ndarray:
        """What follows the photo's edges is laid along them; what is new (a frame, a shadow) stays as it is."""
        size = len(self._guide)
        planes = _resized(planes, size)
        radius = max(round(1.5 * size / len(self.before)), 2)
        laid = np.stack([cv2.ximgproc.guidedFilter(self._guide, p, radius, 60) for p in np.moveaxis(planes, 2, 0)], 2)
        rest = planes - laid
        return laid + rest * _smoothstep((_size(rest[..., :3]) - 4) / 6)[..., None]


def _areas(photograph: Photograph, size: int) -> dict[str, np.ndarray]:
    """Share of each area [R,R], those that are there; together 1."""
    shares = {name: photograph.part(*regions, size=size) for name, regions in AREAS.items()}
    total = np.maximum(sum(shares.values()), 1e-3)
    return {name: share / total for name, share in shares.items() if share.sum() > 2}


def _some(change: np.ndarray) -> np.ndarray:
    """Where there is a change at all, [R,R] in 0..1."""
    return _smoothstep(_size(change) / 4)


def _limited(lab: np.ndarray) -> np.ndarray:
    """Lab with lightness and chroma compressed beyond their limits."""
    light, chroma = lab[..., :1], np.maximum(np.linalg.norm(lab[..., 1:], axis=2, keepdims=True), 1e-6)
    light = np.minimum(light, LIGHTEST) + (100 - LIGHTEST) * np.tanh(np.maximum(light - LIGHTEST, 0) / (100 - LIGHTEST))
    less = np.minimum(chroma, MOST_COLOUR) + 20 * np.tanh(np.maximum(chroma - MOST_COLOUR, 0) / 20)
    return np.concatenate([light, lab[..., 1:] * (less / chroma)], 2)


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(image, np.float32), cv2.COLOR_RGB2LAB)


def _size(change: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(change).sum(2))


def _blur(planes: np.ndarray, share: float) -> np.ndarray:
    """Gaussian whose sigma is a share of the side, at least 0.6 px."""
    return cv2.GaussianBlur(planes, (0, 0), max(share * len(planes), 0.6))


def _median(change: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The median of each channel in an area, [3]."""
    return np.array([_weighted_median(plane, share) for plane in np.moveaxis(change, 2, 0)], np.float32)


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values, axis=None)
    total = np.cumsum(weights.ravel()[order])
    return float(values.ravel()[order][np.searchsorted(total, total[-1] / 2)])


def _smoothstep(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def _resized(planes: np.ndarray, size: int) -> np.ndarray:
    if len(planes) == size:
        return planes
    way = cv2.INTER_AREA if len(planes) > size else cv2.INTER_CUBIC
    return cv2.resize(planes, (size, size), interpolation=way)
