"""Does a pack's code explain a portrait?

An encoder finds a code for any picture, but the generator's picture of that code shows the portrait only if the
generator has seen its like.  Where it does not, an edit moves and changes the portrait's own pixels instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..networks.resample import shrink
from ..protocols import PackLike
from .embed import PERCEPTUAL_SIDE
from .project import project

EXPLAINED = 0.19
"""Largest perceptual distance of a portrait to the picture of its code.  With the studio pack 144 portraits of its
world lie at 0.03 to 0.154, 78 photographs, paintings and drawings at 0.227 to 0.623."""


@torch.no_grad()
def unexplained(pack: PackLike, image: Tensor, w_plus: Tensor | None = None) -> float:
    """Perceptual distance (LPIPS) of a portrait [1,3,R,R] in [-1,1] to the generator's picture of its code.

    w_plus: the code [1,L,D] if it is known; by default the encoder's.  Without an encoder and a code nothing is
    explained, and the distance is infinite.
    """
    if w_plus is None:
        if pack.encoder is None:
            return float("inf")
        w_plus = project(pack, image)
    made = pack.generator.synthesis(w_plus, side=image.shape[-1]).clamp(-1, 1)
    return float(pack.perceptual.lpips(shrink(image, PERCEPTUAL_SIDE), shrink(made, PERCEPTUAL_SIDE)))


def explains(pack: PackLike, image: Tensor, w_plus: Tensor | None = None) -> bool:
    """Whether the pack's code explains a portrait, see :func:`unexplained`."""
    return unexplained(pack, image, w_plus) <= EXPLAINED
