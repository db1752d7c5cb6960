"""Edits by words: the operations edit_text and direction_sliders.

Each checks its request when called and returns a generator of steps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..compositing.photograph import Photograph
from ..editing import chain, recipe
from ..editing.request import Request
from ..editing.result import Result
from ..errors import BadRequest, WeightMissing
from ..inversion.cache import CodeCache
from ..inversion.codes import Code
from ..inversion.embed import embed
from ..inversion.inversion_presets import inversion_preset
from ..inversion.project import project
from ..networks.clip import Clip
from ..progress import Step, Steps
from ..protocols import PackLike
from ..stages import StageTimer
from . import known_words, latent_optimization, prompts, resources
from .directions import boundary, channel_weights
from .named_regions import named_regions, told_beforehand
from .options import ALPHA, BETA, STRENGTH, check_levels
from .sliders import Sliders
from .stylespace import StyleSynthesis, carried

STEP = 0.1
"""w + 0.1 M(w), a mapper's edit at strength 1 (section 5)."""


def edit_text(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Result]:
    """Edit a portrait by words.

    Options: see :data:`.options.EDIT_TEXT`.  ``edits`` stacks directions, each {"target", "neutral", "alpha",
    "beta"}; prompt, neutral, alpha and beta are then unused.  Route "W+" changes anything and moves the
    portrait's F along; "F" changes only F and the layers after it.  Nothing is drawn at random.

    Scores: "identity", "clip" and "clip_before" (cosine with the prompt), "channels" of directions.
    Raises BadRequest for empty prompts, unknown mappers and levels, and numbers out of range.
    """
    options = dict(request.options)
    inversion_preset(options["preset"])
    if options["method"] == "directions":
        single = {name: options[name] for name in ("neutral", "alpha", "beta")} | {"target": options["prompt"]}
        edits = [_checked_direction(edit) for edit in options["edits"] or [single]]
        return _by_directions(pack, cache, request, edits)
    options["prompt"] = prompts.clean(options["prompt"])
    options["neutral"] = prompts.clean(options["neutral"] or prompts.NEUTRAL, "neutral text")
    check_levels(options["levels"])
    request = replace(request, options=options)
    return (_by_mapper if options["method"] == "mapper" else _by_optimization)(pack, cache, request)


def direction_sliders(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Sliders]:
    """Compute once what sliders of global directions need; directions are added to the returned `Sliders`.

    Options: see :data:`.options.DIRECTION_SLIDERS`.
    """
    inversion_preset(request.options["preset"])
    return _sliders(pack, cache, request, StageTimer())


def _sliders(pack: PackLike, cache: CodeCache | None, request: Request, timer: StageTimer) -> Steps[Sliders]:
    clip = yield from timer(resources.clip(pack))
    table = yield from timer(resources.table(pack))
    start = yield from timer(_begin(pack, cache, request, timer))
    return Sliders(pack, start, clip, table)


def _by_directions(
    pack: PackLike, cache: CodeCache | None, request: Request, edits: list[dict[str, Any]]
) -> Steps[Result]:
    timer = StageTimer()
    told = yield from timer(unread(pack, edits))
    sliders = yield from _sliders(pack, cache, request, timer)
    with timer.stage("directions"):
        placed = [(sliders.add(e["target"], e["neutral"]), e["alpha"], e["beta"]) for e in edits]
    for notice in sliders.remarks(placed):
        if notice not in (*told, *sliders.start.notices):
            yield Step("directions", 1, 1, notice=notice)
    result = yield from sliders.result(placed, timer)
    return _with_clip_scores(pack, sliders.clip, sliders.start, result, sliders.directions[0].target)


def unread(pack: PackLike, edits: Sequence[Mapping[str, Any]]) -> Steps[list[str]]:
    """What the pack's CLIP cannot read of directions, each with "target" and "neutral", as sentences; each is told in
    a step, before any work on the portrait."""
    clip = yield from resources.clip(pack)
    phrases = resources.captions(pack)
    told = []
    for edit in edits:
        notice = known_words.remark(pack.name, clip, phrases, edit["target"], edit["neutral"] or prompts.NEUTRAL)
        if notice:
            yield Step("directions", 0, 1, notice=notice)
            told.append(notice)
    return told


def _by_optimization(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Result]:
    options, timer = request.options, StageTimer()
    clip = yield from timer(resources.clip(pack))
    prompt, cut = prompts.fit(clip, options["prompt"])
    unread = known_words.remark(pack.name, clip, resources.captions(pack), prompt, options["neutral"])
    notices = tuple(notice for notice in (cut, unread) if notice)
    for notice in notices:
        yield Step("optimize", 0, 1, notice=notice)
    start = yield from timer(_begin(pack, cache, request, timer))
    with torch.no_grad():
        text = clip.text([prompt])[0]
    direction = prompts.direction(clip, prompt, options["neutral"])
    name = inversion_preset(options["preset"]).name
    preset = latent_optimization.PRESETS.get(name, latent_optimization.FAST)
    first = yield from timer(_warm_start(pack, start.code, direction, preset.warm, options["route"]))
    code = yield from timer(
        latent_optimization.optimize(
            pack, clip, start, text, direction, preset, options["route"], options["identity"], first
        )
    )
    within = _within(options, prompt, options["neutral"])
    result = yield from chain.finish(pack, start, code, notices=notices, within=within)
    return _with_clip_scores(pack, clip, start, result, prompt)


def _warm_start(pack: PackLike, code: Code, direction: torch.Tensor, alpha: float, route: str) -> Steps[Code | None]:
    """The code where the global direction of the text leads; None where the pack has no table for it."""
    if not alpha or "directions" not in pack.manifest.networks:
        return None
    try:
        table = yield from resources.table(pack)
    except WeightMissing:
        return None
    change = boundary(table, channel_weights(table, direction, BETA.default))
    synthesis = StyleSynthesis(pack.generator, code, pack.working_size)
    yield Step("directions", 1, 1)
    return synthesis.shifted(synthesis.reachable(alpha * change[None], route))


def _by_mapper(pack: PackLike, cache: CodeCache | None, request: Request) -> Steps[Result]:
    options, timer = request.options, StageTimer()
    strength, notices = _within_reach(request)
    request = replace(request, options={**options, "strength": strength})
    for notice in notices:
        yield Step("mapper", 0, 1, notice=notice)
    net = yield from timer(resources.mapper(pack, options["prompt"]))
    start = yield from timer(_begin(pack, cache, request, timer))
    rows = yield from timer(_rows(pack, start))
    with timer.stage("mapper"), torch.no_grad():
        change = STEP * strength * net(rows, check_levels(options["levels"]))
        code = carried(pack.generator, start.code, start.code.w_plus + change)
    yield Step("mapper", 1, 1)
    within = _within(options, Path(options["prompt"]).stem.replace("_", " "))
    result = yield from chain.finish(pack, start, code, notices=notices, within=within)
    clip = pack.optional("clip")
    return result if clip is None else _with_clip_scores(pack, clip, start, result, options["prompt"])


def _within(options: Mapping[str, Any], target: str, neutral: str = "") -> tuple[str, ...] | None:
    """The regions that words are about, outside of which nothing may change; None where all may."""
    return None if options["where"] == "everywhere" else named_regions(target, neutral)


def _within_reach(request: Request) -> tuple[float, tuple[str, ...]]:
    """The strength with which a mapper is applied, so that all its uses on this portrait together stay within the
    option's range; and a sentence where that is less than was asked for.  Raises BadRequest where nothing is left."""
    name, asked = request.options["prompt"], float(request.options["strength"])
    earlier = [] if request.previous is None else recipe.steps(request.previous.recipe)
    used = sum(
        float(step["options"].get("strength", STRENGTH.default))
        for step in earlier
        if step["operation"] == "edit_text"
        and step["options"].get("method") == "mapper"
        and str(step["options"].get("prompt")).lower().replace("_", " ") == name.lower().replace("_", " ")
    )
    strength = min(max(asked, STRENGTH.low - used), STRENGTH.high - used)
    if strength == asked:
        return asked, ()
    if abs(strength) < 1e-6 or strength * asked < 0:
        raise BadRequest(
            f"The mapper '{name}' has acted on this portrait with strength {used:g} already, which is all it can do.",
            "Go back a step, or use another one.",
        )
    return strength, (f"The mapper '{name}' acts with strength {strength:g}: {STRENGTH.high:g} in all is the most.",)


def _rows(pack: PackLike, start: chain.Start) -> Steps[torch.Tensor]:
    """The W+ code [1,L,D] that a mapper reads: the encoder's, as those the published mappers were trained with, or
    an embedding in W+.  The rows of S of an F/S code were fitted without the RGB of the blocks below F, which makes
    them other rows than those of W+."""
    if pack.encoder is not None:
        return project(pack, start.image)
    preset = inversion_preset(start.request.options["preset"])
    return (yield from embed(pack, start.image, "W+", preset))[0].w_plus


def _begin(pack: PackLike, cache: CodeCache | None, request: Request, timer: StageTimer) -> Steps[chain.Start]:
    """The portrait's code; what is known beforehand of these words on this photograph is told first."""
    options = request.options
    texts = [(e["target"], e.get("neutral") or "") for e in options.get("edits") or ()]
    texts = texts or [(options.get("prompt") or "", options.get("neutral") or "")]

    def beforehand(photograph: Photograph) -> list[str]:
        return [notice for target, neutral in texts for notice in told_beforehand(photograph, target, neutral)]

    return chain.begin(pack, cache, request, inversion_preset(options["preset"]), timer, beforehand)


@torch.no_grad()
def _with_clip_scores(pack: PackLike, clip: Clip, start: chain.Start, result: Result, prompt: str) -> Result:
    text = clip.text([prompt])[0]
    before, after = (float(clip.image(x) @ text) for x in (start.image, chain.picture(result, pack)))
    result.scores.update(clip=round(after, 4), clip_before=round(before, 4))
    return result


def _checked_direction(edit: Mapping[str, Any]) -> dict[str, Any]:
    """One direction with all its parts.  Raises BadRequest."""
    if unknown := set(edit) - {"target", "neutral", "alpha", "beta"}:
        raise BadRequest(f"A direction has no '{sorted(unknown)[0]}'.", "Give target, neutral, alpha and beta.")
    return {
        "target": prompts.clean(edit.get("target")),
        "neutral": prompts.clean(edit.get("neutral") or prompts.NEUTRAL, "neutral text"),
        "alpha": ALPHA.check(edit.get("alpha", ALPHA.default)),
        "beta": BETA.check(edit.get("beta", BETA.default)),
    }
