"""Alpha of hair and other regions at the photo's resolution, and the colours of what is only partly there.

The parser knows where hair is to within some pixels of a 512 px picture; the photo itself knows where its strands are.
A band around the parser's border is decided by the photo's colours: hair and its surroundings are described there by
their local mean and spread, and the guided filter (He, Sun, Tang, "Guided image filtering", 2013) lays the decision
along the strands.
"""

from __future__ import annotations

import cv2
import numpy as np

from ..photo.ramp import smoothstep
from .continuation import continue_colours
from .photograph import FACE, Photograph
from .planes import resized, widened

WORKING = 512
"""px at which colours are described."""
REACH = 0.06
"""How far strands may leave the parser's border over other regions, as a share of the crop's side."""
DEPTH = 0.02
"""How far inside of its border the parser may be wrong, in the same unit."""
REACH_ON_FACE = 0.012
"""How far strands may leave it over what is `SHADED`."""
NEIGHBOURHOOD = 0.03
"""Sigma of the neighbourhood whose colours are described, in the same unit."""
COARSE = 4
"""How much smaller that description is than the picture."""
NOISE = (16, 6, 6)
"""Variance of L, a and b that any neighbourhood has."""
STRAND = 0.02
"""Width of the strands that the parser does not see, in the same unit."""
DISTINCT = 6.0
"""Squared distance of two colours, in spreads, from which a colour between them is taken for a mixture of both."""
UNLIKE = 9.0
"""Squared distance from the region's colours, in spreads, from which it may be something else."""
ALIKE = 5.0
"""The same from the colours of skin, up to which it may be skin."""
DESCRIBED = 20_000
"""Pixels at least that describe a region's colours, where it has as many."""
SHADED = (*FACE, "glasses", "ears", "neck")
"""Regions whose own shadows look like hair."""


def hair_alpha(photograph: Photograph) -> np.ndarray:
    """Alpha of the hair, float32 [S,S] in 0..1: loose strands are in, what shows between them is out."""
    return alpha(photograph, "hair")


def alpha(photograph: Photograph, *regions: str) -> np.ndarray:
    """Alpha of the named regions together, float32 [S,S] in 0..1."""
    size = photograph.size
    work = min(size, WORKING)
    image = resized(photograph.image, work)
    prior = photograph.part(*regions, size=work)
    prior = cv2.GaussianBlur(prior, (0, 0), max(work / 400, 0.5))
    face = photograph.part(*(name for name in SHADED if name not in regions), size=work)
    inside, outside = _certain(prior, face)
    hand = _skin_in(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), inside, photograph.part("skin", "nose", size=work))
    inside, outside = inside & ~hand, outside | hand
    odds, mixture, vouched = _by_colour(image, inside, outside, photograph.image)
    certain = resized(inside.astype(np.float32) - outside, size)
    share = 1 / (1 + np.exp(-_logit(resized(prior, size)) - odds))
    share += vouched * (mixture - share)
    share = np.where(certain > 0.99, 1, np.where(certain < -0.99, 0, share)).astype(np.float32)
    share *= resized(_agreed(resized(share, work), prior), size)
    # OpenCV gives up on covariances as small as those of colours in 0..1
    soft = cv2.ximgproc.guidedFilter(255 * photograph.image, share, max(2, round(size / 200)), 10)
    soft = np.where(certain < -0.99, 0, np.where(certain > 0.99, 1, soft))
    return np.clip((soft - 0.04) / 0.92, 0, 1).astype(np.float32)


def foreground(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Colours of what ``alpha`` shows, without what shines through it: float32 [S,S,3].

    image: float32 [S,S,3].  Where alpha is low, the colours of the surely covered neighbours are continued.
    """
    known = np.clip((alpha - 0.75) / 0.2, 0, 1).astype(np.float32)
    outwards = continue_colours(image, known)
    # detail of the photo stays as far as alpha vouches for it
    return outwards + (image - outwards) * (known[..., None])


def _certain(prior: np.ndarray, face: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the region surely is and surely is not, bool [W,W]; the band between is for the photo to decide."""
    size = len(prior)
    border = prior > 0.5
    far = cv2.distanceTransform((~border).astype(np.uint8), cv2.DIST_L2, 5)
    deep = cv2.distanceTransform(border.astype(np.uint8), cv2.DIST_L2, 5)
    reach = np.where(face > 0.5, REACH_ON_FACE, REACH) * size
    return (deep > DEPTH * size) & (prior > 0.8), (far > reach) & (prior < 0.4)


def colours_under(lab: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and spread, [3] each, of the colours [H,W,3] where ``mask`` [H,W] is True."""
    colours = lab[mask]
    colours = colours[:: max(1, len(colours) // DESCRIBED)]
    return np.median(colours, 0), colours.std(0) + 3


def unlike(lab: np.ndarray, colours: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Squared distance of colours [H,W,3] from those of `colours_under`, in their spreads: [H,W]."""
    middle, spread = colours
    return _summed(((lab - middle) / spread) ** 2)


def _skin_in(lab: np.ndarray, inside: np.ndarray, skin: np.ndarray) -> np.ndarray:
    """Where the region has the colours of skin and not its own over more than highlights, like a hand, and the parser
    thinks of skin, too: bool [W,W]."""
    maybe = skin > 0.1
    skin = skin > 0.8
    if min(inside.sum(), (skin & ~inside).sum()) < 50:
        return np.zeros_like(inside)
    own = unlike(lab, colours_under(lab, inside))
    alike = (own > UNLIKE) & (unlike(lab, colours_under(lab, skin & ~inside)) < ALIKE) & maybe
    return widened(widened(alike, -DEPTH / 4 * len(lab)), DEPTH / 4 * len(lab)) > 0.5


def _agreed(share: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """0 where over more than a strand's width the photo shows far more than the parser knows of: other things have
    hair's colour, too.  1 elsewhere."""
    mean, expected = (cv2.GaussianBlur(plane, (0, 0), STRAND * len(prior)) for plane in (share, prior))
    return smoothstep((expected + 0.05) / (mean + 0.05), 0.3, 0.65).astype(np.float32)


def _by_colour(
    image: np.ndarray, inside: np.ndarray, outside: np.ndarray, full: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What the photo's colours say of each pixel, three of float32 [S,S].

    The logarithm of how much likelier the colour is among the region's than among those beside it, in +-6; the share
    of the region in the colour, taken as a mixture of both sides' means; and how far the two sides are distinct enough
    for that share to be trusted, 0..1.
    """
    sigma = NEIGHBOURHOOD * len(image)
    lab, own = (cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB) for rgb in (image, full))
    sides = [
        [resized(plane, len(full)) for plane in _described(lab, mask.astype(np.float32), sigma)]
        for mask in (inside, outside)
    ]
    (mean, spread), (other, beside) = sides
    odds = sum(
        sign * _summed((own - centre) ** 2 / variance + np.log(variance))
        for sign, centre, variance in ((-0.5, mean, spread), (0.5, other, beside))
    )
    weight = (mean - other) / (spread + beside)
    distinct = _summed(weight * (mean - other))
    mixture = np.clip(_summed(weight * (own - other)) / np.maximum(distinct, 1e-6), 0, 1)
    return np.clip(odds, -6, 6), mixture, distinct / (distinct + DISTINCT)


def _summed(channels: np.ndarray) -> np.ndarray:
    """[H,W,3] -> [H,W], several times as fast as NumPy's sum over so short an axis."""
    return channels @ np.ones(3, channels.dtype)


def _described(lab: np.ndarray, mask: np.ndarray, sigma: float) -> tuple[np.ndarray, np.ndarray]:
    """Local mean and variance of the colours under ``mask``, continued to everywhere."""
    shape = tuple(max(1, side // COARSE) for side in mask.shape[::-1])
    total, first, second = (
        cv2.GaussianBlur(cv2.resize(plane, shape, interpolation=cv2.INTER_AREA), (0, 0), sigma / COARSE)
        for plane in (mask, lab * mask[..., None], lab**2 * mask[..., None])
    )
    known = np.clip(total / 0.02, 0, 1)
    first, second = (continue_colours(plane / np.maximum(total, 1e-6)[..., None], known) for plane in (first, second))
    variance = np.maximum(second - first**2, 0) + np.array(NOISE, np.float32)
    mean, variance = (cv2.resize(plane, mask.shape[::-1]) for plane in (first, variance))
    return mean, variance


def _logit(share: np.ndarray) -> np.ndarray:
    share = np.clip(share, 0.02, 0.98)
    return np.log(share / (1 - share))
