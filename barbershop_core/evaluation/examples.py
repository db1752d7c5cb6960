"""Make the page's examples: edits of paintings and of a photograph, transfers between rendered people.

``python -m barbershop_core.evaluation.examples --seeds 1 2 3`` writes pictures and ``examples.json`` into
``assets/examples``, and ``readme.jpg``, the strip in README.md.  The photographs in ``photos/`` are in the public
domain; the rendered people do not exist.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageOps

from ..barbershop.transfer_presets import transfer_preset
from ..editing.picture_file import EDITED, write
from ..editing.regions import colour_map
from ..jobs import start
from ..pack import open_pack
from ..progress import Step, Steps, run
from ..studio import Studio
from ..weights.assets import ASSETS
from .triples import Triple, triples

FOLDER = ASSETS / "examples"
SIDE = 256  # px of the rendered photos
SHOWN = 560  # px of the large pictures
JPEG = {"quality": 88, "optimize": True}
KINDS = (
    ("Hair shape and colour", ("hair_shape", "hair_color")),
    ("Hair shape alone", ("hair_shape",)),
    ("Hair colour alone", ("hair_color",)),
)


PHOTOGRAPHS: tuple[tuple[str, str, str, dict[str, str], dict[str, Any]], ...] = (
    (
        "Pose, expression",
        "Mona Lisa smiles and turns",
        "repose",
        {"face": "mona-lisa"},
        {"yaw": 8.0, "expression": "smile"},
    ),
    (
        "Hair",
        "Lady Agnew with a girl's hair",
        "transfer",
        {"face": "lady-agnew", "hair_shape": "girl-with-book", "hair_color": "girl-with-book"},
        {},
    ),
    (
        "Hair colour",
        "A girl, blond like an astronaut",
        "transfer",
        {"face": "girl-with-book", "hair_color": "astronaut"},
        {},
    ),
    (
        "Words",
        "“Red hair” for an astronaut",
        "edit_text",
        {"face": "astronaut"},
        {"prompt": "red hair", "neutral": "hair", "alpha": 3.0},
    ),
    (
        "Light",
        "La Velata, lit from the left",
        "repose",
        {"face": "la-velata"},
        {"light": {"azimuth": -60.0, "elevation": 20.0}},
    ),
    ("Pose", "A girl turns her head", "repose", {"face": "girl-with-book"}, {"yaw": 14.0}),
    (
        "Hair",
        "Mona Lisa with La Velata's hair",
        "transfer",
        {"face": "mona-lisa", "hair_shape": "la-velata", "hair_color": "la-velata"},
        {},
    ),
)
"""Kind, title, operation, photos by role, options."""
FIRST: tuple[tuple[str, str, dict[str, str], dict[str, Any]], ...] = (
    ("hair", "transfer", {"face": "mona-lisa", "hair_shape": "la-velata", "hair_color": "la-velata"}, {}),
    ("words", "edit_text", {"face": "mona-lisa"}, {"prompt": "smiling", "neutral": "serious", "alpha": 8.0}),
    (
        "pose",
        "repose",
        {"face": "mona-lisa"},
        {"yaw": -12.0, "light": {"azimuth": -60.0, "strength": 1.4, "warmth": 0.5}},
    ),
)
"""The large pictures above everything else on the page, each made of the one before: name, operation, photos by role,
options."""


def make(studio: Studio, seeds: list[int], folder: Path = FOLDER) -> Steps[list[dict[str, Any]]]:
    """The edits of `PHOTOGRAPHS`, then one example for each seed, of `KINDS` in turn; returns what
    ``examples.json`` lists."""
    folder.mkdir(parents=True, exist_ok=True)
    yield from first(studio, folder)
    rows = []
    for number, (kind, *edit) in enumerate(PHOTOGRAPHS):
        row = yield from _of_photographs(studio, number, *edit, folder)
        row["kind"] = kind
        rows.append(row)
        yield Step("photograph", number + 1, len(PHOTOGRAPHS))
    for number, seed in enumerate(seeds):
        triple = next(iter(triples(1, seed, SIDE)))
        row = yield from _one(studio, triple, number, folder)
        rows.append(row)
        yield Step("example", number + 1, len(seeds))
    (folder / "examples.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return rows


def first(studio: Studio, folder: Path = FOLDER) -> Steps[None]:
    """The edits of `FIRST`, and the photo before them."""
    pictures: dict[str, Image.Image] = {}
    previous = None
    for number, (name, operation, photos, options) in enumerate(FIRST):
        paths = {role: str(FOLDER / "photos" / f"{photo}.jpg") for role, photo in photos.items()}
        done = yield from start(studio, operation, paths, options, previous)
        previous = done.value
        pictures |= {"before": Image.fromarray(done.portrait.at(SHOWN)), name: previous.image}
        yield Step("first", number + 1, len(FIRST))
    for name, picture in pictures.items():
        shown = picture.resize((SHOWN, SHOWN), Image.Resampling.LANCZOS)
        write(folder / f"first-{name}.jpg", shown, source_type=None if name == "before" else EDITED)
    write(folder / "readme.jpg", _strip(list(pictures.values())), source_type=EDITED)


def times(rows: list[dict[str, Any]], where: str) -> dict[str, str]:
    """The page's line under each preset: "fast" as measured here, the others estimated from it."""
    fast = [row["scores"]["seconds"]["total"] for row in rows if "hair_shape" in row and "hair_color" in row]
    seconds = sum(fast) / len(fast)
    lines = {"fast": f"About {_rounded(seconds)} for three new photos (measured on {where}); known ones faster."}
    for preset in ("released", "paper"):
        guess = seconds * passes(preset) / passes("fast")
        lines[preset] = f"At least {_rounded(guess)} for three new photos (estimated from its steps, on {where})."
    return lines


def passes(preset: str, photos: int = 3) -> int:
    """Generator passes of a transfer between so many new photos, without early stops."""
    numbers = transfer_preset(preset)
    embedding = numbers.inversion.w_steps + numbers.inversion.w_plus_steps + numbers.inversion.fs_steps
    others = photos - 1 if numbers.published else 0
    turned = numbers.pose_steps * (photos - 1)
    align = numbers.align_steps + others * numbers.align_style_steps
    return photos * embedding + 2 * numbers.mask_steps + turned + align + numbers.blend_steps


def _rounded(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _one(studio, triple: Triple, number: int, folder: Path) -> Steps[dict[str, Any]]:
    title, used = KINDS[number % len(KINDS)]
    photos = {"face": triple.face, "hair_shape": triple.shape, "hair_color": triple.colour}
    files = {name: f"{number}-{name}.png" for name in ("face", *used)}
    for name, file in files.items():
        Image.fromarray(photos[name].image).save(folder / file, optimize=True)
    paths = {name: str(folder / file) for name, file in files.items()}
    result = (yield from start(studio, "transfer", paths)).value
    write(folder / f"{number}-result.png", result.image, result.recipe)
    write(folder / f"{number}-photo.png", result.pasted, result.recipe)
    mask = Image.fromarray(colour_map(result.masks["target"])).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    mask.quantize(16).save(folder / f"{number}-mask.png", optimize=True)
    card = f"{number}-card.jpg"
    references = [Image.fromarray(photos[name].image) for name in used]
    _card(Image.fromarray(triple.face.image), result.pasted, references).save(folder / card, **JPEG)
    made = {"result": f"{number}-result.png", "pasted": f"{number}-photo.png", "mask": f"{number}-mask.png"}
    kind = "Hair colour" if used == ("hair_color",) else "Hair"
    return {"kind": kind, "title": title, **files, **made, "card": card, "scores": result.scores}


def _of_photographs(
    studio: Studio, number: int, title: str, operation: str, photos: dict[str, str], options: dict, folder: Path
) -> Steps[dict[str, Any]]:
    files = {role: f"photos/{name}.jpg" for role, name in photos.items()}
    done = yield from start(studio, operation, {role: str(FOLDER / file) for role, file in files.items()}, options)
    result, name = done.value, f"photo-{number}"
    before = Image.fromarray(done.portrait.at(result.image.width))
    before.save(folder / f"{name}-before.jpg", **JPEG)
    write(folder / f"{name}-result.png", result.image, result.recipe)
    write(folder / f"{name}-photo.jpg", result.pasted, result.recipe)
    references = list(dict.fromkeys(file for role, file in files.items() if role != "face"))
    pictures = [Image.open(FOLDER / file).convert("RGB") for file in references]
    _card(before, result.image, pictures).save(folder / f"{name}-card.jpg", **JPEG)
    made = {"before": f"{name}-before.jpg", "result": f"{name}-result.png", "pasted": f"{name}-photo.jpg"}
    made["card"] = f"{name}-card.jpg"
    return {"title": title, "operation": operation, **files, **made, "scores": result.scores}


def _card(before: Image.Image, after: Image.Image, references: list[Image.Image], side: int = 240) -> Image.Image:
    """Before and after side by side; the other photos as small round pictures between them."""
    card = Image.new("RGB", (side * 2, side))
    for place, picture in enumerate((before, after)):
        card.paste(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (place * side, 0))
    pen, size = ImageDraw.Draw(card), side * 9 // 24
    pen.line((side, 0, side, side), "#f7f4f0", 4)
    for place, picture in enumerate(references):
        box = (side - size // 2, side - (size + 6) * (len(references) - place))
        ring = Image.new("L", (size, size))
        ImageDraw.Draw(ring).ellipse((0, 0, size - 1, size - 1), 255)
        card.paste(Image.new("RGB", ring.size, "#f7f4f0"), box, ring)
        inner = size - 8
        round_photo = ImageOps.fit(picture, (inner, inner), centering=(0.5, 0.1))
        card.paste(round_photo, (box[0] + 4, box[1] + 4), ring.resize((inner, inner), Image.Resampling.LANCZOS))
    return card


def _strip(pictures: list[Image.Image], side: int = 400, gap: int = 12) -> Image.Image:
    """Pictures side by side."""
    strip = Image.new("RGB", ((side + gap) * len(pictures) - gap, side), "white")
    for number, picture in enumerate(pictures):
        strip.paste(picture.resize((side, side), Image.Resampling.LANCZOS), (number * (side + gap), 0))
    return strip


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", default="studio")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--first", action="store_true", help="only the large pictures at the top of the page")
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()

    def show(step: Step) -> None:
        print(f"{step.stage} {step.index}/{step.total}", flush=True)

    studio = Studio(open_pack(options.pack), cache=False)  # true times
    if options.first:
        run(first(studio, options.out), show)
        return
    rows = run(make(studio, options.seeds, options.out), show)
    cores = f"{os.cpu_count()} CPU cores" if studio.pack.device.type == "cpu" else str(studio.pack.device)
    lines = times(rows, f"{cores} with the pack '{studio.pack.name}'")
    (options.out / "times.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
