"""Which photos are transferred to which: neighbours in a folder, or the rows of a table."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadRequest

HEADER = "Give a file with the columns face, shape, color."


@dataclass(frozen=True)
class Pair:
    """Photos of one transfer: whose face, whose hair's shape and colour; None keeps the person's own."""

    face: Path
    shape: Path | None
    color: Path | None

    @property
    def kind(self) -> str:
        """HairFastGAN's names: both (of one photo), full (of two), shape or color."""
        if self.shape and self.color:
            return "both" if self.shape == self.color else "full"
        return "shape" if self.shape else "color"

    @property
    def name(self) -> str:
        return " + ".join(path.name for path in (self.face, self.shape, self.color) if path)


def neighbours(files: Sequence[Path]) -> list[Pair]:
    """Each photo with the hair of the next.  Raises BadRequest where there is only one."""
    if len(files) < 2:
        raise BadRequest("One photo alone makes no pair.", "Give a folder with two portraits.")
    return [Pair(face, hair, hair) for face, hair in zip(files, (*files[1:], files[0]))]


def listed(listing: Path, folder: Path) -> list[Pair]:
    """The pairs of a CSV with the columns face, shape and color, names of photos in ``folder``.

    Raises BadRequest where it cannot be read, is empty, or names a photo that is not there.
    """
    try:
        with listing.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(f"{listing} cannot be read as CSV.", HEADER) from error
    found = []
    for number, row in enumerate(rows, 2):
        names = [(row.get(column) or "").strip() for column in ("face", "shape", "color")]
        if not names[0] or not any(names[1:]):
            raise BadRequest(f"{listing}, line {number}: a pair needs a face, and a shape or a color.", "Correct it.")
        for name in filter(None, names):
            if not (folder / name).is_file():
                raise BadRequest(f"{listing}, line {number}: there is no {name} in {folder}.", "Correct it.")
        found.append(Pair(*(folder / name if name else None for name in names)))
    if not found:
        raise BadRequest(f"There are no pairs in {listing}.", HEADER)
    return found
