"""From a file to an aligned portrait and back: decode, find faces, align as FFHQ does, paste."""

from .portrait import Portrait, paste_back, read

__all__ = ["Portrait", "paste_back", "read"]
