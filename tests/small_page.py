"""The page on a small random pack, and its forms as a visitor finds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from tiny_presets import fast_is_tiny


@contextmanager
def small_page(manifest: Path, folder: Path) -> Iterator[SimpleNamespace]:
    """The page's modules by name, and ``ui``.

    manifest: of the pack.  folder: for codes, visits and mappers.
    """
    import app
    from page import (
        edits,
        examples,
        files,
        gpu,
        hair,
        markup,
        panel,
        person,
        photos,
        rig,
        sessions,
        times,
        visits,
        words,
    )
    from page.api import endpoints
    from page.ui import ui

    found = (app, endpoints, edits, examples, files, gpu, hair, markup, panel, person, photos, rig, sessions, times)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("BARBERSHOP_LANDMARKER", "BARBERSHOP_WEIGHTS"):
            patch.delenv(name, raising=False)
        patch.setenv("BARBERSHOP_PACK", str(manifest))
        patch.setenv("BARBERSHOP_CACHE", str(folder / "cache"))
        patch.setenv("BARBERSHOP_MAPPERS", str(folder / "mappers"))
        patch.setattr(sessions, "cache", sessions.SessionCache())
        fast_is_tiny(patch)
        gpu._open_studio.cache_clear()
        names = {module.__name__.rpartition(".")[2]: module for module in (*found, visits, words)}
        yield SimpleNamespace(**names, ui=ui)
        gpu._open_studio.cache_clear()


def filled(inputs, values: dict | None = None) -> dict:
    """Components with their first values, or with those of ``values``."""
    return {component: component.value for component in inputs} | (values or {})


def last(updates) -> dict:
    """The last updates of a run."""
    *_, final = updates
    return final


def refused(updates) -> str:
    """The sentence that a run ends with."""
    with pytest.raises(gr.Error) as caught:
        list(updates)
    return caught.value.message
