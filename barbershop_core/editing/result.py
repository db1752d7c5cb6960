"""The result of an edit."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..inversion.codes import Code
from . import picture_file


@dataclass(frozen=True, eq=False)
class Result:
    """An edited portrait.

    image: PIL, RGB [R,R], the edited crop, with the original's pixels where nothing changed.  pasted: PIL, RGB,
    the whole photo with the edit in it; ``None`` where it was not asked for.
    code: F and S of the generator's part of the image.
    masks: "target" uint8 [R,R] region indices; "changed" float32 [R,R] in 0..1, where the image is not
    the original's; and for each region of the target its bool [R,R].
    scores: "identity" (cosine of the recognition net, before and after), "iou" (of the result's parse
    against the target mask, by region), "losses" (the last ones by stage), "seconds" (by stage, with
    "total"), "reconstruction" (PSNR in dB of the person's code).
    recipe: see :mod:`barbershop_core.editing.recipe`.  notices: sentences for the person.
    generated: PIL, RGB [R,R], the generator's own picture of ``code``; ``None`` where pixels of photographs were moved
    instead, and where the result was stored and read again.
    """

    image: Image.Image
    pasted: Image.Image | None
    code: Code
    masks: dict[str, np.ndarray]
    scores: dict[str, Any]
    recipe: dict[str, Any]
    notices: tuple[str, ...] = field(default=())
    generated: Image.Image | None = None

    def save(self, path: str | Path, pasted: bool = True) -> Path:
        """Write a PNG, JPEG or WebP file, by the suffix, with the recipe in it: the whole photo, or the crop where
        ``pasted`` is false or there is no photo.  Returns the path.  Raises BadRequest for other suffixes."""
        picture = self.pasted if pasted and self.pasted is not None else self.image
        return picture_file.write(path, picture, self.recipe)
