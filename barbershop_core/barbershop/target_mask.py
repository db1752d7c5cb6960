"""The target mask M: the region of each pixel of the result.

Barbershop, section 3.2: the regions that each reference is responsible for are laid together, and pixels that
nothing claims (mostly where hair was) take the nearest regions.  Here outlines are smoothed as well, and rules say
what may lie over what (ours); `published_mask` does without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.ndimage import distance_transform_cdt, distance_transform_edt, label
from torch import Tensor

from ..editing.mask_file import nearest_region
from ..editing.masks import blur
from ..editing.regions import REGIONS, parse_logits, region_index, region_mask
from ..errors import BadRequest
from ..protocols import PackLike
from .options import MODE

_IN_FRONT = ("hair", "hat", "glasses")  # of the person: not covered by other regions than hair
_FEATURES = ("eyes", "brows", "nose", "mouth", "ears", "glasses")
_NEVER_UNDER_HAIR = ("nose", "mouth")
SPREADING = ("background", "skin", "neck", "clothes")
"""Regions that may fill a gap."""


@dataclass(frozen=True)
class Claim:
    """A reference's claim to a region.

    region: name.  source: number of the reference (0 is the person).  labels: its label map [R,R] in the
    person's frame.  beside: another label map of what surrounds the region, if not ``labels``.
    """

    region: str
    source: int
    labels: Tensor
    beside: Tensor | None = None


@dataclass(frozen=True)
class TargetMask:
    """M, and where it comes from.

    labels: long [R,R], region indices.  owner: long [R,R], the reference responsible for each pixel.
    claimed: bool [R,R], False where the label is a filling.  sources: region -> the reference that claims it.
    classes: long [S,S], M in the parser's own classes at the parser's size, where it was made of them.
    """

    labels: Tensor
    owner: Tensor
    claimed: Tensor
    sources: Mapping[str, int]
    classes: Tensor | None = None

    @property
    def removed(self) -> tuple[str, ...]:
        """Regions of the person that claims replace."""
        return tuple(self.sources)

    def region(self, name: str) -> Tensor:
        """bool [R,R]."""
        return self.labels == region_index(name)


def lay_together(person: Tensor, claims: Sequence[Claim], smooth: int = 5, mode: str = "realistic") -> TargetMask:
    """Lay the claimed regions onto the person's label map and fill what is left.

    person: long [R,R].  smooth: pixels, at 256 px, over which outlines of claims are smoothed.
    mode: "realistic": gaps take what the hair's reference shows there (an ear, the neck) unless that is
    a claimed region, else the nearest region; "fidelity": only the nearest region of the person, so that
    nothing is added that was not asked for.
    Raises BadRequest for an unknown mode.
    """
    MODE.check(mode)
    sources = {claim.region: claim.source for claim in claims}
    removed = tuple(sources)
    labels, owner = person.clone(), torch.zeros_like(person)
    claimed = ~region_mask(person, removed)
    # Hair lies over the face, so it is laid last.
    for claim in sorted(claims, key=lambda claim: claim.region == "hair"):
        mask = even(region_mask(claim.labels, claim.region), smooth)
        if claim.region == "hair":
            mask = without_holes(mask, region_mask(claim.labels, _FEATURES))
        over = _NEVER_UNDER_HAIR if claim.region == "hair" else _IN_FRONT
        mask &= ~(region_mask(labels, [name for name in over if name not in removed]) & claimed)
        labels[mask], owner[mask], claimed[mask] = region_index(claim.region), claim.source, True
    gaps = ~claimed
    seeds = claimed & region_mask(labels, [name for name in SPREADING if name not in removed or name == "skin"])
    filled = nearest(labels, seeds, gaps)
    hair = [claim for claim in claims if claim.region == "hair"]
    if mode == "realistic" and hair:
        shown = hair[-1].labels if hair[-1].beside is None else hair[-1].beside
        filled = torch.where(gaps & ~region_mask(shown, (*removed, "hair", "hat")), shown, filled)
    return TargetMask(filled, owner, claimed, sources)


def painted(mask: np.ndarray | Tensor, person: Tensor, claims: Sequence[Claim]) -> TargetMask:
    """A painted target mask, used instead of the automatic one.

    mask: uint8 [H,W] region indices, or uint8 [H,W,3] in the colours of `regions.colour_map`; of any
    size.  A pixel of a claimed region belongs to the claiming reference, every other one to the person.
    Raises BadRequest if it is something else, or only background.
    """
    labels = read_painted(mask)
    side = person.shape[-1]
    labels = F.interpolate(labels[None, None].float(), (side, side), mode="nearest")[0, 0].long().to(person.device)
    owner = torch.zeros_like(labels)
    for claim in claims:
        owner[region_mask(labels, claim.region)] = claim.source
    sources = {claim.region: claim.source for claim in claims}
    return TargetMask(labels, owner, torch.ones_like(labels, dtype=torch.bool), sources)


def read_painted(mask: np.ndarray | Tensor) -> Tensor:
    """A painted mask as region indices, long [H,W] (see :func:`painted`)."""
    remedy = "Give uint8 region numbers [H,W], or [H,W,3] in the regions' colours."
    array = mask.detach().cpu().numpy() if isinstance(mask, Tensor) else np.asarray(mask)
    if array.ndim == 3 and array.shape[2] in (3, 4) and array.dtype == np.uint8:
        array, _ = nearest_region(array[..., :3])
    elif array.ndim != 2 or array.dtype.kind not in "uib" or min(array.shape) < 8:
        raise BadRequest(f"A painted mask cannot have the shape {list(array.shape)} and type {array.dtype}.", remedy)
    if array.min() < 0 or array.max() >= len(REGIONS):
        raise BadRequest(
            f"The painted mask holds {array.min()}..{array.max()}, regions are 0..{len(REGIONS) - 1}.", remedy
        )
    if not array.any():
        raise BadRequest("The painted mask is empty: every pixel is background.", "Paint some hair or face.")
    return torch.from_numpy(array.astype(np.int64))


class ParseLoss:
    """Cross-entropy between an image's parse and M (sections 3.2 and 3.4).

    side: px at which it is computed; images are parsed at the parser's own size.  mode: "realistic" averages
    background and other regions separately, "fidelity" all pixels together.  fill: whether fillings count like
    claims; otherwise a filled pixel may have any region but a removed one.
    """

    def __init__(self, pack: PackLike, target: TargetMask, side: int, mode: str, fill: bool):
        self.parser, self.mode = pack.parser, MODE.check(mode)
        self.side = min(side, target.labels.shape[-1])
        size = (self.side, self.side)
        self.labels = F.interpolate(target.labels[None, None].float(), size, mode="nearest")[0].long()
        known = torch.ones_like(target.claimed) if fill else target.claimed
        self.known = F.interpolate(known[None, None].float(), size, mode="nearest")[0]
        self.background = (self.labels == 0).float()
        self.removed = [region_index(name) for name in target.removed if name != "skin"]

    def __call__(self, image: Tensor) -> Tensor:
        """image: [1,3,R,R] in [-1,1] -> scalar."""
        log_p = parse_logits(self.parser, image, self.side)
        if self.mode == "realistic":
            parts = [self.known * (1 - self.background), self.known * self.background]
        else:
            parts = [self.known]
        loss = sum(cross_entropy(log_p, self.labels, part) for part in parts)
        gaps = 1 - self.known
        if self.removed and bool(gaps.any()):
            p = log_p[:, self.removed].exp().sum(1).clamp(max=0.999)
            loss = loss - ((1 - p).log() * gaps).sum() / gaps.sum().clamp_min(1)
        return loss


def cross_entropy(log_p: Tensor, labels: Tensor, where: Tensor) -> Tensor:
    """Mean cross-entropy over the pixels that count; 0 where none does.

    log_p: [B,N,H,W] log-probabilities.  labels: long [B,H,W].  where: float [B,H,W] of 0 and 1.
    """
    losses = F.nll_loss(log_p, labels, reduction="none")
    return (losses * where).sum() / where.sum().clamp_min(1)


def even(mask: Tensor, smooth: int) -> Tensor:
    """A mask [R,R] with a smoother outline and without specks or small holes: blurred over about
    ``smooth`` pixels (at 256 px) and thresholded at one half.  A mask too small for that is unchanged."""
    scale = smooth * mask.shape[-1] / 256
    if scale < 0.75 or not bool(mask.any()):
        return mask
    closed = _closed(mask, round(1.5 * scale))
    holes, count = label((~closed).cpu().numpy())
    areas = np.bincount(holes.ravel(), minlength=count + 1)
    small = areas < (3 * scale) ** 2
    small[0] = False
    closed = closed | torch.from_numpy(small[holes]).to(mask.device)
    result = blur(closed.float(), scale / 2.5) > 0.5
    return result if float(result.sum()) > 0.6 * float(mask.sum()) else mask


def _closed(mask: Tensor, reach: int) -> Tensor:
    """Morphological closing of a mask [R,R] by ``reach`` pixels of city-block distance; at the image's border, too, it
    takes nothing away."""
    wide = np.pad(mask.cpu().numpy(), reach + 1)
    grown = distance_transform_cdt(~wide, "taxicab") <= reach
    shrunk = distance_transform_cdt(grown, "taxicab") > reach
    inside = slice(reach + 1, -reach - 1)
    return torch.from_numpy(shrunk[inside, inside]).to(mask.device)


def without_holes(hair: Tensor, features: Tensor) -> Tensor:
    """Hair without holes that contain no part of a face: parsers take bright strands for skin.

    hair, features: bool [R,R].  A parting that reaches the forehead is not a hole.
    """
    holes, count = label((~hair).cpu().numpy())
    border = np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]])
    open_ = np.isin(np.arange(count + 1), np.concatenate([border, np.unique(holes[features.cpu().numpy()])]))
    return hair | torch.from_numpy(~open_[holes]).to(hair.device)


def nearest(labels: Tensor, seeds: Tensor, gaps: Tensor) -> Tensor:
    """Labels [R,R] whose gaps (bool) take the label of the nearest seed (bool); 0 if there is no seed."""
    if not bool(gaps.any()):
        return labels
    if not bool(seeds.any()):
        return torch.where(gaps, torch.zeros_like(labels), labels)
    rows, columns = distance_transform_edt(~seeds.cpu().numpy(), return_distances=False, return_indices=True)
    found = labels.cpu()[torch.from_numpy(rows).long(), torch.from_numpy(columns).long()].to(labels.device)
    return torch.where(gaps, found, labels)
