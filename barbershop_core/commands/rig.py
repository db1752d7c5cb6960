"""The commands pose and rig (PIE)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..errors import BadRequest
from ..options import checked
from ..pie import options as pie
from .arguments import add_common, add_edit, add_face_index, add_nudge, add_option, given, number, person
from .console import Progress
from .output import PICTURES, in_a_folder, open_studio, output_path, tell, tell_edit, write_edit


def add(commands) -> None:
    """The parsers of pose and rig."""
    turn = commands.add_parser("pose", help="turn the head, change the expression or the light")
    turn.add_argument("face", help="photo of the person")
    for option in pie.ANGLES:
        add_option(turn, option)
    add_option(turn, pie.EXPRESSION, metavar="NAME", help=", ".join(pie.EXPRESSIONS))
    add_option(turn, pie.STRENGTH)
    turn.add_argument(
        "--control",
        type=number,
        metavar="NAME=AMOUNT",
        action="append",
        help="one of the face model's own controls, instead of --expression; may be repeated",
    )
    light = f"{pie.LIGHT.help}; may be repeated"
    turn.add_argument("--light", type=number, metavar="NAME=NUMBER", action="append", help=light)
    gaze = f"{pie.GAZE.help}, as sideways=15 or up=-5; may be repeated"
    turn.add_argument("--gaze", type=number, metavar="NAME=NUMBER", action="append", help=gaze)
    turn.add_argument("--like", metavar="PHOTO", help="copy from this photo")
    turn.add_argument(
        "--copy",
        action="append",
        choices=("pose", "expression", "light"),
        help=f"{pie.COPY.help} (default all three); may be repeated",
    )
    add_option(turn, pie.METHOD)
    sweep = "write an animation instead (GIF or MP4)"
    turn.add_argument("--sweep", choices=pie.SWEEP.choices, help=sweep)
    add_option(turn, pie.FRAMES)
    add_face_index(turn, "face", "like")
    add_nudge(turn)
    add_edit(turn, pose)

    rig = commands.add_parser("rig", help="train the rig of a pack's generator")
    kinds = rig.add_subparsers(dest="kind", required=True, metavar="kind")
    rignet = kinds.add_parser("train", help="train RigNet on samples of the generator; resumable")
    _add_training(rignet, train, "by the size of the generator", output="rig")
    reader = kinds.add_parser("refine", help="refine the reader of 3D faces through the rasterizer (MoFA)")
    _add_training(reader, refine, "6 minutes, 600 portraits", output="regressor")


def _add_training(parser, run, budget: str, output: str) -> None:
    parser.add_argument("--minutes", type=float, help=f"of training, in all runs together (default: {budget})")
    parser.add_argument("--samples", type=int, help="generated portraits to learn from (default: likewise)")
    parser.add_argument("--checkpoint", type=Path, help="where the training can be resumed")
    parser.add_argument("--json", action="store_true", help="held-out figures as JSON on stdout")
    add_common(parser, run, f"{output} to write (.safetensors; default: its place in the pack)", preset=False)


def pose(options, console) -> None:
    """``pose``: turn the head, change expression or light; or a sweep as an animation."""
    kinds = (".gif", ".mp4") if options.sweep else PICTURES
    path = output_path(options, f"{Path(options.face).stem}-pose.{'gif' if options.sweep else 'png'}", kinds)
    settings = given(options, pie.REPOSE)
    if options.control:
        if options.expression:
            raise BadRequest("--expression and --control exclude each other.", "Give one of them.")
        settings["expression"] = dict(options.control)
    if options.light:
        settings["light"] = dict(options.light)
    if options.gaze:
        settings["gaze"] = dict(options.gaze)
    if options.sweep:
        return _sweep(options, console, path, settings)

    from .. import jobs

    studio, progress = open_studio(options, console)
    photos = {"face": person(options), "like": (options.like, options.like_index)}
    done = progress.run(jobs.start(studio, "repose", photos, settings))
    tell_edit(options, progress, done, write_edit(options, path, done))


def _sweep(options, console, path: Path, settings: dict) -> None:
    """Write an animation of the portrait; pose, expression and light hold in each of its frames."""
    from .. import jobs
    from ..pie import animation

    if options.like or options.method == "optimize":
        what = "A sweep is made by the rig from one photo."
        raise BadRequest(what, "Leave out --like and --method optimize.")
    held = {option.name: settings.get(option.name) for option in pie.POSE}
    asked = checked((*pie.POSE, pie.FRAMES), {**held, "frames": options.frames})
    studio, progress = open_studio(options, console)
    photos = {"face": person(options)}
    done = progress.run(jobs.start(studio, "rig", photos, given(options, pie.RIG)))
    frames = progress.run(done.value.sweep(options.sweep, **asked))
    made = progress.run(animation.encode(frames, "mp4" if path.suffix.lower() == ".mp4" else "gif"))
    for notice in (*done.notices, *made["notices"]):
        progress.note(notice)
    path = path.with_suffix(Path(made["name"]).suffix)
    path.write_bytes(made["data"])
    seconds = progress.seconds
    data = {"files": {"animation": str(path)}, "seconds": seconds, "scores": {}, "recipe": None}
    tell(options, [f"{path} in {seconds:.1f} s"], data | {"notices": progress.notices})


def train(options, console) -> None:
    """``rig train``: the RigNet of a pack's generator."""
    from ..training import train_rig

    _train(options, console, "rignet", train_rig.budget, train_rig.train)


def refine(options, console) -> None:
    """``rig refine``: a pack's reader of 3D faces, refined without labels."""
    from ..training import mofa

    _train(options, console, "regressor", lambda pack: mofa.Schedule(), mofa.refine)


def _train(options, console, role: str, budget, work) -> None:
    from .. import open_pack
    from ..weights.local import embedded_path
    from ..weights.manifest import write_manifest_hashes
    from ..weights.save import save_half

    progress = Progress(console, options.quiet)
    pack = open_pack(options.pack, device=options.device, on_step=progress)
    network = pack.manifest.networks.get(role)
    place = None
    if network is not None and network.sources[0].embedded:
        place = embedded_path(network.sources[0], pack.manifest.folder)
    path = options.output or place
    if path is None:
        what = f"The pack '{pack.name}' has no place for a {role}."
        raise BadRequest(what, "Say where to write it with -o.")
    if path == place:
        path.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = in_a_folder(options.checkpoint or path.with_suffix(".training.pt"))
    in_a_folder(path)
    asked = {name: getattr(options, name) for name in ("minutes", "samples", "seed")}
    numbers = replace(budget(pack), **{name: value for name, value in asked.items() if value is not None})
    net, scores = progress.run(work(pack, checkpoint, numbers))
    save_half(net.state_dict(), path)
    if path == place and not network.sources[0].trained:
        write_manifest_hashes(pack.manifest.path)
    minutes = progress.seconds / 60
    words = [f"{path} after {minutes:.1f} minutes; held out:"]
    words += [f"  {name:<22} {value:.3f}" for name, value in scores.items()]
    tell(options, words, {"file": str(path), "minutes": round(minutes, 2), "held_out": scores})
