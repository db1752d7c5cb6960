"""The generator's change of a face as a change of the photograph.

The generator draws a clean face of the kind that it knows, without and with an edit.  Only what these two differ by
counts, in Lab, area by area: the hair's, the skin's, the lips' common change of colour is given to the photograph's own
low frequencies, so that strands, pores and grain stay; what the edit adds to a face, such as glasses or a beard, is
carried by the points of both faces.  What an edit drags along (a little of everything changes) is left out.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import cv2
import numpy as np

from ..photo.ramp import smoothstep
from .continuation import continue_colours
from .face_points import FEATURES, INNER_LIPS
from .matting import hair_alpha
from .motion import Field, face_field
from .photograph import FACE, Photograph, polygon
from .planes import resized

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
CHANGED = (*FACE, "glasses")
"""Regions to which an edit may add something."""
ASIDE, NAMED = 0.4, 0.65
"""Common change of an area, as a share of the largest mean one: dragged along below the first, named above the
second ..."""
BESIDE = ("background", "clothes", "brows", "eyes", "mouth")
ASIDE_BESIDE, NAMED_BESIDE = 0.6, 0.85
"""... and of what other hair spreads over, and of small features, whose shape changes with everything."""
MOST = np.array([50.0, 40.0, 40.0])
"""Change in Lab that is approached, however much further the generator's goes."""
FURTHER = 1.7
"""How much more than the generator's hair the photograph's changes, where it is further from the goal."""
REDDER = 0.15
"""How much redder and less yellow fair hair is by each L that it stays darker."""
GREYISH = 10.0
"""Chroma below which the generator's hair, whose grey is a little green, is grey hair on a photograph."""
NOISE = 2.0
"""Least common change in Lab that counts."""
ADDED = 10.0
"""Difference from the area's common change in Lab above which an edit adds something ..."""
ADDED_PEAK = 0.35
"""... or as a share of the largest ones."""
BRISTLES = 0.3
"""How much the darkness of an added beard varies from hair to hair."""
GUIDED = 512
"""px at most at which areas and what is added are laid on the photograph."""
TEXTURE = 1 / 96
"""Scale below which detail of the photograph counts as texture, as a share of the crop's side."""
CONTRAST = (0.45, 1.6)
"""Limits of how far the contrast of texture changes."""
VARIETY = 0.4
"""How much of an area's differences in colour stays."""
REACH = {"brows": 0.3, "eyes": 0.06, "mouth": 0.4}
"""How far the motion of a feature changes what is around it, in distances of the eyes."""
STIRS = 34.0
"""Difference in Lab around eyes and brows that an expression makes without adding anything."""
UNLIKE = np.array([1 / 40, 1 / 25, 1 / 25], np.float32)
"""Differences in Lab from the hair beside it at which a pixel on the hair's border is something else."""


class Retouch:
    """Changes a photograph as the generator's face changes; ready for any number of changes.

    before: the generator's picture without the edit, R px; its face need not lie where the photograph's does, nor look
    like it.
    """

    def __init__(self, photograph: Photograph, before: Photograph):
        self.photograph, self.plain = photograph, before
        self.before = _lab(before.image)
        self.areas = _areas(before, len(self.before))

    def __call__(
        self, after: np.ndarray, moving: Collection[str] = (), within: Collection[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The photograph under an edit.

        after: float32 [R,R,3] in 0..1, the generator's picture with the edit.
        moving: features that the edit moves ("brows", "eyes", "mouth"); their tones stay, and nothing is added.
        within: regions outside of which nothing may change; None for none.
        Returns the picture, float32 [S,S,3] in 0..1, and where it changed, float32 [S,S] in 0..1; elsewhere the
        photograph is untouched.
        """
        difference = _lab(after) - self.before
        common = self._common(difference)
        named = self._named(difference, common, moving)
        if within is not None:
            named = {name: shift for name, shift in named.items() if set(AREAS[name]) & set(within)}
        lab, changed = self._toned(named)
        face = within is None or not set(FACE).isdisjoint(within)
        if face and self.plain.mesh is not None and self.photograph.mesh is not None:
            rest = difference - sum(self.areas[name][..., None] * shift for name, shift in common.items())
            added = resized(self._added(rest, common, moving), len(changed), cv2.INTER_CUBIC)
            added *= smoothstep(_size(added) - 0.5)[..., None]
            lab, changed = lab + added, np.maximum(changed, np.clip(_size(added) / 2, 0, 1))
        if not changed.any():
            return self.photograph.image, changed
        image = np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB), 0, 1)
        return np.where(changed[..., None] > 0, image, self.photograph.image), changed

    # ------------------------------------------------------------------ tones

    def _common(self, difference: np.ndarray) -> dict[str, np.ndarray]:
        """The change that most of an area shares, Lab [3]."""
        return {name: np.median(difference[share > 0.5], 0) for name, share in self.areas.items()}

    def _named(
        self, difference: np.ndarray, common: dict[str, np.ndarray], moving: Collection[str]
    ) -> dict[str, np.ndarray]:
        """The photograph's change of each area that the edit names, Lab [3]."""
        size = _size(_blur(difference, 1 / 200))
        largest = max(NOISE, *(size[share > 0.5].mean() for share in self.areas.values()))
        found = {}
        for name, shift in common.items():
            low, high = (ASIDE_BESIDE, NAMED_BESIDE) if name in BESIDE else (ASIDE, NAMED)
            length = float(np.linalg.norm(shift))
            named = smoothstep((length / largest - low) / (high - low)) * smoothstep(length / NOISE - 0.5)
            if named > 0 and name in self._own and name not in moving:
                found[name] = named * self._step(name, shift)
        return found

    def _step(self, name: str, shift: np.ndarray) -> np.ndarray:
        """The photograph's part of a change: each channel goes towards the generator's face after the edit, no further
        than there; hair that has further to go goes further, and large changes are gentler."""
        own, goal = self._own[name], np.median(self.before[self.areas[name] > 0.5], 0) + shift
        if name == "hair":
            goal[1:] *= smoothstep(np.hypot(*goal[1:]) / GREYISH)
        left = np.clip((goal - own) * np.sign(shift), 0, np.abs(shift) * (FURTHER if name == "hair" else 1))
        step = np.sign(shift) * MOST * np.tanh(left / MOST)
        darker = max(float(goal[0] - own[0] - step[0]), 0)
        if name == "hair":  # hair that stays darker than the fair hair asked for is redder and less yellow
            step[1:] += darker * np.array([REDDER, -REDDER]) * smoothstep(goal[2] / 20)
        return step

    def _toned(self, shifts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The photograph with areas in other tones, Lab [S,S,3], and where, [S,S]."""
        lab, changed = self._photo, np.zeros(self._photo.shape[:2], np.float32)
        for name, shift in shifts.items():
            share = self._shares[name]
            new = _recoloured(*self._split, self._own[name], self._own[name] + shift)
            lab = lab + share[..., None] * (new - lab)
            changed = np.maximum(changed, share)
        return lab, changed

    # ------------------------------------------------------------------ what is added

    def _added(self, rest: np.ndarray, common: dict[str, np.ndarray], moving: Collection[str]) -> np.ndarray:
        """What the edit adds to the face, [G,G,3].  rest: the difference without the areas' common changes."""
        change = self._carry.sample(rest)
        strength = _size(_blur(change, 1 / 300))
        least = max(ADDED, ADDED_PEAK * float(np.quantile(strength[self._face > 0.5], 0.99)))
        least += 2 * float(np.linalg.norm(common["skin"])) if "skin" in common else 0
        if moving:
            for name in moving:
                strength = strength * (1 - self._near[name])
            least = np.maximum(least, STIRS * self._near["brows"])  # eyes and brows stir with every expression
        change *= (self._face * smoothstep(strength / least - 0.5))[..., None]
        # A broad dark patch on skin is hair of a beard; a frame is not broad.
        broad = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * (len(change) // 36) + 1,) * 2)
        darker = cv2.morphologyEx(-change[..., 0], cv2.MORPH_OPEN, broad)
        beard = smoothstep(_blur(darker, 1 / 100) / 8 - 0.5)
        return change * (1 + beard * self._bristles)[..., None]

    @cached_property
    def _near(self) -> dict[str, np.ndarray]:
        """What the motion of each feature changes, [G,G] in 0..1; brows stir all around the eyes."""
        near = {}
        for name, reach in REACH.items():
            areas = [polygon(self._small, points, reach) for points in FEATURES[name]]
            near[name] = _blur(np.maximum.reduce(areas), 1 / 100)
        around = [polygon(self._small, points, REACH["brows"]) for points in FEATURES["eyes"]]
        return near | {"brows": np.maximum(near["brows"], _blur(np.maximum.reduce(around), 1 / 100))}

    @cached_property
    def _carry(self) -> Field:
        return face_field(self._small, self.plain)

    @cached_property
    def _small(self) -> Photograph:
        return self.photograph.resized(self._work)

    @cached_property
    def _face(self) -> np.ndarray:
        """Where edits add something: both faces within their outlines, without what is between the lips, [G,G]."""
        size = self._work
        outline = polygon(self._small, tuple(range(len(self._small.mesh))))
        lips = polygon(self._small, INNER_LIPS)
        theirs = self._carry.sample(cv2.erode(self.plain.part(*CHANGED), np.ones((5, 5), np.uint8)), "linear")
        inside = _blur(outline, 1 / 100) * (1 - _blur(lips, 1 / 400))
        return self.photograph.part(*CHANGED, size=size) * inside * smoothstep(2 * theirs - 0.5)

    @cached_property
    def _bristles(self) -> np.ndarray:
        """Short strokes, mostly downwards, [G,G]: how much darker than their mean."""
        noise = np.random.default_rng(0).standard_normal((self._work, self._work)).astype(np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), 0.5, sigmaY=1.8)
        return BRISTLES * np.clip(noise / noise.std(), -2, 2)

    # ------------------------------------------------------------------ the photograph

    @property
    def _work(self) -> int:
        return min(self.photograph.size, GUIDED)

    @cached_property
    def _shares(self) -> dict[str, np.ndarray]:
        """How much of each area a pixel shows, [S,S]: hair's alpha, the others' along the photograph's edges."""
        size, work = self.photograph.size, self._work
        guide = resized(255 * self.photograph.image, work)
        hair = hair_alpha(self.photograph)
        found = {"hair": hair * (1 - self._unlike(hair))}
        for name, share in _areas(self.photograph, work).items():
            if name != "hair":
                laid = cv2.ximgproc.guidedFilter(guide, share, max(work // 100, 2), 60)
                found[name] = (1 - hair) * np.clip(resized(laid, size), 0, 1)
        return found

    def _unlike(self, alpha: np.ndarray) -> np.ndarray:
        """How unlike the hair beside it a pixel is that may show hair or something else, [S,S] in 0..1."""
        size, work = self.photograph.size, 256
        small, sure = (resized(x, work) for x in (self._split[0], alpha))
        beside = continue_colours(small, smoothstep((sure - 0.9) * 10))
        beside = resized(beside, size)
        apart = _size((self._photo - beside) * UNLIKE)
        return smoothstep(apart - 0.5) * smoothstep((1 - alpha) * 5)

    @cached_property
    def _photo(self) -> np.ndarray:
        return _lab(self.photograph.image)

    @cached_property
    def _split(self) -> tuple[np.ndarray, np.ndarray]:
        """The photograph's tones, coarser than strands, and strands and pores: Lab [S,S,3] each."""
        low = _blur(self._photo, TEXTURE)
        return low, self._photo - low

    @cached_property
    def _own(self) -> dict[str, np.ndarray]:
        """The median colour of each of the photograph's areas, Lab [3]."""
        lab = _lab(resized(self.photograph.image, 128))
        return {name: np.median(lab[share > 0.5], 0) for name, share in _areas(self.photograph, 128).items()}


def _recoloured(low: np.ndarray, fine: np.ndarray, own: np.ndarray, goal: np.ndarray) -> np.ndarray:
    """Tones of the colour ``own`` become ``goal``, Lab; black and white stay, and what was lighter stays lighter.

    What is darker than ``own`` keeps its share of the light, L + 16 being about its cube root, and turns no darker than
    in proportion to L; colour fades towards black and white, so that neither shadows
    nor what shines are tinted.  Texture's contrast follows lightness as it does in light.
    """
    own_light, light = np.clip([own[0], goal[0]], 4, 96)
    above = light + (low[..., 0] - own_light) * (100 - light) / (100 - own_light)
    below = np.maximum((low[..., 0] + 16) * (light + 16) / (own_light + 16) - 16, low[..., 0] * light / own_light)
    tone = np.where(low[..., 0] < own_light, below, above)
    contrast = np.clip((tone + 16) / (low[..., 0] + 16), *CONTRAST)
    made = np.empty_like(low)
    made[..., 0] = np.clip(tone + contrast * fine[..., 0], 0, 100)
    lightness = low[..., 0] + fine[..., 0]
    rest = low[..., 1:] + fine[..., 1:] - own[1:] * _colourful(lightness, own_light)[..., None]
    made[..., 1:] = goal[1:] * _colourful(made[..., 0], light)[..., None] + VARIETY * rest
    return made


def _colourful(lightness: np.ndarray, most: float) -> np.ndarray:
    """1 at the lightness ``most``, fading to 0 towards black and white."""
    return np.clip(np.minimum(lightness / most, (100 - lightness) / (100 - most)), 0, 1) ** 0.8


def _areas(photograph: Photograph, size: int) -> dict[str, np.ndarray]:
    """Share of each area [R,R], those that are there; together 1."""
    shares = {name: photograph.part(*regions, size=size) for name, regions in AREAS.items()}
    total = np.maximum(sum(shares.values()), 1e-3)
    shares = {name: share / total for name, share in shares.items()}
    return {name: share for name, share in shares.items() if (share > 0.5).mean() > 0.0004}


def _lab(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(np.ascontiguousarray(image, np.float32), cv2.COLOR_RGB2LAB)


def _size(change: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(change).sum(2))


def _blur(planes: np.ndarray, share: float) -> np.ndarray:
    """Gaussian whose sigma is a share of the side, at least 0.6 px."""
    return cv2.GaussianBlur(planes, (0, 0), max(share * len(planes), 0.6))
