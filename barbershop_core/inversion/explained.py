"""Does a pack's code explain a portrait?

An encoder finds a W+ code for any picture, and its rows leave W for what the generator's world does not have.  What
one row of W draws in all layers shows whether the portrait belongs to that world: about as well as the generator's own
pictures, or far worse.  Where it does not, an edit moves and changes the portrait's own pixels instead.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from ..memory import pictures_at_once
from ..networks.resample import shrink
from ..photo import Portrait
from ..precision import half_precision
from ..protocols import PackLike
from .embed import PERCEPTUAL_SIDE
from .project import project

SAMPLES = 12
"""Pictures of the generator by which a pack is judged."""
DEVIATIONS = 7.0
"""Standard deviations of their distances, above the mean, up to which a portrait is explained.  With the studio pack
that is .21: 144 portraits of its world lie at .03 to .175, 68 photographs, paintings and drawings at .253 to .705."""

limits: WeakKeyDictionary[nn.Module, float] = WeakKeyDictionary()
"""Of each generator, once it is known."""


def explains(pack: PackLike, image: Tensor, portrait: Portrait | None = None) -> bool:
    """Whether the pack's code explains a portrait [1,3,R,R] in [-1,1], see :func:`unexplained`.

    portrait: the one whose crop ``image`` is, which is then looked at once.  Without an encoder nothing is explained.
    The first call for a generator synthesizes ``SAMPLES`` pictures to find the :func:`limit`.
    """
    if pack.encoder is None:
        return False
    if portrait is not None:
        return portrait.once(("explains", pack.fingerprint), lambda: explains(pack, image))
    return unexplained(pack, image) <= limit(pack)


@torch.no_grad()
def unexplained(pack: PackLike, image: Tensor) -> float:
    """Perceptual distance (LPIPS) of a portrait [1,3,R,R] in [-1,1] to the generator's picture of its w, the mean of
    the encoder's rows.  Without an encoder it is infinite."""
    return float("inf") if pack.encoder is None else float(_distance(pack, image))


@torch.no_grad()
def limit(pack: PackLike) -> float:
    """The distance up to which a portrait is explained, from those of the generator's own pictures.

    They show how much the encoder and one row of W lose where nothing is foreign.  The pack needs an encoder.
    """
    g = pack.generator
    if g not in limits:
        z = torch.randn(SAMPLES, g.z_dim, generator=torch.Generator().manual_seed(0)).to(pack.device)
        found = []
        with half_precision():  # only large generators, whose pictures it moves by less than 1/255
            for w in g.mapping(z).split(pictures_at_once(g, SAMPLES)):
                found.append(_distance(pack, g.synthesis(g.spread(w), side=pack.working_size).clamp(-1, 1)))
        distances = torch.cat(found)
        limits[g] = float(distances.mean() + DEVIATIONS * distances.std())
    return limits[g]


def _distance(pack: PackLike, images: Tensor) -> Tensor:
    """[B,3,R,R] -> [B]."""
    g = pack.generator
    made = g.synthesis(g.spread(project(pack, images).mean(1)), side=images.shape[-1]).clamp(-1, 1)
    return pack.perceptual.lpips(shrink(images, PERCEPTUAL_SIDE), shrink(made, PERCEPTUAL_SIDE))
