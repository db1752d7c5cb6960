"""The download buttons, and what is said about a result."""

import importlib
import json

import numpy as np
import pytest
from PIL import Image

from barbershop_core.editing.picture_file import read_text, write

RECIPE = {"operation": "transfer", "options": {"regions": {"nose": "extra_a"}}}


@pytest.fixture(scope="module")
def page():
    importlib.import_module("app")  # fills ``ui``
    return importlib.import_module("page.downloads")


def test_files_are_offered_with_their_sizes(page, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 30, 3), np.uint8)
    photo = str(write(tmp_path / "photo.png", pixels, RECIPE))
    crop = str(write(tmp_path / "crop.jpg", pixels[:20, :20], RECIPE))
    assert page.size(photo) == (30, 40) and page.size(crop) == (20, 20)
    offered = page.offer(crop, photo)
    assert offered[page.ui.photo_file]["value"] == photo and "30 × 40" in offered[page.ui.photo_file]["label"]
    assert "20 × 20" in offered[page.ui.crop_file]["label"] and offered[page.ui.jpeg]["interactive"]
    nothing = page.offer()
    assert not any(update["interactive"] for update in nothing.values())


def test_a_jpeg_shows_the_same_and_keeps_the_recipe(page, tmp_path):
    smooth = np.linspace(0, 255, 64, dtype=np.uint8)[:, None, None].repeat(48, 1).repeat(3, 2)
    made = page.as_jpeg(str(write(tmp_path / "photo.png", smooth, RECIPE)))
    with Image.open(made) as picture:
        assert picture.format == "JPEG" and picture.size == (48, 64)
        assert np.abs(np.asarray(picture).astype(int) - smooth).max() <= 4
    assert json.loads(read_text(made)) == RECIPE
    assert page.as_jpeg(made) == made


def test_poor_agreement_is_said_in_words_about_what_was_asked_for():
    from page.markup import doubts

    result = {"scores": {"iou": {"hair": 0.2, "nose": 0.1, "mouth": 0.05, "skin": 0.9, "eyes": None}}, "recipe": RECIPE}
    (sentence,) = doubts(result)
    assert "hair and nose" in sentence and "mouth" not in sentence and "0." not in sentence
    assert doubts({"scores": {"iou": {"hair": 0.8}}, "recipe": RECIPE}) == [] == doubts({"scores": {}})
