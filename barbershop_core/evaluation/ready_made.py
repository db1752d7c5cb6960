"""Make the hair that the page offers ready-made: rendered styles and colours.

``python -m barbershop_core.evaluation.ready_made`` writes ``assets/examples/ready/``: pictures of rendered people, who
do not exist, and ``ready.json``, which also names the paintings and the photograph whose hair is offered.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from ..editing.regions import region_index
from ..pack import Pack, open_pack
from ..photo import read
from ..world import params
from ..world.render import Rendering, render
from .examples import FOLDER, JPEG
from .triples import regions_of

STYLES: dict[str, dict[str, float]] = {
    "Bob": {"hair_length": 0.0, "fringe": -1.2, "curl": -1.0},
    "Bob with a fringe": {"hair_length": 0.0, "fringe": 1.3, "curl": -1.0},
    "Long and straight": {"hair_length": 1.5, "fringe": 1.2, "curl": -1.0},
    "Long and wavy": {"hair_length": 0.5, "fringe": -0.8, "curl": 0.5, "wave_length": 0.5},
    "Long curls": {"hair_length": 1.5, "fringe": -1.0, "curl": 1.6},
}
PAINTED = {
    "Short waves": "astronaut",
    "Short, to the side": "girl-with-book",
    "Pinned up": "lady-agnew",
    "Curls, pinned up": "elizabeth-chanler",
    "Parted, drawn back": "la-velata",
    "Long and parted": "mona-lisa",
}
COLOURS: dict[str, dict[str, float]] = {
    "Black": {"hair_lightness": -2.0},
    "Dark brown": {"hair_lightness": -0.7},
    "Brown": {"hair_lightness": -0.1},
    "Chestnut": {"hair_lightness": -0.1, "hair_red": 0.7},
    "Copper": {"hair_lightness": 0.3, "hair_red": 2.0},
    "Dark blond": {"hair_lightness": 0.8},
    "Blond": {"hair_lightness": 1.8},
    "Grey": {"hair_lightness": 0.0, "hair_grey": 2.0},
    "White": {"hair_lightness": 2.0, "hair_grey": 2.5},
}
"""Names on the page, and numbers of :mod:`..world.params`, each standard normal."""
SIDE = 256


def person(**values: float) -> Rendering:
    """A rendered person who looks at the camera, with average features but for ``values``."""
    p = np.zeros(params.COUNT, np.float32)
    for name, value in {"beard": -1.0, "glasses": -1.0, "light_elevation": 0.5, **values}.items():
        p[params.INDEX[name]] = value
    return render(p, SIDE)


def make(folder: Path, pack: Pack) -> None:
    """Write the pictures and ``ready.json``.  pack: finds the faces of the paintings, of which heads are shown."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, photo in PAINTED.items():
        row = {"kind": "style", "name": name, "file": f"../photos/{photo}.jpg", "picture": f"style-{photo}.jpg"}
        head = read(folder / row["file"], pack.working_size, pack.landmarker, None).at(SIDE)
        Image.fromarray(head).save(folder / row["picture"], **JPEG)
        rows.append(row)
    for kind, named, shared in (
        ("style", STYLES, {"hair_volume": 1.6, "hair_lightness": -0.3}),
        ("colour", COLOURS, {"hair_length": 0.3, "curl": -0.5, "fringe": -1.0}),
    ):
        for name, values in named.items():
            file = f"{kind}-{name.lower().replace(' ', '-')}.jpg"
            drawn = person(**{**shared, **values})
            Image.fromarray(drawn.image).save(folder / file, **JPEG)
            row = {"kind": kind, "name": name, "file": file, "picture": file}
            if kind == "colour":
                hair = regions_of(drawn) == region_index("hair")
                row["colour"] = "#" + bytes(np.percentile(drawn.image[hair], 70, axis=0).astype(np.uint8)).hex()
                Image.fromarray(np.uint8(hair) * 255).save(folder / "hair.png", optimize=True)
            rows.append(row)
    (folder / "ready.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    make(FOLDER / "ready", open_pack("studio"))
