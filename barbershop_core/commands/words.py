"""The commands text, directions and mapper of :mod:`barbershop_core.__main__`."""

from __future__ import annotations

import time
from pathlib import Path

from PIL import Image

from ..editing.recipe import save_png
from ..errors import BadRequest
from ..progress import run
from .edits import _open, _sentence, _target, _tell

GRID_ALPHAS, GRID_BETAS = (-8.0, -4.0, 0.0, 4.0, 8.0), (0.08, 0.15, 0.25)


def _edit(text: str) -> dict:
    parts = [part.strip() for part in text.split(":")]
    try:
        numbers = dict(zip(("alpha", "beta"), map(float, parts[2:4])))
    except ValueError:
        numbers = None
    if numbers is None or len(parts) > 4:
        raise BadRequest(
            f"'{text}' is no direction.", "Write TARGET:NEUTRAL:ALPHA:BETA, as 'smile:face:5:0.1'."
        )
    return {"target": parts[0], "neutral": parts[1] if len(parts) > 1 else ""} | numbers


def text(options, say) -> None:
    """``text``: change a portrait by words."""
    path = _target(options, f"{Path(options.face).stem}-text", ".png")
    edits = [_edit(edit) for edit in options.edit]
    if not options.prompt and not edits:
        raise BadRequest("Nothing was said that should change.", 'Give a prompt, such as "blond hair".')
    if edits and options.prompt:
        first = {"target": options.prompt, "neutral": options.neutral, "alpha": options.alpha}
        edits.insert(0, first | {"beta": options.beta})

    from .. import jobs

    names = ("prompt", "method", "neutral", "alpha", "beta", "strength", "identity", "route", "face_index")
    request = {name: getattr(options, name) for name in names}
    request |= {"face": options.face, "edits": edits or None, "seed": options.seed or 0}
    request |= {"preset": options.preset or "fast"}
    studio, progress = _open(options, say)
    started = time.monotonic()
    done = run(jobs.start(studio, "text", request), progress)
    progress.end()
    for notice in done.notices:
        progress.note(notice)
    files = {"image": str(path)}
    save_png(path, done.result.image, done.recipe)
    if not options.no_paste:
        files["photo"] = str(path.with_name(f"{path.stem}-photo.png"))
        save_png(files["photo"], done.result.pasted, done.recipe)
    seconds = time.monotonic() - started
    if options.grid and options.method == "directions":
        sliders = run(studio.direction_sliders(done.portrait, route=options.route, preset=request["preset"]))
        index = sliders.add(options.prompt or edits[0]["target"], options.neutral)
        files["grid"] = str(path.with_name(f"{path.stem}-grid.png"))
        Image.fromarray(sliders.grid(index, GRID_ALPHAS, GRID_BETAS)).save(files["grid"])
    words = [f"{' and '.join(files.values())} in {seconds:.1f} s", _sentence(done.result.scores)]
    data = {"files": files, "seconds": round(seconds, 2), "scores": done.result.scores}
    _tell(options, words, data | {"notices": progress.notices, "recipe": done.recipe})


def directions(options, say) -> None:
    """``directions precompute``: the table of global text directions of a pack."""
    from ..styleclip import resources as tools
    from ..training.directions_table import precompute

    studio, progress = _open(options, say)
    pack = studio.pack
    out = options.output or pack.manifest.folder / "directions.safetensors"
    if not out.parent.is_dir():
        raise BadRequest(f"There is no folder {out.parent}.", "Make it first or write elsewhere with -o.")
    clip = run(tools.clip(pack), progress)
    started = time.monotonic()
    steps = precompute(pack, clip, out, options.images, options.by, options.sigmas, options.seed or 0)
    table = run(steps, progress)
    progress.end()
    print(f"{out}: {len(table.change)} channels in {time.monotonic() - started:.0f} s", flush=True)


def mapper(options, say) -> None:
    """``mapper train``: a latent mapper of one prompt."""
    from ..styleclip import resources as tools

    studio, progress = _open(options, say)
    pack = studio.pack
    if options.kind == "list":
        print("\n".join(sorted(tools.mappers(pack))) or "none yet", flush=True)
        return
    from dataclasses import replace

    from ..styleclip import prompts
    from ..training.train_mapper import PRESETS, train

    name = (options.name or prompts.clean(options.prompt)).replace(" ", "_").replace("/", "_").lower()
    out = options.output or tools.mappers_folder() / pack.name / f"{name}.safetensors"
    if options.output is None:
        out.parent.mkdir(parents=True, exist_ok=True)
    elif not out.parent.is_dir():
        raise BadRequest(f"There is no folder {out.parent}.", "Make it first or write elsewhere with -o.")
    numbers = PRESETS[options.preset or "fast"]
    if options.steps is not None:
        numbers = replace(numbers, steps=options.steps)
    clip = run(tools.clip(pack), progress)
    steps = train(pack, clip, options.prompt, out, options.neutral, numbers, options.seed or 0)
    figures = run(steps, progress)
    progress.end()
    data = {"files": {"mapper": str(out), "sheet": str(out.with_suffix(".png"))}, "held_out": figures}
    _tell(options, [f"{out}, {out.with_suffix('.png')}", _sentence(figures)], data)
