"""What the parsers of several commands have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..options import NUDGE, PRESET, PRESET_NAMES, SEED, Option

PORTRAIT = "portrait to write (.png, .jpg or .webp); the whole photo goes beside it as NAME-photo"


class Parser(argparse.ArgumentParser):
    """Reports a mistake in one sentence instead of the whole usage."""

    def error(self, message: str):
        self.exit(2, f"{message[:1].upper()}{message[1:].rstrip('.')}; see '{self.prog} --help'.\n")


def add_common(
    parser: argparse.ArgumentParser, run: Callable[..., Any], output: str = argparse.SUPPRESS, preset: bool = True
) -> None:
    """Options of every command.  run: carries it out.  output: help of ``-o``, hidden by default."""
    group = parser.add_argument_group("common options")
    group.add_argument(
        "--pack", help="studio, ffhq, a path to a pack.toml, or auto (default: $BARBERSHOP_PACK, or auto)"
    )
    if preset:
        add_option(group, PRESET, choices=PRESET_NAMES)
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda or mps")
    add_option(group, SEED)
    group.add_argument("-o", "--output", type=Path, help=output)
    group.add_argument("--quiet", action="store_true", help="show no progress")
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(run=run)


def add_edit(parser: argparse.ArgumentParser, run: Callable[..., Any], preset: bool = True) -> None:
    """Options of a command that writes a portrait and the whole photo."""
    parser.add_argument("--no-paste", action="store_true", help="do not write the whole photo")
    parser.add_argument("--json", action="store_true", help="scores and files as JSON on stdout")
    add_common(parser, run, PORTRAIT, preset)


def add_workers(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """``--workers``, ``--ray`` and ``--gpus-per-worker``, in a group which is returned; see `workers.pool`."""
    group = parser.add_argument_group("workers")
    words = "processes that work at the same time, each with one thread (default 1); results do not depend on it"
    group.add_argument("--workers", type=int, default=1, metavar="N", help=words)
    words = "work as actors of this Ray cluster: auto, HOST:PORT, ray://HOST:PORT, or local for one of this machine"
    group.add_argument("--ray", metavar="ADDRESS", help=words)
    words = "what each of Ray's actors reserves, 0.5 for two on one GPU (default 0)"
    group.add_argument("--gpus-per-worker", type=float, default=0.0, metavar="N", help=words)
    return group


def add_option(parser, option: Option, **more: Any) -> None:
    """``--name`` for an operation's option.  Left out it is None, so that the operation's default holds."""
    words = more.pop("help", option.help)
    if option.kind is float and option.low > float("-inf"):
        words += f", {option.low:g} to {option.high:g}"
    if option.default not in (None, ""):
        default = f"{option.default:g}" if option.kind is float else option.default
        words += f" (default {default})"
    if option.kind in (int, float):
        more["type"] = option.kind
    if option.choices:
        more["choices"] = option.choices
    if option.unit:
        more["metavar"] = option.unit.upper()
    parser.add_argument(f"--{option.name}", help=words, **more)


def add_face_index(parser: argparse.ArgumentParser, *photos: str) -> None:
    """``--PHOTO-index`` for each photo."""
    for photo in photos:
        words = f"which face of the {photo} photo, 0 is the largest"
        parser.add_argument(f"--{photo}-index", type=int, metavar="N", help=words)


def add_nudge(parser: argparse.ArgumentParser) -> None:
    """``--nudge``, of the person's photo."""
    parts = ", ".join(f"{part.name} ({part.low:g} to {part.high:g})" for part in NUDGE)
    words = f"move, turn and zoom the crop of the person, e.g. x=0.05 turn=-3 zoom=1.1: {parts}"
    parser.add_argument("--nudge", type=number, nargs="+", metavar="NAME=NUMBER", help=words)


def person(options: argparse.Namespace) -> tuple[str, int | None, dict[str, float] | None]:
    """The person's photo as `jobs.start` takes it."""
    return options.face, options.face_index, dict(options.nudge) if options.nudge else None


def given(options: argparse.Namespace, listed: Iterable[Option]) -> dict[str, Any]:
    """Those of the listed options that the command has and that were given, by name."""
    values = vars(options)
    return {o.name: values[o.name] for o in listed if values.get(o.name) is not None}


def number(text: str) -> tuple[str, float]:
    """NAME=NUMBER."""
    name, _, value = text.partition("=")
    try:
        return name.strip(), float(value)
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=NUMBER, as in azimuth=40") from None
