"""Portrait editing with GANs: hair and faces of other photos (Barbershop), words (StyleCLIP), and head pose,
expression and light (PIE).

>>> from barbershop_core import Studio, open_pack, run
>>> studio = Studio(open_pack("studio"))
>>> result = run(studio.transfer(face=studio.read("me.jpg"), hair_shape=studio.read("her.jpg")))
>>> result.save("new.png")

Importing this package loads nothing heavy; its names are imported when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["Studio", "open_pack", "run"]

if TYPE_CHECKING:
    from .pack import open_pack
    from .progress import run
    from .studio import Studio

_HOMES = {"open_pack": "pack", "run": "progress", "Studio": "studio"}


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
