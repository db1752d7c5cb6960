"""Options of an inversion."""

from __future__ import annotations

from ..options import PRESET, Option

SPACE = Option("space", "FS", "W, W+ or FS")

INVERT = (SPACE, PRESET)
