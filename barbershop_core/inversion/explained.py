"""Does a pack's code explain a portrait?

An encoder finds a W+ code for any picture, and its rows leave W for what the generator's world does not have.  What
one row of W draws in all layers shows whether the portrait belongs to that world.  Where it does not, an edit moves
and changes the portrait's own pixels instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.resample import shrink
from ..photo import Portrait
from ..protocols import PackLike
from .embed import PERCEPTUAL_SIDE
from .project import project

EXPLAINED = 0.21
"""Largest perceptual distance of a portrait to the picture of its w.  With the studio pack 144 portraits of its
world lie at 0.03 to 0.175, 68 photographs, paintings and drawings at 0.253 to 0.705."""


@torch.no_grad()
def unexplained(pack: PackLike, image: Tensor) -> float:
    """Perceptual distance (LPIPS) of a portrait [1,3,R,R] in [-1,1] to the generator's picture of its w, the mean of
    the encoder's rows.  Without an encoder nothing is explained, and the distance is infinite."""
    if pack.encoder is None:
        return float("inf")
    made = pack.generator.synthesis(project(pack, image).mean(1), side=image.shape[-1]).clamp(-1, 1)
    return float(pack.perceptual.lpips(shrink(image, PERCEPTUAL_SIDE), shrink(made, PERCEPTUAL_SIDE)))


def explains(pack: PackLike, image: Tensor, portrait: Portrait | None = None) -> bool:
    """Whether the pack's code explains a portrait, see :func:`unexplained`.  portrait: the one whose crop ``image`` is,
    None for an edited one."""
    if portrait is not None:
        return portrait.once(("explains", pack.fingerprint), lambda: explains(pack, image))
    return unexplained(pack, image) <= EXPLAINED
