"""Tables: hair transfer against rendered truth, and the article's table of reconstructions.

>>> table = run(evaluate.hair(open_pack("studio"), pairs=50, seed=0))
>>> table["rows"]["ours"]["hair_iou"]

Peers can only compare reconstructions; in the portrait world the edit itself has a right answer.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..barbershop.transfer_presets import TransferPreset, transfer_preset
from ..editing.regions import parse, region_index
from ..errors import BadRequest, BarbershopError
from ..networks.arcface import identity_embedding
from ..photo import Portrait, paste_back
from ..progress import Step, Steps
from ..stages import StageTimer
from ..studio import Studio
from . import baselines, frechet, metrics
from .triples import Triple, contact_sheet, png, triples

HAIR_COLUMNS = ("hair_iou", "hair_de2000", "face_psnr", "lpips", "identity", "seconds")
RECONSTRUCTION_COLUMNS = ("rmse", "psnr", "ssim", "vgg", "lpips", "seconds")
SPACES = ("W", "W+", "FS")
PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif")
SHEET_ROWS = 12


class NothingScored(BarbershopError):
    """Not one picture of an evaluation could be used."""


# ---------------------------------------------------------------------------------------- transfer


def hair(
    studio,
    pairs: int = 50,
    seed: int = 0,
    preset: str | TransferPreset = "fast",
    sheet: str | Path | None = None,
) -> Steps[dict[str, Any]]:
    """Score transfers on held-out triples of the portrait world against their rendered truth.

    studio: a Studio or an open pack; codes are never taken from its cache, so that times are true.
    pairs, seed: how many triples, and which (see `evaluation.triples`).  sheet: a PNG of the first dozen.

    Returns {"pairs", "seed", "pack", "preset", "scored", "rows", "ceiling", "details", "failures"}; rows
    "ours", "w_plus" and "paste" (`evaluation.baselines`) hold means over the triples that all three could
    do; "ceiling" is what the truth itself scores, so how far parser and identity net can be trusted:

    - hair_iou: of the hair in the result's parse with the hair in the truth's label map, 0..1.
    - hair_de2000: CIEDE2000 of the mean Lab colours over the pixels that are hair in both.
    - face_psnr: dB over the pixels where the truth shows skin, brows, eyes, glasses, nose or mouth.
    - lpips: the pack's perceptual distance to the truth.  identity: cosine with the person, -1..1.
    - seconds: of the whole transfer, nothing known beforehand.

    Raises BadRequest for bad arguments, NothingScored where every triple failed.
    """
    pack = getattr(studio, "pack", studio)
    return _hair(
        Studio(pack, cache=False),
        pairs,
        seed,
        transfer_preset(preset),
        triples(pairs, seed, pack.working_size),
        sheet,
    )


def _hair(
    studio: Studio, pairs: int, seed: int, preset: TransferPreset, drawn, sheet
) -> Steps[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    failures: list[dict[str, Any]] = []
    shown: list[dict[str, np.ndarray]] = []
    for number, triple in enumerate(drawn, 1):
        try:
            made, seconds = yield from _edit(studio, triple, preset)
            scores = {row: _score(studio, triple, made[row]) | {"seconds": seconds[row]} for row in made}
            scores["ceiling"] = _score(studio, triple, triple.truth.image) | {"seconds": None}
        except BarbershopError as error:
            failures.append({"pair": number - 1, "why": str(error)})
            yield Step("pair", number, pairs, notice=f"Pair {number} failed: {error}")
            continue
        details.append({"pair": number - 1, **scores})
        if sheet is not None and len(shown) < SHEET_ROWS:
            pictures = {
                "face": triple.face,
                "hair shape": triple.shape,
                "hair colour": triple.colour,
                "truth": triple.truth,
            }
            shown.append({name: rendering.image for name, rendering in pictures.items()} | made)
            Image.fromarray(contact_sheet(shown)).save(sheet)
        known = {name: value for name, value in scores["ours"].items() if value is not None}
        yield Step("pair", number, pairs, known, lambda image=made["ours"]: image)
    if not details:
        raise NothingScored(f"None of the {pairs} pairs could be scored: {failures[0]['why']}")
    rows = {row: _means([d[row] for d in details], HAIR_COLUMNS) for row in ("ours", "w_plus", "paste")}
    return {
        "pairs": pairs,
        "seed": seed,
        "pack": studio.pack.name,
        "preset": preset.name,
        "scored": len(details),
        "rows": rows,
        "ceiling": _means([d["ceiling"] for d in details], HAIR_COLUMNS),
        "details": details,
        "failures": failures,
    }


def _edit(studio: Studio, triple: Triple, preset) -> Steps[tuple[dict[str, np.ndarray], dict[str, float]]]:
    """Every row's picture in the frame of the person's file, uint8 [R,R,3], and its seconds."""
    face, shape, colour = (studio.read(png(r.image)) for r in (triple.face, triple.shape, triple.colour))
    made, seconds = {}, {}
    watch = StageTimer()
    result = yield from watch(studio.transfer(face=face, hair_shape=shape, hair_color=colour, preset=preset))
    made["ours"], seconds["ours"] = np.asarray(result.pasted), watch.seconds["total"]
    watch = StageTimer()
    image = yield from watch(baselines.w_plus(studio, face, shape, colour, preset))
    made["w_plus"], seconds["w_plus"] = _back(face, image), watch.seconds["total"]
    began = time.perf_counter()
    made["paste"] = _back(face, baselines.paste(studio, face, shape, colour))
    seconds["paste"] = time.perf_counter() - began
    return made, seconds


def _back(portrait: Portrait, image: np.ndarray) -> np.ndarray:
    """A whole crop in its photo; as it is where the crop is the photo."""
    if portrait.source.shape == image.shape and np.array_equal(portrait.source, portrait.at(len(image))):
        return image
    return paste_back(portrait, image, np.ones(image.shape[:2], np.float32))


@torch.no_grad()
def _score(studio: Studio, triple: Triple, image: np.ndarray) -> dict[str, float | None]:
    pack, truth = studio.pack, triple.truth.image
    ours, right, person = (_tensor(picture, pack.device) for picture in (image, truth, triple.face.image))
    found = parse(pack.parser, ours)[0].cpu().numpy() == region_index("hair")
    a, b = (identity_embedding(pack.identity, picture) for picture in (person, ours))
    return {
        "hair_iou": metrics.iou(found, triple.hair),
        "hair_de2000": metrics.colour_difference(image, found, truth, triple.hair),
        "face_psnr": metrics.masked_psnr(image, truth, triple.face_area),
        "lpips": float(pack.perceptual.lpips(ours, right)),
        "identity": float((a * b).sum()),
    }


# ---------------------------------------------------------------------------------------- reconstruction


def reconstruction(
    studio,
    folder: str | Path,
    preset: str | TransferPreset = "fast",
    seed: int = 0,
    limit: int | None = None,
    spaces: Sequence[str] = SPACES,
    extractor: frechet.Extractor | None = None,
) -> Steps[dict[str, Any]]:
    """The article's table: how well the photos of a folder come back from their codes.

    studio: a Studio or an open pack (its cache is not used).  folder: photos, taken in order of name, at
    most ``limit``.  seed: kept in the table; nothing is drawn at random.  extractor: a network of one's
    own for the Frechet distance (column fid_custom), instead of the published Inception.

    Returns {"photos", "scored", "pack", "preset", "seed", "size", "rows", "failures", "notices"}; rows are
    the latent spaces, columns the means over the photos at the pack's working size of

    - rmse (pixels 0..1), psnr (dB), ssim, lpips (the pack's perceptual distance), seconds;
    - vgg: |f(made) - f(photo)| / |f(photo)| of the perceptual net's features, mean of its five blocks;
    - fid, and where the Inception network is not to be had: fid null, and fid_perceptual through the
      pack's perceptual net (of no use beside published figures, but one row may be held against another).

    A photo that fails is reported and left out.  Raises BadRequest where the folder holds no photos,
    NothingScored where all of them failed.
    """
    folder = Path(folder)
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not files:
        raise BadRequest(f"There are no photos in {folder}.", "Give a folder that holds JPEG or PNG files.")
    studio = Studio(getattr(studio, "pack", studio), cache=False)
    return _reconstruction(studio, files[:limit], transfer_preset(preset), seed, spaces, extractor)


def _reconstruction(studio: Studio, files, preset, seed, spaces, extractor) -> Steps[dict[str, Any]]:
    notices: list[str] = []
    failures: list[dict[str, str]] = []
    found: dict[str, list[dict[str, float]]] = {space: [] for space in spaces}
    features: dict[str, list[torch.Tensor]] = {name: [] for name in ("photo", *spaces)}
    column = "fid" if extractor is None else "fid_custom"
    if extractor is None:
        extractor, why = frechet.inception()
        if extractor is None:
            notices.append(why)
            yield Step("photo", 0, len(files), notice=why)
            extractor, column = frechet.perceptual_extractor(studio.pack.perceptual), "fid_perceptual"
    for number, file in enumerate(files, 1):
        try:
            portrait = studio.read(file)
            target = portrait.at(studio.pack.working_size)
            scored, seen = {}, {"photo": extractor(_planes(target))}
            for space in spaces:
                watch = StageTimer()
                code = yield from watch(studio.invert(portrait, space, preset))
                image = studio.render(code)
                scored[space] = _compare(studio.pack, image, target) | {"seconds": watch.seconds["total"]}
                seen[space] = extractor(_planes(image))
        except BarbershopError as error:
            failures.append({"photo": file.name, "why": str(error)})
            yield Step("photo", number, len(files), notice=f"{file.name}: {error}")
            continue
        for name, value in seen.items():
            features[name].append(value)
        for space, value in scored.items():
            found[space].append(value)
        last = scored[spaces[-1]]
        yield Step("photo", number, len(files), {k: last[k] for k in ("psnr", "lpips")}, lambda i=image: i)
    if not features["photo"]:
        raise NothingScored(f"None of the {len(files)} photos could be scored: {failures[0]['why']}")
    rows = {}
    for space in spaces:
        rows[space] = _means(found[space], RECONSTRUCTION_COLUMNS) | {"fid": None}
        rows[space][column] = frechet.distance(torch.cat(features["photo"]), torch.cat(features[space]))
    if len(features["photo"]) < 2:
        notices.append("A Frechet distance needs two photos at least.")
    return {
        "photos": len(files),
        "scored": len(features["photo"]),
        "pack": studio.pack.name,
        "preset": preset.name,
        "seed": seed,
        "size": studio.pack.working_size,
        "rows": rows,
        "failures": failures,
        "notices": notices,
    }


@torch.no_grad()
def _compare(pack, image: np.ndarray, target: np.ndarray) -> dict[str, float]:
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    a, b = (_planes(picture).float() / 255 for picture in (image, target))
    ours, right = (_tensor(picture, pack.device) for picture in (image, target))
    blocks = zip(pack.perceptual.features(ours), pack.perceptual.features(right))
    vgg = [float((f - g).norm() / g.norm().clamp_min(1e-6)) for f, g in blocks]
    return {
        "rmse": float((a - b).square().mean().sqrt()),
        "psnr": float(peak_signal_noise_ratio(a, b, data_range=1.0).clamp(max=100)),
        "ssim": float(structural_similarity_index_measure(a, b, data_range=1.0)),
        "vgg": float(np.mean(vgg)),
        "lpips": float(pack.perceptual.lpips(ours, right)),
    }


# ---------------------------------------------------------------------------------------- both


def _means(scores: Sequence[Mapping[str, float | None]], columns: Sequence[str]) -> dict[str, float | None]:
    """Means of the known values of each column; ``None`` where none is known."""
    means = {}
    for name in columns:
        known = [score[name] for score in scores if score[name] is not None]
        means[name] = round(float(np.mean(known)), 4) if known else None
    return means


def _planes(picture: np.ndarray) -> torch.Tensor:
    """uint8 [H,W,3] -> uint8 [1,3,H,W]."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def _tensor(picture: np.ndarray, device: torch.device) -> torch.Tensor:
    """uint8 [H,W,3] -> float [1,3,H,W] in [-1,1]."""
    return _planes(picture).to(device).float() / 127.5 - 1
