"""Photos of a folder."""

from __future__ import annotations

from pathlib import Path

from ..errors import BadRequest

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif")


def pictures_in(folder: str | Path) -> list[Path]:
    """Pictures that lie in a folder, in order of name.  Raises BadRequest where there are none."""
    folder = Path(folder)
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in PICTURES) if folder.is_dir() else []
    if not files:
        raise BadRequest(f"There are no photos in {folder}.", "Give a folder that holds JPEG or PNG files.")
    return files
