"""What the evaluations share: checks of the pack, means of columns, contact sheets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ..errors import BadRequest, BarbershopError
from ..protocols import PackLike

NETWORKS = {
    "regressor": "regressor of the portrait world",
    "face_model": "face model",
    "rignet": "trained rig (RigNet)",
}


class NothingScored(BarbershopError):
    """None of an evaluation's pictures could be scored."""


def check_networks(pack: PackLike, *roles: str) -> None:
    """Raises BadRequest where the pack lists no network of a role, or a regressor that does not read the
    portrait world's parameters (such as Deep3DFaceRecon)."""
    for role in roles:
        network = pack.manifest.networks.get(role)
        if network is None or (role == "regressor" and network.kind != "regressor"):
            raise BadRequest(
                f"The pack '{pack.name}' has no {NETWORKS[role]}, which this evaluation needs.",
                "Use the pack 'studio'.",
            )


def check_scored(scored: Sized, wanted: int, what: str, failures: Sequence[Mapping[str, str]]) -> None:
    """Raises NothingScored, with the first failure's reason, where nothing was.  what: "pairs", for the sentence."""
    if not scored:
        raise NothingScored(f"None of the {wanted} {what} could be scored: {failures[0]['why']}")


def means(scores: Sequence[Mapping[str, float | None]], columns: Sequence[str]) -> dict[str, float | None]:
    """Mean of each column over the rows that have a value there; ``None`` where no row has one."""
    found = {}
    for name in columns:
        known = [score[name] for score in scores if score.get(name) is not None]
        found[name] = round(float(np.mean(known)), 4) if known else None
    return found


def contact_sheet(rows: Sequence[Mapping[str, np.ndarray]], side: int = 160) -> np.ndarray:
    """Pictures in rows, under the names of the first row's: uint8 [H,W,3] each -> uint8 [H,W,3]."""
    names = list(rows[0])
    sheet = Image.new("RGB", (side * len(names), 16 + side * len(rows)), "white")
    pen = ImageDraw.Draw(sheet)
    for x, name in enumerate(names):
        pen.text((x * side + 4, 2), name, fill="black")
        for y, row in enumerate(rows):
            picture = Image.fromarray(row[name]).resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(picture, (x * side, 16 + y * side))
    return np.asarray(sheet)


def save_sheet(path: str | Path, rows: Sequence[Mapping[str, np.ndarray]], side: int = 160) -> None:
    """Write a `contact_sheet` as a picture; nothing where there are no rows."""
    if rows:
        Image.fromarray(contact_sheet(rows, side)).save(path)
