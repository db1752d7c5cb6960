"""Transfers of hair between photographs, in the papers' figures: FID, FID_CLIP, PSNR, SSIM, CLIP-I, identity.

>>> table = run(pairs(open_pack("ffhq"), "portraits", "pairs.csv"))
>>> table["rows"]["all"]["fid"], table["stages"]["blend"]
"""

from __future__ import annotations

import csv
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

from .. import networks
from ..editing.result import Result
from ..errors import BadRequest, BarbershopError
from ..inversion.cache import CodeCache
from ..networks.clip import Clip
from ..networks.resample import resize
from ..options import PRESET, SEED
from ..photo import Portrait
from ..photo.folder import pictures_in
from ..photo.pixels import from_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..studio import Studio
from ..weights import local
from ..weights.manifest import read_manifest
from . import frechet
from .looks import Look, look, same_person
from .moved_photo import moved_photo
from .photo_rows import full
from .published import PUBLISHED
from .reconstruction import planes, similarity
from .tables import NothingScored, contact_sheet, means

YAW = 15.0
"""Degrees between the heads of face and shape from which on a pair is counted as difficult (as H-Adapter does)."""
COLUMNS = ("psnr", "ssim", "clip_i", "identity", "seconds")
OWN = "own hair"
GREY = 127
HEADER = "Give a file with the columns face, shape, color."
NO_CLIP = (
    "FID_CLIP and CLIP-I need CLIP ViT-B/32 of OpenAI; 'python -m barbershop_core download --pack ffhq --also clip' "
    "fetches it."
)


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
    wanted = _listed(Path(listing), Path(folder)) if listing else _neighbours(pictures_in(folder))
    return _pairs(pack, wanted[:limit], preset, seed, sheet, extractor, clip)


def _neighbours(files: Sequence[Path]) -> list[Pair]:
    if len(files) < 2:
        raise BadRequest("One photo alone makes no pair.", "Give a folder with two portraits.")
    return [Pair(face, hair, hair) for face, hair in zip(files, (*files[1:], files[0]))]


def _listed(listing: Path, folder: Path) -> list[Pair]:
    try:
        with listing.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(
            f"{listing} cannot be read as CSV.", "Give a file with the columns face, shape, color."
        ) from error
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


# ---------------------------------------------------------------- judges


def openai_clip(device: torch.device) -> tuple[Clip | None, str]:
    """CLIP ViT-B/32 where it is on this machine, or None and a sentence that says how to get it."""
    manifest = read_manifest("ffhq")
    found = local.locate(manifest.networks["clip"], manifest.folder, discard=False)
    if found is None:
        return None, NO_CLIP
    return networks.load("clip", found.path).to(device), ""


@dataclass
class _Judges:
    """Networks that see whole pictures.  columns: of the table, by name; a picture -> features [1,D] on the CPU."""

    columns: Mapping[str, Callable[[np.ndarray], Tensor]]
    clip: Clip | None

    @classmethod
    def of(cls, pack: PackLike, extractor: frechet.Extractor | None, clip: Clip | None, notices: list[str]) -> _Judges:
        name = "fid" if extractor is None else "fid_custom"
        if extractor is None:
            extractor, why = frechet.inception()
            if extractor is None:
                notices.append(why)
                extractor, name = frechet.perceptual_extractor(pack.perceptual), "fid_perceptual"
        if clip is None:
            clip, why = openai_clip(pack.device)
            notices += [why] if why else []
        chosen = extractor
        columns: dict[str, Callable[[np.ndarray], Tensor]] = {name: lambda picture: chosen(planes(picture)).cpu()}
        if clip is not None:
            columns["fid_clip"] = lambda picture: clip_features(clip, picture)
        return cls(columns, clip)

    def see(self, picture: np.ndarray) -> dict[str, Tensor]:
        return {name: extract(picture) for name, extract in self.columns.items()}

    def clip_i(self, result: Look, hair: Look) -> float | None:
        """Cosine of CLIP's features of the hair in two pictures; None without CLIP or hair."""
        if self.clip is None or not (result.mask("hair").any() and hair.mask("hair").any()):
            return None
        shown = [np.where(seen.mask("hair")[..., None], seen.picture, np.uint8(GREY)) for seen in (result, hair)]
        one, two = (clip_features(self.clip, picture) for picture in shown)
        return float(torch.cosine_similarity(one, two))


@torch.no_grad()
def clip_features(clip: Clip, picture: np.ndarray) -> Tensor:
    """CLIP's image features, not normalized: uint8 [H,W,3] -> [1,E] on the CPU."""
    image = resize(from_uint8(picture, clip.mean.device), clip.size)
    return clip.encode_image(((image + 1) / 2 - clip.mean) / clip.std).float().cpu()


# ---------------------------------------------------------------- the table


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
    judges = _Judges.of(pack, extractor, clip, notices)
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
    if not done:
        raise NothingScored(f"None of the {len(wanted)} pairs could be scored: {failures[0]['why']}")
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


def _row(members: Sequence[_Scored], real: Mapping[Path, Mapping[str, Tensor]], judges: _Judges) -> dict[str, Any]:
    distances = {"fid": None, "fid_clip": None}
    for column in judges.columns:
        photos = torch.cat([features[column] for features in real.values()])
        distances[column] = frechet.distance(photos, torch.cat([one.features[column] for one in members]))
    return {"pairs": len(members)} | distances | means([one.scores for one in members], COLUMNS)


Photo = Callable[[Path], tuple[Portrait, Look]]


def _transfer(studio: Studio, judges: _Judges, pair: Pair, photo: Photo, preset: str) -> Steps[_Scored]:
    face, before = photo(pair.face)
    shape, color = ((photo(path) if path else (None, None)) for path in (pair.shape, pair.color))
    result = yield from studio.transfer(face, hair_shape=shape[0], hair_color=color[0], preset=preset, paste=False)
    after, hair = look(studio.pack, np.asarray(result.image)), shape[1] or color[1]
    kept = ~(before.mask("hair") | after.mask("hair"))
    turned = None if None in (before.yaw, hair.yaw) else abs(before.yaw - hair.yaw)
    return _score(judges, (pair.name, pair.kind), result, (before, after, hair), kept, turned)


def _own_hair(studio: Studio, judges: _Judges, path: Path, photo: Photo, preset: str, seed: int) -> Steps[_Scored]:
    face, before = photo(path)
    pixels, _ = moved_photo(face, np.random.default_rng([seed, zlib.crc32(path.name.encode())]))
    reference = studio.read(pixels)
    result = yield from studio.transfer(face, hair_shape=reference, hair_color=reference, preset=preset, paste=False)
    after = look(studio.pack, np.asarray(result.image))
    return _score(judges, (path.name, OWN), result, (before, after, before))


def _score(
    judges: _Judges,
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
