"""The commands text, directions and mapper (StyleCLIP)."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..errors import BadRequest
from ..options import PRESET, SEED
from ..styleclip import options as styleclip
from .arguments import add_common, add_edit, add_face_index, add_nudge, add_option, given, person
from .output import PICTURES, in_a_folder, open_studio, output_path, sentence, tell, tell_edit, write_edit

GRID_ALPHAS, GRID_BETAS = (-8.0, -4.0, 0.0, 4.0, 8.0), (0.08, 0.15, 0.25)


def add(commands) -> None:
    """The parsers of text, directions and mapper."""
    words = commands.add_parser("text", help="change a portrait by words")
    words.add_argument("face", help="photo of the person")
    words.add_argument("prompt", nargs="?", help=styleclip.PROMPT.help)
    for option in (styleclip.METHOD, styleclip.NEUTRAL, styleclip.ALPHA, styleclip.BETA):
        add_option(words, option)
    words.add_argument(
        "--edit",
        type=_direction,
        dest="edits",
        action="append",
        metavar="TARGET[:NEUTRAL[:ALPHA[:BETA]]]",
        help="another direction, stacked; may be repeated",
    )
    for option in (styleclip.STRENGTH, styleclip.IDENTITY, styleclip.ROUTE, styleclip.WHERE):
        add_option(words, option)
    words.add_argument("--levels", nargs="+", choices=styleclip.LEVEL_NAMES, help=styleclip.LEVELS.help)
    words.add_argument("--grid", action="store_true", help="directions: also a picture of alphas by betas")
    add_face_index(words, "face")
    add_nudge(words)
    add_edit(words, text)

    tables = commands.add_parser("directions", help="tables of global text directions")
    kinds = tables.add_subparsers(dest="kind", required=True, metavar="kind")
    table = kinds.add_parser("precompute", help="compute the table of a pack's generator; resumable")
    table.add_argument("--images", type=int, help="pictures that are varied (default 100)")
    output = "table to write (default: directions.safetensors beside the manifest)"
    add_common(table, precompute_table, output)

    mappers = commands.add_parser("mapper", help="latent mappers of one prompt")
    kinds = mappers.add_subparsers(dest="kind", required=True, metavar="kind")
    train = kinds.add_parser("train", help="train a mapper; resumable")
    train.add_argument("--prompt", required=True, help='such as "curly hair"')
    train.add_argument("--neutral", default="face", help="what it is an alternative to (default: face)")
    train.add_argument("--name", help="name under which it appears (default: the prompt)")
    train.add_argument("--levels", nargs="+", choices=styleclip.LEVEL_NAMES, help="groups of rows of W+ (default: all)")
    train.add_argument("--steps", type=int, help="iterations instead of the preset's")
    train.add_argument("--json", action="store_true", help="held-out figures as JSON on stdout")
    add_common(train, train_mapper, "mapper to write (default: your own folder of mappers)")
    listed = kinds.add_parser("list", help="the mappers that a pack can use")
    add_common(listed, list_mappers, preset=False)


def _direction(text: str) -> dict:
    parts = [part.strip() for part in text.split(":")]
    try:
        numbers = dict(zip(("alpha", "beta"), map(float, parts[2:4])))
    except ValueError:
        numbers = None
    if numbers is None or len(parts) > 4:
        raise argparse.ArgumentTypeError(
            f"'{text}' is no direction, write TARGET:NEUTRAL:ALPHA:BETA, as 'smile:face:5:0.1'"
        )
    return {"target": parts[0], "neutral": parts[1] if len(parts) > 1 else ""} | numbers


def text(options, console) -> None:
    """``text``: change a portrait by words."""
    path = output_path(options, f"{Path(options.face).stem}-text.png", PICTURES)
    if not options.prompt and not options.edits:
        raise BadRequest("Nothing was said that should change.", 'Give a prompt, such as "blond hair".')
    settings = given(options, styleclip.EDIT_TEXT)
    if options.edits and options.prompt:
        numbers = given(options, (styleclip.NEUTRAL, styleclip.ALPHA, styleclip.BETA))
        settings["edits"] = [{"target": options.prompt, **numbers}, *options.edits]

    from .. import jobs
    from ..editing import picture_file

    studio, progress = open_studio(options, console)
    photos = {"face": person(options)}
    done = progress.run(jobs.start(studio, "edit_text", photos, settings))
    files = write_edit(options, path, done)
    if options.grid and settings.get("method", styleclip.METHOD.default) == styleclip.METHOD.default:
        asked = given(options, styleclip.DIRECTION_SLIDERS)
        sliders = progress.run(jobs.start(studio, "direction_sliders", {"face": done.portrait}, asked)).value
        index = sliders.add(options.prompt or options.edits[0]["target"], options.neutral or "")
        files["grid"] = str(path.with_name(f"{path.stem}-grid{path.suffix}"))
        picture_file.write(files["grid"], sliders.grid(index, GRID_ALPHAS, GRID_BETAS))
    tell_edit(options, progress, done, files)


def precompute_table(options, console) -> None:
    """``directions precompute``: the table of global text directions of a pack."""
    from dataclasses import replace

    from ..styleclip import resources
    from ..training.directions_table import PRESETS, precompute

    studio, progress = open_studio(options, console)
    pack = studio.pack
    out = in_a_folder(options.output or pack.manifest.folder / "directions.safetensors")
    clip = progress.run(resources.clip(pack))
    seed = SEED.default if options.seed is None else options.seed
    preset = PRESETS[options.preset or PRESET.default]
    if options.images is not None:
        preset = replace(preset, images=options.images)
    table = progress.run(precompute(pack, clip, out, preset, seed))
    print(f"{out}: {len(table.change)} channels in {progress.seconds:.0f} s", flush=True)


def train_mapper(options, console) -> None:
    """``mapper train``: a latent mapper of one prompt."""
    from dataclasses import replace

    from ..styleclip import prompts, resources
    from ..training.train_mapper import PRESETS, train

    studio, progress = open_studio(options, console)
    pack = studio.pack
    name = (options.name or prompts.clean(options.prompt)).replace(" ", "_").replace("/", "_").lower()
    out = options.output or resources.mappers_folder() / pack.name / f"{name}.safetensors"
    if options.output is None:
        out.parent.mkdir(parents=True, exist_ok=True)
    in_a_folder(out)
    preset = PRESETS[options.preset or PRESET.default]
    if options.steps is not None:
        preset = replace(preset, steps=options.steps)
    if options.levels:
        preset = replace(preset, levels=tuple(options.levels))
    clip = progress.run(resources.clip(pack))
    seed = SEED.default if options.seed is None else options.seed
    figures = progress.run(train(pack, clip, options.prompt, out, options.neutral, preset, seed))
    sheet = out.with_suffix(".png")
    data = {"files": {"mapper": str(out), "sheet": str(sheet)}, "held_out": figures}
    tell(options, [f"{out}, {sheet}", sentence(figures)], data)


def list_mappers(options, console) -> None:
    """``mapper list``: the names of the mappers that a pack can use."""
    from ..styleclip import resources

    studio, _ = open_studio(options, console)
    print("\n".join(sorted(resources.mappers(studio.pack))) or "none yet", flush=True)
