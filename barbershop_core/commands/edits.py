"""The commands of :mod:`barbershop_core.__main__`, one function each: options in, files and words out."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..editing.recipe import read_png, save_png
from ..errors import BadRequest
from ..progress import run
from .console import Progress


def _open(options, say, pack: str | None = None):
    """The studio of the options' pack and the progress that its downloads and steps go to."""
    from .. import Studio, open_pack

    progress = Progress(say, options.quiet)
    wanted = options.pack or os.environ.get("BARBERSHOP_PACK") or pack
    return Studio(open_pack(wanted, device=options.device, on_step=progress)), progress


def _target(options, stem: str, suffix: str) -> Path:
    """The output file; its folder has to be there."""
    path = options.output or Path(f"{stem}{suffix}")
    if not path.suffix:
        path = path.with_suffix(Path(suffix).suffix)
    if not path.parent.is_dir():
        raise BadRequest(f"There is no folder {path.parent}.", "Make it first or write elsewhere with -o.")
    return path


def _tell(options, words: list[str], data: dict[str, Any]) -> None:
    """The result on stdout: JSON, or a line each."""
    print(json.dumps(data, ensure_ascii=False) if options.json else "\n".join(words), flush=True)


def _sentence(scores: dict[str, Any]) -> str:
    numbers = {k: v for k, v in scores.items() if isinstance(v, (int, float))}
    return ", ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in numbers.items())


# --- hair and face ----------------------------------------------------------------------------


def hair(options, say) -> None:
    """``hair``: hair shape, hair colour or single features of other photos."""
    photos: dict[str, Any] = {"face": options.face, "hair_shape": options.shape, "hair_color": options.color}
    photos |= {"face_index": options.face_index, "hair_shape_index": options.shape_index}
    photos |= {"hair_color_index": options.color_index}
    regions = {}
    for region, path in options.region:
        photos[f"photo:{region}"], regions[region] = path, f"photo:{region}"
    if not (options.shape or options.color or regions or options.mask or options.recipe):
        raise BadRequest("There is nothing to change.", "Give one of --shape, --color, --region and --mask.")
    own = {"mode": options.mode, "smooth": options.smooth, "mask": options.mask, "regions": regions or None}
    _edit(options, say, "transfer", photos, own, "hair")


def face(options, say) -> None:
    """``face``: put a face into another photo."""
    photos = {"face": options.face, "into": options.into}
    photos |= {"face_index": options.face_index, "into_index": options.into_index}
    _edit(options, say, "swap", photos, {}, "face")


def _edit(options, say, kind: str, photos: dict[str, Any], own: dict[str, Any], name: str) -> None:
    path = _target(options, f"{Path(options.face).stem}-{name}", ".png")
    recipe = read_png(options.recipe) if options.recipe else None

    from .. import jobs

    request = {}
    if recipe is not None:
        if (recipe.get("request") or {}).get("task") != kind:
            raise BadRequest(
                f"{Path(options.recipe).name} was not made by the command '{name}'.", "Use the other command."
            )
        request = jobs.repeat(recipe)
        missing = [r for r, photo in request["regions"].items() if photos.get(photo) is None]
        if missing and not own.get("regions"):
            raise BadRequest(
                f"The recipe also takes {', '.join(missing)} from a photo.",
                "Give it with --region REGION=PHOTO.",
            )
    request |= photos | {k: v for k, v in own.items() if v is not None}
    request |= {k: v for k in ("preset", "seed") if (v := getattr(options, k)) is not None}
    studio, progress = _open(options, say, recipe["pack"]["name"] if recipe else None)
    started = time.monotonic()
    done = run(jobs.start(studio, kind, request), progress)
    progress.end()
    for notice in list(done.notices) + (jobs.differences(recipe, done.recipe) if recipe else []):
        progress.note(notice)
    files = {"image": str(path)}
    save_png(path, done.result.image, done.recipe)
    if not options.no_paste:
        whole = path.with_name(f"{path.stem}-photo.png")
        save_png(whole, done.result.pasted, done.recipe)
        files["photo"] = str(whole)
    seconds = time.monotonic() - started
    words = [f"{' and '.join(files.values())} in {seconds:.1f} s", _sentence(done.result.scores)]
    data = {"files": files, "seconds": round(seconds, 2), "scores": done.result.scores}
    _tell(options, words, data | {"notices": progress.notices, "recipe": done.recipe})


def repeat(options, say) -> None:
    """``repeat``: make a picture again from the recipe that it carries."""
    path = _target(options, f"{Path(options.picture).stem}-again", ".png")
    recipe = read_png(options.picture)

    from .. import jobs

    studio, progress = _open(options, say, recipe["pack"]["name"])
    started = time.monotonic()
    done = run(jobs.replay(studio, recipe, options.photos), progress)
    progress.end()
    for notice in done.notices:
        progress.note(notice)
    if recipe["pack"] != done.recipe["pack"]:
        progress.note(f"The recipe was made with the pack '{recipe['pack']['name']}' as it was then.")
    whole = path.with_name(f"{path.stem}-photo.png")
    save_png(path, done.result.image, done.recipe)
    save_png(whole, done.result.pasted, done.recipe)
    seconds = time.monotonic() - started
    words = [f"{path} and {whole} in {seconds:.1f} s", _sentence(done.result.scores)]
    files = {"image": str(path), "photo": str(whole)}
    data = {"files": files, "seconds": round(seconds, 2), "scores": done.result.scores}
    _tell(options, words, data | {"notices": progress.notices, "recipe": done.recipe})


# --- single steps -----------------------------------------------------------------------------


def invert(options, say) -> None:
    """``invert``: the latent code of a photo, and its reconstruction."""
    from ..inversion.codes import space_name

    path = _target(options, f"{Path(options.photo).stem}-code", ".safetensors")
    space = space_name(options.space)
    studio, progress = _open(options, say)
    portrait = studio.read(options.photo, face=options.face_index)
    started = time.monotonic()
    losses: dict[str, float] = {}

    def watch(step):
        losses.update(step.losses)
        progress(step)

    code = run(studio.invert(portrait, space=space, preset=options.preset or "fast"), watch)
    progress.end()
    code.save(path)
    picture = path.with_suffix(".png")
    Image.fromarray(studio.render(code)).save(picture)
    for notice in portrait.notices:
        progress.note(notice)
    seconds = time.monotonic() - started
    files = {"code": str(path), "reconstruction": str(picture)}
    words = [f"{path} and {picture} in {seconds:.1f} s", _sentence(losses)]
    _tell(options, words, {"files": files, "space": space, "seconds": round(seconds, 2), "losses": losses})


def parse(options, say) -> None:
    """``parse``: the regions of a face, as colours and as numbers."""
    path = _target(options, f"{Path(options.photo).stem}-mask", ".png")
    studio, progress = _open(options, say)
    portrait = studio.read(options.photo, face=options.face_index)
    labels = np.asarray(studio.parse(portrait), np.uint8)
    from ..editing.regions import REGIONS
    from ..jobs import picture_of

    colours = path.with_name(f"{path.stem}-colours.png")
    Image.fromarray(labels).save(path)
    Image.fromarray(picture_of(labels)).save(colours)
    for notice in portrait.notices:
        progress.note(notice)
    shares = {name: round(float((labels == number).mean()), 4) for number, name in enumerate(REGIONS)}
    shares = {name: share for name, share in shares.items() if share}
    words = [f"{path} and {colours}", ", ".join(f"{name} {share:.1%}" for name, share in shares.items())]
    _tell(options, words, {"files": {"labels": str(path), "colours": str(colours)}, "shares": shares})


# --- packs ------------------------------------------------------------------------------------


def download(options, say) -> None:
    """``download``: fetch and verify what a pack needs."""
    from .. import open_pack

    progress = Progress(say, options.quiet)
    pack = open_pack(options.pack, device=options.device)
    run(pack.download("optional" if options.all else "ahead"), progress)
    progress.end()
    doctor(options, say)


def doctor(options, say) -> int:
    """``doctor``: what is needed, cached, verified, and under which licence."""
    from .doctor import render, report

    data = report(options.pack, options.device)
    _tell(options, [render(data)], data)
    return 0 if data["ready"] else 1


# --- tables -----------------------------------------------------------------------------------


def evaluate(options, say) -> None:
    """``evaluate``: tables against ground truth and the papers' metrics."""
    if options.json and not options.json.parent.is_dir():
        raise BadRequest(f"There is no folder {options.json.parent}.", "Make it first.")
    if options.kind == "hair" and options.pairs < 1:
        raise BadRequest("--pairs has to be at least 1.")
    if options.kind == "reconstruction" and not options.folder.is_dir():
        raise BadRequest(f"There is no folder {options.folder}.", "Give a folder of photos.")

    from .. import open_pack
    from ..evaluation import hair, pose, reconstruction, words

    progress = Progress(say, options.quiet)
    pack = open_pack(options.pack, device=options.device, on_step=progress)
    given = {"preset": options.preset, "limit": getattr(options, "limit", None)}
    given["sheet"] = getattr(options, "sheet", None)
    more = {"seed": options.seed or 0} | {k: v for k, v in given.items() if v is not None}
    if options.kind == "hair":
        steps = hair.hair(pack, pairs=options.pairs, **more)
    elif options.kind == "text":
        wanted = {"methods": options.methods, "prompts": options.prompts}
        steps = words.text(pack, portraits=options.portraits, **more, **wanted)
    elif options.kind == "pose":
        rows = {"rows": options.rows} if options.rows else {}
        steps = pose.pose(pack, portraits=options.portraits, **more, **rows)
    else:
        steps = reconstruction.reconstruction(pack, options.folder, **more)
    table = run(steps, progress)
    progress.end()
    for notice in table.get("notices", ()):
        progress.note(notice)
    if options.json:
        options.json.write_text(json.dumps(table, indent=2) + "\n")
    for prompt, rows in table.get("prompts", {}).items():
        print(f"{prompt}\n{_table(rows)}")
    print(_table(table["rows"]) if "rows" in table else json.dumps(table, indent=2), flush=True)


def _table(rows: dict[str, dict[str, float]]) -> str:
    columns = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [f"{'':<12}" + "".join(f"{c:>12}" for c in columns)]
    for name, row in rows.items():
        cells = [
            f"{row[c]:>12.3f}" if isinstance(row.get(c), (int, float)) else f"{'-':>12}" for c in columns
        ]
        lines.append(f"{name:<12}" + "".join(cells))
    return "\n".join(lines)
