"""Text-driven edits of held-out portraits of the world, measured by a network that took no part in them.

An edit is right where the regressor finds the named attribute changed in the right direction by a useful
amount; leakage is the mean change of all other attributes relative to that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
from ..workers import Outcome
from ..world import params
from ..world.render import render
from .held_out import LARGEST, WORDS, checked
from .scoring import ALONE, Workers, scored
from .tables import check_networks, means, save_sheet

USEFUL = 0.3
"""The least change that counts, of an attribute's whole range of 2."""
COLUMNS = ("right", "leak", "identity", "moved", "clip", "seconds")


@dataclass(frozen=True)
class Task:
    """A prompt and what it asks for.

    attribute, sign: the parameter that is to change, and in which direction.  related: parameters that may
    change with it.  absent: only portraits whose parameter, times the sign, is below this are used; others
    show it already.
    """

    prompt: str
    neutral: str
    attribute: str
    sign: int
    related: tuple[str, ...] = ()
    absent: float = 0.2


TASKS = (
    Task("curly hair", "hair", "curl", 1, ("wave_length", "hair_volume")),
    Task("straight hair", "hair", "curl", -1, ("wave_length", "hair_volume"), -0.2),
    Task("blond hair", "hair", "hair_lightness", 1, ("hair_red", "hair_grey")),
    Task("black hair", "hair", "hair_lightness", -1, ("hair_red", "hair_grey")),
    Task("grey hair", "hair", "hair_grey", 1, ("hair_lightness", "hair_red")),
    Task("long hair", "hair", "hair_length", 1, ("hair_volume",)),
    Task("short hair", "hair", "hair_length", -1, ("hair_volume",)),
    Task("a fringe", "face", "fringe", 1, ("sweep",)),
    Task("smiling", "face", "smile", 1, ("mouth_open", "frown")),
    Task("serious", "face", "smile", -1, ("mouth_open", "frown")),
    Task("beard", "face", "beard", 1),
    Task("glasses", "face", "glasses", 1, (), 0.6),
    Task("dark skin", "skin", "skin_tone", 1, ("skin_warmth",)),
    Task("open mouth", "mouth", "mouth_open", 1, ("smile",)),
)
"""Shape and colour of hair, expression, skin and accessories."""


def text(
    pack: PackLike,
    portraits: int = 50,
    seed: int = 0,
    preset: str | InversionPreset = "fast",
    methods: Sequence[str] = METHOD.choices,
    prompts: Sequence[str] | None = None,
    sheet: str | Path | None = None,
    workers: Workers = ALONE,
) -> Steps[dict[str, Any]]:
    """Score every method on every prompt, each on ``portraits`` portraits that do not show it yet.

    prompts: only these of `TASKS`.  sheet: path for a PNG of each prompt's first portrait.
    workers: score at the same time; only the seconds depend on them.  The mappers are scored on the prompts that
    have one.

    Returns {"rows": {method: means}, "prompts": {prompt: {method: means}}, "portraits", "seed", "pack",
    "useful"}; means are "right" (share), "leak", "identity" (cosine), "moved" (of the attribute's range of
    2), "clip" (rise of the cosine with the prompt), "seconds" (of the edit, the portrait being embedded);
    "ceiling" holds those of the rendered right answers.
    Raises BadRequest for bad arguments and for packs without the portrait world's regressor.
    """
    checked(portraits, seed, "portraits")
    unknown = [m for m in methods if m not in METHOD.choices]
    if unknown:
        raise BadRequest(f"There is no method '{unknown[0]}'.", f"Choose among: {', '.join(METHOD.choices)}.")
    tasks = [task for task in TASKS if prompts is None or task.prompt in prompts]
    if not tasks:
        raise BadRequest(
            "None of these prompts is scored.", f"Choose among: {', '.join(task.prompt for task in TASKS)}."
        )
    check_networks(pack, "regressor")
    return _text(pack, tasks, portraits, seed, preset, methods, sheet, workers)


def subjects(task: Task, count: int, seed: int) -> np.ndarray:
    """Parameters [count,P] of portraits that do not show yet what the prompt asks for."""
    found, block = [], 0
    while len(found) < count:
        drawn = params.sample(4 * count + 16, WORDS + 50 * seed + block)
        value = task.sign * np.array([params.uniform(float(v)) for v in drawn[:, params.INDEX[task.attribute]]])
        found += list(drawn[value < task.absent])
        block += 1
    return np.stack(found[:count])


def truth_of(task: Task, p: np.ndarray) -> np.ndarray:
    """The portrait [P] changed as the prompt asks; the scores of its rendering say how far the regressor can
    be trusted."""
    p = p.copy()
    p[params.INDEX[task.attribute]] = 1.44 * task.sign  # uniform .85
    if task.attribute == "hair_lightness":
        p[params.indices("hair_red", "hair_grey")] = 0.0
    return p


@dataclass(frozen=True, eq=False)
class _Scored:
    """A portrait and a prompt.  rows: by method.  truth: of the rendered right answer.  failures: why, by method.
    pictures: uint8 [R,R,3], "portrait" and by method."""

    rows: dict[str, dict[str, float]]
    truth: dict[str, float]
    failures: dict[str, str]
    pictures: dict[str, np.ndarray]


@dataclass(frozen=True)
class _Scorer:
    pack: PackLike
    preset: Any
    methods: Sequence[str]

    def __call__(self, item: tuple[Task, np.ndarray]) -> Steps[_Scored]:
        task, p = item
        yield from self.pack.fetch("regressor")
        known = resources.mappers(self.pack)
        methods = [method for method in self.methods if method != "mapper" or task.prompt in known]
        with tempfile.TemporaryDirectory() as folder:  # so that the portrait is embedded once for all methods
            return (yield from self._score(Studio(self.pack, CodeCache(folder)), task, p, methods))

    def _score(self, studio: Studio, task: Task, p: np.ndarray, methods: Sequence[str]) -> Steps[_Scored]:
        pack = self.pack
        portrait = studio.read(render(p, min(pack.working_size, LARGEST)).image)
        yield from studio.invert(portrait, "FS", self.preset)  # not counted
        rows, failures, pictures = {}, {}, {"portrait": portrait.at(pack.working_size)}
        for method in methods:
            try:
                watch = StageTimer()
                numbers = {"preset": self.preset, "paste": False}
                steps = studio.edit_text(portrait, task.prompt, method, neutral=task.neutral, **numbers)
                result = yield from watch(steps)
            except BarbershopError as error:
                failures[method] = str(error)
                continue
            pictures[method] = np.asarray(result.image)
            row = measure(pack, task, pictures["portrait"], pictures[method])
            row |= {"identity": result.scores["identity"], "seconds": watch.seconds["total"]}
            if "clip" in result.scores:
                row["clip"] = result.scores["clip"] - result.scores["clip_before"]
            rows[method] = row
        right = render(truth_of(task, p), min(pack.working_size, LARGEST)).image
        return _Scored(rows, measure(pack, task, render(p, len(right)).image, right), failures, pictures)


def _text(
    pack: PackLike,
    tasks: Sequence[Task],
    count: int,
    seed: int,
    preset: Any,
    methods: Sequence[str],
    sheet: str | Path | None,
    workers: Workers,
) -> Steps[dict[str, Any]]:
    yield from pack.fetch("regressor")
    items = [(task, p) for task in tasks for p in subjects(task, count, seed)]
    done: dict[int, _Scored] = {}

    def told(outcome: Outcome) -> Step:
        if outcome.error is not None:
            raise outcome.error
        prompt, one = items[outcome.index][0].prompt, outcome.value
        done[outcome.index] = one
        if sheet is not None and outcome.index % count == 0:
            _save_sheet([done[k].pictures for k in range(0, len(items), count) if k in done], methods, sheet)
        notice = "; ".join(f"{prompt}, {method}: {why}" for method, why in one.failures.items())
        return Step("edit", len(done), len(items), notice=notice)

    yield from scored(pack, partial(_Scorer, preset=preset, methods=methods), items, workers, told)
    table, every = {}, [done[index] for index in range(len(items))]
    for number, task in enumerate(tasks):
        own = every[number * count : (number + 1) * count]
        table[task.prompt] = _by_method(own, methods) | {"truth": _means([one.truth for one in own])}
    return {
        "rows": _by_method(every, methods),
        "ceiling": _means([one.truth for one in every]),
        "prompts": table,
        "portraits": count,
        "seed": seed,
        "pack": pack.name,
        "useful": USEFUL,
        "failures": [
            {"prompt": task.prompt, "method": method, "why": why}
            for (task, _), one in zip(items, every)
            for method, why in one.failures.items()
        ],
    }


@torch.no_grad()
def measure(pack: PackLike, task: Task, before: np.ndarray, after: np.ndarray) -> dict[str, float]:
    """What the regressor finds: "right" 0 or 1, "leak", "moved"; pictures uint8 [R,R,3]."""
    both = from_uint8(np.stack([before, after]), pack.device)
    p = pack.optional("regressor")(both).p.clamp(-1, 1).cpu().numpy()
    change = p[1] - p[0]
    moved = task.sign * float(change[params.INDEX[task.attribute]])
    others = [k for name, k in params.INDEX.items() if name not in (task.attribute, *task.related)]
    leak = float(np.abs(change[others]).mean()) / max(abs(moved), 0.1)
    return {"right": float(moved >= USEFUL), "leak": leak, "moved": moved}


def _by_method(some: Sequence[_Scored], methods: Sequence[str]) -> dict[str, dict[str, float]]:
    """Means of the methods that could do any."""
    rows = {method: [one.rows[method] for one in some if method in one.rows] for method in methods}
    return {method: _means(found) for method, found in rows.items() if found}


def _means(rows: list[dict[str, float]]) -> dict[str, float]:
    """Means of the columns that any row has."""
    return {name: value for name, value in means(rows, COLUMNS).items() if value is not None}


def _save_sheet(shown: Sequence[Mapping[str, np.ndarray]], methods: Sequence[str], sheet: str | Path) -> None:
    blank = np.full_like(shown[0]["portrait"], 255)
    save_sheet(sheet, [{name: by.get(name, blank) for name in ("portrait", *methods)} for by in shown])
