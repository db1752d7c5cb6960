"""Perceptual distances on VGG16 features: LPIPS, LPIPS inside a mask, Gram-matrix style.

- LPIPS v0.1: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
  Metric" (CVPR 2018).
- masked LPIPS over the first three blocks: Barbershop, section 3.5 (blending).
- style: squared differences of Gram matrices, Barbershop, section 3.4 (alignment), after Gatys et
  al. 2016.

An optimization compares hundreds of images with one fixed target.  ``reference`` and
``style_reference`` compute the target's features once; their results are passed in place of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from . import layout, vgg
from .vgg import PUBLISHED_WIDTHS, VGG16Features

MASKED_BLOCKS = 3  # the blocks that the masked distance sums (released code)
STYLE_BLOCKS = 4
STYLE_HEIGHT = 256


@dataclass(frozen=True)
class Reference:
    """A fixed target of ``Perceptual.lpips``: its unit features [B,C_k,h_k,w_k] and masks."""

    units: tuple[Tensor, ...]
    masks: tuple[Tensor, ...] | None = None


@dataclass(frozen=True)
class StyleReference:
    """A fixed target of ``Perceptual.style_loss``: Gram matrices [B,C_k,C_k]."""

    grams: tuple[Tensor, ...]


def heads_of(state: Mapping[str, Tensor]) -> list[Tensor]:
    """Five of [C_k] from the entries ``linK.model.1.weight`` [1,C_k,1,1] (the lpips package) or
    ``heads.K`` [C_k] (our packs) of a state dict; an empty list if there are none."""
    for name in ("lin{}.model.1.weight", "heads.{}"):
        keys = [name.format(k) for k in range(5)]
        if all(k in state for k in keys):
            return [state[k].detach().float().flatten() for k in keys]
    return []


class Perceptual(nn.Module):
    """All distances on one VGG16.

    vgg: feature network of any width.
    heads: five vectors [C_k] or [1,C_k,1,1], LPIPS's weights of the channels.  ``None``: 1/5 each
        (mean over the blocks of the squared distance of unit features).

    Images are [B,3,H,W], RGB in -1..1, H and W at least 16.  Every distance is [B].
    """

    def __init__(self, vgg: VGG16Features, heads: Sequence[Tensor] | None = None):
        super().__init__()
        self.vgg = vgg
        if heads is None:
            heads = [torch.full((w,), 1 / len(vgg.widths)) for w in vgg.widths]
        for k, head in enumerate(heads):
            self.register_buffer(f"head{k}", head.detach().float().reshape(1, -1, 1, 1).clone())
        self.register_buffer("shift", torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1))

    # LPIPS ----------------------------------------------------------------------------------------

    def features(self, x: Tensor, blocks: int = 5) -> list[Tensor]:
        """Activations at the end of the first ``blocks`` blocks, for LPIPS (shifted and scaled)."""
        return self.vgg((x - self.shift) / self.scale, blocks)

    def reference(self, x: Tensor, mask: Tensor | None = None, blocks: int | None = None) -> Reference:
        """Features of a fixed target, computed once.

        mask: [B or 1,1,H,W] in 0..1: the distance is the mean inside it.  blocks: how many of the five
        are summed; by default all, and with a mask the first three as published.
        """
        with torch.no_grad():
            return self._reference(x, mask, blocks)

    def _reference(self, x: Tensor, mask: Tensor | None, blocks: int | None) -> Reference:
        blocks = blocks or (5 if mask is None else MASKED_BLOCKS)
        units = tuple(_unit(f) for f in self.features(x, blocks))
        return Reference(units, None if mask is None else _mask_pyramid(mask.to(x), units))

    def lpips_per_block(
        self, a: Tensor, b: Tensor | Reference, mask: Tensor | None = None, blocks: int | None = None
    ) -> Tensor:
        """Distances [B,blocks]; their sum over the blocks is ``lpips``."""
        if not isinstance(b, Reference):
            b = self._reference(b, mask, blocks) if b.requires_grad else self.reference(b, mask, blocks)
        elif mask is not None:
            b = Reference(b.units, _mask_pyramid(mask.to(a), b.units))
        distances = []
        for k, feature in enumerate(self.features(a, len(b.units))):
            difference = (_unit(feature) - b.units[k]).square()
            spatial = F.conv2d(difference, getattr(self, f"head{k}"))
            if b.masks is None:
                distances.append(spatial.mean((1, 2, 3)))
            else:
                # an empty mask (at this size) has no distance instead of 0 / 0
                area = b.masks[k].sum((1, 2, 3)).clamp_min(1e-6)
                distances.append((spatial * b.masks[k]).sum((1, 2, 3)) / area)
        return torch.stack(distances, 1)

    def lpips(self, a: Tensor, b: Tensor | Reference, mask: Tensor | None = None) -> Tensor:
        """LPIPS of ``a`` to ``b`` [B]; with a mask [B or 1,1,H,W], or a reference that has one, its
        mean over the mask in the first three blocks."""
        return self.lpips_per_block(a, b, mask).sum(1)

    # style ----------------------------------------------------------------------------------------

    def _grams(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, ...]:
        if mask is not None:
            mask = mask.to(x)
            x = x * F.interpolate(mask, x.shape[-2:], mode="nearest")
        h, w = x.shape[-2:]
        if h != STYLE_HEIGHT:
            size = (STYLE_HEIGHT, max(round(w * STYLE_HEIGHT / h), 1))
            x = F.interpolate(x, size, mode="bilinear", align_corners=True)
        grams = []
        for f in self.vgg(x, STYLE_BLOCKS):
            if mask is not None:
                mask = F.interpolate(mask, f.shape[-2:], mode="nearest")
                f = f * mask
            flat = f.flatten(2)
            grams.append(flat @ flat.transpose(1, 2) / f[0].numel())
        return tuple(grams)

    def style_reference(self, x: Tensor, mask: Tensor | None = None) -> StyleReference:
        """Gram matrices of a fixed target of ``style_loss``; mask: [B or 1,1,H,W] in 0..1."""
        with torch.no_grad():
            return StyleReference(self._grams(x, mask))

    def style_loss(
        self,
        image: Tensor,
        reference: Tensor | StyleReference,
        mask: Tensor | None = None,
        reference_mask: Tensor | None = None,
    ) -> Tensor:
        """Mean squared difference of the Gram matrices of four blocks, averaged over them [B].

        image: compared inside ``mask``.  reference: the target, compared inside ``reference_mask``;
        no gradient flows to it.  The masks may differ in shape: Gram matrices do not depend on where
        things are.  Each sample has its own matrix.  Values are tiny; Barbershop's weight is 4e4.
        """
        if not isinstance(reference, StyleReference):
            reference = self.style_reference(reference, reference_mask)
        losses = [(g - r).square().mean((1, 2)) for g, r in zip(self._grams(image, mask), reference.grams)]
        return torch.stack(losses, 1).mean(1)


def _unit(feature: Tensor) -> Tensor:
    """Channels to unit length.  The clamp keeps the gradient finite where all activations of a pixel are
    zero; the published square root has no gradient there."""
    norm = feature.square().sum(1, keepdim=True).clamp_min(1e-24).sqrt()
    return feature / (norm + 1e-10)


def _mask_pyramid(mask: Tensor, units: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The mask at each block's size by nearest neighbour, each from the one before."""
    masks = []
    for unit in units:
        mask = F.interpolate(mask, unit.shape[-2:], mode="nearest")
        masks.append(mask)
    return tuple(masks)


def from_state(checkpoint: Any, published_heads: Callable[[], Mapping[str, Tensor]] | None = None) -> Perceptual:
    """The distances from a state dict of VGG16 (torchvision's or timm's, or narrower).

    LPIPS heads (see ``heads_of``) are taken from the same state dict if it has them, else from
    ``published_heads()`` for VGG16's own widths, else they are 1/5.  Raises errors.WeightCorrupt.
    """
    state = layout.state_of(checkpoint, vgg.WHAT)
    features, heads = vgg.from_state(state), heads_of(state)
    if not heads and published_heads is not None and features.widths == PUBLISHED_WIDTHS:
        heads = heads_of(published_heads())
    return Perceptual(features, heads or None).eval().requires_grad_(False)
