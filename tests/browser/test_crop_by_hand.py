"""The crop of the person's photo adjusted in a real browser."""

import numpy as np
import pytest
from PIL import Image
from visitor import download, photo, picture, slide, until_changed, upload

from barbershop_core.editing.mask_file import palette
from barbershop_core.editing.recipe import read
from barbershop_core.photo import Nudge
from barbershop_core.photo import read as read_photo


@pytest.mark.slow
def test_an_adjusted_crop_is_what_edits_use(page, tmp_path):
    me = photo(tmp_path / "me.png", 90)
    upload(page, "face", me)
    page.locator("#preview img").wait_for()
    page.click("#adjust button.label-wrap")
    page.locator("#crop_picture img").wait_for()
    found = picture(page, "#crop_picture")
    assert np.abs(found.astype(int) - read_photo(me, len(found)).image).mean() < 2

    before = found
    slide(page, "#nudge_zoom", "1.5")
    until_changed(page, "#crop_picture", before)
    before = picture(page, "#crop_picture")
    slide(page, "#nudge_turn", "-12")
    until_changed(page, "#crop_picture", before)
    nudge = Nudge(turn=-12, zoom=1.5)
    expected = read_photo(me, len(found), nudge=nudge).image
    assert np.abs(picture(page, "#crop_picture").astype(int) - expected).mean() < 2

    before = picture(page, "#crop_picture")
    page.locator("#crop_regions input").check()
    until_changed(page, "#crop_picture", before)
    shown = page.locator("#crop_colours .key").all_inner_texts()
    assert [name.strip() for name in shown] == list(palette())  # as beside the mask editor

    portrait = picture(page, "#preview")
    page.click("#crop_use")
    page.locator("#crop_note", has_text="starts from this crop").wait_for()
    until_changed(page, "#preview", portrait)
    upload(page, "hair_shape", photo(tmp_path / "friend.png", 91))
    page.click("#run")
    page.locator("#status", has_text="Done in").wait_for()
    made = download(page, tmp_path / "new.png", "transfer")
    assert read(made)["photos"]["face"]["nudge"] == nudge.numbers

    page.reload()  # the sliders come back where they were
    page.locator("#history .thumbnail-item").nth(1).wait_for()
    page.click("#adjust button.label-wrap")
    page.wait_for_function("document.querySelector('#nudge_zoom input[type=range]')?.value === '1.5'")
    page.set_input_files("#face input[type=file]", photo(tmp_path / "another.png", 92))
    page.wait_for_function("document.querySelector('#nudge_zoom input[type=range]')?.value === '1'")
    assert Image.open(made).size == (64, 64)
