"""One photo edited in each way, and what the judges see of it: the rows of `evaluation.photos`."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..compositing.photograph import FACE
from ..editing.photographs import detail_size
from ..editing.result import Result
from ..errors import BadRequest, BarbershopError
from ..photo import Portrait
from ..pie.session import RigSession
from ..progress import Steps
from ..stages import StageTimer
from ..studio import Studio
from . import looks, texture
from .looks import Look, look
from .metrics import masked_psnr
from .moved_photo import moved_photo, still_seen

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
LAMP = 50.0
"""Degrees of azimuth, on the side where the photo's light does not come from."""


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


def score(subject: Subject, row: str) -> Steps[tuple[dict[str, float | None], np.ndarray]]:
    """The figures of one edit, by `evaluation.photos.COLUMNS`, and its picture, uint8 [512,512,3].  row: of `ROWS`."""
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
    return _common(before, after, watch) | {
        "skin_kept": looks.skin_shift(before, after, kept=True),
        "landmarks": looks.points_moved(before, after),
        "outside": looks.outside_change(before, after, "hair"),
    }
