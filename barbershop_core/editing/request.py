"""One operation as it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..photo import Portrait
    from .result import Result


@dataclass(frozen=True, eq=False)
class Request:
    """A checked request; it goes whole to the method that carries it out, and into the recipe.

    operation: name in :data:`barbershop_core.operations.OPERATIONS`.
    photos: portraits by role ("face", "hair_shape", ...).  person: the role that is edited.
    options: a value for each of the operation's options.
    previous: the result to start from instead of the photo.  paste: whether the whole photo is wanted, too.
    """

    operation: str
    photos: Mapping[str, Portrait]
    options: Mapping[str, Any]
    person: str = "face"
    previous: Result | None = None
    paste: bool = True

    @property
    def portrait(self) -> Portrait:
        """The portrait that is edited."""
        return self.photos[self.person]
