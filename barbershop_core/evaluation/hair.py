"""Hair transfer scored against rendered truth: in the portrait world an edit has a right answer.

>>> table = run(hair(open_pack("studio"), pairs=50, seed=0))
>>> table["rows"]["ours"]["hair_iou"]
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..barbershop.transfer_presets import TransferPreset, transfer_preset
from ..editing.regions import parse, region_index
from ..networks.arcface import identity_embedding
from ..photo import Portrait, paste_back
from ..photo.pixels import from_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from ..studio import Studio
from ..workers import Outcome
from . import baselines, metrics
from .scoring import ALONE, Workers, scored
from .tables import check_scored, means, save_sheet
from .triples import Triple, triples

COLUMNS = ("hair_iou", "hair_de2000", "face_psnr", "lpips", "identity", "seconds")
SHEET_ROWS = 12


def hair(
    pack: PackLike,
    pairs: int = 50,
    seed: int = 0,
    preset: str | TransferPreset = "fast",
    sheet: str | Path | None = None,
    workers: Workers = ALONE,
) -> Steps[dict[str, Any]]:
    """Score transfers on held-out triples of the portrait world against their rendered truth.

    pairs, seed: how many triples, and which (see `evaluation.triples`).  sheet: path for a PNG of the first
    dozen.  workers: score at the same time; only the seconds depend on them.  No cache is used, so that times are
    those of new photos.

    Returns {"pairs", "seed", "pack", "preset", "scored", "rows", "ceiling", "details", "failures"}; rows
    "ours", "w_plus" and "paste" (`evaluation.baselines`) hold means over the triples that all three could
    do; "ceiling" is what the truth itself scores: how far parser and identity net can be trusted.

    - hair_iou: of the hair in the result's parse with the hair in the truth's label map, 0..1.
    - hair_de2000: CIEDE2000 of the mean Lab colours over the pixels that are hair in both.
    - face_psnr: dB over the pixels where the truth shows skin, brows, eyes, glasses, nose or mouth.
    - lpips: the pack's perceptual distance to the truth.  identity: cosine with the person, -1..1.
    - seconds: of the whole transfer, inversions included.

    Raises BadRequest for bad arguments, NothingScored where every triple failed.
    """
    numbers, drawn = transfer_preset(preset), triples(pairs, seed, pack.working_size)
    return _hair(pack, pairs, seed, numbers, drawn, sheet, workers)


@dataclass(frozen=True, eq=False)
class _Scored:
    """A triple.  scores: by row.  pictures: for the contact sheet, by column, uint8 [R,R,3]."""

    scores: dict[str, dict[str, float | None]]
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Scorer:
    pack: PackLike
    preset: TransferPreset

    def __call__(self, triple: Triple) -> Steps[_Scored]:
        studio = Studio(self.pack, cache=False)
        made, seconds = yield from _edit(studio, triple, self.preset)
        scores = {row: _score(studio, triple, made[row]) | {"seconds": seconds[row]} for row in made}
        scores["ceiling"] = _score(studio, triple, triple.truth.image) | {"seconds": None}
        shown = {"face": triple.face, "hair shape": triple.shape, "hair colour": triple.colour, "truth": triple.truth}
        return _Scored(scores, {name: rendering.image for name, rendering in shown.items()} | made)


def _hair(
    pack: PackLike,
    pairs: int,
    seed: int,
    preset: TransferPreset,
    drawn: Iterable[Triple],
    sheet: str | Path | None,
    workers: Workers,
) -> Steps[dict[str, Any]]:
    done: dict[int, _Scored] = {}
    failures: list[dict[str, Any]] = []

    def told(outcome: Outcome) -> Step:
        number = len(done) + len(failures) + 1
        if outcome.error is not None:
            failures.append({"pair": outcome.index, "why": str(outcome.error)})
            return Step("pair", number, pairs, notice=f"Pair {outcome.index + 1} failed: {outcome.error}")
        one = done[outcome.index] = outcome.value
        if sheet is not None:
            save_sheet(sheet, [done[index].pictures for index in sorted(done)[:SHEET_ROWS]])
        known = {name: value for name, value in one.scores["ours"].items() if value is not None}
        return Step("pair", number, pairs, known, lambda: one.pictures["ours"])

    yield from scored(pack, partial(_Scorer, preset=preset), drawn, workers, told)
    failures.sort(key=lambda failure: failure["pair"])
    details = [{"pair": index} | done[index].scores for index in sorted(done)]
    check_scored(details, pairs, "pairs", failures)
    rows = {row: means([d[row] for d in details], COLUMNS) for row in ("ours", "w_plus", "paste")}
    return {
        "pairs": pairs,
        "seed": seed,
        "pack": pack.name,
        "preset": preset.name,
        "scored": len(details),
        "rows": rows,
        "ceiling": means([d["ceiling"] for d in details], COLUMNS),
        "details": details,
        "failures": failures,
    }


def _edit(
    studio: Studio, triple: Triple, preset: TransferPreset
) -> Steps[tuple[dict[str, np.ndarray], dict[str, float]]]:
    """Each row's picture in the frame of the person's photo, uint8 [R,R,3], and its seconds."""
    face, shape, colour = (studio.read(r.image) for r in (triple.face, triple.shape, triple.colour))
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
    """A whole crop pasted into its photo; the crop itself where it is the photo."""
    if portrait.source.shape == image.shape and np.array_equal(portrait.source, portrait.at(len(image))):
        return image
    return paste_back(portrait, image, np.ones(image.shape[:2], np.float32))


@torch.no_grad()
def _score(studio: Studio, triple: Triple, image: np.ndarray) -> dict[str, float | None]:
    pack, truth = studio.pack, triple.truth.image
    ours, right, person = (from_uint8(picture, pack.device) for picture in (image, truth, triple.face.image))
    found = parse(pack.parser, ours)[0].cpu().numpy() == region_index("hair")
    a, b = (identity_embedding(pack.identity, picture) for picture in (person, ours))
    return {
        "hair_iou": metrics.iou(found, triple.hair),
        "hair_de2000": metrics.colour_difference(image, found, truth, triple.hair),
        "face_psnr": metrics.masked_psnr(image, truth, triple.face_area),
        "lpips": float(pack.perceptual.lpips(ours, right)),
        "identity": float((a * b).sum()),
    }
