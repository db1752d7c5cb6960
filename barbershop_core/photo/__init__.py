"""From a file to an aligned portrait and back: decode, find faces, align as FFHQ does, paste."""

from .nudge import Nudge
from .portrait import Portrait, cut_out, paste_back, read

__all__ = ["Nudge", "Portrait", "cut_out", "paste_back", "read"]
