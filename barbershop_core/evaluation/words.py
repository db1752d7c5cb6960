"""Edits by words on held-out portraits of the world, measured by a network that took no part in them.

An edit is right where the regressor sees the named attribute moved the asked way by a useful amount;
leakage is the mean movement of all other attributes relative to that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ..errors import BadRequest, BarbershopError
from ..inversion.cache import CodeCache
from ..inversion.inversion_presets import InversionPreset
from ..photo.pixels import from_uint8
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from ..studio import Studio
from ..styleclip import resources
from ..styleclip.options import METHOD
from ..world import params
from ..world.render import render
from .tables import check_networks, contact_sheet, means, png
from .triples import LARGEST

FIRST_SEED = 720_000
"""Training pools are drawn from seeds below 700,000 and from 900,000 on."""
USEFUL = 0.3
"""Movement that counts, of an attribute's whole range of 2."""
COLUMNS = ("right", "leak", "identity", "moved", "clip", "seconds")


@dataclass(frozen=True)
class Wish:
    """A prompt and what it asks for.

    attribute, sign: the parameter that is to move, and which way.  related: parameters that may move with it.
    absent: only portraits whose parameter, times the sign, is below this: the others show it already.
    """

    prompt: str
    neutral: str
    attribute: str
    sign: int
    related: tuple[str, ...] = ()
    absent: float = 0.2


WISHES = (
    Wish("curly hair", "hair", "curl", 1, ("wave_length", "hair_volume")),
    Wish("straight hair", "hair", "curl", -1, ("wave_length", "hair_volume"), -0.2),
    Wish("blond hair", "hair", "hair_lightness", 1, ("hair_red", "hair_grey")),
    Wish("black hair", "hair", "hair_lightness", -1, ("hair_red", "hair_grey")),
    Wish("grey hair", "hair", "hair_grey", 1, ("hair_lightness", "hair_red")),
    Wish("long hair", "hair", "hair_length", 1, ("hair_volume",)),
    Wish("short hair", "hair", "hair_length", -1, ("hair_volume",)),
    Wish("a fringe", "face", "fringe", 1, ("sweep",)),
    Wish("smiling", "face", "smile", 1, ("mouth_open", "frown")),
    Wish("serious", "face", "smile", -1, ("mouth_open", "frown")),
    Wish("beard", "face", "beard", 1),
    Wish("glasses", "face", "glasses", 1, (), 0.6),
    Wish("dark skin", "skin", "skin_tone", 1, ("skin_warmth",)),
    Wish("open mouth", "mouth", "mouth_open", 1, ("smile",)),
)
"""At least twelve, over shape, colour, expression and accessories."""


def text(
    pack: PackLike,
    portraits: int = 50,
    seed: int = 0,
    preset: str | InversionPreset = "fast",
    methods: Sequence[str] = METHOD.choices,
    prompts: Sequence[str] | None = None,
    sheet: str | Path | None = None,
) -> Steps[dict[str, Any]]:
    """Score every method on every prompt, each on ``portraits`` portraits that do not show it yet.

    prompts: only these of `WISHES`.  sheet: path for a PNG of each prompt's first portrait.
    The mappers are scored on the prompts that have one.

    Returns {"rows": {method: means}, "prompts": {prompt: {method: means}}, "portraits", "seed", "pack",
    "useful"}; means are "right" (share), "leak", "identity" (cosine), "moved" (of the attribute's range of
    2), "clip" (rise of the cosine with the prompt), "seconds" (of the edit, the portrait being embedded);
    "ceiling" holds those of the rendered right answers.
    Raises BadRequest for bad arguments and for packs without the portrait world's regressor.
    """
    if portraits < 1 or seed < 0:
        raise BadRequest(f"{portraits} portraits with seed {seed} cannot be drawn.", "Give at least one.")
    unknown = [m for m in methods if m not in METHOD.choices]
    if unknown:
        raise BadRequest(f"There is no method '{unknown[0]}'.", f"Choose among: {', '.join(METHOD.choices)}.")
    wishes = [w for w in WISHES if prompts is None or w.prompt in prompts]
    if not wishes:
        raise BadRequest(
            "None of these prompts is scored.", f"Choose among: {', '.join(w.prompt for w in WISHES)}."
        )
    check_networks(pack, "regressor")
    return _text(pack, wishes, portraits, seed, preset, methods, sheet)


def subjects(wish: Wish, count: int, seed: int) -> np.ndarray:
    """Parameters [count,P] of portraits that do not show what is wished, the same for each method."""
    found, block = [], 0
    while len(found) < count:
        drawn = params.sample(4 * count + 16, FIRST_SEED + 50 * seed + block)
        value = wish.sign * np.array(
            [params.uniform(float(v)) for v in drawn[:, params.INDEX[wish.attribute]]]
        )
        found += list(drawn[value < wish.absent])
        block += 1
    return np.stack(found[:count])


def fulfilled(wish: Wish, p: np.ndarray) -> np.ndarray:
    """The portrait [P] as the wish asks: its rendering is the right answer, whose own scores say how far the
    regressor can be trusted."""
    p = p.copy()
    p[params.INDEX[wish.attribute]] = 1.44 * wish.sign  # uniform .85
    if wish.attribute == "hair_lightness":
        p[params.indices("hair_red", "hair_grey")] = 0.0
    return p


def _text(pack, wishes, count, seed, preset, methods, sheet) -> Steps[dict[str, Any]]:
    yield from pack.fetch("regressor")
    known, total = resources.mappers(pack), len(wishes) * count
    scored: dict[str, dict[str, list]] = {w.prompt: {m: [] for m in methods} for w in wishes}
    shown: dict[str, dict[str, np.ndarray]] = {}
    truth: dict[str, list[dict[str, float]]] = {w.prompt: [] for w in wishes}
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(pack, CodeCache(folder))
        for number, (wish, k) in enumerate(((w, k) for w in wishes for k in range(count)), 1):
            p = subjects(wish, count, seed)[k]
            portrait = studio.read(png(render(p, min(pack.working_size, LARGEST)).image))
            yield from studio.invert(portrait, "FS", preset)  # once for all methods, not counted
            pictures = {"portrait": portrait.at(pack.working_size)}
            for method in methods:
                if method == "mapper" and wish.prompt not in known:
                    continue
                try:
                    watch = StageTimer()
                    numbers = {"preset": preset, "paste": False}
                    steps = studio.edit_text(portrait, wish.prompt, method, neutral=wish.neutral, **numbers)
                    result = yield from watch(steps)
                except BarbershopError as error:
                    failures.append({"prompt": wish.prompt, "method": method, "why": str(error)})
                    yield Step("edit", number, total, notice=f"{wish.prompt}, {method}: {error}")
                    continue
                pictures[method] = np.asarray(result.image)
                row = measure(pack, wish, pictures["portrait"], pictures[method])
                row |= {"identity": result.scores["identity"], "seconds": watch.seconds["total"]}
                if "clip" in result.scores:
                    row["clip"] = result.scores["clip"] - result.scores["clip_before"]
                scored[wish.prompt][method].append(row)
            granted = render(fulfilled(wish, p), min(pack.working_size, LARGEST)).image
            truth[wish.prompt].append(measure(pack, wish, render(p, len(granted)).image, granted))
            if k == 0:
                shown[wish.prompt] = pictures
                if sheet is not None:
                    _save_sheet(shown, methods, sheet)
            yield Step("edit", number, total)
    table = {p: {m: _means(rows) for m, rows in by.items() if rows} for p, by in scored.items()}
    rows = {m: _means([r for by in scored.values() for r in by[m]]) for m in methods}
    ceiling = _means([row for rows in truth.values() for row in rows])
    for prompt, rows_ in truth.items():
        table[prompt]["truth"] = _means(rows_)
    return {
        "rows": {m: r for m, r in rows.items() if r},
        "ceiling": ceiling,
        "prompts": table,
        "portraits": count,
        "seed": seed,
        "pack": pack.name,
        "useful": USEFUL,
        "failures": failures,
    }


@torch.no_grad()
def measure(pack: PackLike, wish: Wish, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """What the regressor sees: "right" 0 or 1, "leak", "moved"; pictures uint8 [R,R,3]."""
    both = from_uint8(np.stack([before, after]), pack.device)
    p = pack.optional("regressor")(both).p.clamp(-1, 1).cpu().numpy()
    change = p[1] - p[0]
    moved = wish.sign * float(change[params.INDEX[wish.attribute]])
    others = [k for name, k in params.INDEX.items() if name not in (wish.attribute, *wish.related)]
    leak = float(np.abs(change[others]).mean()) / max(abs(moved), 0.1)
    return {"right": float(moved >= USEFUL), "leak": leak, "moved": moved}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means of the columns that any row has."""
    return {name: value for name, value in means(rows, COLUMNS).items() if value is not None}


def _save_sheet(shown, methods, sheet) -> None:
    blank = np.full_like(next(iter(shown.values()))["portrait"], 255)
    rows = [{name: by.get(name, blank) for name in ("portrait", *methods)} for by in shown.values()]
    Image.fromarray(contact_sheet(rows)).save(sheet)
