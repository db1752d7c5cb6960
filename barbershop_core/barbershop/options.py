"""Options of hair and face transfer."""

from __future__ import annotations

from ..options import PRESET, SEED, Option

MODE = Option("mode", "realistic", "how areas that no photo claims are filled", str, ("realistic", "fidelity"))
SMOOTH = Option(
    "smooth", 5, "softness of the mask's borders, in pixels at 256 px", float, low=0, high=40, unit="pixels"
)
MASK = Option("mask", None, "target mask to use instead of the automatic one", optional=True)
REGIONS = Option("regions", None, "regions to take from other photos, each with its photo", optional=True)

TARGET_MASK = (PRESET, MODE, SMOOTH, SEED, REGIONS)
TRANSFER = (*TARGET_MASK, MASK)
SWAP_FACE = (PRESET, MODE, SMOOTH, SEED)
