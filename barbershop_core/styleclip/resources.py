"""What the three methods load for a pack: CLIP, the table of global directions, latent mappers."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from .. import networks
from ..errors import BadRequest, WeightCorrupt
from ..networks.clip import Clip
from ..networks.mapper import Mapper
from ..progress import Steps
from ..protocols import PackLike
from ..weights import checkpoint, unpickle
from ..weights.manifest import Source
from .directions import Table, from_arrays, from_state

PREFIX = "mapper_"
"""Of the roles that mappers have in a pack's manifest."""
KINDS = (".pt", ".pth", ".safetensors")
"""Suffixes of mapper files."""


def clip(pack: PackLike) -> Steps[Clip]:
    """The pack's CLIP, downloaded if needed.  Raises BadRequest if the pack has none, WeightMissing."""
    if "clip" not in pack.manifest.networks:
        raise BadRequest(f"The pack '{pack.name}' cannot be edited by words: it has no CLIP.", "Use another pack.")
    yield from pack.fetch("clip")
    return pack.optional("clip")


def captions(pack: PackLike) -> tuple[str, ...]:
    """The phrases of the captions that the pack's CLIP was trained with, where the pack lists them; else none."""
    path = pack.file("captions") if "captions" in pack.manifest.networks else None
    return () if path is None else tuple(path.read_text(encoding="utf-8").splitlines())


def table(pack: PackLike) -> Steps[Table]:
    """The pack's table of directions, on its device.

    Raises BadRequest if the pack has none, WeightMissing, WeightCorrupt if it is of another generator.
    """
    if "directions" not in pack.manifest.networks:
        raise BadRequest(
            f"The pack '{pack.name}' has no table of directions yet.",
            f"Compute it: python -m barbershop_core directions precompute --pack {pack.name}.",
        )
    yield from pack.fetch("directions", "style_statistics")
    path = pack.file("directions")
    if path.suffix == ".safetensors":
        found = from_state(checkpoint.read(path))
    else:
        with open(pack.file("style_statistics"), "rb") as file:
            found = from_arrays(checkpoint.read(path), unpickle.load(file))
    g = pack.generator
    widths = tuple(style.shape[1] for style in g.styles(g.w_mean[None]))
    if found.widths != widths:
        raise WeightCorrupt(
            "The table of directions belongs to another generator.",
            f"Compute it again: python -m barbershop_core directions precompute --pack {pack.name}.",
        )
    return found.to(pack.device)


def mappers_folder() -> Path:
    """The folder of the user's own mappers: ``$BARBERSHOP_MAPPERS``, or in the platform's data folder."""
    if given := os.environ.get("BARBERSHOP_MAPPERS"):
        return Path(given).expanduser()
    return platformdirs.user_data_path("barbershop", appauthor=False, roaming=True) / "mappers"


def mappers(pack: PackLike) -> dict[str, str | Path]:
    """Mappers by name: the role of one in the pack, the path of one in the user's folder.

    ``<folder>/*.pt`` are for every pack, ``<folder>/<pack>/*.pt`` for this one (also .pth, .safetensors).
    The user's own replace the pack's of the same name.
    """
    found: dict[str, str | Path] = {
        role.removeprefix(PREFIX).replace("_", " "): role
        for role, network in pack.manifest.networks.items()
        if network.kind == "mapper" and any(_available(pack, source) for source in network.sources)
    }
    for folder in (mappers_folder(), mappers_folder() / pack.name):
        if folder.is_dir():
            files = (f for f in sorted(folder.iterdir()) if f.suffix.lower() in KINDS and f.is_file())
            found |= {f.stem.replace("_", " ").lower(): f for f in files}
    return found


def _available(pack: PackLike, source: Source) -> bool:
    """Whether a source is on the Hub, or is a file of the pack that has been trained already."""
    return not source.embedded or (pack.manifest.folder / source.file).is_file()


def mapper(pack: PackLike, name: str) -> Steps[Mapper]:
    """A mapper by name (see `mappers`) or by the path of its file, on the pack's device.

    Raises BadRequest if it is unknown or for codes of another size, WeightCorrupt for weights of something
    else.
    """
    known = mappers(pack)
    where = known.get(name.replace("_", " ").lower().strip())
    if where is None and Path(name).suffix.lower() in KINDS and Path(name).is_file():
        where = Path(name)
    if where is None:
        listed = ", ".join(sorted(known)) or "none yet"
        raise BadRequest(
            f"There is no mapper '{name}' for the pack '{pack.name}'.",
            f'Choose one of: {listed}; or train it: python -m barbershop_core mapper train --prompt "...".',
        )
    if isinstance(where, str):
        yield from pack.fetch(where)
        net = pack.optional(where)
    else:
        net = networks.load("mapper", where).to(pack.device)
    width = pack.generator.style_dim
    if net.width != width:
        raise BadRequest(
            f"The mapper '{name}' is for codes of {net.width} numbers, those of the pack '{pack.name}' have {width}.",
            "Use one that was trained for this pack.",
        )
    return net
