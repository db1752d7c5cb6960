"""Portraits as photographs: the crop at the photo's own resolution, parsed, with the face's points."""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np
import torch

from ..compositing.face_points import EYES, LIPS, OVAL
from ..compositing.photograph import Photograph, polygon
from ..compositing.planes import resized
from ..errors import NoFaceFound
from ..networks.resample import resize
from ..photo import Portrait
from ..photo.crop import crop_grid, inside
from ..photo.landmarker import LandmarkerUnavailable, largest, open_landmarker
from ..photo.pixels import from_uint8
from ..photo.ramp import smoothstep
from ..protocols import PackLike
from .regions import REGIONS, parse_logits
from .result import Result

LARGEST = 1024
"""px of a crop at the most; larger faces are edited at this size."""
PARSED = 512
"""px at which regions are kept."""
LOOK = 512
"""px at which the face's points are found, whatever the photo's size."""
STRUCTURE = 0.02
"""Sigma of the neighbourhood whose structure is compared, as a share of the crop's side."""
GRAIN = 1.0
"""Deviation of finest detail, 0..255, that says nothing."""
LEAST = 0.02
"""Regions that are nowhere likelier are left out."""
NOSE, MOUTH, LOOKING = 0.04, 0.12, 0.38
"""Least share of a nose in the outline of a face, of a mouth in that of its lips, and of eyes or glasses in theirs: an
animal's has less of all three.  A mask hides the first two; of 250 portraits none had less of both."""


def detail_size(portrait: Portrait, least: int) -> int:
    """Side of a portrait's crop in its photo, px, within ``least`` and ``LARGEST``."""
    right, down = portrait.quad[3] - portrait.quad[0], portrait.quad[1] - portrait.quad[0]
    side = float(np.sqrt(abs(np.linalg.det(np.stack([right, down])))))
    return int(min(max(round(side), least), LARGEST))


def photograph(
    pack: PackLike, portrait: Portrait, previous: Result | None = None, size: int | None = None, margin: float = 0.0
) -> Photograph:
    """The photograph of a portrait, or of the picture that the previous edit left.

    size: of the crop, px; by default `detail_size`.  margin: how much more of the photo is shown on each side, as a
    share of the crop's side; the picture is larger by as much.
    Raises NoFaceFound where the points were found in an animal's face.
    """
    size = size or detail_size(portrait, pack.working_size)
    if previous is None:
        what = ("photograph", pack.fingerprint, size, margin)
        found = portrait.once(what, lambda: _photograph(pack, portrait, None, size, margin))
        if is_animal(found):
            raise NoFaceFound("No human face was found in the photo.")
        return found
    return _photograph(pack, portrait, previous, size, margin)


def is_animal(photograph: Photograph) -> bool:
    """Whether the parser sees neither nose nor mouth nor eyes where the face's points are."""
    if photograph.mesh is None:
        return False
    small = photograph.resized(min(photograph.size, PARSED // 2))
    oval, lips, eyes = (
        polygon(small, OVAL),
        polygon(small, LIPS),
        np.maximum(polygon(small, EYES[0]), polygon(small, EYES[1])),
    )

    def share(area: np.ndarray, *names: str) -> float:
        return float((small.part(*names) * area).sum() / max(area.sum(), 1))

    return share(oval, "nose") < NOSE and share(lips, "mouth") < MOUTH and share(eyes, "eyes", "glasses") < LOOKING


def _photograph(pack: PackLike, portrait: Portrait, previous: Result | None, size: int, margin: float) -> Photograph:
    if previous is not None:
        picture = previous.image.convert("RGB")
        pixels = np.asarray(picture if picture.width == size else picture.resize((size, size)))
        known = np.ones(pixels.shape[:2], np.float32)
    elif margin:
        pixels, known = _wider(portrait, size, margin)
    else:
        pixels = portrait.at(size)
        known = _known(portrait.quad, portrait.source, size)
    points, matrix, blendshapes = find_face(pack, pixels)
    image, parts = pixels.astype(np.float32) / 255, find_parts(pack, pixels)
    if previous is not None:
        own = portrait.at(size)
        parts = with_recoloured_hair(parts, find_parts(pack, own), pixels, own)
    return Photograph(image, known, parts, points, matrix, blendshapes)


def with_recoloured_hair(
    parts: Mapping[str, np.ndarray], earlier: Mapping[str, np.ndarray], pixels: np.ndarray, photo: np.ndarray
) -> dict[str, np.ndarray]:
    """Regions of an edited picture in which hair that has only other colours than in the photo is still hair.

    A parser takes parts of hair in unusual colours for something else, which a further edit would leave behind.
    parts, earlier: of the edited picture and of the photo, as `Photograph.parts`.  pixels, photo: uint8 [S,S,3].
    """
    if "hair" not in earlier:
        return dict(parts)
    side = len(earlier["hair"])
    hair = np.maximum(parts.get("hair", 0), earlier["hair"] * _same_structure(pixels, photo, side)).astype(np.float32)
    rest = (1 - hair) / np.maximum(1 - parts.get("hair", np.zeros_like(hair)), 1e-3)
    return {name: plane * np.minimum(rest, 1) for name, plane in parts.items() if name != "hair"} | {"hair": hair}


def _same_structure(one: np.ndarray, two: np.ndarray, size: int) -> np.ndarray:
    """Where two pictures, uint8 [S,S,3], show the same strands and edges in whatever colours, [size,size] in 0..1."""
    grey = [resized(cv2.cvtColor(x, cv2.COLOR_RGB2GRAY), size) for x in (one, two)]
    wide, fine = (max(share * size, 1.0) for share in (STRUCTURE, STRUCTURE / 4))
    a, b = (x - cv2.GaussianBlur(x, (0, 0), fine) for x in grey)
    together, first, second = (cv2.GaussianBlur(x, (0, 0), wide) for x in (a * b, a * a, b * b))
    alike = together / np.sqrt((first + GRAIN**2) * (second + GRAIN**2))
    return smoothstep(alike, 0.4, 0.7).astype(np.float32)


def _wider(portrait: Portrait, size: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """The crop with ``margin`` on each side, uint8, repeating the border beyond the photo; and where the photo is."""
    centre, side = portrait.quad.mean(0), round(size * (1 + 2 * margin))
    quad = centre + (portrait.quad - centre) * side / size
    to_source = np.stack([quad[3] - quad[0], quad[1] - quad[0], quad[0]], 1)
    to_source[:, :2] /= side
    source, reduce = portrait.source, np.hypot(*to_source[:, 0])
    if reduce > 1.5:  # larger than wanted: reduced first, so that the warp does not alias
        full = np.array(source.shape[1::-1])
        source = cv2.resize(source, None, fx=1 / reduce, fy=1 / reduce, interpolation=cv2.INTER_AREA)
        to_source *= (np.array(source.shape[1::-1]) / full)[:, None]
    to_source[:, 2] += to_source[:, :2].sum(1) / 2 - 0.5  # from edges to centres of pixels
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    shape = (side, side)
    pixels = cv2.warpAffine(source, to_source, shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return pixels, _known(quad, portrait.source, side)


def _known(quad: np.ndarray, photo: np.ndarray, size: int) -> np.ndarray:
    """float32 [size,size]: 1 where the square with these corners lies in the photo."""
    return inside(crop_grid(quad, size), photo.shape).astype(np.float32)


def find_face(pack: PackLike, pixels: np.ndarray) -> tuple[np.ndarray | None, np.ndarray | None, dict[str, float]]:
    """Points in pixels of the picture, transform and blendshapes of its largest face; None where there is none."""
    if pack.landmarker is None:
        return None, None, {}
    size = len(pixels)
    way = cv2.INTER_AREA if size > LOOK else cv2.INTER_CUBIC
    look = pixels if size == LOOK else cv2.resize(pixels, (LOOK, LOOK), interpolation=way)
    try:
        face = largest(open_landmarker(pack.landmarker).detect(look))
    except LandmarkerUnavailable:
        return None, None, {}
    if face is None:
        return None, None, {}
    points = np.concatenate([face.points * size - 0.5, face.depth[:, None] * size], 1)
    return points.astype(np.float32), face.matrix, face.blendshapes


@torch.no_grad()
def find_parts(pack: PackLike, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """Regions of a picture, uint8 [S,S,3], as `Photograph.parts`, at no more than `PARSED` px."""
    image = resize(from_uint8(pixels, pack.device), min(len(pixels), PARSED))
    shares = parse_logits(pack.parser, image)[0].exp().float().cpu().numpy()
    return {name: plane for name, plane in zip(REGIONS, shares) if plane.max() > LEAST}


def labels(parts: Mapping[str, np.ndarray], size: int) -> np.ndarray:
    """The likeliest region of each pixel, uint8 [size,size], indices into `REGIONS`.  parts: of a `Photograph`."""
    shares = np.zeros((len(REGIONS), size, size), np.float32)
    for name, plane in parts.items():
        shares[REGIONS.index(name)] = resized(plane, size)
    return shares.argmax(0).astype(np.uint8)
