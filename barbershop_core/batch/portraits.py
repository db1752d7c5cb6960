"""Portraits that are kept in memory while jobs need them again and again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from ..errors import PhotoError
from ..memory import bytes_of
from ..photo import Portrait
from .job import Photo

MOST_BYTES = 1 << 30
"""What the portraits of a worker may occupy, with what was found out about them."""


class Portraits:
    """Reads photos, each once while there is room; those used last are kept.

    read: of a photo that is not known.  A photo that cannot be used is remembered, too.
    """

    def __init__(self, read: Callable[[Photo], Portrait], most: int = MOST_BYTES):
        self._read, self._most = read, most
        self._kept: OrderedDict[tuple, Portrait | PhotoError] = OrderedDict()
        self._sizes: dict[tuple, int] = {}

    def __call__(self, photo: Photo) -> Portrait:
        """The portrait of a photo.  Raises PhotoError."""
        if photo.content not in self._kept:
            try:
                self._kept[photo.content] = replace(self._read(photo), findings={})
            except PhotoError as error:
                self._kept[photo.content] = error
        self._kept.move_to_end(photo.content)
        self._sizes.pop(photo.content, None)  # more may be found out about it now
        found = self._kept[photo.content]
        if isinstance(found, PhotoError):
            raise found
        return found

    def shrink(self) -> None:
        """Forget those that were not used for longest, until the others fit."""
        for key in self._kept.keys() - self._sizes.keys():
            self._sizes[key] = bytes_of(self._kept[key])
        total = sum(self._sizes.values())
        while total > self._most and len(self._kept) > 1:
            total -= self._sizes.pop(self._kept.popitem(last=False)[0])

    def clear(self) -> None:
        """Forget all."""
        self._kept.clear()
        self._sizes.clear()
