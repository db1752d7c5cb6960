"""Latent codes of a portrait: W, W+ and F/S.

An inversion returns a code, and every edit works on one.  `W` and `W+` are rows of style vectors; `FS` adds
the structure tensor F, the feature map after the 32x32 block, which replaces the rows before `feature_index`
(Barbershop, section 3.2).  The RGB that the blocks up to there add to a picture is not in F.  An embedding finds F
without it, as published; a code that was made from W+ keeps it beside F.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes

from ..errors import BadRequest
from ..networks.stylegan2 import BlockState

SPACES = ("W", "W+", "FS")
_SPELLINGS = {"w": "W", "w+": "W+", "wplus": "W+", "w_plus": "W+", "fs": "FS", "f/s": "FS"}


def space_name(space: str) -> str:
    """The canonical name of a latent space: "W", "W+" or "FS".

    Raises BadRequest for anything else.
    """
    name = _SPELLINGS.get(str(space).strip().lower())
    if name is None:
        raise BadRequest(f"There is no latent space '{space}'.", f"Choose one of: {', '.join(SPACES)}.")
    return name


@dataclass(frozen=True)
class Code:
    """The code of one portrait.

    space: "W" (all rows equal), "W+" or "FS".
    w_plus: float32 [1,L,D], the style vectors of every layer; in "FS" the rows from the generator's
        ``feature_index`` on are S, the rows before it keep the W+ code from which F started.
    feature: float32 [1,C,32,32], F; ``None`` outside of "FS".
    skip: float32 [1,3,32,32], the RGB sum below F, to which that of the blocks above is added; ``None`` is zero.
    shift: float32 [1,sum of C], added by edits in StyleSpace to the style vectors of all layers, in the order
        of ``Generator.styles`` (W+ cannot express it); ``None`` if there was no such edit.
    """

    space: str
    w_plus: torch.Tensor
    feature: torch.Tensor | None = None
    shift: torch.Tensor | None = None
    skip: torch.Tensor | None = None

    def __post_init__(self):
        if self.space not in SPACES:
            raise BadRequest(f"There is no latent space '{self.space}'.", f"Choose one of: {', '.join(SPACES)}.")
        if (self.space == "FS") != (self.feature is not None):
            raise BadRequest("A code of space FS has a feature map F, codes of other spaces have none.")
        if self.skip is not None and self.feature is None:
            raise BadRequest("Only a code of space FS has an RGB sum beside F.")
        if self.w_plus.ndim != 3 or self.w_plus.shape[0] != 1:
            raise BadRequest(f"A code's style vectors are [1,L,D], not {list(self.w_plus.shape)}.")

    def to(self, device: torch.device | str) -> Code:
        """The same code on another device."""
        parts = {name: getattr(self, name) for name in ("w_plus", "feature", "shift", "skip")}
        return replace(self, **{name: value.to(device) for name, value in parts.items() if value is not None})

    def styles(self, generator) -> list[torch.Tensor]:
        """The style vectors of every layer, one [1,C] each, with the shift added."""
        styles = generator.styles(self.w_plus)
        if self.shift is None:
            return styles
        parts = self.shift.split([s.shape[1] for s in styles], 1)
        return [style + part for style, part in zip(styles, parts)]

    def synthesis(self, generator, side: int | None = None) -> torch.Tensor:
        """The image of this code, float [1,3,R,R], about [-1,1]; R is ``side``, by default the generator's size."""
        return generator.synthesis_from_styles(self.styles(generator), side=side, start=self.structure(generator))

    def structure(self, generator) -> BlockState | None:
        """F and the RGB sum below it, from which synthesis starts; None outside of "FS"."""
        if self.feature is None:
            return None
        return BlockState(generator.feature_size, self.feature, self.skip)

    @torch.no_grad()
    def with_feature(self, generator) -> Code:
        """The same picture in space "FS": of W or W+, F and the RGB sum are the generator's own."""
        if self.feature is not None:
            return self
        below = generator.state(self.styles(generator), generator.feature_size)
        return Code("FS", self.w_plus, below.x, self.shift, below.skip)

    def dumps(self) -> bytes:
        """The code as the bytes of a safetensors file."""
        parts = {name: getattr(self, name) for name in ("w_plus", "feature", "shift", "skip")}
        tensors = {k: v.detach().cpu().float().contiguous() for k, v in parts.items() if v is not None}
        return to_bytes(tensors, metadata={"space": self.space, "format": "barbershop code 1"})

    def save(self, path: str | Path) -> Path:
        """Write the code to ``path`` (safetensors)."""
        path = Path(path)
        path.write_bytes(self.dumps())
        return path


def load(path: str | Path, device: torch.device | str = "cpu") -> Code:
    """Read a code that :meth:`Code.save` wrote.

    Raises BadRequest if the file is missing, truncated or not a code.
    """
    path = Path(path)
    try:
        with safe_open(str(path), framework="pt") as file:
            space = (file.metadata() or {}).get("space", "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        if any(not torch.isfinite(value).all() for value in tensors.values()):
            raise ValueError("not finite")
        parts = (tensors.get(name) for name in ("feature", "shift", "skip"))
        return Code(space, tensors["w_plus"], *parts).to(device)
    except (OSError, SafetensorError, KeyError, ValueError, BadRequest) as error:
        raise BadRequest(
            f"'{path.name}' is not a readable code file.", "Give a file that 'invert' has written."
        ) from error
