"""Edits of a portrait's code as edits of its photograph.

With F the generator's picture comes near to a photograph, but edits of such a code smear.  So edits are read from a
clean face of the kind that the generator knows: the latent code alone, nearer to the mean.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..compositing.expression import express
from ..compositing.layers import Layers, layers
from ..compositing.photograph import Photograph
from ..compositing.retouch import Retouch
from ..inversion.codes import Code
from ..networks.regressor import Regressor
from ..photo.pixels import quantized, to_uint8
from ..protocols import PackLike
from ..world import params
from .photographs import find_face, find_parts

MOVED = {
    "smile": ("mouth",),
    "mouth_open": ("mouth",),
    "brow_raise": ("brows",),
    "eye_open": ("eyes",),
    "frown": ("brows", "mouth"),
}
"""Features that each control moves."""
STIRRED, ASKED, BESIDE = 0.4, 0.6, 0.45
"""Change of a control up to which an edit merely stirs it, and from which it asks for it; and the least share of the
one that moves furthest."""
JAW = 0.7
"""A mouth that is as wide open as the generator's opens, as a share of MediaPipe's widest."""
TYPICAL = 0.2
"""How far the clean face is from the generator's mean one, as a share of the code's distance."""
OTHER_HAIR, GROWN, SHRUNK = 0.21, 0.13, 0.4
"""Hair has another shape where it changes, grows or shrinks by more than this share of it."""
MORE = 0.14
"""Where a face moves, too, its hair has another shape if there is more or less of it by this share: a smile takes as
much of it as it gives."""
HAIR_STAYS = (
    "On a photo, words change the colour of hair, not its shape. For other hair give a photo that shows it, in the "
    "hair tab."
)


class PhotoEdit:
    """A photograph whose code is edited.  code: of the photograph so far."""

    def __init__(self, pack: PackLike, photograph: Photograph, code: Code):
        self.pack, self.photograph, self.code = pack, photograph, code
        self._sizes: dict[int, Retouch] = {}
        self._apart: dict[int, Layers] = {}

    def __call__(
        self, code: Code, size: int | None = None, within: Collection[str] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The photograph under another code.

        size: of the result, px; by default the photograph's.  within: regions outside of which nothing may change;
        None for none.
        Returns float32 [S,S,3] in 0..1, and where it changed, float32 [S,S] in 0..1.
        """
        size, after = size or self.photograph.size, self._alone(code)
        controls = self._controls(after) if within is None or "mouth" in within else {}
        moving = {feature for name, amount in controls.items() if abs(amount) > STIRRED / 2 for feature in MOVED[name]}
        image, changed = self._retouch(size)(after, moving, within)
        if moving:  # an expression is the face's: what it stirs beside stays
            own = self._retouch(size).photograph
            face = 1 - own.part("background", "clothes", size=size)
            image, changed = own.image + face[..., None] * (image - own.image), face * changed
        if not controls:
            return image, changed
        image, moved = express(self._layers(size), image, self.photograph.blendshapes, controls)
        return image, np.maximum(changed, moved)

    def remarks(self, code: Code) -> tuple[str, ...]:
        """What of an edit a photograph cannot show, as sentences for the person."""
        after = self._alone(code)
        hair = find_parts(self.pack, quantized(after)).get("hair", np.zeros(1))
        own = self._plain.parts.get("hair", np.zeros(1))
        whole = max(float(np.maximum(hair, own).sum()), 1e-6)
        grown, shrunk = (float(np.maximum(x, 0).sum()) for x in (hair - own, own - hair))
        other = grown + shrunk > OTHER_HAIR * whole and (grown > GROWN * whole or shrunk > SHRUNK * whole)
        if self._controls(after):  # what moves, stirs the hair
            other = other and abs(grown - shrunk) > MORE * whole
        return (HAIR_STAYS,) if other else ()

    def _controls(self, after: np.ndarray) -> dict[str, float]:
        """How far an edit moves each control of the expression: what it merely stirs is left out."""
        if self._regressor is None or not self.photograph.blendshapes:
            return {}
        moved = self._read(after) - self._expression
        share = np.clip((np.abs(moved) - STIRRED) / (ASKED - STIRRED), 0, 1)
        share[np.abs(moved) < BESIDE * np.abs(moved).max()] = 0
        found = {name: float(x) for name, x in zip(params.GROUPS["expression"], share * moved) if x}
        if "mouth_open" in found:  # a shut mouth cannot shut further
            found["mouth_open"] = max(JAW * found["mouth_open"], -self.photograph.blendshapes.get("jawOpen", 0.0))
        return found

    @cached_property
    def _expression(self) -> np.ndarray:
        return self._read(self._plain.image)

    @torch.no_grad()
    def _read(self, image: np.ndarray) -> np.ndarray:
        """The expression's controls in -1..1, [5]."""
        p = self._regressor(torch.from_numpy(image).permute(2, 0, 1)[None].to(self.pack.device) * 2 - 1).p
        return torch.erf(p[0, params.indices("expression")] / 2**0.5).cpu().numpy()

    @cached_property
    def _regressor(self) -> Regressor | None:
        net = self.pack.optional("regressor")
        return net if isinstance(net, Regressor) else None

    def _layers(self, size: int) -> Layers:
        if size not in self._apart:
            self._apart[size] = layers(self.photograph.resized(size))
        return self._apart[size]

    def _retouch(self, size: int) -> Retouch:
        if size not in self._sizes:
            self._sizes[size] = Retouch(self.photograph.resized(size), self._plain)
        return self._sizes[size]

    @cached_property
    def _plain(self) -> Photograph:
        image = self._alone(self.code)
        pixels = quantized(image)
        face, known = find_face(self.pack, pixels), np.ones(image.shape[:2], np.float32)
        return Photograph(image, known, find_parts(self.pack, pixels), *face)

    @torch.no_grad()
    def _alone(self, code: Code) -> np.ndarray:
        """The picture of the latent code without F, nearer to the mean face, under this edit: float32 [R,R,3] in
        0..1."""
        mean = self.pack.generator.w_mean
        w_plus = mean + TYPICAL * (self.code.w_plus - mean) + code.w_plus - self.code.w_plus
        shift = code.shift if self.code.shift is None or code.shift is None else code.shift - self.code.shift
        alone = Code("W+", w_plus, None, shift)
        return _pixels(alone.synthesis(self.pack.generator, self.pack.working_size).clamp(-1, 1))


def _pixels(image: Tensor) -> np.ndarray:
    """[1,3,R,R] in [-1,1] -> float32 [R,R,3] in 0..1."""
    return to_uint8(image)[0].numpy().astype(np.float32) / 255
