"""Edits of photographs: do they stay photographs?  Hair, words and rig on a folder of portraits.

One edit has a right answer: the hair of the photo itself, turned in plane, scaled, shifted and brightened, is
given as the reference; then the photo should come back.

>>> table = run(photos(open_pack("studio"), "portraits"))
>>> table["rows"]["own hair"]["psnr"]
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadRequest, BarbershopError
from ..inversion.cache import CodeCache
from ..options import PRESET, SEED
from ..photo.folder import pictures_in
from ..progress import Step, Steps
from ..protocols import PackLike
from ..studio import Studio
from ..workers import Outcome
from .photo_rows import ROWS, Subject, score
from .scoring import ALONE, Workers, scored
from .tables import check_scored, means, save_sheet

COLUMNS = (
    "psnr",
    "texture",
    "correlation",
    "colour",
    "landmarks",
    "degrees",
    "drift",
    "jaw_open",
    "outside",
    "skin",
    "skin_dark",
    "skin_light",
    "skin_kept",
    "identity",
    "opens",
    "seconds",
)


def photos(
    pack: PackLike,
    folder: str | Path,
    preset: str = PRESET.default,
    seed: int = SEED.default,
    limit: int | None = None,
    rows: Sequence[str] = ROWS,
    sheet: str | Path | None = None,
    workers: Workers = ALONE,
) -> Steps[dict[str, Any]]:
    """Edit every photo of a folder in each way, and measure what became of it.

    folder: photos, taken in order of name, at most ``limit``.  rows: some of ``ROWS``.  seed: of the moved
    photos, which depend on the photo's name otherwise.  sheet: path for a PNG of all results.  workers: score at the
    same time; only the seconds depend on them.

    Returns {"photos", "scored", "pack", "preset", "seed", "rows", "details", "failures"}.  Rows are the edits:
    "own hair" (of the same photo, moved), "other hair" (of the next photo that can be read), the head turned by
    degrees, the mouth opened, the light moved to the other side, and words.  Columns are means over the photos,
    of pictures at 512 px, null where an edit has no such figure or MediaPipe is not there:

    - psnr: dB in the photo's hair, where the moved photo still shows it.
    - texture: standard deviation of the fine texture (`evaluation.texture`), as a share of the photo's: in the
      hair ("other hair": of the reference's in its own), else in the face; 1 is right.  correlation: with the
      photo's, "own hair" only.
    - colour: distance in Lab of the hair's mean colour to the reference's.
    - landmarks: mean motion of the face's points, in distances of the eyes.
    - degrees: how far the head's turn is from the one asked for, by MediaPipe; drift: how far it turns about the
      other axis (of yaw and pitch).
    - jaw_open: rise of MediaPipe's coefficient.
    - outside: mean absolute difference (0..255) away from the regions that the edit may change.
    - skin: distance in Lab of the mean skin colour to the photo's, for "light" without what shading explains;
      skin_dark, skin_light: the same over the third of the photos with the darkest and the lightest skin.
      Other hair shows more or less of a face, and what it shows lies in another light; skin_kept is the distance
      over the pixels that show skin in both pictures (hair only).
    - identity: cosine of the pack's network with the photo.
    - seconds: of the edit.  The photo is embedded once, in the first row of hair or words; the rig is opened
      once, in ``opens`` seconds.

    A photo or an edit that fails is reported in "failures" and left out.  Raises BadRequest where the folder
    holds no photos or a row is unknown, NothingScored where all failed.
    """
    unknown = [row for row in rows if row not in ROWS]
    if unknown or not rows:
        raise BadRequest(f"There is no row '{' '.join(unknown)}'.", f"Choose from: {', '.join(ROWS)}.")
    if limit is not None and limit < 1:
        raise BadRequest(f"{limit} photos cannot be scored.", "Give at least one.")
    return _photos(pack, pictures_in(folder)[:limit], rows, preset, seed, sheet, workers)


@dataclass(frozen=True, eq=False)
class _Scored:
    """A photo.  details: of its edits.  failures: why, by row.  pictures: uint8 [512,512,3], "photo" and by row."""

    details: list[dict[str, Any]]
    failures: dict[str, str]
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Scorer:
    """Scores the photo of an index.  cache: of the whole evaluation."""

    pack: PackLike
    files: Sequence[Path]
    rows: Sequence[str]
    preset: str
    seed: int
    cache: CodeCache

    def __call__(self, index: int) -> Steps[_Scored]:
        studio, name = Studio(self.pack, self.cache), self.files[index].name
        subject = Subject.of(studio, self.files, index, self.preset, self.seed)
        details, failures, photo = [], {}, subject.seen.picture
        pictures = {"photo": photo} | {row: np.full_like(photo, 255) for row in self.rows}
        for row in self.rows:
            try:
                scores, pictures[row] = yield from score(subject, row)
            except Exception as error:  # noqa: BLE001 - one defect must not cost the other photos' hour
                known = isinstance(error, BarbershopError)
                failures[row] = str(error) if known else f"{type(error).__name__}: {error}"
                continue
            details.append({"photo": name, "row": row, "lightness": subject.lightness} | scores)
        return _Scored(details, failures, pictures)


def _photos(
    pack: PackLike,
    files: list[Path],
    rows: Sequence[str],
    preset: str,
    seed: int,
    sheet: str | Path | None,
    workers: Workers,
) -> Steps[dict[str, Any]]:
    done: dict[int, _Scored] = {}
    unread: dict[int, str] = {}

    def told(outcome: Outcome) -> Step:
        name = files[outcome.index].name
        if outcome.error is not None:
            unread[outcome.index] = str(outcome.error)
            return Step("photo", len(done) + len(unread), len(files), notice=f"{name}: {outcome.error}")
        one = done[outcome.index] = outcome.value
        if sheet is not None:
            save_sheet(sheet, [done[index].pictures for index in sorted(done)], 256)
        notice = "; ".join(f"{name}, {row}: {why}" for row, why in one.failures.items())
        return Step("photo", len(done) + len(unread), len(files), notice=notice)

    with tempfile.TemporaryDirectory() as folder:
        numbers = {"files": files, "rows": rows, "preset": preset, "seed": seed, "cache": CodeCache(folder)}
        yield from scored(pack, partial(_Scorer, **numbers), range(len(files)), workers, told)
    details = [detail for index in sorted(done) for detail in done[index].details]
    failures: list[dict[str, str]] = []
    for index, file in enumerate(files):
        if index in unread:
            failures.append({"photo": file.name, "why": unread[index]})
        else:
            failures += [{"photo": file.name, "row": row, "why": why} for row, why in done[index].failures.items()]
    check_scored(details, len(files), "photos", failures)
    return {
        "photos": len(files),
        "scored": len(done),
        "pack": pack.name,
        "preset": preset,
        "seed": seed,
        "rows": {row: _means([d for d in details if d["row"] == row]) for row in rows},
        "details": details,
        "failures": failures,
    }


def _means(details: list[dict[str, Any]]) -> dict[str, float | None]:
    known = sorted((d for d in details if d["lightness"] is not None), key=lambda d: d["lightness"])
    third = -(-len(known) // 3)
    found = means(details, COLUMNS)
    found["skin_dark"] = means(known[:third], ["skin"])["skin"]
    found["skin_light"] = means(known[len(known) - third :], ["skin"])["skin"]
    return {name: value for name, value in found.items() if value is not None}
