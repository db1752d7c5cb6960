"""What the three methods need of a pack: CLIP, the table of directions, mappers; and what is missing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from torch import nn

from .. import networks
from ..errors import BadRequest, WeightCorrupt
from ..networks.clip import Clip
from ..progress import Steps
from ..weights import checkpoint, unpickle
from .directions import Table, from_arrays, from_state

PREFIX = "mapper_"
KINDS = (".pt", ".pth", ".safetensors")


def clip(pack) -> Steps[Clip]:
    """The pack's CLIP, fetched if need be.  Raises BadRequest where it has none, WeightMissing."""
    if "clip" not in pack.manifest.networks:
        raise BadRequest(f"The pack '{pack.name}' understands no words: it has no CLIP.", "Use another pack.")
    yield from pack.fetch("clip")
    return pack.optional("clip")


def table(pack) -> Steps[Table]:
    """The pack's table of directions, on its device.  Raises BadRequest where there is none yet."""
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
            f"Compute it anew: python -m barbershop_core directions precompute --pack {pack.name}.",
        )
    return found.to(pack.device)


def mappers_folder() -> Path:
    """Where one's own mappers lie: ``$BARBERSHOP_MAPPERS``, else this platform's folder for data."""
    if given := os.environ.get("BARBERSHOP_MAPPERS"):
        return Path(given).expanduser()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    elif os.name == "nt":
        base = Path(os.environ.get("APPDATA", Path.home() / "AppData" / "Roaming"))
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "barbershop" / "mappers"


def mappers(pack) -> dict[str, str | Path]:
    """Names of mappers -> the pack's role, or the file of one's own: ``<folder>/*.pt`` and, for this pack
    alone, ``<folder>/<pack>/*.pt``.  One's own come first where names are the same."""
    found: dict[str, str | Path] = {
        role.removeprefix(PREFIX).replace("_", " "): role
        for role, network in pack.manifest.networks.items()
        if network.kind == "mapper" and any(_there(pack, source) for source in network.sources)
    }
    for folder in (mappers_folder(), mappers_folder() / pack.name):
        if folder.is_dir():
            files = (f for f in sorted(folder.iterdir()) if f.suffix.lower() in KINDS and f.is_file())
            found |= {f.stem.replace("_", " ").lower(): f for f in files}
    return found


def _there(pack, source) -> bool:
    """Whether a source can be had: on the Hub, or trained already."""
    return not source.embedded or (pack.manifest.folder / source.file).is_file()


def mapper(pack, name: str) -> Steps[nn.Module]:
    """A mapper by name (see `mappers`) or by its file's path, on the pack's device.

    Raises BadRequest for an unknown one or one for codes of another size, WeightCorrupt for other weights.
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
    if net.width != pack.generator.style_dim:
        raise BadRequest(
            f"The mapper '{name}' is for codes of {net.width} numbers, the pack '{pack.name}' has "
            f"{pack.generator.style_dim}.",
            "Use one that was trained for this pack.",
        )
    return net
