"""Job files, and the pictures that became of them."""

from __future__ import annotations

from pathlib import Path

PEOPLE = "anna bob cleo dan eve finn".split()


def write(folder: Path, text: str, name: str = "jobs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def contents(folder: Path) -> dict[str, bytes]:
    """The pictures of a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.png"))}
