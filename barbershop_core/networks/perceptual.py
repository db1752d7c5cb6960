"""Perceptual distances on VGG16 features: LPIPS, LPIPS inside a mask, Gram-matrix style.

- LPIPS v0.1: Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
  Metric" (CVPR 2018).
- masked LPIPS over the first three blocks: Barbershop, section 3.5 (blending).
- style: squared differences of Gram matrices, Barbershop, section 3.4 (alignment), after Gatys et
  al. 2016.

An optimization compares hundreds of images with one fixed target.  ``reference`` and
``style_reference`` do the target's share once; their results go where an image would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import WeightMissing
from . import layout, vgg
from .vgg import PUBLISHED_WIDTHS, VGG16Features

MASKED_BLOCKS = 3  # how many blocks the masked distance sums (released code)
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


def published_heads() -> list[Tensor]:
    """The LPIPS v0.1 weights of VGG16's channels, five of [C_k], from the file that the ``lpips``
    package carries.  Nothing is downloaded.

    Raises errors.WeightMissing where the package is not installed.
    """
    spec = find_spec("lpips")  # finds the folder without importing the package
    file = None
    if spec is not None and spec.submodule_search_locations:
        file = Path(spec.submodule_search_locations[0]) / "weights" / "v0.1" / "vgg.pth"
    if file is None or not file.is_file():
        raise WeightMissing("The weights of the LPIPS measure are missing.", "Run: pip install lpips")
    return heads_of(torch.load(file, map_location="cpu", weights_only=True))


def heads_of(state: dict[str, Tensor]) -> list[Tensor]:
    """Five of [C_k] from the entries ``linK.model.1.weight`` [1,C_k,1,1] (the lpips package) or
    ``heads.K`` [C_k] (our packs) of a state dict; an empty list where there are none."""
    for name in ("lin{}.model.1.weight", "heads.{}"):
        keys = [name.format(k) for k in range(5)]
        if all(k in state for k in keys):
            return [state[k].detach().float().flatten() for k in keys]
    return []


class Perceptual(nn.Module):
    """All distances on one VGG16.

    vgg: feature network of any width.
    heads: five vectors [C_k] (or the state dict entries' shape [1,C_k,1,1]), weights of the
        channels in LPIPS.  ``None``: the published ones where the widths are VGG16's own, else 1/5
        each (mean over the blocks of the squared distance of unit features).

    Images are [B,3,H,W], RGB in -1..1, H and W at least 16.  Every distance is [B].
    """

    def __init__(self, vgg: VGG16Features, heads: Sequence[Tensor] | None = None):
        super().__init__()
        self.vgg = vgg
        if heads is None and vgg.widths == PUBLISHED_WIDTHS:
            heads = published_heads()
        elif heads is None:
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
        """The share of a fixed target.

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
        """The share of a fixed target in ``style_loss``; mask: [B or 1,1,H,W] in 0..1."""
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

        image: what is optimized, inside ``mask``; reference: what it shall look like, inside
        ``reference_mask``; no gradient flows to it.  The masks need not have the same shape of
        region: Gram matrices don't know where things are.  Each sample has its own matrix.  Values
        are tiny; Barbershop's weight is 4e4.
        """
        if not isinstance(reference, StyleReference):
            reference = self.style_reference(reference, reference_mask)
        losses = [(g - r).square().mean((1, 2)) for g, r in zip(self._grams(image, mask), reference.grams)]
        return torch.stack(losses, 1).mean(1)


def _unit(feature: Tensor) -> Tensor:
    """Channels to unit length.  The clamp keeps the gradient finite where a pixel has no activation
    at all; the published square root has none there."""
    norm = feature.square().sum(1, keepdim=True).clamp_min(1e-24).sqrt()
    return feature / (norm + 1e-10)


def _mask_pyramid(mask: Tensor, units: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The mask at each block's size by nearest neighbour, each from the one before."""
    masks = []
    for unit in units:
        mask = F.interpolate(mask, unit.shape[-2:], mode="nearest")
        masks.append(mask)
    return tuple(masks)


def from_state(checkpoint: Any) -> Perceptual:
    """The distances from a file of VGG16 (torchvision's or timm's, or narrow); where LPIPS heads
    (see ``heads_of``) lie beside the convolutions, those are used.

    Raises errors.WeightCorrupt.
    """
    state = layout.state_of(checkpoint, vgg.WHAT)
    net = Perceptual(vgg.from_state(state), heads_of(state) or None)
    return net.eval().requires_grad_(False)
