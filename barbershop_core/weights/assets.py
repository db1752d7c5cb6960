"""The files that come with the package: packs and prompt templates."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
_INSTALLED = _PACKAGE / "assets"
ASSETS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parent / "assets"
"""Inside the package where it is installed, beside it in a checkout."""


@cache
def templates() -> tuple[str, ...]:
    """The 79 prompt templates of StyleCLIP's global_directions/MapTS.py: the 80 of CLIP's ImageNet notebook, of which
    the article speaks, without "a photo of many {}."."""
    return tuple((ASSETS / "text" / "imagenet_templates.txt").read_text(encoding="utf-8").splitlines())


@cache
def suggestions() -> tuple[dict[str, str], ...]:
    """The edits by words that the page suggests, each {"prompt", "neutral"}."""
    return tuple(json.loads((ASSETS / "text" / "prompts.json").read_text(encoding="utf-8")))
