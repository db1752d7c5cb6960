"""From a file to an aligned portrait and back: decode, find faces, align as FFHQ does, paste."""

from .nudge import Nudge
from .portrait import Portrait, paste_back, read

__all__ = ["Nudge", "Portrait", "paste_back", "read"]
