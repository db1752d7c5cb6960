"""Transfers of hair between photographs, in the papers' figures: FID, FID_CLIP, PSNR, SSIM, CLIP-I, identity.

>>> table = run(pairs(open_pack("ffhq"), "portraits", "pairs.csv"))
>>> table["rows"]["all"]["fid"], table["stages"]["blend"]
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
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
from . import frechet
from .judges import Judges
from .looks import Look, look, same_person
from .moved_photo import moved_photo
from .pair_listing import Pair, listed, neighbours
from .photo_rows import full
from .published import PUBLISHED
from .reconstruction import similarity
from .tables import check_scored, contact_sheet, means

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
) -> Steps[dict[str, Any]]:
    """Transfer hair between the photos of a folder.

    listing: CSV with the columns face, shape and color, names of photos in the folder, of which shape or color may
    be empty; by default each photo gets the hair of the next.  limit: at most so many pairs.  seed: of the moved
    photos.  sheet: path for a PNG of all results.  extractor: features for the Frechet distance (column fid_custom)
    instead of those of the published Inception.  clip: instead of OpenAI's ViT-B/32 from the Hub's cache.

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
    return _pairs(pack, wanted[:limit], preset, seed, sheet, extractor, clip)


def _pairs(
    pack: PackLike,
    wanted: Sequence[Pair],
    preset: str,
    seed: int,
    sheet: str | Path | None,
    extractor: frechet.Extractor | None,
    clip: Clip | None,
) -> Steps[dict[str, Any]]:
    notices: list[str] = []
    judges = Judges.of(pack, extractor, clip, notices)
    for notice in notices:
        yield Step("pair", 0, len(wanted), notice=notice)
    scored: list[_Scored] = []
    failures: list[dict[str, str]] = []
    real: dict[Path, dict[str, Tensor]] = {}
    shown: list[dict[str, np.ndarray]] = []
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(pack, CodeCache(folder))

        @lru_cache(maxsize=32)
        def photo(path: Path) -> tuple[Portrait, Look]:
            portrait = studio.read(path)
            seen = look(pack, full(studio, portrait))
            real.setdefault(path, judges.see(seen.picture))
            return portrait, seen

        known: set[Path] = set()
        for number, pair in enumerate(wanted, 1):
            try:
                made = yield from _transfer(studio, judges, pair, photo, preset)
                scored.append(made)
                pictures = {"face": photo(pair.face)[1].picture, "result": made.picture}
                if pair.face not in known:
                    known.add(pair.face)
                    scored.append((yield from _own_hair(studio, judges, pair.face, photo, preset, seed)))
                shown.append(pictures)
            except BarbershopError as error:
                failures.append({"pair": pair.name, "why": str(error)})
                yield Step("pair", number, len(wanted), notice=f"{pair.name}: {error}")
                continue
            if sheet is not None:
                Image.fromarray(contact_sheet(shown, 256)).save(sheet)
            yield Step("pair", number, len(wanted))
    done = [one for one in scored if one.kind != OWN]
    check_scored(done, len(wanted), "pairs", failures)
    return {
        "pairs": len(wanted),
        "scored": len(done),
        "pack": pack.name,
        "preset": preset,
        "seed": seed,
        "rows": {name: _row(members, real, judges) for name, members in _groups(scored).items()},
        "stages": means([one.stages for one in done], list(dict.fromkeys(s for one in done for s in one.stages))),
        "details": [{"pair": one.name, "kind": one.kind, "yaw": one.yaw} | one.scores for one in scored],
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


Photo = Callable[[Path], tuple[Portrait, Look]]


def _transfer(studio: Studio, judges: Judges, pair: Pair, photo: Photo, preset: str) -> Steps[_Scored]:
    face, before = photo(pair.face)
    shape, color = ((photo(path) if path else (None, None)) for path in (pair.shape, pair.color))
    result = yield from studio.transfer(face, hair_shape=shape[0], hair_color=color[0], preset=preset, paste=False)
    after, hair = look(studio.pack, np.asarray(result.image)), shape[1] or color[1]
    kept = ~(before.mask("hair") | after.mask("hair"))
    turned = None if None in (before.yaw, hair.yaw) else abs(before.yaw - hair.yaw)
    return _score(judges, (pair.name, pair.kind), result, (before, after, hair), kept, turned)


def _own_hair(studio: Studio, judges: Judges, path: Path, photo: Photo, preset: str, seed: int) -> Steps[_Scored]:
    face, before = photo(path)
    pixels, _ = moved_photo(face, np.random.default_rng([seed, zlib.crc32(path.name.encode())]))
    reference = studio.read(pixels)
    result = yield from studio.transfer(face, hair_shape=reference, hair_color=reference, preset=preset, paste=False)
    after = look(studio.pack, np.asarray(result.image))
    return _score(judges, (path.name, OWN), result, (before, after, before))


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
