"""Transfers of hair between photographs, in the papers' figures: FID, FID_CLIP, PSNR, SSIM, CLIP-I, identity.

>>> table = run(pairs(open_pack("ffhq"), "portraits", "pairs.csv"))
>>> table["rows"]["all"]["fid"], table["stages"]["blend"]
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..editing.result import Result
from ..errors import BadRequest, BarbershopError
from ..inversion.cache import CodeCache
from ..networks.clip import Clip
from ..options import PRESET, SEED
from ..photo import Portrait
from ..photo.folder import pictures_in
from ..progress import Step, Steps
from ..protocols import PackLike
from ..studio import Studio
from ..workers import Outcome
from . import frechet
from .judges import Judges
from .looks import Look, look, same_person
from .moved_photo import moved_photo
from .pair_listing import Pair, listed, neighbours
from .photo_rows import full
from .published import PUBLISHED
from .reconstruction import similarity
from .scoring import ALONE, Workers, scored
from .tables import check_scored, means, save_sheet

YAW = 15.0
"""Degrees between the heads of face and shape from which on a pair is counted as difficult (as H-Adapter does)."""
COLUMNS = ("psnr", "ssim", "clip_i", "identity", "seconds")
OWN = "own hair"


def pairs(
    pack: PackLike,
    folder: str | Path,
    listing: str | Path | None = None,
    preset: str = PRESET.default,
    seed: int = SEED.default,
    limit: int | None = None,
    sheet: str | Path | None = None,
    extractor: frechet.Extractor | None = None,
    clip: Clip | None = None,
    workers: Workers = ALONE,
) -> Steps[dict[str, Any]]:
    """Transfer hair between the photos of a folder.

    listing: CSV with the columns face, shape and color, names of photos in the folder, of which shape or color may
    be empty; by default each photo gets the hair of the next.  limit: at most so many pairs.  seed: of the moved
    photos.  sheet: path for a PNG of all results.  extractor: features for the Frechet distance (column fid_custom)
    instead of those of the published Inception.  clip: instead of OpenAI's ViT-B/32 from the Hub's cache.
    workers: score at the same time; only the seconds depend on them.

    Returns {"pairs", "scored", "pack", "preset", "seed", "rows", "stages", "details", "failures", "notices",
    "published"}.  Rows are all pairs, each kind (see `Pair`), those whose heads differ by less and by more than
    ``YAW`` degrees, and "own hair": the face with the hair of its own photo, which was moved
    (:mod:`.moved_photo`), so that the photo should come back.  Columns, of pictures at 512 px:

    - fid: between the results and all photos that were used; without the Inception network null, and
      fid_perceptual uses the pack's perceptual net (comparable between rows, not with published figures).
      fid_clip: with CLIP's image features.
    - psnr (dB), ssim: of the result with the photo, where neither shows hair; of "own hair" everywhere.
    - clip_i: cosine of CLIP's image features of result and hair photo, everything but the hair being grey.
    - identity: cosine of the pack's network with the photo.  seconds: of a pair; photos that appeared before are
      faster.

    "stages" are the mean seconds of each stage of all pairs.  A column that cannot be had is null, and a notice says
    why.  A pair that fails is reported in "failures" and left out.  Raises BadRequest where there are no pairs,
    NothingScored where all failed.
    """
    if limit is not None and limit < 1:
        raise BadRequest(f"{limit} pairs cannot be scored.", "Give at least one.")
    wanted = listed(Path(listing), Path(folder)) if listing else neighbours(pictures_in(folder))
    return _pairs(pack, wanted[:limit], preset, seed, sheet, (extractor, clip), workers)


def _pairs(
    pack: PackLike,
    wanted: Sequence[Pair],
    preset: str,
    seed: int,
    sheet: str | Path | None,
    chosen: tuple[frechet.Extractor | None, Clip | None],
    workers: Workers,
) -> Steps[dict[str, Any]]:
    notices: list[str] = []
    judges = Judges.of(pack, *chosen, notices)
    for notice in notices:
        yield Step("pair", 0, len(wanted), notice=notice)
    faces = [pair.face for pair in wanted]
    items = [(pair, faces.index(pair.face) == number) for number, pair in enumerate(wanted)]
    done: dict[int, _Made] = {}
    failed: dict[int, str] = {}

    def told(outcome: Outcome) -> Step:
        if outcome.error is None:
            done[outcome.index] = outcome.value
            if sheet is not None:
                save_sheet(sheet, [done[index].shown for index in sorted(done)], 256)
        why = outcome.value.failure if outcome.error is None else str(outcome.error)
        if why:
            failed[outcome.index] = why
        notice = f"{wanted[outcome.index].name}: {why}" if why else ""
        return Step("pair", len(done | failed), len(wanted), notice=notice)

    with tempfile.TemporaryDirectory() as folder:
        own = judges if workers.alone else None  # they cannot be pickled
        scorer = partial(_Scorer, judges=own, chosen=chosen, preset=preset, seed=seed, cache=CodeCache(folder))
        yield from scored(pack, scorer, items, workers, told)
    failures = [{"pair": wanted[index].name, "why": failed[index]} for index in sorted(failed)]
    check_scored(done, len(wanted), "pairs", failures)
    made = [done[index] for index in sorted(done)]
    results = [one for each in made for one in (each.transfer, each.own) if one is not None]
    real = {path: features for each in made for path, features in each.real.items()}
    stages = [each.transfer.stages for each in made]
    return {
        "pairs": len(wanted),
        "scored": len(made),
        "pack": pack.name,
        "preset": preset,
        "seed": seed,
        "rows": {name: _row(members, real, judges) for name, members in _groups(results).items()},
        "stages": means(stages, list(dict.fromkeys(stage for by in stages for stage in by))),
        "details": [{"pair": one.name, "kind": one.kind, "yaw": one.yaw} | one.scores for one in results],
        "failures": failures,
        "notices": notices,
        "published": PUBLISHED,
    }


@dataclass(frozen=True, eq=False)
class _Scored:
    """A transfer.  yaw: degrees between the heads, None where MediaPipe saw no face.  features: by column."""

    name: str
    kind: str
    picture: np.ndarray
    scores: dict[str, float | None]
    stages: dict[str, float]
    features: dict[str, Tensor]
    yaw: float | None = None


def _groups(scored: Sequence[_Scored]) -> dict[str, list[_Scored]]:
    """Transfers by row; rows without any are left out."""
    done = [one for one in scored if one.kind != OWN]
    near = [one for one in done if one.yaw is not None and one.yaw < YAW]
    far = [one for one in done if one.yaw is not None and one.yaw >= YAW]
    kinds = {kind: [one for one in done if one.kind == kind] for kind in ("both", "full", "shape", "color")}
    own = [one for one in scored if one.kind == OWN]
    rows = {"all": done, **kinds, f"yaw < {YAW:g}": near, f"yaw >= {YAW:g}": far, OWN: own}
    return {name: members for name, members in rows.items() if members}


def _row(members: Sequence[_Scored], real: Mapping[Path, Mapping[str, Tensor]], judges: Judges) -> dict[str, Any]:
    distances = {"fid": None, "fid_clip": None}
    for column in judges.columns:
        photos = torch.cat([features[column] for features in real.values()])
        distances[column] = frechet.distance(photos, torch.cat([one.features[column] for one in members]))
    return {"pairs": len(members)} | distances | means([one.scores for one in members], COLUMNS)


# ---------------------------------------------------------------- a pair


@dataclass(frozen=True, eq=False)
class _Made:
    """A pair.  own: its face with the hair of its own photo; None where it was not asked for, or failed with
    ``failure``.  real: features of its photos.  shown: for the contact sheet."""

    transfer: _Scored
    own: _Scored | None
    failure: str
    real: dict[Path, dict[str, Tensor]]
    shown: dict[str, np.ndarray]


class _Scorer:
    """Scores a pair, and the face's own hair where that is asked for.  judges, or else those of what was chosen:
    extractor and CLIP.  cache: of the whole evaluation."""

    def __init__(
        self, pack: PackLike, judges: Judges | None, chosen: tuple, preset: str, seed: int, cache: CodeCache
    ) -> None:
        self.studio, self.preset, self.seed = Studio(pack, cache), preset, seed
        self.judges = judges or Judges.of(pack, *chosen, notices=[])
        self._photo = lru_cache(maxsize=32)(self._read)

    def __call__(self, item: tuple[Pair, bool]) -> Steps[_Made]:
        pair, with_own = item
        made, own, failure = (yield from self._transfer(pair)), None, ""
        if with_own:
            try:
                own = yield from self._own_hair(pair.face)
            except BarbershopError as error:
                failure = str(error)
        real = {path: self._photo(path)[2] for path in (pair.face, pair.shape, pair.color) if path}
        shown = {"face": self._photo(pair.face)[1].picture, "result": made.picture}
        return _Made(made, own, failure, real, shown)

    def _read(self, path: Path) -> tuple[Portrait, Look, dict[str, Tensor]]:
        portrait = self.studio.read(path)
        seen = look(self.studio.pack, full(self.studio, portrait))
        return portrait, seen, self.judges.see(seen.picture)

    def _transfer(self, pair: Pair) -> Steps[_Scored]:
        face, before, _ = self._photo(pair.face)
        shape, color = (self._photo(path) if path else (None, None) for path in (pair.shape, pair.color))
        options = {"preset": self.preset, "paste": False}
        result = yield from self.studio.transfer(face, hair_shape=shape[0], hair_color=color[0], **options)
        after, hair = look(self.studio.pack, np.asarray(result.image)), shape[1] or color[1]
        kept = ~(before.mask("hair") | after.mask("hair"))
        turned = None if None in (before.yaw, hair.yaw) else abs(before.yaw - hair.yaw)
        return _score(self.judges, (pair.name, pair.kind), result, (before, after, hair), kept, turned)

    def _own_hair(self, path: Path) -> Steps[_Scored]:
        face, before, _ = self._photo(path)
        pixels, _ = moved_photo(face, np.random.default_rng([self.seed, zlib.crc32(path.name.encode())]))
        reference = self.studio.read(pixels)
        options = {"preset": self.preset, "paste": False}
        result = yield from self.studio.transfer(face, hair_shape=reference, hair_color=reference, **options)
        after = look(self.studio.pack, np.asarray(result.image))
        return _score(self.judges, (path.name, OWN), result, (before, after, before))


def _score(
    judges: Judges,
    named: tuple[str, str],
    result: Result,
    seen: tuple[Look, Look, Look],
    where: np.ndarray | None = None,
    yaw: float | None = None,
) -> _Scored:
    """Judge a result.  named: the pair and its kind.  seen: photo, result and hair.  where: see `similarity`."""
    before, after, hair = seen
    stages = dict(result.scores["seconds"])
    scores = {
        **similarity(after.picture, before.picture, where),
        "clip_i": judges.clip_i(after, hair),
        "identity": same_person(before, after),
        "seconds": stages.pop("total"),
    }
    return _Scored(*named, after.picture, scores, stages, judges.see(after.picture), yaw)
