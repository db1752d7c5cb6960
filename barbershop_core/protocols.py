"""What the methods ask of a pack, so that they can be typed without importing it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch
    from torch import nn

    from .editing.regions import Parser
    from .inversion.prior import PNorm
    from .networks.perceptual import Perceptual
    from .progress import Steps
    from .weights.manifest import Manifest


class PackLike(Protocol):
    """An open pack; :class:`barbershop_core.pack.Pack` says what each member is."""

    name: str
    size: int
    working_size: int
    device: torch.device
    manifest: Manifest
    notices: list[str]

    @property
    def generator(self) -> nn.Module: ...
    @property
    def parser(self) -> Parser: ...
    @property
    def identity(self) -> nn.Module: ...
    @property
    def encoder(self) -> nn.Module | None: ...
    @property
    def perceptual(self) -> Perceptual: ...
    @property
    def pnorm(self) -> PNorm: ...
    @property
    def hair_projection(self) -> torch.Tensor | None: ...
    @property
    def landmarker(self) -> Path | None: ...
    @property
    def fingerprint(self) -> str: ...
    def optional(self, role: str) -> nn.Module | None: ...
    def fetch(self, *roles: str) -> Steps[None]: ...
    def file(self, role: str) -> Path | None: ...
    def download(self, level: str = "wanted") -> Steps[None]: ...
