"""How a picture was made, kept inside of its PNG.

The recipe is JSON in a compressed-free iTXt chunk named "barbershop": operation, settings, pack and
its fingerprint, preset, seed, versions, and digests of the photos that went in.  It holds no names of
files or people; who repeats it brings the same photos.
"""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from ..errors import BadRequest

KEY = "barbershop"
FORMAT = 1


def make(
    operation: str,
    settings: dict[str, Any],
    inputs: dict[str, str],
    pack,
    preset: str,
    seed: int,
    previous: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A recipe.

    operation: "transfer", "swap_face", ...; settings: what the operation was called with, plain JSON;
    inputs: role -> digest of the portrait.  previous: the recipe of the result that this edit went on from;
    its steps are kept under "chain", the first one first.
    """
    from .. import __version__

    try:
        torch_version = version("torch")
    except PackageNotFoundError:  # a build without metadata
        import torch

        torch_version = torch.__version__
    chain = steps(previous) if previous else []
    return {
        "format": FORMAT,
        **({"chain": chain} if chain else {}),
        "operation": operation,
        "settings": settings,
        "inputs": inputs,
        "pack": {"name": pack.name, "fingerprint": pack.fingerprint, "size": pack.working_size},
        "preset": preset,
        "seed": seed,
        "versions": {
            "barbershop": __version__,
            "torch": torch_version,
            "python": platform.python_version(),
            "device": str(getattr(pack.device, "type", pack.device)),
        },
    }


def steps(recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """The recipes of every edit that a result went through, the first one first."""
    return [*recipe.get("chain", []), {k: v for k, v in recipe.items() if k != "chain"}]


def save_png(path: str | Path, image: np.ndarray | Image.Image, recipe: dict[str, Any]) -> Path:
    """Write uint8 [H,W,3] as a PNG that carries ``recipe``."""
    path = Path(path)
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, json.dumps(recipe, sort_keys=True, ensure_ascii=False))
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.asarray(image))
    picture.save(path, format="PNG", pnginfo=info)
    return path


def read_png(path: str | Path) -> dict[str, Any]:
    """The recipe inside of a PNG.  Raises BadRequest where there is none that can be read."""
    path = Path(path)
    remedy = "Give a PNG that this program has written, unchanged by another one."
    try:
        with Image.open(path) as picture:
            picture.load()  # text behind the pixels is only known then
            text = getattr(picture, "text", {}).get(KEY)
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadRequest(f"'{path.name}' cannot be read as a picture.", remedy) from error
    if text is None:
        raise BadRequest(f"'{path.name}' carries no recipe.", remedy)
    try:
        recipe = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"The recipe in '{path.name}' is damaged.", remedy) from error
    if not isinstance(recipe, dict) or recipe.get("format") != FORMAT or "operation" not in recipe:
        raise BadRequest(f"The recipe in '{path.name}' is of another version.", remedy)
    return recipe
