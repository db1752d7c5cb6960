"""The command line: ``python -m barbershop_core {hair,face,invert,parse,download,doctor,evaluate}``.

This file knows the options and how a run ends; :mod:`barbershop_core.commands.edits` does the commands and is
imported only when one runs, so that ``--help`` answers at once.
"""

from __future__ import annotations

import argparse
import signal
import sys
import traceback
from pathlib import Path

from .errors import BadRequest, BarbershopError, PhotoError
from .styleclip import ALPHA, BETA

PRESETS = ("fast", "released", "paper")

EXAMPLES = """examples:
  python -m barbershop_core hair me.jpg --shape friend.jpg -o me-new.png
  python -m barbershop_core hair me.jpg --color red.jpg --region nose=other.jpg
  python -m barbershop_core hair me.jpg --shape friend.jpg --recipe me-new.png
  python -m barbershop_core face me.jpg group.jpg --into-index 1
  python -m barbershop_core invert me.jpg --space FS
  python -m barbershop_core doctor --json"""


HOMES = {
    "text": ".commands.words",
    "directions": ".commands.words",
    "mapper": ".commands.words",
    "pose": ".commands.rig",
    "rig": ".commands.rig",
}
"""Modules of the commands that are not in :mod:`barbershop_core.commands.edits`."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        self.exit(2, f"{message[:1].upper()}{message[1:].rstrip('.')}; see '{self.prog} --help'.\n")


def _region(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not equals or not name or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is not REGION=PHOTO, as in nose=photo.jpg")
    return name.strip(), path


def _common(parser: argparse.ArgumentParser, output: str, preset: bool = True) -> None:
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--pack", help="studio, ffhq, a path to a pack.toml, or auto (default: $BARBERSHOP_PACK, or auto)"
    )
    if preset:
        group.add_argument(
            "--preset",
            choices=PRESETS,
            help="fast (default), or the numbers of the released code or the paper",
        )
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    group.add_argument("--seed", type=int, help="random seed (default 0)")
    group.add_argument("-o", "--output", type=Path, help=output)
    group.add_argument("--quiet", action="store_true", help="no progress")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def _pose(commands) -> None:
    """pose, rig: PIE."""
    pose = commands.add_parser("pose", help="turn the head, change the expression or the light")
    pose.add_argument("face", help="photo of the person")
    for name, way in (("yaw", "to the picture's right"), ("pitch", "up"), ("roll", "clockwise")):
        pose.add_argument(f"--{name}", type=float, default=0.0, metavar="DEGREES", help=f"turn by, {way}")
    pose.add_argument(
        "--expression", metavar="NAME", help="smile, open mouth, raised brows, closed eyes, frown or neutral"
    )
    pose.add_argument("--strength", type=float, default=1.0, help="of the expression, 0 to 1.5 (default 1)")
    pose.add_argument(
        "--control",
        metavar="NAME=AMOUNT",
        action="append",
        default=[],
        help="add to one of the face model's own controls; may be repeated",
    )
    pose.add_argument(
        "--light",
        metavar="NAME=NUMBER",
        action="append",
        default=[],
        help="azimuth, elevation (degrees), strength, warmth; may be repeated",
    )
    pose.add_argument("--like", metavar="PHOTO", help="copy from this photo")
    pose.add_argument(
        "--copy",
        action="append",
        choices=("pose", "expression", "light"),
        help="what to copy (default all three); may be repeated",
    )
    pose.add_argument(
        "--method",
        choices=("rig", "optimize"),
        help="rig (RigNet; default where the pack has one) or optimize (latent optimization)",
    )
    pose.add_argument("--sweep", choices=("yaw", "light"), help="write an animation instead (GIF or MP4)")
    pose.add_argument("--frames", type=int, default=24, help="of the animation (default 24)")
    for name in ("face", "like"):
        pose.add_argument(f"--{name}-index", type=int, metavar="N", help=f"which face of the {name} photo")
    pose.add_argument("--no-paste", action="store_true", help="write only the portrait, not the whole photo")
    pose.add_argument("--json", action="store_true", help="scores and files as JSON on stdout")
    _common(pose, "portrait to write (PNG); the whole photo goes beside it as NAME-photo.png")

    rig = commands.add_parser("rig", help="train the rig of a pack's generator")
    kinds = rig.add_subparsers(dest="kind", required=True, metavar="kind")
    train = kinds.add_parser("train", help="train RigNet on samples of the generator; resumable")
    train.add_argument("--minutes", type=float, default=15.0, help="of all runs together (default 15)")
    train.add_argument("--samples", type=int, default=6000, help="generated portraits to learn from")
    train.add_argument("--checkpoint", type=Path, help="where the training can be resumed")
    train.add_argument("--json", action="store_true", help="held-out figures as JSON on stdout")
    _common(train, "rig to write (.safetensors; default: its place in the pack)", preset=False)
    refine = kinds.add_parser("refine", help="refine the reader of 3D faces through the rasterizer (MoFA)")
    refine.add_argument("--minutes", type=float, default=6.0, help="of all runs together (default 6)")
    refine.add_argument("--samples", type=int, default=600, help="generated portraits to learn from")
    refine.add_argument("--checkpoint", type=Path, help="where the training can be resumed")
    refine.add_argument("--json", action="store_true", help="held-out figures as JSON on stdout")
    _common(refine, "regressor to write (.safetensors; default: its place in the pack)", preset=False)


def _words(commands) -> None:
    """text, directions, mapper: StyleCLIP."""
    text = commands.add_parser("text", help="change a portrait by words")
    text.add_argument("face", help="photo of the person")
    text.add_argument(
        "prompt",
        nargs="?",
        default="",
        help='what should be seen, such as "curly hair"; '
        "for --method mapper the name of a mapper or its file",
    )
    text.add_argument(
        "--method",
        choices=("directions", "optimize", "mapper"),
        default="directions",
        help="directions (default, at once), optimize (any text, slower) or mapper",
    )
    text.add_argument("--neutral", default="", help="what the prompt is an alternative to (default: face)")
    text.add_argument(
        "--alpha", type=float, default=ALPHA, help="directions: strength, -10..10 (default %(default)g)"
    )
    text.add_argument(
        "--beta",
        type=float,
        default=BETA,
        help="directions: the higher, the fewer channels move, 0 to 1 (default %(default)g)",
    )
    text.add_argument(
        "--edit",
        action="append",
        default=[],
        metavar="TARGET[:NEUTRAL[:ALPHA[:BETA]]]",
        help="a direction more, stacked; may be repeated",
    )
    text.add_argument("--strength", type=float, default=1.0, help="mapper: 1 as trained, -3 to 3")
    text.add_argument("--identity", type=float, help="optimize: weight of staying the same person, 0 to 1")
    text.add_argument(
        "--route",
        choices=("W+", "F"),
        default="W+",
        help="W+ (default) changes shapes, too; F keeps the portrait's detail map",
    )
    text.add_argument("--grid", action="store_true", help="directions: also a picture of alphas by betas")
    text.add_argument("--face-index", type=int, metavar="N", help="which face of the photo, from 0 by size")
    text.add_argument("--no-paste", action="store_true", help="write only the portrait, not the whole photo")
    text.add_argument("--json", action="store_true", help="scores and files as JSON on stdout")
    _common(text, "portrait to write (PNG); the whole photo goes beside it as NAME-photo.png")

    directions = commands.add_parser("directions", help="tables of global text directions")
    kinds = directions.add_subparsers(dest="kind", required=True, metavar="kind")
    table = kinds.add_parser("precompute", help="compute the table of a pack's generator; resumable")
    table.add_argument("--images", type=int, default=100, help="pictures that are varied (default 100)")
    table.add_argument(
        "--by",
        choices=("derivative", "shift"),
        default="derivative",
        help="small changes of a channel (default), or large ones, as published: slow",
    )
    table.add_argument("--sigmas", type=float, default=5.0, help="of --by shift: standard deviations (5)")
    _common(table, "table to write (default: directions.safetensors beside the manifest)", preset=False)

    mapper = commands.add_parser("mapper", help="latent mappers of one prompt")
    kinds = mapper.add_subparsers(dest="kind", required=True, metavar="kind")
    train = kinds.add_parser("train", help="train a mapper; resumable")
    train.add_argument("--prompt", required=True, help='such as "curly hair"')
    train.add_argument("--neutral", default="face", help="what it is an alternative to (default: face)")
    train.add_argument("--name", help="name under which it appears (default: the prompt)")
    train.add_argument("--steps", type=int, help="iterations instead of the preset's")
    train.add_argument("--json", action="store_true", help="held-out figures as JSON on stdout")
    _common(train, "mapper to write (default: your own folder of mappers)")
    listed = kinds.add_parser("list", help="the mappers that a pack can use")
    _common(listed, argparse.SUPPRESS, preset=False)


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = _Parser(
        prog="python -m barbershop_core",
        description="Hair and face transfer between photos.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="command")

    hair = commands.add_parser("hair", help="hair shape, hair colour or features of other photos")
    hair.add_argument("face", help="photo of the person")
    hair.add_argument("--shape", metavar="PHOTO", help="take the hair's shape from this photo")
    hair.add_argument("--color", metavar="PHOTO", help="take the hair's colour from this photo")
    hair.add_argument(
        "--region",
        metavar="REGION=PHOTO",
        type=_region,
        action="append",
        default=[],
        help="take a region from a photo, e.g. nose=photo.jpg; may be repeated",
    )
    hair.add_argument(
        "--mask", metavar="PNG", help="target mask to use instead of the automatic one (see parse)"
    )
    hair.add_argument(
        "--mode", choices=("realistic", "fidelity"), help="how unclaimed areas are filled (default realistic)"
    )
    hair.add_argument("--smooth", type=float, metavar="PX", help="softness of the mask's borders (default 5)")
    for name in ("face", "shape", "color"):
        hair.add_argument(
            f"--{name}-index", type=int, metavar="N", help=f"which face of the {name} photo, from 0 by size"
        )
    hair.add_argument("--no-paste", action="store_true", help="write only the portrait, not the whole photo")
    hair.add_argument(
        "--recipe", metavar="PNG", help="repeat the settings stored in this result; options given here win"
    )
    hair.add_argument("--json", action="store_true", help="scores and files as JSON on stdout")
    _common(hair, "portrait to write (PNG); the whole photo goes beside it as NAME-photo.png")

    face = commands.add_parser("face", help="put a face into another photo")
    face.add_argument("face", help="photo of the face")
    face.add_argument("into", help="photo that receives it")
    face.add_argument("--face-index", type=int, metavar="N", help="which face of the first photo")
    face.add_argument(
        "--into-index", type=int, metavar="N", help="which face of the second photo is replaced"
    )
    face.add_argument("--no-paste", action="store_true", help="write only the portrait, not the whole photo")
    face.add_argument(
        "--recipe", metavar="PNG", help="repeat the settings stored in this result; options given here win"
    )
    face.add_argument("--json", action="store_true", help="scores and files as JSON on stdout")
    _common(face, "portrait to write (PNG); the whole photo goes beside it as NAME-photo.png")

    _words(commands)
    _pose(commands)

    repeat = commands.add_parser("repeat", help="make a picture again from the recipe that it carries")
    repeat.add_argument("picture", help="PNG that the page or this program wrote, of one step or several")
    repeat.add_argument("photos", nargs="+", metavar="PHOTO", help="the photos it was made of, in any order")
    repeat.add_argument("--json", action="store_true", help="scores and files as JSON on stdout")
    _common(repeat, "portrait to write (PNG); the whole photo goes beside it as NAME-photo.png", preset=False)

    invert = commands.add_parser("invert", help="the latent code of a photo, and its reconstruction")
    invert.add_argument("photo")
    invert.add_argument("--space", default="FS", help="W, W+ or FS (default)")
    invert.add_argument("--face-index", type=int, metavar="N", help="which face of the photo")
    invert.add_argument("--json", action="store_true", help="files and losses as JSON on stdout")
    _common(invert, "code to write (.safetensors); the reconstruction goes beside it as .png")

    parse = commands.add_parser("parse", help="the regions of a face, as colours and as numbers")
    parse.add_argument("photo")
    parse.add_argument("--face-index", type=int, metavar="N", help="which face of the photo")
    parse.add_argument("--json", action="store_true", help="files and region shares as JSON on stdout")
    _common(parse, "region numbers to write (PNG); colours go beside it as NAME-colours.png", preset=False)

    download = commands.add_parser("download", help="fetch and verify what a pack needs")
    download.add_argument("--json", action="store_true", help="what was fetched, as JSON on stdout")
    download.add_argument("--all", action="store_true", help="also what is optional")
    _common(download, argparse.SUPPRESS, preset=False)

    doctor = commands.add_parser("doctor", help="what is needed, cached, verified, and under which licence")
    doctor.add_argument("--json", action="store_true", help="as JSON on stdout")
    _common(doctor, argparse.SUPPRESS, preset=False)

    evaluate = commands.add_parser("evaluate", help="tables against ground truth and the paper's metrics")
    kinds = evaluate.add_subparsers(dest="kind", required=True, metavar="kind")
    truth = kinds.add_parser("hair", help="transfers of rendered people against the rendered truth")
    truth.add_argument("--pairs", type=int, default=50, help="number of held-out triples (default 50)")
    truth.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    _common(truth, argparse.SUPPRESS)
    truth.add_argument("--sheet", type=Path, metavar="PNG", help="a contact sheet of the first dozen")
    words = kinds.add_parser("text", help="edits by words, measured by a network that reads portraits")
    words.add_argument("--portraits", type=int, default=50, help="held-out portraits a prompt (default 50)")
    words.add_argument(
        "--methods",
        nargs="+",
        default=["directions", "optimize", "mapper"],
        metavar="METHOD",
        help="some of: directions optimize mapper (default all)",
    )
    words.add_argument("--prompts", nargs="+", metavar="PROMPT", help="only these of the scored prompts")
    words.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    words.add_argument("--sheet", type=Path, metavar="PNG", help="a contact sheet of one portrait a prompt")
    _common(words, argparse.SUPPRESS)
    rigged = kinds.add_parser("pose", help="edits by the rig against the rendered truth, and ablations")
    rigged.add_argument("--portraits", type=int, default=20, help="held-out portraits (default 20)")
    rigged.add_argument(
        "--rows",
        nargs="+",
        metavar="ROW",
        help="some of: full no_identity no_edit no_invariance no_recognition w_only "
        "no_hierarchy optimize (default all but the last)",
    )
    rigged.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    rigged.add_argument("--sheet", type=Path, metavar="PNG", help="a contact sheet of the first portraits")
    _common(rigged, argparse.SUPPRESS)
    reconstruction = kinds.add_parser("reconstruction", help="how well photos of a folder are embedded")
    reconstruction.add_argument("folder", type=Path)
    reconstruction.add_argument("--limit", type=int, help="only the first so many photos")
    reconstruction.add_argument("--json", type=Path, metavar="FILE", help="write the table here, too")
    _common(reconstruction, argparse.SUPPRESS)
    return top


def _command(name: str):
    """The function of a command, imported now."""
    from importlib import import_module

    return getattr(import_module(HOMES.get(name, ".commands.edits"), __package__), name)


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code: 0, 1 (failed), 2 (bad request or photo), 130 (stopped)."""
    options = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from .commands.console import quiet_libraries

    say = quiet_libraries(options.debug)
    try:
        return _command(options.command)(options, say) or 0
    except KeyboardInterrupt:
        say("Stopped.")
        return 130
    except BrokenPipeError:
        return 1
    except BarbershopError as error:
        if options.debug:
            say(traceback.format_exc())
        say(str(error))
        return 2 if isinstance(error, (BadRequest, PhotoError)) else 1
    except Exception as error:
        if options.debug:
            say(traceback.format_exc())
        name = type(error).__name__
        say(f"Something went wrong inside the program ({name}); run it again with --debug to see where.")
        return 1


if __name__ == "__main__":
    sys.exit(main())
