"""What the commands share: opening a pack, the files they write, the figures on stdout."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..editing import likeness
from ..errors import BadRequest
from .console import Console, Progress

if TYPE_CHECKING:
    from ..jobs import Done
    from ..studio import Studio


PICTURES = (".png", ".jpg", ".jpeg", ".webp")
"""Suffixes of the pictures that an edit can be written as; see :mod:`barbershop_core.editing.picture_file`."""


def open_studio(options, console: Console, pack: str | None = None) -> tuple[Studio, Progress]:
    """The studio of the chosen pack, else of ``pack``; and the progress that shows its steps."""
    from .. import Studio, open_pack

    progress = Progress(console, options.quiet)
    name = options.pack or os.environ.get("BARBERSHOP_PACK") or pack
    return Studio(open_pack(name, device=options.device, on_step=progress)), progress


def output_path(options, name: str, suffixes: Collection[str]) -> Path:
    """The file to write: ``-o``, with the suffix of ``name`` where it has none; else ``name``.

    Raises BadRequest where its folder does not exist, and for suffixes that are not among ``suffixes``.
    """
    path = options.output or Path(name)
    path = path if path.suffix else path.with_suffix(Path(name).suffix)
    if path.suffix.lower() not in suffixes:
        what = f"This command does not write '{path.suffix}' files."
        raise BadRequest(what, f"Let the name end in {' or '.join(suffixes)}.")
    return in_a_folder(path)


def in_a_folder(path: Path) -> Path:
    """The path of a file to write.  Raises BadRequest where its folder does not exist."""
    if not path.parent.is_dir():
        raise BadRequest(f"There is no folder {path.parent}.", "Make it first or write elsewhere with -o.")
    return path


def write_edit(options, path: Path, done: Done) -> dict[str, str]:
    """Write the portrait and, beside it, the whole photo, both with their recipe; returns the files."""
    from ..editing.picture_file import write

    result, files = done.value, {"image": str(path)}
    write(path, result.image, result.recipe)
    if not options.no_paste:
        files["photo"] = str(path.with_name(f"{path.stem}-photo{path.suffix}"))
        write(files["photo"], result.pasted, result.recipe)
    return files


def tell_edit(options, progress: Progress, done: Done, files: dict[str, str], notices=()) -> None:
    """Show the notices of an edit, then its files and scores on stdout."""
    for notice in (*done.notices, *notices):
        progress.note(notice)
    scores = done.value.scores
    told = {"files": files, "seconds": progress.seconds, "scores": scores, "notices": progress.notices}
    alike = likeness.words(scores, done.value.recipe["operation"])
    words = [
        f"{' and '.join(files.values())} in {progress.seconds:.1f} s",
        sentence(scores),
        *([alike] if alike else []),
    ]
    tell(options, words, told | {"recipe": done.value.recipe})


def tell(options, words: list[str], data: dict[str, Any]) -> None:
    """The result on stdout: ``data`` as JSON with ``--json``, else a line for each of ``words``."""
    print(json.dumps(data, ensure_ascii=False) if options.json else "\n".join(words), flush=True)


def sentence(scores: dict[str, Any]) -> str:
    """The numbers among some scores, in words."""
    numbers = {k: v for k, v in scores.items() if isinstance(v, (int, float))}
    return ", ".join(f"{k.replace('_', ' ')} {v:.3g}" for k, v in numbers.items())
