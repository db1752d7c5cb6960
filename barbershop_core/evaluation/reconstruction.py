"""The paper's table of reconstructions: how well photos come back from their codes (Barbershop, table 1).

>>> table = run(reconstruction(open_pack("studio"), "photos"))
>>> table["rows"]["FS"]["psnr"]
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BarbershopError
from ..inversion.inversion_presets import InversionPreset, inversion_preset
from ..photo.folder import pictures_in
from ..photo.pixels import from_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from ..studio import Studio
from . import frechet
from .tables import check_scored, means

COLUMNS = ("rmse", "psnr", "ssim", "vgg", "lpips", "seconds")
SPACES = ("W", "W+", "FS")


def reconstruction(
    pack: PackLike,
    folder: str | Path,
    preset: str | InversionPreset = "fast",
    seed: int = 0,
    limit: int | None = None,
    spaces: Sequence[str] = SPACES,
    extractor: frechet.Extractor | None = None,
) -> Steps[dict[str, Any]]:
    """Invert the photos of a folder into each latent space and compare what comes back.

    folder: photos, taken in order of name, at most ``limit``.  seed: recorded in the table; nothing is drawn
    at random.  extractor: features for the Frechet distance (column fid_custom) instead of those of the
    published Inception.  No cache is used.

    Returns {"photos", "scored", "pack", "preset", "seed", "size", "rows", "failures", "notices"}; rows are
    the latent spaces, columns the means over the photos at the pack's working size of

    - rmse (pixels 0..1), psnr (dB), ssim, lpips (the pack's perceptual distance), seconds;
    - vgg: |f(made) - f(photo)| / |f(photo)| of the perceptual net's features, mean of its five blocks;
    - fid; where the Inception network is not available, fid is null and fid_perceptual uses the pack's
      perceptual net instead (comparable between rows, not with published figures).

    A photo that fails is reported in "failures" and left out.  Raises BadRequest where the folder holds no
    photos, NothingScored where all of them failed.
    """
    files = pictures_in(folder)
    studio = Studio(pack, cache=False)
    return _reconstruction(studio, files[:limit], inversion_preset(preset), seed, spaces, extractor)


def _reconstruction(
    studio: Studio,
    files: Sequence[Path],
    preset: InversionPreset,
    seed: int,
    spaces: Sequence[str],
    extractor: frechet.Extractor | None,
) -> Steps[dict[str, Any]]:
    notices: list[str] = []
    failures: list[dict[str, str]] = []
    found: dict[str, list[dict[str, float]]] = {space: [] for space in spaces}
    features: dict[str, list[Tensor]] = {name: [] for name in ("photo", *spaces)}
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
            scored, seen = {}, {"photo": extractor(planes(target))}
            for space in spaces:
                watch = StageTimer()
                code = yield from watch(studio.invert(portrait, space, preset))
                image = studio.render(code)
                scored[space] = _compare(studio.pack, image, target) | {"seconds": watch.seconds["total"]}
                seen[space] = extractor(planes(image))
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
    check_scored(features["photo"], len(files), "photos", failures)
    rows = {}
    for space in spaces:
        rows[space] = means(found[space], COLUMNS) | {"fid": None}
        rows[space][column] = frechet.distance(torch.cat(features["photo"]), torch.cat(features[space]))
    if len(features["photo"]) < 2:
        notices.append("A Frechet distance needs at least two photos.")
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


def similarity(image: np.ndarray, target: np.ndarray, where: np.ndarray | None = None) -> dict[str, float | None]:
    """ "psnr" (dB, at most 100) and "ssim" of two pictures, uint8 [H,W,3].

    where: bool [H,W], the pixels that count; None for all.  None where there are none.
    """
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

    a, b = (planes(picture).float() / 255 for picture in (image, target))
    if where is None:
        psnr = peak_signal_noise_ratio(a, b, data_range=1.0)
        ssim = structural_similarity_index_measure(a, b, data_range=1.0)
    elif where.any():
        inside = torch.from_numpy(where)
        psnr = peak_signal_noise_ratio(a[..., inside], b[..., inside], data_range=1.0)
        _, local = structural_similarity_index_measure(a, b, data_range=1.0, return_full_image=True)
        ssim = local[..., inside].mean()
    else:
        return {"psnr": None, "ssim": None}
    return {"psnr": float(psnr.clamp(max=100)), "ssim": float(ssim)}


@torch.no_grad()
def _compare(pack: PackLike, image: np.ndarray, target: np.ndarray) -> dict[str, float]:
    a, b = (planes(picture).float() / 255 for picture in (image, target))
    ours, right = (from_uint8(picture, pack.device) for picture in (image, target))
    blocks = zip(pack.perceptual.features(ours), pack.perceptual.features(right))
    vgg = [float((f - g).norm() / g.norm().clamp_min(1e-6)) for f, g in blocks]
    return {
        "rmse": float((a - b).square().mean().sqrt()),
        **similarity(image, target),
        "vgg": float(np.mean(vgg)),
        "lpips": float(pack.perceptual.lpips(ours, right)),
    }


def planes(picture: np.ndarray) -> Tensor:
    """uint8 [H,W,3] -> uint8 [1,3,H,W]."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
