"""The commands hair, face and repeat."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from ..barbershop.options import MODE, SMOOTH, SWAP_FACE, TRANSFER
from ..errors import BadRequest
from .arguments import add_edit, add_face_index, add_nudge, add_option, given, person
from .output import PICTURES, open_studio, output_path, tell_edit, write_edit

RECIPE = "repeat the settings stored in this result; options given here win"


def add(commands) -> None:
    """The parsers of hair, face and repeat."""
    hair = commands.add_parser("hair", help="hair shape, hair colour or features of other photos")
    hair.add_argument("face", help="photo of the person")
    hair.add_argument("--shape", metavar="PHOTO", help="take the hair's shape from this photo")
    hair.add_argument(
        "--structure",
        metavar="PHOTO",
        help="take the hair's strands and curl from this photo, in the shape of the other",
    )
    hair.add_argument("--color", metavar="PHOTO", help="take the hair's colour from this photo")
    hair.add_argument(
        "--region",
        metavar="REGION=PHOTO",
        type=_region,
        action="append",
        default=[],
        help="take a region from a photo, e.g. nose=photo.jpg; may be repeated",
    )
    hair.add_argument("--mask", metavar="PNG", help="target mask instead of the automatic one (see parse)")
    add_option(hair, MODE)
    add_option(hair, SMOOTH)
    add_face_index(hair, "face", "shape", "structure", "color")
    add_nudge(hair)
    hair.add_argument("--recipe", metavar="PICTURE", help=RECIPE)
    add_edit(hair, transfer)

    face = commands.add_parser("face", help="put a face into another photo")
    face.add_argument("face", help="photo of the face")
    face.add_argument("into", help="photo that receives it")
    add_face_index(face, "face", "into")
    face.add_argument("--recipe", metavar="PICTURE", help=RECIPE)
    add_edit(face, swap_face)

    again = commands.add_parser("repeat", help="make a picture again from the recipe that it carries")
    again.add_argument("picture", help="PNG, JPEG or WebP file that the page or this program wrote")
    again.add_argument("photos", nargs="+", metavar="PHOTO", help="the photos it was made of, in any order")
    add_edit(again, repeat, preset=False)


def _region(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not name or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is not REGION=PHOTO, as in nose=photo.jpg")
    return name.strip(), path


def transfer(options, console) -> None:
    """``hair``: hair shape, hair colour or single features of other photos."""
    if not any((options.shape, options.structure, options.color, options.region, options.mask, options.recipe)):
        remedy = "Give one of --shape, --structure, --color, --region and --mask."
        raise BadRequest("There is nothing to change.", remedy)
    photos: dict[str, Any] = {
        "face": person(options),
        "hair_shape": (options.shape, options.shape_index),
        "hair_structure": (options.structure, options.structure_index),
        "hair_color": (options.color, options.color_index),
    }
    own = given(options, TRANSFER)
    if options.region:
        photos |= {f"region {region}": photo for region, photo in options.region}
        own["regions"] = {region: f"region {region}" for region, _ in options.region}
    if options.mask:
        from ..editing.mask_file import read_mask

        own["mask"] = read_mask(options.mask)
    _edit(options, console, "transfer", photos, own, "hair")


def swap_face(options, console) -> None:
    """``face``: put a face into another photo."""
    photos = {"face": (options.face, options.face_index), "into": (options.into, options.into_index)}
    _edit(options, console, "swap_face", photos, given(options, SWAP_FACE), "face")


def _edit(options, console, operation: str, photos: dict, own: dict[str, Any], name: str) -> None:
    """Carry out an operation with ``own`` settings, those left out taken from the recipe if there is one."""
    from .. import jobs
    from ..editing.recipe import options_of, read

    path = output_path(options, f"{Path(options.face).stem}-{name}.png", PICTURES)
    recipe = read(options.recipe) if options.recipe else None
    settings = own
    if recipe is not None:
        if recipe["operation"] != operation:
            file = Path(options.recipe).name
            raise BadRequest(f"{file} was not made by the command '{name}'.", "Use the other command.")
        if recipe.get("chain"):
            raise BadRequest("The picture was made in several steps.", "Use the command 'repeat'.")
        settings = options_of(recipe) | settings
        missing = [region for region, role in (settings.get("regions") or {}).items() if role not in photos]
        if missing:
            what = f"The recipe also takes {', '.join(missing)} from a photo."
            raise BadRequest(what, "Give it with --region REGION=PHOTO.")
    studio, progress = open_studio(options, console, recipe and recipe["pack"]["name"])
    done = progress.run(jobs.start(studio, operation, photos, settings))
    changed = jobs.differences(recipe, done.value.recipe) if recipe else ()
    tell_edit(options, progress, done, write_edit(options, path, done), changed)


def repeat(options, console) -> None:
    """``repeat``: make a picture again from the recipe that it carries."""
    from .. import jobs
    from ..editing.recipe import read

    path = output_path(options, f"{Path(options.picture).stem}-again.png", PICTURES)
    recipe = read(options.picture)
    studio, progress = open_studio(options, console, recipe["pack"]["name"])
    done = progress.run(jobs.replay(studio, recipe, options.photos))
    changed = jobs.differences(recipe, done.value.recipe)
    tell_edit(options, progress, done, write_edit(options, path, done), changed)
