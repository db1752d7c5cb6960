"""A newcomer without a network: a photo of two people, one of them chosen, new hair, downloaded."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from barbershop_core.editing.recipe import read as read_recipe

PHOTOS = Path(__file__).resolve().parents[2] / "assets" / "examples" / "photos"
WAIT = 240_000  # ms


def beside(path: Path) -> Path:
    """The astronaut beside the Mona Lisa, whose face is the larger one."""
    left, right = (Image.open(PHOTOS / name).convert("RGB") for name in ("astronaut.jpg", "mona-lisa.jpg"))
    right = right.crop((0, 0, 720, 760))
    both = Image.new("RGB", (left.width + right.width, right.height), "#9aa3ad")
    both.paste(left, (0, 120))
    both.paste(right, (left.width, 0))
    both.save(path, quality=92)
    return path


@pytest.mark.slow
def test_the_first_picture_is_there_before_any_weights_are_opened(chromium, studio_app):
    """On a server that nobody has used yet, so this test comes first."""
    process = Path(f"/proc/{studio_app.process.pid}")
    if not process.exists():
        pytest.skip("no /proc here")
    page = chromium.new_page()
    page.set_default_timeout(WAIT)
    page.goto(studio_app.url)
    loaded = "[...document.querySelectorAll('#first .pair img')].filter(i => i.naturalWidth).length === 4"
    page.wait_for_function(loaded)
    opened = [(process / "maps").read_text(), *(str(file.resolve()) for file in (process / "fd").iterdir())]
    assert not any(".safetensors" in name for name in opened)
    page.close()


@pytest.mark.slow
def test_a_photo_of_two_people_offline(chromium, studio_app, tmp_path):
    page = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True).new_page()
    page.set_default_timeout(WAIT)
    page.goto(studio_app.url)
    photo = beside(tmp_path / "two.jpg")
    page.set_input_files("#face input[type=file]", photo)
    page.locator(".note", has_text="2 faces").first.wait_for()
    page.locator("#face_faces button").nth(1).click()  # the smaller face: the astronaut's
    page.locator(".note", has_text="number 2").first.wait_for()
    page.set_input_files("#hair_shape input[type=file]", PHOTOS / "girl-with-book.jpg")
    page.locator("#hair_shape img").first.wait_for()
    page.click("#run")
    page.locator("#status", has_text=re.compile("Done in")).wait_for()
    with page.expect_download() as coming:
        page.click("#download_photo")
    coming.value.save_as(tmp_path / "new.png")
    assert read_recipe(tmp_path / "new.png")["photos"]["face"]["face"] == 1
    new, old = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (tmp_path / "new.png", photo))
    assert new.shape == old.shape
    moved = np.abs(new - old).max(2) > 24
    assert moved[100:500, 100:420].mean() > 0.02  # the astronaut's hair is another ...
    assert moved[:, 600:].mean() == 0  # ... and the Mona Lisa is left alone
