"""Ready-made hair."""

import importlib

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def ready():
    importlib.import_module("app")  # fills ``ui``
    from page import ready

    return ready


def test_every_style_and_colour_has_its_pictures(ready):
    from pathlib import Path

    for kind, least in (("style", 8), ("colour", 8)):
        rows = ready.rows(kind)
        assert len(rows) >= least
        assert all(Path(row[name]).is_file() and row["name"] for row in rows for name in ("file", "picture"))


def test_any_colour_of_hair(ready):
    """A colour of the visitor's own becomes a picture whose hair has it."""
    from page.ui import ui

    for colour, rgb in (("#1040c0", (16, 64, 192)), ("rgba(200, 30, 30, 1)", (200, 30, 30))):
        shown = np.asarray(Image.open(ready.pick_colour(colour)[ui.hair_color.image])).astype(int)
        hair = np.asarray(Image.open(ready.FOLDER / "hair.png")) > 127
        lit = np.percentile(shown[hair], 70, axis=0)
        assert abs(lit - rgb).max() < 40, (colour, lit)
    for nonsense in ("no colour", "#12", "#zzzzzz", "rgba(1, 2)", "rgba(inf, 0, 0)", "", None):
        assert ready.pick_colour(nonsense) == {}
