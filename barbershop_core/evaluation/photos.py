"""Edits of photographs: do they stay photographs?  Hair, words and rig on a folder of portraits.

One edit has a right answer: the hair of the photo itself, turned in plane, scaled, shifted and brightened, is
given as the reference; then the photo should come back.

>>> table = run(photos(open_pack("studio"), "portraits"))
>>> table["rows"]["own hair"]["psnr"]
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..compositing.photograph import FACE
from ..editing.photographs import detail_size
from ..editing.result import Result
from ..errors import BadRequest, BarbershopError
from ..inversion.cache import CodeCache
from ..options import PRESET, SEED
from ..photo import Portrait
from ..pie.session import RigSession
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from ..studio import Studio
from . import looks, texture
from .looks import Look, look
from .metrics import masked_psnr
from .moved_photo import moved_photo, still_seen
from .tables import NothingScored, contact_sheet, means, pictures_in

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
    "identity",
    "opens",
    "seconds",
)
HAIR = ("own hair", "other hair")
POSES: Mapping[str, dict[str, Any]] = {
    "yaw 12": {"yaw": 12.0},
    "pitch 8": {"pitch": 8.0},
    "open mouth": {"expression": "open mouth"},
    "light": {},
}
WORDS: Mapping[str, tuple[str, ...]] = {"blond hair": ("hair",), "smiling": FACE}
"""Prompts, and the regions that they may change."""
ROWS = (*HAIR, *POSES, *WORDS)
LAMP = 50.0  # degrees of azimuth, on the side where the photo's light does not come from


def photos(
    pack: PackLike,
    folder: str | Path,
    preset: str = PRESET.default,
    seed: int = SEED.default,
    limit: int | None = None,
    rows: Sequence[str] = ROWS,
    sheet: str | Path | None = None,
) -> Steps[dict[str, Any]]:
    """Edit every photo of a folder in each way, and measure what became of it.

    folder: photos, taken in order of name, at most ``limit``.  rows: some of ``ROWS``.  seed: of the moved
    photos, which depend on the photo's name otherwise.  sheet: path for a PNG of all results.

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
    return _photos(pack, pictures_in(folder)[:limit], rows, preset, seed, sheet)


def _photos(
    pack: PackLike, files: list[Path], rows: Sequence[str], preset: str, seed: int, sheet: str | Path | None
) -> Steps[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    failures: list[dict[str, str]] = []
    shown: list[dict[str, np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(pack, CodeCache(folder))
        for number, file in enumerate(files, 1):
            try:
                subject = Subject.of(studio, files, number - 1, preset, seed)
            except BarbershopError as error:
                failures.append({"photo": file.name, "why": str(error)})
                yield Step("photo", number, len(files), notice=f"{file.name}: {error}")
                continue
            pictures = {"photo": subject.seen.picture} | {row: np.full_like(subject.seen.picture, 255) for row in rows}
            for row in rows:
                try:
                    scores, pictures[row] = yield from _score(subject, row)
                except Exception as error:  # noqa: BLE001 - one defect must not cost the other photos' hour
                    why = str(error) if isinstance(error, BarbershopError) else f"{type(error).__name__}: {error}"
                    failures.append({"photo": file.name, "row": row, "why": why})
                    yield Step("photo", number, len(files), notice=f"{file.name}, {row}: {why}")
                    continue
                details.append({"photo": file.name, "row": row, "lightness": subject.lightness} | scores)
            shown.append(pictures)
            if sheet is not None:
                Image.fromarray(contact_sheet(shown, 256)).save(sheet)
            yield Step("photo", number, len(files))
    if not details:
        raise NothingScored(f"None of the {len(files)} photos could be scored: {failures[0]['why']}")
    return {
        "photos": len(files),
        "scored": len(shown),
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


# ---------------------------------------------------------------- one photo


@dataclass(eq=False)
class Subject:
    """A photo that is edited.  seen: it at its own resolution, as judges see it.  following: opens the next
    photo, None where there is none.  session: of the rig, once it is open."""

    studio: Studio
    portrait: Portrait
    seen: Look
    preset: str
    following: Callable[[], Portrait]
    rng: np.random.Generator
    session: RigSession | None = None
    opens: float | None = None

    @property
    def lightness(self) -> float | None:
        """Mean L of the skin, None where there is none."""
        return None if self.seen.skin is None else float(self.seen.skin[0])

    @classmethod
    def of(cls, studio: Studio, files: Sequence[Path], index: int, preset: str, seed: int) -> Subject:
        """Raises PhotoError."""
        portrait = studio.read(files[index])
        rng = np.random.default_rng([seed, zlib.crc32(files[index].name.encode())])
        seen = look(studio.pack, full(studio, portrait))
        return cls(studio, portrait, seen, preset, lambda: _following(studio, files, index), rng)


def full(studio: Studio, portrait: Portrait) -> np.ndarray:
    """A portrait's crop at the photo's own resolution, uint8 [S,S,3]."""
    return portrait.at(detail_size(portrait, studio.pack.working_size))


def _following(studio: Studio, files: Sequence[Path], index: int) -> Portrait:
    for file in (*files[index + 1 :], *files[:index]):
        try:
            return studio.read(file)
        except BarbershopError:
            continue
    raise BadRequest("There is no other photo whose hair could be taken.", "Give a folder with two portraits.")


def _score(subject: Subject, row: str) -> Steps[tuple[dict[str, float | None], np.ndarray]]:
    """The figures of one edit, and its picture."""
    if row in HAIR:
        return (yield from (_own_hair if row == "own hair" else _other_hair)(subject))
    if row in POSES:
        return (yield from _pose(subject, row))
    studio, before, watch = subject.studio, subject.seen, StageTimer()
    result = yield from watch(studio.edit_text(subject.portrait, row, preset=subject.preset, paste=False))
    after = look(studio.pack, np.asarray(result.image))
    scores = {
        "texture": _texture(before, after, *WORDS[row]),
        "outside": looks.outside_change(before, after, *WORDS[row]),
    }
    return _common(before, after, watch) | scores, after.picture


def _own_hair(subject: Subject) -> Steps[tuple[dict[str, float | None], np.ndarray]]:
    before, portrait = subject.seen, subject.portrait
    pixels, matrix = moved_photo(portrait, subject.rng)
    reference = subject.studio.read(pixels)
    after, watch = yield from _transfer(subject, reference)
    hair = before.mask("hair")
    where = hair & still_seen(portrait, matrix, pixels.shape[:2])
    scores = {
        "psnr": masked_psnr(after.picture, before.picture, where),
        "texture": texture.texture_share(after.picture, before.picture, where),
        "correlation": texture.texture_correlation(after.picture, before.picture, where),
        "colour": texture.lab_distance(after.picture, where, before.picture, where),
    }
    return _hair_scores(before, after, watch) | scores, after.picture


def _other_hair(subject: Subject) -> Steps[tuple[dict[str, float | None], np.ndarray]]:
    before, reference = subject.seen, subject.following()
    after, watch = yield from _transfer(subject, reference)
    like = look(subject.studio.pack, full(subject.studio, reference))
    scores = {
        "texture": _texture(like, after, "hair"),
        "colour": texture.lab_distance(after.picture, after.mask("hair"), like.picture, like.mask("hair")),
    }
    return _hair_scores(before, after, watch) | scores, after.picture


def _transfer(subject: Subject, reference: Portrait) -> Steps[tuple[Look, StageTimer]]:
    studio, watch = subject.studio, StageTimer()
    steps = studio.transfer(
        subject.portrait, hair_shape=reference, hair_color=reference, preset=subject.preset, paste=False
    )
    result = yield from watch(steps)
    return look(studio.pack, np.asarray(result.image)), watch


def _pose(subject: Subject, row: str) -> Steps[tuple[dict[str, float | None], np.ndarray]]:
    if subject.session is None:
        opening = StageTimer()
        subject.session = yield from opening(subject.studio.rig(subject.portrait, subject.preset))
        subject.opens = opening.seconds["total"]
    asked = dict(POSES[row])
    if row == "light":
        asked["light"] = {"azimuth": -LAMP if subject.session.light.azimuth > 0 else LAMP}
    watch = StageTimer()
    result: Result = yield from watch(subject.session.result(**asked))
    before, after = subject.seen, look(subject.studio.pack, np.asarray(result.image))
    scores = _common(before, after, watch) | {"texture": _texture(before, after, *FACE), "opens": subject.opens}
    if row == "light":
        scores["skin"] = looks.skin_shift(before, after, shading=True)
    elif row == "open mouth":
        scores["outside"] = looks.outside_change(before, after, *FACE)
        if before.blendshapes and after.blendshapes:
            scores["jaw_open"] = after.blendshapes["jawOpen"] - before.blendshapes["jawOpen"]
    elif (found := looks.turned(before, after)) is not None:
        missed = dict(zip(("yaw", "pitch"), found))
        (angle, degrees), *_ = asked.items()
        scores |= {"degrees": abs(missed.pop(angle) - degrees), "drift": abs(*missed.values())}
    return scores, after.picture


def _texture(photo: Look, result: Look, *regions: str) -> float | None:
    """Share of the photo's fine texture in the regions, each picture's own."""
    return texture.texture_share(result.picture, photo.picture, result.mask(*regions), photo.mask(*regions))


def _common(before: Look, after: Look, watch: StageTimer) -> dict[str, float | None]:
    return {
        "skin": looks.skin_shift(before, after),
        "identity": looks.same_person(before, after),
        "seconds": watch.seconds["total"],
    }


def _hair_scores(before: Look, after: Look, watch: StageTimer) -> dict[str, float | None]:
    moved, outside = looks.points_moved(before, after), looks.outside_change(before, after, "hair")
    return _common(before, after, watch) | {"landmarks": moved, "outside": outside}
