"""The commands invert and parse: what a portrait is to the networks."""

from __future__ import annotations

from pathlib import Path

from ..inversion.options import INVERT, SPACE
from .arguments import add_common, add_face_index, add_nudge, add_option, given, person
from .output import open_studio, output_path, sentence, tell


def add(commands) -> None:
    """The parsers of invert and parse."""
    code = commands.add_parser("invert", help="the latent code of a photo, and its reconstruction")
    code.add_argument("face", metavar="photo")
    add_option(code, SPACE)
    add_face_index(code, "face")
    add_nudge(code)
    code.add_argument("--json", action="store_true", help="files and losses as JSON on stdout")
    add_common(code, invert, "code to write (.safetensors); the reconstruction goes beside it as .png")

    regions = commands.add_parser("parse", help="the regions of a face, as colours and as numbers")
    regions.add_argument("face", metavar="photo")
    add_face_index(regions, "face")
    add_nudge(regions)
    regions.add_argument("--json", action="store_true", help="files and region shares as JSON on stdout")
    output = "region numbers to write (PNG); colours go beside it as NAME-colours.png"
    add_common(regions, parse, output, preset=False)


def invert(options, console) -> None:
    """``invert``: the latent code of a photo, and its reconstruction."""
    from .. import jobs
    from ..editing import picture_file

    path = output_path(options, f"{Path(options.face).stem}-code.safetensors", (".safetensors",))
    studio, progress = open_studio(options, console)
    done = progress.run(jobs.start(studio, "invert", _photo(options), given(options, INVERT)))
    done.value.save(path)
    picture = path.with_suffix(".png")
    picture_file.write(picture, studio.render(done.value), source_type=picture_file.GENERATED)
    seconds, losses = progress.seconds, progress.losses
    files = {"code": str(path), "reconstruction": str(picture)}
    words = [f"{path} and {picture} in {seconds:.1f} s", sentence(losses)]
    tell(options, words, {"files": files, "space": done.value.space, "seconds": seconds, "losses": losses})


def parse(options, console) -> None:
    """``parse``: the regions of a face, as colours and as numbers."""
    from PIL import Image

    from .. import jobs
    from ..editing.regions import COLOURS, REGIONS

    path = output_path(options, f"{Path(options.face).stem}-mask.png", (".png",))
    studio, progress = open_studio(options, console)
    done = progress.run(jobs.start(studio, "parse", _photo(options)))
    labels, colours = done.value, path.with_name(f"{path.stem}-colours.png")
    Image.fromarray(labels).save(path)
    Image.fromarray(COLOURS[labels]).save(colours)
    shares = {name: round(float((labels == number).mean()), 4) for number, name in enumerate(REGIONS)}
    shares = {name: share for name, share in shares.items() if share}
    words = [f"{path} and {colours}", ", ".join(f"{name} {share:.1%}" for name, share in shares.items())]
    tell(options, words, {"files": {"labels": str(path), "colours": str(colours)}, "shares": shares})


def _photo(options) -> dict:
    return {"face": person(options)}
