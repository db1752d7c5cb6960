"""Make the page's examples: edits of paintings and of a photograph, transfers between rendered people.

``python -m barbershop_core.evaluation.examples --seeds 3 5 8`` writes pictures and ``examples.json`` into
``assets/examples``, and ``readme.png``, the strip in README.md.  The photographs in ``photos/`` are in the public
domain; the rendered people do not exist.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from ..barbershop.transfer_presets import transfer_preset
from ..editing.picture_file import write
from ..editing.regions import colour_map
from ..jobs import start
from ..pack import open_pack
from ..progress import Step, Steps, run
from ..studio import Studio
from ..weights.assets import ASSETS
from .triples import Triple, triples

FOLDER = ASSETS / "examples"
SIDE = 256  # px of the rendered photos
KINDS = (
    ("Shape and colour", ("hair_shape", "hair_color")),
    ("Shape only", ("hair_shape",)),
    ("Colour only", ("hair_color",)),
)


PHOTOGRAPHS: tuple[tuple[str, str, dict[str, str], dict[str, Any]], ...] = (
    ("Mona Lisa with an astronaut's hair", "transfer", {"face": "mona-lisa", "hair_shape": "astronaut"}, {}),
    ("An astronaut with Mona Lisa's hair", "transfer", {"face": "astronaut", "hair_shape": "mona-lisa"}, {}),
    ("Mona Lisa, turned and lit", "repose", {"face": "mona-lisa"}, {"yaw": 10.0, "light": {"azimuth": -50.0}}),
    ("Mona Lisa smiles", "repose", {"face": "mona-lisa"}, {"expression": "smile"}),
)
"""Title, operation, photos by role (of hair: shape and colour), options."""


def make(studio: Studio, seeds: list[int], folder: Path = FOLDER) -> Steps[list[dict[str, Any]]]:
    """The edits of `PHOTOGRAPHS`, then one example for each seed, of `KINDS` in turn; returns what
    ``examples.json`` lists."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for number, edit in enumerate(PHOTOGRAPHS):
        row = yield from _of_photographs(studio, number, *edit, folder)
        rows.append(row)
        yield Step("photograph", number + 1, len(PHOTOGRAPHS))
    for number, seed in enumerate(seeds):
        triple = next(iter(triples(1, seed, SIDE)))
        row = yield from _one(studio, triple, number, folder)
        rows.append(row)
        yield Step("example", number + 1, len(seeds))
    (folder / "examples.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    _strip([folder / row["card"] for row in rows], folder / "readme.png")
    return rows


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
    _card([folder / file for file in files.values()] + [folder / f"{number}-photo.png"], folder / f"{number}-card.png")
    made = {"result": f"{number}-result.png", "pasted": f"{number}-photo.png", "mask": f"{number}-mask.png"}
    return {"title": title, **files, **made, "card": f"{number}-card.png", "scores": result.scores}


def _of_photographs(
    studio: Studio, number: int, title: str, operation: str, photos: dict[str, str], options: dict, folder: Path
) -> Steps[dict[str, Any]]:
    files = {role: f"photos/{name}.jpg" for role, name in photos.items()}
    if "hair_shape" in files:
        files["hair_color"] = files["hair_shape"]
    done = yield from start(studio, operation, {role: str(FOLDER / file) for role, file in files.items()}, options)
    result, name = done.value, f"photo-{number}"
    before = Image.fromarray(done.portrait.at(result.image.width))
    before.save(folder / f"{name}-before.jpg", quality=90)
    write(folder / f"{name}-result.png", result.image, result.recipe)
    shown = [folder / f"{name}-before.jpg", *(FOLDER / file for role, file in files.items() if role == "hair_shape")]
    _card([*shown, folder / f"{name}-result.png"], folder / f"{name}-card.png")
    made = {"before": f"{name}-before.jpg", "result": f"{name}-result.png", "card": f"{name}-card.png"}
    return {"title": title, "operation": operation, **files, **made, "scores": result.scores}


def _card(pictures: list[Path], path: Path, side: int = 128) -> None:
    """The given photos in a column, the result large beside them."""
    card = Image.new("RGB", (side * 3, side * 2), "#f7f4f0")
    result = Image.open(pictures[-1]).convert("RGB").resize((side * 2, side * 2), Image.Resampling.LANCZOS)
    card.paste(result, (side, 0))
    small = side * 2 // len(pictures[:-1])
    for place, picture in enumerate(pictures[:-1]):
        width = min(side, small)
        photo = ImageOps.fit(Image.open(picture).convert("RGB"), (width, width), centering=(0.5, 0.1))
        card.paste(photo, ((side - width) // 2, place * small + (small - width) // 2))
    card.save(path, optimize=True)


def _strip(cards: list[Path], path: Path) -> None:
    pictures = [Image.open(card) for card in cards[:3]]
    strip = Image.new("RGB", (sum(p.width for p in pictures) + 16 * (len(pictures) - 1), pictures[0].height), "white")
    left = 0
    for picture in pictures:
        strip.paste(picture, (left, 0))
        left += picture.width + 16
    strip.save(path, optimize=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pack", default="studio")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--out", type=Path, default=FOLDER)
    options = parser.parse_args()

    def show(step: Step) -> None:
        print(f"{step.stage} {step.index}/{step.total}", flush=True)

    studio = Studio(open_pack(options.pack), cache=False)  # true times
    rows = run(make(studio, options.seeds, options.out), show)
    cores = f"{os.cpu_count()} CPU cores" if studio.pack.device.type == "cpu" else str(studio.pack.device)
    lines = times(rows, f"{cores} with the pack '{studio.pack.name}'")
    (options.out / "times.json").write_text(json.dumps(lines, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
