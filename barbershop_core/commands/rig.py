"""The commands pose and rig of :mod:`barbershop_core.__main__`."""

from __future__ import annotations

import time
from pathlib import Path

from ..editing.recipe import save_png
from ..errors import BadRequest
from ..progress import run
from .edits import _open, _sentence, _target, _tell


def pose(options, say) -> None:
    """``pose``: turn the head, change expression or light; or a sweep as an animation."""
    path = _target(options, f"{Path(options.face).stem}-pose", ".png")
    request = {name: getattr(options, name) for name in ("yaw", "pitch", "roll", "strength", "method")}
    request |= {
        "face": options.face,
        "face_index": options.face_index,
        "like": options.like,
        "like_index": options.like_index,
        "seed": options.seed or 0,
        "preset": options.preset or "fast",
        "expression": _expression(options),
        "light": _light(options),
        "copy": options.copy,
    }

    from .. import jobs

    studio, progress = _open(options, say)
    started = time.monotonic()
    files: dict[str, str] = {}
    if options.sweep:
        files["animation"] = str(_sweep(studio, progress, options, request, path))
        scores, recipe = {}, None
    else:
        done = run(jobs.start(studio, "pose", request), progress)
        for notice in done.notices:
            progress.note(notice)
        files["image"], scores, recipe = str(path), done.result.scores, done.recipe
        save_png(path, done.result.image, done.recipe)
        if not options.no_paste:
            files["photo"] = str(path.with_name(f"{path.stem}-photo.png"))
            save_png(files["photo"], done.result.pasted, done.recipe)
    progress.end()
    seconds = time.monotonic() - started
    words = [f"{' and '.join(files.values())} in {seconds:.1f} s", _sentence(scores)]
    data = {"files": files, "seconds": round(seconds, 2), "scores": scores, "notices": progress.notices}
    _tell(options, words, data | {"recipe": recipe})


def _sweep(studio, progress, options, request: dict, path: Path) -> Path:
    from ..pie import animation
    from ..pie.rig_request import POSE

    if options.like or options.method == "optimize":
        raise BadRequest(
            "A sweep is made by the rig of one photo.", "Leave out --like and --method optimize."
        )
    kind = "mp4" if path.suffix == ".mp4" else "gif"
    portrait = studio.read(options.face, face=options.face_index)
    session = run(studio.rig(portrait, preset=request["preset"], seed=request["seed"]), progress)
    wanted = {name: request[name] for name in POSE}
    frames = run(session.sweep(options.sweep, options.frames, **wanted), progress)
    made = run(animation.encode(frames, kind), progress)
    for notice in made["notices"]:
        progress.note(notice)
    path = path.with_suffix(Path(made["name"]).suffix)
    path.write_bytes(made["data"])
    return path


def _expression(options) -> str | dict[str, float] | None:
    """A name, or controls as NAME=AMOUNT."""
    if not options.control:
        return options.expression
    if options.expression:
        raise BadRequest("An expression's name and single controls exclude each other.", "Give one of them.")
    return dict(_number(text) for text in options.control)


def _light(options) -> dict[str, float] | None:
    return dict(_number(text) for text in options.light) if options.light else None


def _number(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise BadRequest(f"'{text}' is not NAME=NUMBER.", "Write for example azimuth=40.") from None


def rig(options, say) -> None:
    """``rig train``: RigNet of a pack; ``rig refine``: its reader of 3D faces, self-supervised."""
    from .. import open_pack
    from ..training import mofa, train_rig
    from ..weights.manifest import write_manifest_hashes
    from ..weights.save import save_half
    from .console import Progress

    role = "rignet" if options.kind == "train" else "regressor"
    progress = Progress(say, options.quiet)
    pack = open_pack(options.pack, device=options.device, on_step=progress)
    network = pack.manifest.networks.get(role)
    embedded = network is not None and network.sources[0].embedded
    if options.output is None and not embedded:
        what = f"The pack '{pack.name}' has no place for a {role}."
        raise BadRequest(what, "Say where to write it with -o.")
    path = options.output or pack.manifest.folder / network.sources[0].file
    checkpoint = options.checkpoint or path.with_suffix(".training.pt")
    for file in (path, checkpoint):
        if not file.parent.is_dir():
            raise BadRequest(f"There is no folder {file.parent}.", "Make it first.")
    module, job = (train_rig, "train") if options.kind == "train" else (mofa, "refine")
    schedule = module.Schedule(minutes=options.minutes, samples=options.samples, seed=options.seed or 0)
    started = time.monotonic()
    net, scores = run(getattr(module, job)(pack, checkpoint, schedule), progress)
    progress.end()
    save_half(net.state_dict(), path)
    if embedded and path == pack.manifest.folder / network.sources[0].file:
        write_manifest_hashes(pack.manifest.path)
    minutes = (time.monotonic() - started) / 60
    words = [f"{path} after {minutes:.1f} minutes; held out:"]
    words += [f"  {name:<22} {value:.3f}" for name, value in scores.items()]
    _tell(options, words, {"file": str(path), "minutes": round(minutes, 2), "held_out": scores})
