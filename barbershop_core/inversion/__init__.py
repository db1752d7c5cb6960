"""From an image to its code: `project` with an encoder, `embed` by optimization."""

from .embed import embed
from .inversion_presets import FAST, PAPER, PRESETS, RELEASED, InversionPreset
from .project import project

__all__ = ["FAST", "PAPER", "PRESETS", "RELEASED", "InversionPreset", "embed", "project"]
