"""What visitors leave behind goes when its time is over, whoever made it: this process, or one that was killed."""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import threading
from pathlib import Path

from . import visits

EVERY = 600.0
"""Seconds between two rounds."""
log = logging.getLogger("barbershop")


def own_folder() -> Path:
    """Let Gradio keep uploads and results in a folder that only this program uses; returns it.

    To be called before the page's first component is made.
    """
    from gradio import mcp

    parent = os.environ.get("GRADIO_TEMP_DIR") or Path(tempfile.gettempdir()) / "gradio"
    folder = Path(parent)
    if folder.name != "barbershop":
        folder = folder / "barbershop"
        os.environ["GRADIO_TEMP_DIR"] = mcp.DEFAULT_TEMP_DIR = str(folder)
    return folder


def sweep(folder: Path | None = None, now: float | None = None) -> None:
    """Delete uploads, results, visits and codes whose time is over."""
    from barbershop_core.inversion.cache import CodeCache, is_over

    for entry in _entries(folder or own_folder()):
        if is_over(entry, visits.KEPT, now):
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)
    visits.sweep(now)
    CodeCache().sweep(now)


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def start(every: float = EVERY) -> threading.Event:
    """Sweep now and then, in a thread of its own; set the event to end it."""
    end, folder = threading.Event(), own_folder()

    def rounds() -> None:
        while True:
            try:
                sweep(folder)
            except OSError as error:
                log.warning("not everything could be deleted: %s", error)
            if end.wait(every):
                return

    threading.Thread(target=rounds, name="upkeep", daemon=True).start()
    return end
