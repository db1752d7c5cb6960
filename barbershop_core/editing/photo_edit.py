"""Edits of a portrait's code as edits of its photograph.

The generator draws two pictures of each code: with F, as near to the photograph as it can come, and of the latent code
alone, a clean face of the kind that it knows.  Tones and colours change as the first does; what an edit adds to a face
(glasses, a beard) is taken from the second.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from ..compositing.photograph import Photograph
from ..compositing.retouch import Retouch
from ..inversion.codes import Code
from ..photo.pixels import to_uint8
from ..protocols import PackLike
from .photographs import find_face


class PhotoEdit:
    """A photograph whose code is edited.

    code: of the photograph so far.  generated: [1,3,R,R] in [-1,1], the code's picture.
    """

    def __init__(self, pack: PackLike, photograph: Photograph, code: Code, generated: Tensor):
        self.pack, self.photograph, self.code = pack, photograph, code
        self._generated = _pixels(generated)
        self._sizes: dict[int, Retouch] = {}

    def __call__(self, made: Tensor, code: Code, size: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The photograph under another code.

        made: [1,3,R,R] in [-1,1], the picture of ``code``.  size: of the result, px; by default the photograph's.
        Returns float32 [S,S,3] in 0..1, and where it changed, float32 [S,S] in 0..1.
        """
        plain = Photograph(self._alone(code), np.ones((1, 1), np.float32), {})
        return self._retouch(size or self.photograph.size)(_pixels(made), plain=plain)

    def _retouch(self, size: int) -> Retouch:
        if size not in self._sizes:
            self._sizes[size] = Retouch(self.photograph.resized(size), self._generated, self._plain)
        return self._sizes[size]

    @cached_property
    def _plain(self) -> Photograph:
        image = self._alone(self.code)
        points, matrix, blendshapes = find_face(self.pack, np.rint(image * 255).astype(np.uint8))
        return Photograph(image, np.ones(image.shape[:2], np.float32), {}, points, matrix, blendshapes)

    @torch.no_grad()
    def _alone(self, code: Code) -> np.ndarray:
        """The picture of the latent code without F, float32 [R,R,3] in 0..1."""
        alone = Code("W+", code.w_plus, None, code.shift)
        return _pixels(alone.synthesis(self.pack.generator, self.pack.working_size).clamp(-1, 1))


def _pixels(image: Tensor) -> np.ndarray:
    """[1,3,R,R] in [-1,1] -> float32 [R,R,3] in 0..1."""
    return to_uint8(image)[0].numpy().astype(np.float32) / 255
