"""Synthesis under changes in StyleSpace: blocks before the first changed layer are computed only once.

A portrait is F and style vectors.  A change of the styles up to the 32x32 block changes the generator's own
features, and with route "W+" the same difference is added to F: F' = F + f(S') - f(S).  Changes of later
layers act on F directly; with route "F" only those layers change.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..inversion.codes import Code
from ..networks.resample import resize
from ..networks.stylegan2 import BlockState


def block_of(layer: int) -> int:
    """Resolution of the block to which the style vector with this index belongs."""
    return 4 if layer < 2 else 8 * 2 ** ((layer - 2) // 3)


class StyleSynthesis:
    """Images of one portrait under changes of its styles.

    code: of space "FS".  resolution: of the images.  widths: channels of each style vector.
    """

    @torch.no_grad()
    def __init__(self, generator: nn.Module, code: Code, resolution: int):
        self.g, self.code, self.resolution = generator, code, resolution
        self.styles = code.styles(generator)
        self.widths = tuple(s.shape[1] for s in self.styles)
        self.boundary = generator.feature_size
        self._below: dict[int, BlockState] = {}
        state = None
        for r in generator.resolutions:
            if r > self.boundary:
                break
            state = generator.state(self.styles, r, state)
            self._below[r] = state
        self._above: dict[int, BlockState] = {self.boundary: code.structure(generator)}
        state = self._above[self.boundary]
        for r in generator.resolutions:
            if r > self.boundary:
                state = generator.state(self.styles, r, state)
                self._above[r] = state

    def reachable(self, shift: Tensor, route: str) -> Tensor:
        """A change of S [...,M] without what the route cannot change: with "F", layers up to F."""
        if route == "W+":
            return shift
        parts = list(shift.split(self.widths, -1))
        kept = [p if block_of(k) > self.boundary else torch.zeros_like(p) for k, p in enumerate(parts)]
        return torch.cat(kept, -1)

    @torch.no_grad()
    def picture(self, shift: Tensor) -> Tensor:
        """The image [1,3,R,R] under a change of S [1,M]."""
        first = self._first(shift)
        if first > self.g.size:
            return resize(self._above[self.g.size].skip, self.resolution)
        styles = self._shifted(shift)
        if first > self.boundary:
            start = self._above[first // 2]
        else:
            start = self._structure(styles, first)
        return self.g.synthesis_from_styles(styles, side=self.resolution, start=start)

    @torch.no_grad()
    def shifted(self, shift: Tensor) -> Code:
        """The code under a change of S [1,M]."""
        first, structure = self._first(shift), self._above[self.boundary]
        if first <= self.boundary:
            structure = self._structure(self._shifted(shift), first)
        before = 0 if self.code.shift is None else self.code.shift
        return Code("FS", self.code.w_plus, structure.x, before + shift, structure.skip)

    def _first(self, shift: Tensor) -> int:
        """Resolution of the first block that changes; above the last block's if none does."""
        for k, part in enumerate(shift.split(self.widths, 1)):
            if bool(part.any()):
                return block_of(k)
        return 2 * self.g.size

    def _shifted(self, shift: Tensor) -> list[Tensor]:
        return [s + d for s, d in zip(self.styles, shift.split(self.widths, 1))]

    def _structure(self, styles: list[Tensor], first: int) -> BlockState:
        """F and the RGB beside it under other styles; ``first`` is the first changed block."""
        moved = self.g.state(styles, self.boundary, self._below.get(first // 2))
        return _moved(self._above[self.boundary], self._below[self.boundary], moved)


def carried(generator: nn.Module, code: Code, w_plus: Tensor) -> Code:
    """The code with other rows of W+ [1,L,D]; the change of the generator's own features is added to F, and that of
    their RGB to the RGB beside F.

    Differentiable in ``w_plus``.  Shifts in StyleSpace from earlier edits are kept.
    """
    if code.feature is None:
        return Code("W+", w_plus, None, code.shift)
    other = Code("W+", w_plus, None, code.shift)
    with torch.no_grad():
        before = generator.state(code.styles(generator), generator.feature_size)
    after = generator.state(other.styles(generator), generator.feature_size)
    structure = _moved(code.structure(generator), before, after)
    return Code("FS", w_plus, structure.x, code.shift, structure.skip)


def _moved(structure: BlockState, before: BlockState, after: BlockState) -> BlockState:
    """F and the RGB beside it, with the change from ``before`` to ``after`` added to both."""
    skip = after.skip - before.skip
    skip = skip if structure.skip is None else structure.skip + skip
    return BlockState(structure.resolution, structure.x + after.x - before.x, skip)
