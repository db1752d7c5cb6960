"""The facade's edits by words: what `Studio.edit_text` and `Studio.direction_sliders` do.

Arguments are checked when called; the work is a generator of steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from ..barbershop import transfer_presets as presets
from ..editing import chain
from ..editing.result import Result
from ..errors import BadRequest, WeightMissing
from ..photo import Portrait
from ..progress import Step, Steps
from ..stages import StageTimer, memory_errors
from . import ALPHA, BETA, prompts
from . import latent_optimization as optimize
from . import resources as tools
from .directions import boundary, channel_weights
from .sliders import Sliders, check
from .stylespace import StyleSynthesis, carried

METHODS = ("directions", "optimize", "mapper")
ROUTES = ("W+", "F")
STEP = 0.1
"""w + 0.1 M(w), a mapper's edit at strength 1 (section 5)."""
STRENGTH, IDENTITY = 3.0, 1.0
"""Largest strength of a mapper and weight of the identity loss."""
DEFAULTS: dict[str, Any] = {
    "prompt": "",
    "method": "directions",
    "neutral": "",
    "alpha": ALPHA,
    "beta": BETA,
    "strength": 1.0,
    "identity": None,
    "route": "W+",
    "edits": None,
    "preset": "fast",
    "seed": 0,
}
"""Settings of a request (`barbershop_core.jobs`) and of a recipe."""


def start(
    studio, portraits: Mapping[str, Portrait], settings: Mapping[str, Any], previous: Result | None
) -> Steps[Result]:
    """A request of `barbershop_core.jobs`: settings as in ``DEFAULTS``."""
    given = {k: DEFAULTS[k] if settings.get(k) is None else settings[k] for k in DEFAULTS}
    return edit_text(
        studio, portraits["face"], given.pop("prompt"), given.pop("method"), previous=previous, **given
    )


@dataclass(frozen=True)
class _Asked:
    """Checked arguments of a text edit."""

    portrait: Portrait
    prompt: str
    neutral: str
    strength: float
    identity: float | None
    route: str
    edits: tuple[dict[str, Any], ...]
    preset: presets.TransferPreset
    seed: int
    previous: Result | None
    paste: bool


def edit_text(
    studio,
    portrait: Portrait,
    prompt: str,
    method: str = "directions",
    neutral: str = "",
    alpha: float = ALPHA,
    beta: float = BETA,
    strength: float = 1.0,
    identity: float | None = None,
    route: str = "W+",
    edits: Sequence[Mapping[str, Any]] | None = None,
    preset: str | presets.TransferPreset = "fast",
    seed: int = 0,
    previous: Result | None = None,
    paste: bool = True,
) -> Steps[Result]:
    """Edit a portrait by words.

    prompt: what should be seen ("curly hair"); for "mapper" the name of a mapper or the path of its file.
    method: "directions" (at once), "optimize" (seconds to minutes, for any text) or "mapper" (at once).
    neutral: what the prompt is an alternative to ("hair"); "face" where it is empty.
    alpha, beta: of directions: strength -10..10 and how relevant a channel must be to be moved, 0..1.
    edits: stacked directions instead, each {"target", "neutral", "alpha", "beta"}; ``prompt`` is then unused.
    strength: of a mapper, -3..3; 1 is the article's w + 0.1 M(w).
    identity: weight 0..1 of the identity loss of "optimize": the higher, the more it stays the person;
        0 where the text asks for another person.  None is the preset's.
    route: "W+" changes anything and carries the portrait's F along; "F" keeps to F and the layers beyond.
    preset: also of the optimization.  seed: kept in the recipe; nothing is drawn at random.
    previous: go on from this result of the same portrait.  paste: also return the whole photo.

    Scores: "identity", "clip" and "clip_before" (cosine with the prompt), "channels" of directions.
    Raises BadRequest for empty prompts, unknown methods and mappers, numbers out of range.
    """
    _check(portrait, method, route, strength, identity, seed)
    chain.check(previous, studio.pack)
    if isinstance(preset, str):
        preset = presets.PRESETS.get(preset.strip().lower()) or _unknown_preset(preset)
    if method == "directions" and edits:
        listed = tuple(_read_edit(edit) for edit in edits)
        prompt = listed[0]["target"]
    else:
        prompt = prompts.clean(prompt)
        listed = (_read_edit({"target": prompt, "neutral": neutral, "alpha": alpha, "beta": beta}),)
    asked = _Asked(
        portrait,
        prompt,
        prompts.clean(neutral or prompts.NEUTRAL, "neutral text"),
        strength,
        identity,
        route,
        listed,
        preset,
        seed,
        previous,
        paste,
    )
    run = {"directions": _by_directions, "optimize": _by_optimization, "mapper": _by_mapper}[method]
    return memory_errors(run)(studio, asked)


def direction_sliders(
    studio,
    portrait: Portrait,
    previous: Result | None = None,
    route: str = "W+",
    preset: str | presets.TransferPreset = "fast",
    seed: int = 0,
) -> Steps[Sliders]:
    """Everything computed once that sliders of global directions need.

    Arguments and errors as of `edit_text`; directions are added to the returned `Sliders`.
    """
    _check(portrait, "directions", route, 1.0, None, seed)
    chain.check(previous, studio.pack)
    if isinstance(preset, str):
        preset = presets.PRESETS.get(preset.strip().lower()) or _unknown_preset(preset)
    return memory_errors(_sliders)(studio, portrait, previous, route, preset, seed)


def _sliders(studio, portrait, previous, route, preset, seed) -> Steps[Sliders]:
    clip = yield from tools.clip(studio.pack)
    table = yield from tools.table(studio.pack)
    begun = yield from chain.begin(studio, portrait, previous, preset.inversion)
    return Sliders(studio, begun, clip, table, route, preset.name, seed)


def _by_directions(studio, asked: _Asked) -> Steps[Result]:
    watch = StageTimer()
    sliders = yield from watch(
        _sliders(studio, asked.portrait, asked.previous, asked.route, asked.preset, asked.seed)
    )
    with watch.stage("directions"):
        edits = [(sliders.add(e["target"], e["neutral"]), e["alpha"], e["beta"]) for e in asked.edits]
    for notice in sliders.remarks(edits):
        yield Step("directions", 1, 1, notice=notice)
    result = yield from sliders.result(edits, watch, asked.paste)
    return _with_clip_scores(studio.pack, sliders.clip, sliders.start, result, sliders.directions[0].target)


def _by_optimization(studio, asked: _Asked) -> Steps[Result]:
    pack, watch = studio.pack, StageTimer()
    clip = yield from watch(tools.clip(pack))
    prompt, cut = prompts.fit(clip, asked.prompt)
    if cut:
        yield Step("optimize", 0, 1, notice=cut)
    begun = yield from watch(chain.begin(studio, asked.portrait, asked.previous, asked.preset.inversion))
    with torch.no_grad():
        text = clip.text([prompt])[0]
    turn = prompts.direction(clip, prompt, asked.neutral)
    numbers = optimize.PRESETS.get(asked.preset.name, optimize.FAST)
    first = yield from watch(_warm(pack, begun.code, turn, numbers.warm, asked.route))
    code = yield from watch(
        optimize.optimize(pack, clip, begun, text, turn, numbers, asked.route, asked.identity, first)
    )
    settings = {
        "method": "optimize",
        "prompt": prompt,
        "neutral": asked.neutral,
        "route": asked.route,
        "identity": asked.identity,
    }
    result = yield from chain.finish(
        pack,
        begun,
        code,
        "text",
        settings,
        asked.preset.name,
        asked.seed,
        watch,
        None,
        (cut,) if cut else (),
        asked.paste,
    )
    return _with_clip_scores(pack, clip, begun, result, prompt)


def _warm(pack, code, turn, alpha: float, route: str) -> Steps[Any]:
    """The code where the global direction leads; None where there is no table, or nothing to begin with."""
    if not alpha or "directions" not in pack.manifest.networks:
        return None
    try:
        table = yield from tools.table(pack)
    except WeightMissing:
        return None
    change = boundary(table, channel_weights(table, turn, DEFAULTS["beta"]))
    synthesis = StyleSynthesis(pack.generator, code, pack.working_size)
    yield Step("directions", 1, 1)
    return synthesis.shifted(synthesis.reachable(alpha * change[None], route))


def _by_mapper(studio, asked: _Asked) -> Steps[Result]:
    pack, watch = studio.pack, StageTimer()
    net = yield from watch(tools.mapper(pack, asked.prompt))
    begun = yield from watch(chain.begin(studio, asked.portrait, asked.previous, asked.preset.inversion))
    with watch.stage("mapper"), torch.no_grad():
        w_plus = begun.code.w_plus
        code = carried(pack.generator, begun.code, w_plus + STEP * asked.strength * net(w_plus))
    yield Step("mapper", 1, 1)
    settings = {"method": "mapper", "prompt": asked.prompt, "strength": asked.strength, "route": "W+"}
    result = yield from chain.finish(
        pack, begun, code, "text", settings, asked.preset.name, asked.seed, watch, paste=asked.paste
    )
    clip = pack.optional("clip")
    return result if clip is None else _with_clip_scores(pack, clip, begun, result, asked.prompt)


@torch.no_grad()
def _with_clip_scores(pack, clip, begun: chain.Start, result: Result, prompt: str) -> Result:
    text = clip.text([prompt])[0]
    before, after = (float(clip.image(x) @ text) for x in (begun.image, chain.picture(result, pack)))
    result.scores.update(clip=round(after, 4), clip_before=round(before, 4))
    return result


def _read_edit(edit: Mapping[str, Any]) -> dict[str, Any]:
    unknown = set(edit) - {"target", "neutral", "alpha", "beta"}
    if unknown:
        raise BadRequest(
            f"A direction has no '{sorted(unknown)[0]}'.", "Give target, neutral, alpha and beta."
        )
    read = {
        "target": prompts.clean(edit.get("target")),
        "neutral": prompts.clean(edit.get("neutral") or prompts.NEUTRAL, "neutral text"),
        "alpha": edit.get("alpha", DEFAULTS["alpha"]),
        "beta": edit.get("beta", DEFAULTS["beta"]),
    }
    check(read["alpha"], read["beta"])
    return read


def _check(portrait, method, route, strength, identity, seed) -> None:
    if not isinstance(portrait, Portrait):
        raise BadRequest("What was given is no portrait.", "Read the photo first: studio.read(path).")
    for name, value, known in (("method", method, METHODS), ("route", route, ROUTES)):
        if value not in known:
            raise BadRequest(f"There is no {name} '{value}'.", f"Choose one of: {', '.join(known)}.")
    for name, value, low, high in (
        ("strength", strength, -STRENGTH, STRENGTH),
        ("identity", identity, 0, IDENTITY),
    ):
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise BadRequest(f"{name} = {value} is out of range.", f"Give a number from {low:g} to {high:g}.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise BadRequest(f"The seed {seed!r} is no whole number.", "Give one, such as 0.")


def _unknown_preset(name: str):
    raise BadRequest(f"There is no preset '{name}'.", f"Choose one of: {', '.join(presets.PRESETS)}.")
