"""The page's texts, and the temporary files that it hands to the browser."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gradio.processing_utils import save_bytes_to_cache
from gradio.utils import get_upload_folder

ASSETS = Path(__file__).parents[1] / "assets"
TEXT = {path.stem: path.read_text(encoding="utf-8") for path in (ASSETS / "text").glob("*.md")}


def digest(path: str | Path) -> str:
    """sha256 of a file, hex."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def keep(data: bytes, name: str) -> str:
    """Write bytes to Gradio's temporary folder, which the page empties regularly; returns the path."""
    return save_bytes_to_cache(data, name, get_upload_folder())
