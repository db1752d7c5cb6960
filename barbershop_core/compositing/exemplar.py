"""Structure continued from other places of the same picture, by patches.

On a very small picture patches are laid from the border of the gap inwards (Criminisi, Perez, Toyama, "Region filling",
2004).  On finer ones the patch around every missing pixel is to look like some patch of what is known (Wexler,
Shechtman, Irani, "Space-time completion of video", 2007), found by propagation and random search (Barnes and others,
"PatchMatch", 2009), here for all pixels at once.  The full-resolution pixels are then copied along.
"""

from __future__ import annotations

import cv2
import numpy as np

from .planes import resized

SIDES = (64, 96, 128)
"""px of the small pictures, from coarse to fine; the first that shows enough whole patches is the coarsest."""
RADIUS = 3
"""px of a patch around its middle."""
FIRST_RADIUS = 2
"""The same on the coarsest picture."""
ROUNDS = 1
"""Rounds of search and vote on each but the coarsest level."""
GUIDE = 0.4
"""Weight of differences of the guide beside those of the patches."""
REUSE = 0.3
"""How much dearer a place is for every patch that it gave, as a share of the patches' mean variance."""
SEARCHES = 3
"""Propagations and random searches in a round."""
COMPONENTS = 12
"""Principal components in which patches are compared."""
STRIDE = 4
"""px between the copied patches."""


def structure(
    image: np.ndarray, hole: np.ndarray, known: np.ndarray, guide: np.ndarray, seed: int = 0
) -> np.ndarray | None:
    """``image`` with ``hole`` filled by patches of what is ``known``: float32 [S,S,3]; None without whole patches.

    image: float32 [S,S,3], best without its low frequencies.  hole, known: [S,S] in 0..1; what is neither is not
    changed and not copied.  guide: float32 [S,S,3], known everywhere; patches come from where it is alike.
    """
    random = np.random.default_rng(seed)
    found: np.ndarray | None = None
    for side in SIDES:
        shrunk = [resized(x, side) for x in (image, hole, known, guide)]
        gap, sure = shrunk[1] > 0.01, (shrunk[2] > 0.99) & (shrunk[1] < 0.01)
        radius = FIRST_RADIUS if found is None else RADIUS
        places = np.argwhere(_whole(sure, radius))
        if len(places) < 16:
            continue
        picture = np.where(gap[..., None], 0, shrunk[0]).astype(np.float32)
        if found is None:
            found = _peeled(picture, gap, sure, shrunk[3], radius)
            continue
        found = _finer(found, side, _whole(sure), places, random)
        for _ in range(ROUNDS):
            picture = _vote(picture, gap, found)
            found = _search(picture, gap, sure, shrunk[3], found, places, random)
    return None if found is None else _copied(np.float32(image), np.float32(hole), found)


def _whole(sure: np.ndarray, radius: int = RADIUS) -> np.ndarray:
    """Middles of patches that are wholly known."""
    kernel = np.ones((2 * radius + 1,) * 2, np.uint8)
    return cv2.erode(sure.astype(np.uint8), kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0


def _peeled(picture: np.ndarray, gap: np.ndarray, sure: np.ndarray, guide: np.ndarray, radius: int) -> np.ndarray:
    """Place from which every pixel of the gap is copied, int [H,W,2]; patches are laid from the border inwards."""
    side, width = len(picture), 2 * radius + 1
    found = np.stack(np.mgrid[:side, :side], 2)
    image = cv2.copyMakeBorder(picture, *[radius] * 4, cv2.BORDER_CONSTANT)
    filled = cv2.copyMakeBorder(sure.astype(np.float32), *[radius] * 4, cv2.BORDER_CONSTANT)
    left, belief = gap.copy(), sure.astype(np.float32)
    dear = np.where(_whole(sure, radius), 0, np.inf).astype(np.float32)
    reuse = REUSE * float(picture[sure].var(0).sum()) * width**2 / 2
    while left.any():
        whole_belief = cv2.boxFilter(belief, -1, (width, width), borderType=cv2.BORDER_CONSTANT)
        whole_belief[~left] = -1
        y, x = np.unravel_index(whole_belief.argmax(), gap.shape)
        window = np.s_[y : y + width, x : x + width]
        mask = filled[window]
        if mask.any():
            cost = cv2.matchTemplate(image, image[window], cv2.TM_SQDIFF, mask=np.repeat(mask[..., None], 3, 2))
            cost = cost * (width**2 / mask.sum()) + dear
        else:
            cost = dear
        cost = cost + GUIDE * width**2 * ((guide - guide[y, x]) ** 2).sum(2)
        row, column = np.unravel_index(cost.argmin(), gap.shape)
        dear[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2] += reuse
        inner = np.s_[max(0, y - radius) : y + radius + 1, max(0, x - radius) : x + radius + 1]
        new = np.argwhere(left[inner]) + (max(0, y - radius), max(0, x - radius))
        source = new + (row - y, column - x)
        found[new[:, 0], new[:, 1]] = source
        image[new[:, 0] + radius, new[:, 1] + radius] = picture[source[:, 0], source[:, 1]]
        filled[new[:, 0] + radius, new[:, 1] + radius] = 1
        belief[new[:, 0], new[:, 1]] = whole_belief[y, x]
        left[new[:, 0], new[:, 1]] = False
    return found


def _finer(
    found: np.ndarray, side: int, whole: np.ndarray, places: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    """Places found on the coarser picture, on one of ``side`` pixels; those that are not whole there anew."""
    scale = side / len(found)
    at = np.minimum(((np.arange(side) + 0.5) / scale).astype(int), len(found) - 1)
    within = np.arange(side) - np.round((at + 0.5) * scale - 0.5).astype(int)
    finer = np.round((found[at][:, at] + 0.5) * scale - 0.5).astype(int)
    finer += np.stack(np.meshgrid(within, within, indexing="ij"), 2)
    finer = np.clip(finer, 0, side - 1)
    lost = ~whole[finer[..., 0], finer[..., 1]]
    finer[lost] = places[random.integers(0, len(places), lost.sum())]
    return finer


def _search(
    picture: np.ndarray,
    gap: np.ndarray,
    sure: np.ndarray,
    guide: np.ndarray,
    found: np.ndarray,
    places: np.ndarray,
    random: np.random.Generator,
) -> np.ndarray:
    """Better places for every pixel whose patch touches the gap."""
    side, whole = len(picture), _whole(sure)
    weight = (2 * RADIUS + 1) * GUIDE**0.5
    described = np.concatenate([_described(picture, whole), weight * guide], 2)
    wanted = np.argwhere(cv2.dilate(gap.astype(np.uint8), np.ones((2 * RADIUS + 1,) * 2, np.uint8)) > 0)
    target = described[wanted[:, 0], wanted[:, 1]]
    found = found.copy()
    here = found[wanted[:, 0], wanted[:, 1]]
    cost = ((described[here[:, 0], here[:, 1]] - target) ** 2).sum(1)

    def consider(candidate: np.ndarray) -> None:
        nonlocal cost
        fits = (candidate >= 0).all(1) & (candidate < side).all(1)
        candidate = np.clip(candidate, 0, side - 1)
        fits &= whole[candidate[:, 0], candidate[:, 1]]
        other = ((described[candidate[:, 0], candidate[:, 1]] - target) ** 2).sum(1)
        better = fits & (other < cost)
        here[better], cost = candidate[better], np.where(better, other, cost)

    for search in range(SEARCHES):
        step = 1 << (SEARCHES - 1 - search)
        for shift in ((step, 0), (-step, 0), (0, step), (0, -step)):
            found[wanted[:, 0], wanted[:, 1]] = here
            beside = np.clip(wanted - shift, 0, side - 1)
            consider(found[beside[:, 0], beside[:, 1]] + (wanted - beside))
        consider(places[random.integers(0, len(places), len(wanted))])
        consider(here + random.integers(-side // 8, side // 8 + 1, here.shape))
        consider(here + random.integers(-2, 3, here.shape))
    found[wanted[:, 0], wanted[:, 1]] = here
    return found


def _described(picture: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Principal components of the patch around every pixel: float32 [H,W,COMPONENTS]."""
    reach = range(-RADIUS, RADIUS + 1)
    padded = cv2.copyMakeBorder(picture, *[RADIUS] * 4, cv2.BORDER_REFLECT_101)
    height, width = whole.shape
    patches = np.concatenate([padded[RADIUS + y :, RADIUS + x :][:height, :width] for y in reach for x in reach], 2)
    known = patches[whole]
    known = known[:: max(1, len(known) // 2000)]
    _, vectors = np.linalg.eigh(known.T @ known)
    return patches @ vectors[:, -COMPONENTS:]


def _vote(picture: np.ndarray, gap: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The picture with every missing pixel the mean of what the patches over it say."""
    side = len(picture)
    at = np.argwhere(gap)
    total, weight = np.zeros((len(at), 3), np.float32), 0.0
    for y in range(-RADIUS, RADIUS + 1):
        for x in range(-RADIUS, RADIUS + 1):
            middle = np.clip(at + (y, x), 0, side - 1)
            source = np.clip(found[middle[:, 0], middle[:, 1]] + (at - middle), 0, side - 1)
            share = np.exp(-(y * y + x * x) / RADIUS**2)
            total += share * picture[source[:, 0], source[:, 1]]
            weight += share
    result = picture.copy()
    result[gap] = total / weight
    return result


def _copied(image: np.ndarray, hole: np.ndarray, found: np.ndarray) -> np.ndarray:
    """The hole at full resolution: of patches that cross-fade widely in low frequencies, in high ones narrowly."""
    size, scale = len(image), len(image) / len(found)
    reach = max(1, int(RADIUS * scale))
    window = np.hanning(2 * reach + 3)[1:-1].astype(np.float32)
    window = np.outer(window, window)[..., None] + 1e-3
    low = cv2.GaussianBlur(image, (0, 0), max(0.5, reach / 3))
    bands = [(low, window), (image - low, window**3)]
    totals = [np.zeros_like(image) for _ in bands]
    weights = [np.full((size, size, 1), 1e-12, np.float32) for _ in bands]
    full = np.round((np.arange(len(found)) + 0.5) * scale - 0.5).astype(int)
    for j in range(0, len(found), STRIDE):
        for i in range(0, len(found), STRIDE):
            y, x = full[j], full[i]
            rows, columns = _span(y, reach, size), _span(x, reach, size)
            if not hole[rows, columns].any():
                continue
            down, across = full[found[j, i]] - (y, x)
            rows, columns = _within(rows, down, size), _within(columns, across, size)
            if rows.start >= rows.stop or columns.start >= columns.stop:
                continue
            source = np.s_[rows.start + down : rows.stop + down, columns.start + across : columns.stop + across]
            inner = np.s_[
                rows.start - y + reach : rows.stop - y + reach, columns.start - x + reach : columns.stop - x + reach
            ]
            for (band, shape), total, weight in zip(bands, totals, weights):
                total[rows, columns] += shape[inner] * band[source]
                weight[rows, columns] += shape[inner]
    filled = sum(total / weight for total, weight in zip(totals, weights))
    return image + hole[..., None] * (filled - image)


def _within(span: slice, shift: int, size: int) -> slice:
    """The part of a span that stays in the picture when shifted."""
    return slice(max(span.start, -shift), min(span.stop, size - shift))


def _span(middle: int, reach: int, size: int) -> slice:
    return slice(max(0, middle - reach), min(size, middle + reach + 1))
