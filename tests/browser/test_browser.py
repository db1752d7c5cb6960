"""The page in a real browser: from upload to download, a bad photo, a stop, a painted mask, a phone."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from barbershop_core.recipe import read_png

WAIT = 240_000  # ms; the first run imports PyTorch


def photo(path: Path, seed: int, size=(120, 160)) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    Image.fromarray(noise).resize(size, Image.BICUBIC).save(path, quality=95)
    return path


@pytest.fixture
def page(chromium, app):
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    opened = context.new_page()
    opened.set_default_timeout(WAIT)
    opened.goto(app.url)
    opened.wait_for_selector("#run")
    yield opened
    context.close()


def upload(page, slot: str, file: Path) -> None:
    page.set_input_files(f"#{slot} input[type=file]", file)
    page.locator(f"#{slot} img").first.wait_for()


def test_the_first_page_comes_quickly_and_without_errors(app, page, record_property):
    record_property("seconds to the first page", round(app.seconds, 1))
    print(f"first page after {app.seconds:.1f} s")
    assert app.seconds < 60  # a loaded test machine; the goal of 6 s holds on an idle one
    assert page.title() == "Barbershop"
    assert page.locator("#run").is_enabled()


def test_from_upload_to_download(page, tmp_path):
    me, friend = photo(tmp_path / "me.jpg", 0), photo(tmp_path / "friend.png", 1)
    upload(page, "face", me)
    page.locator(".note", has_text="middle").first.wait_for()  # said at once: no landmarks in this pack
    upload(page, "hair_shape", friend)
    page.click("#run")
    page.locator("#status", has_text=re.compile("Done in")).wait_for()
    assert page.locator("#result img").count() == 2
    assert "Same person" in page.locator("#scores").inner_text()
    assert page.locator("#mask img").is_visible() and page.locator("#pasted img").is_visible()
    with page.expect_download() as coming:
        page.click("#download")
    coming.value.save_as(tmp_path / "new.png")
    recipe = read_png(tmp_path / "new.png")
    assert recipe["operation"] == "transfer" and recipe["preset"] == "fast"
    assert set(recipe["request"]["photos"]) == {"face", "hair_shape"}
    assert Image.open(tmp_path / "new.png").size == (64, 64)

    # the whole photo is the uploaded one outside of the crop, to the last bit
    shown = page.locator("#pasted img").get_attribute("src")
    whole = np.asarray(Image.open(io.BytesIO(page.request.get(shown).body())).convert("RGB"))
    original = np.asarray(Image.open(me))
    assert whole.shape == original.shape and (whole[:15] == original[:15]).all()


def test_a_bad_photo_shows_its_sentence_and_nothing_is_lost(page, tmp_path):
    bad = tmp_path / "holiday.jpg"
    bad.write_text("this is no photo")
    upload_bad = "#hair_shape input[type=file]"
    upload(page, "face", photo(tmp_path / "me.png", 2))
    page.set_input_files(upload_bad, bad)
    page.locator(".note .problem").wait_for()
    sentence = page.locator(".note .problem").inner_text()
    assert sentence.endswith(".") and "Traceback" not in sentence
    page.click("#run")
    page.locator("#status .problem").wait_for()
    assert page.locator("#status .problem").inner_text() == sentence
    assert page.locator("#face img").count() >= 1  # the good photo stays


def test_nothing_to_do_is_said(page, tmp_path):
    page.click("#run")
    page.locator("#status .problem", has_text="person is missing").wait_for()
    upload(page, "face", photo(tmp_path / "me.png", 3))
    page.click("#run")
    page.locator("#status .problem", has_text="nothing to change").wait_for()


def test_stop_ends_the_run_and_frees_the_place(page, tmp_path):
    upload(page, "face", photo(tmp_path / "me.png", 4))
    upload(page, "hair_shape", photo(tmp_path / "friend.png", 5))
    page.get_by_label("As in the paper").first.check()
    page.click("#run")
    page.locator("#status .run", has_text="Embed").wait_for()
    page.click("#stop")
    page.locator("#status", has_text="Stopped").wait_for()
    page.wait_for_timeout(1500)
    assert "Stopped" in page.locator("#status").inner_text()  # no later step writes over it
    page.get_by_label("Fast").first.check()
    page.click("#run")
    page.locator("#status", has_text="Done in").wait_for()


def test_a_painted_mask_is_used(page, tmp_path):
    upload(page, "face", photo(tmp_path / "me.png", 6))
    upload(page, "hair_color", photo(tmp_path / "friend.png", 7))
    page.click("text=Paint the mask yourself")
    page.click("#prepare")
    page.locator("#status", has_text="mask is ready").wait_for()
    canvas = page.locator("#editor canvas").first
    canvas.wait_for()
    canvas.scroll_into_view_if_needed()
    page.wait_for_timeout(2000)
    box = canvas.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5, steps=8)
    page.mouse.up()
    page.wait_for_timeout(1500)
    page.click("#run")
    page.locator("#status", has_text="Done in").wait_for()
    with page.expect_download() as coming:
        page.click("#download")
    coming.value.save_as(tmp_path / "painted.png")
    assert read_png(tmp_path / "painted.png")["settings"]["mask"]


def test_a_phone_needs_no_sideways_scrolling(chromium, app):
    phone = chromium.new_page(viewport={"width": 390, "height": 844})
    phone.goto(app.url)
    phone.wait_for_selector("#run")
    phone.wait_for_timeout(500)
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    phone.close()
